"""A figure in two tournaments, and by how much it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from fakeoff.leaderboard.comparison.sides import Side
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.score.calibration import CALIBRATION, OPERATING
from fakeoff.protocols.score.intervals import Interval
from fakeoff.protocols.score.metrics import METRICS

FIGURES = (*METRICS, *CALIBRATION, *OPERATING)
"""Of a match."""

STANDINGS: Mapping[Kind, tuple[str, ...]] = {
    "detector": ("worst_auc", "mean_auc", "mean_ap", "mean_accuracy"),
    "generator": ("evasion", "target_evasion"),
}
"""Of a player's newest version, by kind."""

Over: TypeAlias = Literal["scores", "people and fakes", "people", ""]
"""What a difference is paired over. ``scores``: they are the same, and there is none. Empty: it is not paired."""

F = TypeVar("F")


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A figure in two tournaments.

    Attributes:
        generator: The generator version that it is about; of a standing, the version in each where these are not the
            same: ``pgan@1, pgan@2``. Empty of a detector's standing.
        detector: Likewise; empty of a generator's standing.
        figure: Its name in a scoreboard file.
        a: In the first tournament.
        b: In the second.
        difference: ``b - a``.
        ci: Its interval, which holds for this difference alone.
        simultaneous_ci: One that holds for all rows of this figure at once.
        paired_over: What both have in common.
    """

    generator: str
    detector: str
    figure: str
    a: float
    b: float
    difference: float
    ci: Interval
    simultaneous_ci: Interval
    paired_over: Over

    @property
    def holds(self) -> bool:
        """Whether there is a difference beyond what chance explains, with all rows of the figure looked at."""
        return not self.simultaneous_ci[0] <= 0 <= self.simultaneous_ci[1]


@dataclass(frozen=True, kw_only=True)
class Both(Generic[F]):
    """A figure as both tournaments have it, before anything is said of its difference; see :class:`Contrast`."""

    generator: str = ""
    detector: str = ""
    figure: str
    a: F
    b: F
    over: Over = ""

    def contrast(self, a: float, b: float, *, ci: Interval, simultaneous_ci: Interval) -> Contrast:
        """Its difference, with intervals.

        Args:
            a: The value in the first tournament.
            b: That in the second.
            ci: See :class:`Contrast`.
            simultaneous_ci: Likewise.
        """
        return Contrast(
            generator=self.generator,
            detector=self.detector,
            figure=self.figure,
            a=a,
            b=b,
            difference=b - a,
            ci=ci,
            simultaneous_ci=simultaneous_ci,
            paired_over=self.over,
        )


def of_standing(kind: Kind, label: str, *, figure: str, a: F, b: F, over: Over = "") -> Both[F]:
    """A figure of a player's standing.

    Args:
        kind: ``generator`` or ``detector``.
        label: Its version, or that in each tournament.
        figure: Its name.
        a: In the first tournament.
        b: In the second.
        over: See :class:`Contrast`.
    """
    generator, detector = (label, "") if kind == "generator" else ("", label)
    return Both(generator=generator, detector=detector, figure=figure, a=a, b=b, over=over)


def with_levels(rows: Sequence[Both[F]], confidence: float) -> Iterator[tuple[Both[F], tuple[float, float]]]:
    """Each figure with the confidences at which its two intervals are taken: alone, and with all rows of its name.

    If each of n intervals misses no more often than in ``(1 - confidence) / n`` of all tests, all of them hold at once
    with the confidence that is asked for (Bonferroni), however they depend on each other. Rows of the same scores are
    not counted: nothing is uncertain about them.

    Args:
        rows: All that are looked at.
        confidence: As a share.
    """
    count = Counter(row.figure for row in rows if row.over != "scores")
    for row in rows:
        yield row, (confidence, 1 - (1 - confidence) / max(1, count[row.figure]))


def ranked_in_both(a: Side, b: Side) -> Iterator[tuple[Kind, str, tuple[int, int]]]:
    """The players that take a place in both tournaments: kind, name, and the version in each.

    Args:
        a: A tournament.
        b: Another.
    """
    ours, theirs = ({(kind, row.player): row.round for kind, row in standings_of(side)} for side in (a, b))
    for (kind, player), round_ in ours.items():
        if (kind, player) in theirs:
            yield kind, player, (round_, theirs[kind, player])


def standings_of(side: Side) -> Iterator[tuple[Kind, DetectorStanding | GeneratorStanding]]:
    """The standings of a tournament, detectors first."""
    for detector in side.scoreboard.detectors:
        yield "detector", detector
    for generator in side.scoreboard.generators:
        yield "generator", generator


def version_label(player: str, rounds: tuple[int, int]) -> str:
    """A player's version, or the one in each tournament."""
    return ", ".join(dict.fromkeys(f"{player}@{round_}" for round_ in rounds))


__all__ = [
    "FIGURES",
    "STANDINGS",
    "Both",
    "Contrast",
    "Over",
    "of_standing",
    "ranked_in_both",
    "standings_of",
    "version_label",
    "with_levels",
]
