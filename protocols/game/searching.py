"""Whom a round's searches are against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakeoff.protocols.game.engine import Slot
from fakeoff.protocols.game.moves import Moves
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.measures import Search
from fakeoff.protocols.record.versions import Trained, Version


async def search(
    moves: Moves, maker: Slot[Any], judge: Slot[Any], *, targets: Sequence[Slot[Any]], tally: Tally
) -> Search | None:
    """Searches a generator version's latents against a detector version, where the configuration wants it.

    That is where no gradient flows through the detector; and with ``search.when = "always"`` where the detector is a
    target of the round's attacks, so that both stand side by side. Whose scores cannot be compared is left out, as by
    attacks.

    Args:
        moves: Takes the measure, and knows the settings.
        maker: A generator version.
        judge: A detector version.
        targets: Of the round's attacks.
        tally: What val says of detectors.
    """
    generator: Version | None = await maker
    detector: Version | None = await judge
    if generator is None or detector is None or tally.doubts.get(detector.key):
        return None
    if not moves.store.figures(detector.key, Trained).not_attackable and (
        moves.desk.config.search.when != "always" or detector not in await moves.known(targets)
    ):
        return None
    return await moves.measured(Search, generator, detector)


__all__ = ["search"]
