"""Matches behind what pictures go through on their way: JPEG, a resize and back, a blur (``score.through``).

A detector that lives on fragile traces is seen there: both sides go through the same chain, and it tells them apart no
more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.match import Judged, Match
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Newest, PairRow, of_detector, of_generator
from fakeoff.protocols.record.versions import Kind, Version
from fakeoff.protocols.score.blind import Judging, Mixture
from fakeoff.protocols.score.intervals import Figure, Interval, difference

_PLAIN = "as they are"


@dataclass(frozen=True, kw_only=True)
class PostprocessedFigures:
    """A match behind a chain, and what was lost by it.

    The people and the fakes are those of the match as it is, and so are the resamples: the intervals of changes are of
    the differences.

    Attributes:
        auc: The area under the ROC curve.
        auc_ci: Its interval.
        ap: Average precision; fake is positive.
        ap_ci: Its interval.
        accuracy: At 0.5.
        accuracy_ci: Its interval.
        auc_change: ``auc`` less that of the match as it is; below 0 where something was lost.
        auc_change_ci: Its interval.
        ap_change: Likewise of ``ap``.
        ap_change_ci: Its interval.
        accuracy_change: Likewise of ``accuracy``.
        accuracy_change_ci: Its interval.
    """

    auc: float
    auc_ci: Interval
    ap: float
    ap_ci: Interval
    accuracy: float
    accuracy_ci: Interval
    auc_change: float
    auc_change_ci: Interval
    ap_change: float
    ap_change_ci: Interval
    accuracy_change: float
    accuracy_change_ci: Interval


@dataclass(frozen=True, kw_only=True)
class PostprocessedRow(PairRow):
    """A match behind what its images went through, in the scoreboard.

    Attributes:
        through: By what that is, a chain such as ``jpeg:75``.
    """

    through: Mapping[str, PostprocessedFigures]


@dataclass(frozen=True, kw_only=True)
class PostprocessedMatch(Measured[PostprocessedRow]):
    """One generator version against one detector version, on test, behind each chain of ``score.through``.

    Attributes:
        detector: The judge.
        plain: The key of the scores of the images as they are.
        keys: Those of the scores behind each chain.
        confidence: Of intervals, as a share.
        before: The metrics of the images as they are, with their resamples.
        behind: Those behind each chain.
    """

    name: ClassVar[str] = "postprocessed"
    section: ClassVar[str] = "postprocessed"
    row_type: ClassVar[type[PostprocessedRow]] = PostprocessedRow
    in_cell: ClassVar[bool] = True
    which_cells: ClassVar[str] = "Of every match, where score.through names anything."

    detector: Version
    plain: str
    keys: Mapping[str, str]
    confidence: float
    before: Mapping[str, Figure] = field(compare=False)  # they follow from the scores, and arrays have no one answer
    behind: Mapping[str, Mapping[str, Figure]] = field(compare=False)

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        maker, judge = subjects
        match = await ground.measured(Match, maker, judge)
        if match is None:
            return None
        reals = await ground.real_pools(maker.resolution)
        round_ = max(maker.round, judge.round)
        begun = {
            chain: ground.begin(
                ground.judged(
                    judge,
                    reals["test"],
                    maker.pools["test"],
                    what=maker.label,
                    fakes_of=maker.player,
                    round_=round_,
                    through=chain,
                )
            )
            for chain in ground.desk.config.score.through
        }
        judged: dict[str, Judged] = {}
        for chain, slot in begun.items():
            found = await slot
            if found is not None:  # else it forfeited this one
                judged[chain] = found
        if not judged:
            return None
        return cls(
            generator=maker,
            detector=judge,
            plain=match.key,
            keys={chain: one.key for chain, one in judged.items()},
            confidence=ground.desk.config.score.confidence,
            before=match.drawn,
            behind={chain: one.drawn for chain, one in judged.items()},
        )

    def results(self) -> Mapping[str, str]:
        return {_PLAIN: self.plain, **self.keys}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        maker, judge = kept.subjects
        test = kept.real_pools[maker.resolution]["test"]
        mixture = Mixture(reals=(test,), fakes=(maker.pools["test"],), seed=kept.config.seed)
        drawn = {
            name: kept.match(Judging(key=key, mixture=mixture), judge, fakes_of=maker.player).drawn
            for name, key in kept.results.items()
        }
        keys = {name: key for name, key in kept.results.items() if name != _PLAIN}
        return cls(
            generator=maker,
            detector=judge,
            plain=kept.results[_PLAIN],
            keys=keys,
            confidence=kept.config.score.confidence,
            before=drawn[_PLAIN],
            behind={chain: drawn[chain] for chain in keys},
        )

    def row(self) -> PostprocessedRow:
        pair = of_generator(self.generator) | of_detector(self.detector)
        return PostprocessedRow(**pair, through={chain: self._figures(drawn) for chain, drawn in self.behind.items()})

    @classmethod
    def points(
        cls, rows: Sequence[PostprocessedRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """``auc behind jpeg:75/pgan:0`` and so on, beside ``auc/pgan:0``."""
        other: Kind = "detector" if kind == "generator" else "generator"
        mine = [row for row in rows if row.version_of(kind) == (player, version)]
        return {
            f"auc behind {chain}/{name}:{opponent}": figures.auc
            for row in mine
            for name, opponent in (row.version_of(other),)
            for chain, figures in row.through.items()
        }

    def _figures(self, drawn: Mapping[str, Figure]) -> PostprocessedFigures:
        told: dict[str, float | Interval] = {}
        for metric in ("auc", "ap", "accuracy"):
            change = difference(drawn[metric], self.before[metric], self.confidence)
            told |= {
                metric: drawn[metric].value,
                f"{metric}_ci": drawn[metric].interval(self.confidence),
                f"{metric}_change": change.value,
                f"{metric}_change_ci": change.ci,
            }
        return PostprocessedFigures(**told)  # type: ignore[arg-type]


__all__ = ["PostprocessedFigures", "PostprocessedMatch", "PostprocessedRow"]
