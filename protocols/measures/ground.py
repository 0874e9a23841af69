"""What a measure may ask of the game that it is taken in."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.abilities import Ability
from fakeoff.protocols.record.versions import Forfeit, Version
from fakeoff.protocols.rules.desk import Desk

if TYPE_CHECKING:
    from fakeoff.protocols.measures.match import Judged
    from fakeoff.protocols.measures.measured import Measured
    from fakeoff.protocols.score.blind import Judging

T = TypeVar("T")
M = TypeVar("M", bound="Measured[Any]")


class Ground(typing.Protocol):
    """Runs jobs for measures, and knows what they have in common. What it returns is awaited on the game's engine."""

    @property
    def desk(self) -> Desk:
        """Where jobs are written."""

    @property
    def store(self) -> Store:
        """Where results are."""

    def can(self, version: Version, ability: Ability) -> bool:
        """Whether a player has an ability."""

    async def real_pools(self, resolution: int) -> Mapping[str, str]:
        """Keys of the reals that belong to generators of a resolution, by split."""

    async def labels(self, pool: str, *, what: str, round_: int) -> str:
        """The key of the parts of the faces of a pool."""

    async def first(self, player: str) -> Version | None:
        """A generator's version 0; None where it forfeited."""

    async def settle(self, *jobs: Job, blame: Forfeit) -> bool:
        """Runs jobs side by side; whoever is to blame forfeits if one fails. Whether all have results."""

    async def must(self, job: Job) -> None:
        """Runs a job that is nobody's to fail.

        Raises:
            PluginError: It failed.
        """

    async def judged(
        self, judge: Version, reals: str, fakes: str, *, what: str, fakes_of: str, round_: int, through: str = ""
    ) -> Judged | None:
        """Scores of two pools, given blindly, and what follows from them; None where the judge forfeited.

        Args:
            judge: Who scores.
            reals: A pool's key.
            fakes: Likewise.
            what: The fakes are, for people.
            fakes_of: By whose name they are resampled: versions of one generator share their latents.
            round_: Of the game.
            through: What both go through before the judge sees them, a chain such as ``jpeg:75``.
        """

    async def judged_alone(self, judge: Version, pool: str, *, what: str) -> Judging | None:
        """What a patch detector says of the patches of one pool; None where it forfeited."""

    async def judged_patches(self, judge: Version, reals: str, fakes: str, *, what: str, round_: int) -> Judging | None:
        """What a patch detector says of the patches of two pools, given blindly; None where it forfeited."""

    def has_patches(self, *judgings: Judging, blame: Forfeit) -> bool:
        """Whether the patches were scored in all of them; whoever is to blame forfeits if not."""

    def forfeit(self, blame: Forfeit, reason: str) -> None:
        """Whoever is to blame forfeits for a failure that is on record, in a job that did not fail."""

    def leave_unranked(self, version: Version, reason: str, *, round_: int) -> None:
        """Says that a version takes no place."""

    def derive(self, key: str, make: Callable[[], Result]) -> None:
        """Names something that jobs read and that nobody keeps: it is made of stored results when it is handed over."""

    async def measured(self, measure: type[M], *subjects: Version) -> M | None:
        """Another measure of versions, taken once."""

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Begins something, so that several go side by side."""


__all__ = ["Ground"]
