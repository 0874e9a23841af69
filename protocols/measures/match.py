"""Matches: every generator version against every detector version, on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Newest, TargetRow, of_detector, of_generator
from fakeoff.protocols.record.versions import Kind, Version
from fakeoff.protocols.score.blind import Judging, Mixture, Scores, sides
from fakeoff.protocols.score.intervals import Figure
from fakeoff.protocols.score.metrics import MatchFigures

_CHARTED = ("ap", "auc", "accuracy", "ece", "tpr_at_5_fpr")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A detector version at images of both sides.

    Attributes:
        detector: Their judge.
        judging: Its scores, from which everything follows.
        figures: The metrics and their intervals.
        drawn: Those that standings and differences are made of, with their resamples.
    """

    detector: Version
    judging: Judging
    figures: MatchFigures
    drawn: Mapping[str, Figure] = field(compare=False)  # they follow from the scores, and arrays have no one answer

    @property
    def key(self) -> str:
        """Of the result with its scores."""
        return self.judging.key

    def scores(self, store: Store) -> tuple[Scores, Scores]:
        """P(fake) of the reals and of the fakes, each float32 ``(n,)`` in the order of its pool.

        Args:
            store: Where they are.

        Raises:
            StoreError: They are damaged.
        """
        [real], [fake] = sides(self.judging, store)
        return real, fake


@dataclass(frozen=True, kw_only=True)
class MatchRow(MatchFigures, TargetRow):
    """A match in the scoreboard; its figures are those of :class:`fakeoff.protocols.score.metrics.MatchFigures`."""


@dataclass(frozen=True, kw_only=True)
class Match(Measured[MatchRow], Judged):
    """One generator version against one detector version, on test.

    Attributes:
        generator: The fakes' maker.
    """

    name: ClassVar[str] = "match"
    section: ClassVar[str] = "cells"
    row_type: ClassVar[type[MatchRow]] = MatchRow

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @property
    def is_target(self) -> bool:
        """Whether this detector version was the frozen target of this generator version's attack."""
        return self.detector.label in self.generator.targets

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        maker, judge = subjects
        reals = await ground.real_pools(maker.resolution)
        round_ = max(maker.round, judge.round)
        pools = reals["test"], maker.pools["test"]
        judged = await ground.judged(judge, *pools, what=maker.label, fakes_of=maker.player, round_=round_)
        if judged is None:
            return None
        return cls(generator=maker, detector=judge, judging=judged.judging, figures=judged.figures, drawn=judged.drawn)

    def results(self) -> Mapping[str, str]:
        return {"scores": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        maker, judge = kept.subjects
        test = kept.real_pools[maker.resolution]["test"]
        mixture = Mixture(reals=(test,), fakes=(maker.pools["test"],), seed=kept.config.seed)
        judging = Judging(key=kept.results["scores"], mixture=mixture)
        found = kept.match(judging, judge, fakes_of=maker.player)
        return cls(generator=maker, detector=judge, judging=judging, figures=found.figures, drawn=found.drawn)

    def row(self) -> MatchRow:
        pair = of_generator(self.generator) | of_detector(self.detector)
        return MatchRow(**pair, is_target=self.is_target, **vars(self.figures))

    @classmethod
    def points(
        cls, rows: Sequence[MatchRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        other: Kind = "detector" if kind == "generator" else "generator"
        mine = [cell for cell in rows if cell.version_of(kind) == (player, version)]
        return {
            f"{metric}/{name}:{opponent}": value
            for cell in mine
            for name, opponent in (cell.version_of(other),)
            for metric in _CHARTED
            if (value := getattr(cell, metric)) is not None
        }


__all__ = ["Judged", "Match", "MatchRow"]
