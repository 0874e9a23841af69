"""What every measure has: the versions that a result is about, where its figures are kept, its row and its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.rows import Column, Newest, R
from fakeoff.protocols.record.versions import Kind, Place, Version, place
from fakeoff.protocols.rules.pools import read_who_is_on
from fakeoff.protocols.score.blind import Judging, ReadMatch, read_match
from fakeoff.protocols.score.calibration import Thresholds


@dataclass(frozen=True, kw_only=True)
class Measured(Generic[R]):
    """A result about a generator version, or about one and a detector version.

    A measure is a subclass, entered in :data:`fakeoff.protocols.measures.MEASURES`. It says how it is taken (a
    coroutine ``take``), what is kept of it, which row of the scoreboard it is, and which points of a chart.

    Attributes:
        name: Of the measure, in a home's ledger.
        section: Of ``scoreboard.json``.
        row_type: Of what stands there.
        columns: Of the table of generators, from the row of a generator's newest version.
        in_cell: Whether its row stands in the cell of its match, under the name of the section, in place of a section
            of its own.
        which_cells: Of which matches there is such a row in the cell, in a sentence.
        generator: Which version.
    """

    name: ClassVar[str]
    section: ClassVar[str]
    row_type: ClassVar[type[Any]]
    columns: ClassVar[tuple[Column[Any], ...]] = ()
    in_cell: ClassVar[bool] = False
    which_cells: ClassVar[str] = ""

    generator: Version

    @property
    def subjects(self) -> tuple[Version, ...]:
        """The versions that it is about."""
        return (self.generator,)

    @property
    def places(self) -> tuple[Place, ...]:
        """What tells it from all others of its kind, and sorts them."""
        return tuple(place(version) for version in self.subjects)

    @property
    def round(self) -> int:
        """Of the game, from which on there is such a result."""
        return max(version.round for version in self.subjects)

    @property
    def disqualifies(self) -> str:
        """Why the generator version takes no place; empty where it does not."""
        return ""

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        """Takes the measure.

        Args:
            ground: Runs its jobs.
            *subjects: Of what: a generator version, or one and a detector version.

        Returns:
            None where there is nothing to measure, or somebody forfeited.
        """
        raise NotImplementedError

    def results(self) -> Mapping[str, str]:
        """Keys of the results that it follows from, by name."""
        raise NotImplementedError

    @classmethod
    def read(cls, kept: Kept) -> Self:
        """It again, from what was kept.

        Args:
            kept: Its subjects, its results and what is needed to read them.

        Raises:
            DamagedResultError: A result is damaged.
        """
        raise NotImplementedError

    def row(self) -> R | None:
        """What the scoreboard says of it; None where there is nothing to say."""
        raise NotImplementedError

    @classmethod
    def points(
        cls, rows: Sequence[R], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """A player's points of a round, for charts; by name, with one slash at most.

        Args:
            rows: All of the scoreboard's.
            kind: ``generator`` or ``detector``.
            player: Whose.
            version: Its newest.
            newest: Of everybody, the newest version that was scored: rows need not be of it.
            round_: Of the game.
        """
        return {}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a home remembers of a result, and where its figures are read from.

    Attributes:
        subjects: The versions that it is about.
        results: Keys by name.
        store: Where results are.
        config: What was played.
        real_pools: Keys of the real pools by generator resolution and split.
        thresholds: Detectors' by version, such as ``resnet18@1``.
        test_people: Who is on each real test photograph; empty in homes from before that was remembered.
    """

    subjects: tuple[Version, ...]
    results: Mapping[str, str]
    store: Store
    config: TournamentConfig
    real_pools: Mapping[int, Mapping[str, str]]
    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    test_people: tuple[int, ...] = ()

    def match(self, judging: Judging, judge: Version, *, fakes_of: str) -> ReadMatch:
        """The figures of a match.

        Args:
            judging: Of one pool of test reals and one of test fakes.
            judge: The detector version.
            fakes_of: Whose fakes they are.
        """
        [fakes] = judging.mixture.fakes
        return read_match(
            judging,
            thresholds=self.thresholds[judge.label],
            resamples=self.config.score.resamples,
            confidence=self.config.score.confidence,
            store=self.store,
            fakes=fakes_of,
            people=self.test_people or None,
            on_fakes=read_who_is_on(fakes, self.store),
        )


__all__ = ["Kept", "Measured"]
