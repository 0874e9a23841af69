"""What detectors are worth on a user's own pictures whose truth is known."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from fakeoff.arena.errors import DataError
from fakeoff.protocols.score.calibration import Scores
from fakeoff.protocols.score.metrics import MatchFigures, evaluate
from fakeoff.protocols.score.people import Units
from fakeoff.protocols.scoring.labels import Labels
from fakeoff.protocols.scoring.scored import ScoredPicture

BINS = 10
"""Of a reliability diagram: of equal width in P(fake)."""

Unit: TypeAlias = Literal["image", "person"]


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Pictures of nearly the same P(fake).

    Attributes:
        n_real: Reals among them.
        n_fake: Fakes.
        p_fake: The mean P(fake), each side weighing the same in total.
        share_fake: The share of fakes, likewise: what ``p_fake`` should be.
    """

    n_real: int
    n_fake: int
    p_fake: float
    share_fake: float


@dataclass(frozen=True, kw_only=True)
class LabelledFigures:
    """What one detector is worth on labelled pictures.

    Attributes:
        detector: The version.
        threshold: Chosen on the tournament's val, never on these pictures.
        unit: What the intervals resample.
        units: How many of them.
        confidence: Of the intervals.
        figures: AP, AUC and the rest with their intervals, at 50/50 prevalence.
        reliability: Of ten bins of P(fake) those that are not empty.
    """

    detector: str
    threshold: float
    unit: Unit
    units: int
    confidence: float
    figures: MatchFigures
    reliability: tuple[ReliabilityBin, ...]


@dataclass(kw_only=True)
class _Collected:
    """Scores of one detector by side, and who is on each picture; some twenty bytes a picture."""

    threshold: float
    real: array[float] = field(default_factory=lambda: array("d"))
    fake: array[float] = field(default_factory=lambda: array("d"))
    real_people: array[int] = field(default_factory=lambda: array("q"))
    fake_people: array[int] = field(default_factory=lambda: array("q"))


class LabelledScores:
    """Collects the scores of pictures whose truth is known.

    Args:
        labels: What is known.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._people: dict[str, int] = {}
        self._by_detector: dict[str, _Collected] = {}

    def add(self, row: ScoredPicture) -> None:
        """Takes a row; one without a score, or of a picture that nothing is known of, is left out."""
        label = self._labels.of(row.picture)
        if label is None or row.p_fake is None:
            return
        kept = self._by_detector.setdefault(row.detector, _Collected(threshold=row.threshold))
        scores, people = (kept.fake, kept.fake_people) if label.truth == "fake" else (kept.real, kept.real_people)
        scores.append(row.p_fake)
        if self._labels.has_people:
            people.append(self._people.setdefault(label.person, len(self._people)))

    def evaluate(self, *, resamples: int, confidence: float) -> tuple[LabelledFigures, ...]:
        """The figures of each detector, in the order in which they came.

        Args:
            resamples: Of the bootstrap: over people where they are known, else over pictures.
            confidence: Of the intervals, as a share.

        Raises:
            DataError: No real or no fake was judged, or people are known and there is one only.
        """
        if not self._by_detector:
            raise DataError("none of the labelled pictures was judged, so there are no figures; see the rows' errors")
        return tuple(
            self._figures(detector, kept, resamples=resamples, confidence=confidence)
            for detector, kept in self._by_detector.items()
        )

    def _figures(self, detector: str, kept: _Collected, *, resamples: int, confidence: float) -> LabelledFigures:
        real, fake = np.array(kept.real), np.array(kept.fake)
        for scores, side in ((real, "real"), (fake, "fake")):
            if not len(scores):
                raise DataError(f"no labelled {side} was judged by {detector}; AP and AUC need both sides")
        people = None
        if self._labels.has_people:
            known, places = np.unique([*kept.real_people, *kept.fake_people], return_inverse=True)
            if len(known) < 2:
                raise DataError(
                    f"all labelled pictures are of one person, '{next(iter(self._people))}'; intervals "
                    "over people need two, or labels without the column person"
                )
            people = Units(n_real=len(real), n_fake=len(fake), real=places[: len(real)], fake=(places[len(real) :],))
        return LabelledFigures(
            detector=detector,
            threshold=kept.threshold,
            unit="person" if people else "image",
            units=len(known) if people else len(real) + len(fake),
            confidence=confidence,
            figures=evaluate(
                real,
                fake,
                val_threshold=kept.threshold,
                resamples=resamples,
                confidence=confidence,
                seed=0,
                units=people,
            ).figures,
            reliability=reliability(real, fake),
        )


def reliability(real: Scores, fake: Scores, *, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram of scores (DeGroot & Fienberg 1983), at 50/50 prevalence as all figures.

    Args:
        real: P(fake) of reals, ``(n_real,)``.
        fake: P(fake) of fakes, ``(n_fake,)``.
        bins: Of equal width; the last one holds 1 as well.

    Returns:
        Those that are not empty, by P(fake).
    """
    places = [np.minimum((scores * bins).astype(np.int64), bins - 1) for scores in (real, fake)]
    found = []
    for index in range(bins):
        sides = [scores[place == index] for scores, place in zip((real, fake), places, strict=True)]
        weights = [len(sides[0]) / len(real), len(sides[1]) / len(fake)]
        if not sum(weights):
            continue
        total = sides[0].sum() / len(real) + sides[1].sum() / len(fake)
        found.append(
            ReliabilityBin(
                n_real=len(sides[0]),
                n_fake=len(sides[1]),
                p_fake=float(total / sum(weights)),
                share_fake=weights[1] / sum(weights),
            )
        )
    return tuple(found)


__all__ = ["BINS", "LabelledFigures", "LabelledScores", "ReliabilityBin", "Unit", "reliability"]
