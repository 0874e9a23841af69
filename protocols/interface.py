"""What a protocol is: the rules of a game, or a user's own experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

if TYPE_CHECKING:  # the bench brings PyTorch and more, and listing protocols needs none of it
    from fakeoff.protocols.game.bench import Bench


MOST_SEEDS = 1000
"""More than anybody plays: a larger number is a slip of the hand."""

Seeds: TypeAlias = Annotated[int, Field(ge=1, le=MOST_SEEDS)]
"""How often a protocol repeats what is random."""


class Protocol:
    """An experiment: what is played, with whom, and what is logged of it.

    Its parameters are the keyword arguments of its ``__init__``, typed and with defaults, as for players. The
    class's docstring is shown to whoever reads the results.
    """

    def play(self, bench: Bench) -> None:
        """Plays the experiment, in the driver's process.

        It is played again from its beginning after an interruption, or to show its results once more; what was
        computed is only read then. So whatever takes long belongs in jobs, and nothing may depend on the clock or
        on global random state.

        Args:
            bench: The players, their pools, jobs and the log.
        """
        raise NotImplementedError
