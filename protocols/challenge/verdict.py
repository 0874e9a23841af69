"""The verdict: whether an entry stands, by one rule that is told with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fakeoff.protocols.challenge.attempts import Attempt
from fakeoff.protocols.challenge.entry import Entry, Metric
from fakeoff.protocols.measures import Judged
from fakeoff.protocols.score.intervals import Difference, difference
from fakeoff.protocols.score.telling import tell

NAMES: Mapping[Metric, str] = {"auc": "AUC", "ap": "AP"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a detector version stands.

    Attributes:
        entry: Who was challenged.
        metric: What decides.
        worst: The attempt that left it the lowest figure on test, of those that val chose.
        fall: From the worst figure of the scoreboard to that; below 0 where it rose. Its interval is simultaneous over
            all attempts that val chose.
        attempts: How many val chose.
        confidence: Of the intervals, as a share.
        units: How many are independent on test: people, as a rule.
    """

    entry: Entry
    metric: Metric
    worst: Attempt
    fall: Difference
    attempts: int
    confidence: float
    units: int

    @property
    def stands(self) -> bool:
        """Whether the interval of the fall does not lie above 0."""
        return self.fall.ci[0] <= 0

    @property
    def is_untried(self) -> bool:
        """Whether the tournament's own attacks were harder than these, by an interval that lies below 0."""
        return self.fall.ci[1] < 0

    @property
    def rule(self) -> str:
        """The rule, in one sentence."""
        over = f", simultaneous over {self.attempts} attacks" if self.attempts > 1 else ""
        return (
            f"An entry stands unless the lowest {NAMES[self.metric]} that a stronger attack leaves it on test (of each "
            f"generator and means the restart that val chose) is below the worst one on the scoreboard by an interval "
            f"that excludes 0 ({self.confidence:.0%} over {self.units} independent people or images{over})."
        )

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence."""
        name, label = NAMES[self.metric], self.entry.detector.label
        before = _told(self.entry.worst, self.metric)
        after = _told(self.worst.judged, self.metric)
        fall = tell(self.fall.value, self.fall.ci, signed=True)
        if self.is_untried:
            return (
                f"{label} was not tried: its {name} is {before} at worst on the scoreboard, and {after} before "
                f"{self.worst.told}, the hardest of these attacks. The tournament attacked harder than this challenge: "
                "give it more --steps, --restarts or --queries."
            )
        if self.stands:
            return (
                f"{label} stands: its {name} is {before} at worst on the scoreboard and {after} before "
                f"{self.worst.told}; the fall of {fall} may be none."
            )
        return f"{label} fell from {before} to {after} before {self.worst.told}: {name} is lower by {fall}."


def judge_entry(entry: Entry, chosen: Sequence[Attempt], *, metric: Metric, confidence: float) -> Verdict:
    """Judges an entry by the attempts that val chose.

    The difference to the scoreboard is taken draw by draw, on the same people and, where the fakes are of the same
    latents, the same fakes. Since the lowest of several figures is looked for on test, its interval holds for all of
    them at once (Bonferroni).

    Args:
        entry: Who was challenged.
        chosen: At least one.
        metric: What decides.
        confidence: Of all attempts together, as a share.
    """
    worst = min(chosen, key=lambda one: (one.judged.figures.value(metric), one.told))
    recorded, stronger = entry.worst.drawn[metric], worst.judged.drawn[metric]
    return Verdict(
        entry=entry,
        metric=metric,
        worst=worst,
        fall=difference(recorded, stronger, 1 - (1 - confidence) / len(chosen)),
        attempts=len(chosen),
        confidence=confidence,
        units=min(recorded.units, stronger.units),
    )


def _told(judged: Judged, metric: Metric) -> str:
    return tell(judged.figures.value(metric), judged.figures.interval(metric))


__all__ = ["NAMES", "Verdict", "judge_entry"]
