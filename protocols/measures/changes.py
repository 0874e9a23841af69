"""What attacks and the trainings after them changed, each with an interval: the paper's finding, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.rows import PairRow, of_detector, of_generator
from fakeoff.protocols.score.intervals import Difference, Interval, difference

CHANGING = ("accuracy", "ap", "auc")
"""The metrics whose changes are told."""


@dataclass(frozen=True, kw_only=True)
class ChangeRow(PairRow):
    """What an attack did to its frozen target, and what learning from it did, in one metric.

    The fakes before and after an attack are of the same latents, and the people are the same: the intervals are of the
    differences, from the same draws.

    Attributes:
        metric: One of :data:`CHANGING`.
        change: The frozen detector on the attacked version less on the version before; None where that match is not
            there.
        change_ci: Its interval.
        recovery: The detector trained anew on the attacked version, less the frozen one there; None where there is
            none.
        recovery_ci: Its interval.
    """

    metric: str
    change: float | None
    change_ci: Interval | None
    recovery: float | None
    recovery_ci: Interval | None


def find_changes(matches: Sequence[Match], *, confidence: float) -> list[ChangeRow]:
    """What every attack changed, by round, generator, detector and metric.

    Args:
        matches: All matches.
        confidence: Of intervals, as a share.
    """
    of = {(one.generator.player, one.generator.round, one.detector.player, one.detector.round): one for one in matches}
    rows = []
    attacked = [match for match in matches if match.is_target]
    for match in sorted(attacked, key=lambda one: (one.generator.round, one.generator.player, one.detector.label)):
        maker, judge = match.generator, match.detector
        before = of.get((maker.player, maker.round - 1, judge.player, judge.round))
        retrained = of.get((maker.player, maker.round, judge.player, maker.round))
        for metric in CHANGING:
            fell, rose = (
                _difference(match, before, metric, confidence),
                _difference(retrained, match, metric, confidence),
            )
            rows.append(
                ChangeRow(
                    **of_generator(maker),
                    **of_detector(judge),
                    metric=metric,
                    change=None if fell is None else fell.value,
                    change_ci=None if fell is None else fell.ci,
                    recovery=None if rose is None else rose.value,
                    recovery_ci=None if rose is None else rose.ci,
                )
            )
    return rows


def _difference(first: Match | None, second: Match | None, metric: str, confidence: float) -> Difference | None:
    if first is None or second is None:
        return None
    return difference(first.drawn[metric], second.drawn[metric], confidence)


__all__ = ["CHANGING", "ChangeRow", "find_changes"]
