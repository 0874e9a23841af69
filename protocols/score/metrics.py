"""The figures of a match: from two vectors of scores to metrics with intervals.

Everything is at 50/50 prevalence: reals and fakes weigh the same in total, however many there are of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.score.calibration import (
    CALIBRATION,
    Scores,
    Thresholds,
    basic_interval,
    measure_calibration,
    measure_operation,
)
from fakeoff.protocols.score.intervals import Draws, Figure, Interval, least_variance
from fakeoff.protocols.score.people import Units, Weights

THRESHOLD = 0.5

METRICS = ("ap", "ap_real", "auc", "accuracy", "accuracy_val_threshold", "recall_fake")
"""What every match has; higher is better for the detector. :data:`fakeoff.protocols.score.calibration.CALIBRATION` and
``OPERATING`` name the others."""


@dataclass(frozen=True, kw_only=True)
class DecisionFigures:
    """What a patch detector's match would have come to under another decision, each with its interval.

    Attributes:
        ap: Average precision; fake is positive.
        ap_ci: Its interval.
        auc: The area under the ROC curve.
        auc_ci: Its interval.
        accuracy: At 0.5.
        accuracy_ci: Its interval.
    """

    ap: float
    ap_ci: Interval
    auc: float
    auc_ci: Interval
    accuracy: float
    accuracy_ci: Interval


@dataclass(frozen=True, kw_only=True)
class MatchFigures:
    """The metrics of a match, each with its interval.

    Attributes:
        n_real: Real test images.
        n_fake: Fake ones.
        real_units: How many of the reals are independent: people, or images where nobody says who is on them. None in
            files from before intervals were over these.
        fake_units: Likewise of the fakes: latents, or people.
        ap: Average precision; fake is positive.
        ap_ci: Its interval.
        ap_real: Average precision; real is positive, as in the paper's code.
        ap_real_ci: Its interval.
        auc: The area under the ROC curve.
        auc_ci: Its interval.
        accuracy: At 0.5.
        accuracy_ci: Its interval.
        accuracy_val_threshold: At the threshold chosen on val.
        accuracy_val_threshold_ci: Its interval.
        recall_fake: The share of fakes that are found at 0.5.
        recall_fake_ci: Its interval.
        brier: The Brier score, from 0 (certain and right) to 1; None in files from before it was measured.
        brier_ci: Its interval.
        ece: The expected calibration error over ten bins of equal mass, from 0; likewise.
        ece_ci: Its interval, the basic bootstrap's: see :func:`fakeoff.protocols.score.calibration.basic_interval`.
        tpr_at_5_fpr: The share of fakes that reach the threshold which at most 5% of val's reals reach; None where val
            was not scored.
        tpr_at_5_fpr_ci: Its interval.
        fpr_at_5_fpr: The share of test's reals that reach it: what became of those 5%.
        fpr_at_5_fpr_ci: Its interval.
        tpr_at_1_fpr: The same at 1%. Of fewer than 100 reals of val none may reach the threshold.
        tpr_at_1_fpr_ci: Its interval.
        fpr_at_1_fpr: What became of that 1%.
        fpr_at_1_fpr_ci: Its interval.
        before_softmax: What the same patches say where their logits are pooled, in place of their P(fake); None where
            the score is not the mean of patches.
        vote: Where they vote; likewise.
    """

    n_real: int
    n_fake: int
    ap: float
    ap_ci: Interval
    ap_real: float
    ap_real_ci: Interval
    auc: float
    auc_ci: Interval
    accuracy: float
    accuracy_ci: Interval
    accuracy_val_threshold: float
    accuracy_val_threshold_ci: Interval
    recall_fake: float
    recall_fake_ci: Interval
    real_units: int | None = None
    fake_units: int | None = None
    brier: float | None = None
    brier_ci: Interval | None = None
    ece: float | None = None
    ece_ci: Interval | None = None
    tpr_at_5_fpr: float | None = None
    tpr_at_5_fpr_ci: Interval | None = None
    fpr_at_5_fpr: float | None = None
    fpr_at_5_fpr_ci: Interval | None = None
    tpr_at_1_fpr: float | None = None
    tpr_at_1_fpr_ci: Interval | None = None
    fpr_at_1_fpr: float | None = None
    fpr_at_1_fpr_ci: Interval | None = None
    before_softmax: DecisionFigures | None = None
    vote: DecisionFigures | None = None

    def value(self, metric: str) -> float:
        """A metric by its name, one of :data:`METRICS`."""
        return float(getattr(self, metric))

    def interval(self, metric: str) -> Interval:
        """Its interval."""
        low, high = getattr(self, f"{metric}_ci")
        return low, high


DRAWN = ("ap", "auc", "accuracy", "recall_fake")
"""Of these the resamples are kept: what standings and differences are made of."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A match: its metrics, and the resamples of those in :data:`DRAWN`.

    Attributes:
        figures: The metrics and their intervals.
        drawn: By name of the metric.
    """

    figures: MatchFigures
    drawn: Mapping[str, Figure]


def resample_figures(
    real: Scores,
    fake: Scores,
    *,
    thresholds: Thresholds,
    resamples: int,
    seed: int,
    fakes: str = "",
    units: Units | None = None,
    decisions: Mapping[str, tuple[Scores, Scores]] | None = None,
) -> dict[str, Figure]:
    """Every metric of a match with its resamples, by name; those of another decision as ``vote ap``.

    Every metric is of the same resamples, in which each side's weights sum to 1, so that prevalence stays. Of one seed
    they are the same for whoever is judged on the same people and fakes: differences can be told.

    Args:
        real: See :func:`evaluate`, as all that follow.
        fake: Likewise.
        thresholds: Chosen on val.
        resamples: Likewise.
        seed: Likewise.
        fakes: Likewise.
        units: Likewise.
        decisions: Likewise.
    """
    units = units or Units(n_real=len(real), n_fake=len(fake))
    # In float32 a midpoint of two neighbouring scores would round to one of them.
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    calibration = measure_calibration(real, fake)
    operation = measure_operation(real, fake, thresholds)
    pooled = {
        name: (one.astype(np.float64), other.astype(np.float64)) for name, (one, other) in (decisions or {}).items()
    }

    def measure(*weights: Weights) -> dict[str, npt.NDArray[np.float64]]:
        measured = _figures(real, fake, *weights, val_threshold=thresholds.accuracy)
        measured |= calibration(*weights) | operation(*weights)
        for name, sides in pooled.items():
            ap, auc = ap_and_auc(*sides, *weights)
            accuracy = _accuracy(*sides, *weights, threshold=THRESHOLD)
            measured |= {f"{name} ap": ap, f"{name} auc": auc, f"{name} accuracy": accuracy}
        return measured

    as_they_are = measure(np.full((1, len(real)), 1 / len(real)), np.full((1, len(fake)), 1 / len(fake)))
    parts = [measure(*weights) for weights in units.resample(resamples, seed=seed, fakes=fakes)]
    return {
        name: figure_of(
            name,
            value=float(np.clip(values[0], 0, 1)),
            draws=np.concatenate([part[name] for part in parts]).clip(0, 1).astype(np.float32),
            units=units,
        )
        for name, values in as_they_are.items()
    }


def evaluate(
    real: Scores,
    fake: Scores,
    *,
    val_threshold: float,
    resamples: int,
    confidence: float,
    seed: int,
    fakes: str = "",
    units: Units | None = None,
    at_5_fpr: float | None = None,
    at_1_fpr: float | None = None,
    decisions: Mapping[str, tuple[Scores, Scores]] | None = None,
) -> Evaluated:
    """Computes every metric of a match with its interval, by bootstrap over what is independent.

    Intervals are :meth:`fakeoff.protocols.score.intervals.Figure.interval`; that of a calibration error is the basic
    bootstrap's. The resamples are those of :func:`resample_figures`.

    Args:
        real: P(fake) of the real test images, ``(n_real,)``.
        fake: P(fake) of the fake test images, ``(n_fake,)``.
        val_threshold: The threshold chosen on val.
        resamples: Bootstrap resamples.
        confidence: Of the intervals, as a share.
        seed: Of the resamples: the same for all that are compared.
        fakes: Whose fakes they are; see :meth:`fakeoff.protocols.score.people.Units.resample`.
        units: What is independent; None takes every image for it.
        at_5_fpr: The threshold that at most 5% of val's reals reach; None where there is none.
        at_1_fpr: That for 1%.
        decisions: P(fake) of the same images, real and fake, under other decisions: ``before_softmax`` and ``vote``.
    """
    units = units or Units(n_real=len(real), n_fake=len(fake))
    figures = resample_figures(
        real,
        fake,
        thresholds=Thresholds(accuracy=val_threshold, at_5_fpr=at_5_fpr, at_1_fpr=at_1_fpr),
        resamples=resamples,
        seed=seed,
        fakes=fakes,
        units=units,
        decisions=decisions,
    )
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        ends = basic_interval(figure, confidence) if name == "ece" else figure.interval(confidence)
        found |= {name: figure.value, f"{name}_ci": ends}
    for decision in decisions or {}:
        mine = [name for name in found if name.startswith(f"{decision} ")]
        found[decision] = DecisionFigures(**{name.removeprefix(f"{decision} "): found.pop(name) for name in mine})
    told = MatchFigures(
        n_real=len(real), n_fake=len(fake), real_units=units.real_units, fake_units=units.fake_units, **found
    )
    return Evaluated(figures=told, drawn={name: figures[name] for name in DRAWN})


def figure_of(name: str, *, value: float, draws: Draws, units: Units) -> Figure:
    """A metric with its resamples.

    Args:
        name: Of the metric.
        value: It, in [0, 1].
        draws: Its resamples, ``(resamples,)``.
        units: What they drew from.
    """
    return Figure(value=value, draws=draws, units=_units_of(name, units), least=_least_of(name, units))


def _sides_of(name: str) -> str:
    """Which sides a metric is of: ``real``, ``fake`` or ``both``."""
    if name == "recall_fake" or name.startswith("tpr"):
        return "fake"
    return "real" if name.startswith("fpr") else "both"


def _units_of(name: str, units: Units) -> int:
    of_sides = {"real": units.real_units, "fake": units.fake_units}
    return of_sides.get(_sides_of(name), min(of_sides.values()))


def _least_of(name: str, units: Units) -> float:
    if name in CALIBRATION:
        return 0.0  # means of distances, which vary as they vary: there are no few wrong ones to be missed
    of_sides = {"real": units.n_real, "fake": units.n_fake}
    side = _sides_of(name)
    return least_variance(of_sides.get(side, min(of_sides.values())), sides=2 if side == "both" else 1)


def area_under_roc(real: Scores, fake: Scores) -> float:
    """The area under the ROC curve: the share of pairs in which the fake scores higher; ties count half.

    Args:
        real: P(fake) of real images, ``(n_real,)``.
        fake: P(fake) of fake ones, ``(n_fake,)``.
    """
    weights = (np.full((1, len(real)), 1 / len(real)), np.full((1, len(fake)), 1 / len(fake)))
    return float(ap_and_auc(real.astype(np.float64), fake.astype(np.float64), *weights)[1][0])


def best_threshold(real: Scores, fake: Scores) -> float:
    """The threshold with the best balanced accuracy; of equals, the middle one.

    Args:
        real: P(fake) of real validation images, ``(n_real,)``.
        fake: P(fake) of fake ones, ``(n_fake,)``.
    """
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    edges = np.unique(np.concatenate([real, fake]))
    candidates = np.concatenate([[0.0], (edges[1:] + edges[:-1]) / 2, [1.0]])
    real_right = np.searchsorted(np.sort(real), candidates, side="left") / len(real)
    fake_right = 1 - np.searchsorted(np.sort(fake), candidates, side="left") / len(fake)
    accuracy = real_right + fake_right
    best = np.flatnonzero(accuracy >= accuracy.max() - 1e-12)
    return float(candidates[best[len(best) // 2]])


def _figures(
    real: Scores, fake: Scores, real_weights: Weights, fake_weights: Weights, *, val_threshold: float
) -> dict[str, npt.NDArray[np.float64]]:
    """Every metric for each row of weights ``(rows, n)``; each row of each side sums to 1."""
    ap, auc = ap_and_auc(real, fake, real_weights, fake_weights)
    ap_real, _ = ap_and_auc(-fake, -real, fake_weights, real_weights)
    weights = (real_weights, fake_weights)
    return {
        "ap": ap,
        "ap_real": ap_real,
        "auc": auc,
        "accuracy": _accuracy(real, fake, *weights, threshold=THRESHOLD),
        "accuracy_val_threshold": _accuracy(real, fake, *weights, threshold=val_threshold),
        "recall_fake": fake_weights @ (fake >= THRESHOLD).astype(float),
    }


def _accuracy(
    real: Scores, fake: Scores, real_weights: Weights, fake_weights: Weights, *, threshold: float
) -> npt.NDArray[np.float64]:
    right: npt.NDArray[np.float64] = real_weights @ (real < threshold).astype(float) + fake_weights @ (
        fake >= threshold
    ).astype(float)
    return right / 2


def ap_and_auc(
    negative: Scores, positive: Scores, negative_weights: Weights, positive_weights: Weights
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weighted average precision and area under the ROC curve for each row of weights, ties shared.

    The same sums as scikit-learn's, for a thousand resamples at once; a test holds the two together.
    """
    # Only at positives' scores do recall and precision take part, and there highest first.
    values = np.unique(positive)[::-1]
    true_so_far, total = _weight_above(positive, positive_weights, values, side="left")
    false_so_far, all_false = _weight_above(negative, negative_weights, values, side="left")
    false_above, _ = _weight_above(negative, negative_weights, values, side="right")
    true = np.diff(true_so_far, axis=1, prepend=0.0)
    flagged = true_so_far + false_so_far
    precision = np.divide(true_so_far, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    ap = np.einsum("ij,ij->i", precision, true) / total
    auc = 1 - np.einsum("ij,ij->i", true, false_so_far + false_above) / (2 * total * all_false)
    return ap.clip(0, 1), auc.clip(0, 1)


def _weight_above(
    scores: Scores, weights: Weights, values: Scores, *, side: Literal["left", "right"]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The weight of scores of at least each value, or above it, and of all: ``(rows, len(values))`` and ``(rows,)``."""
    order = np.argsort(-scores, kind="stable")
    so_far = np.zeros((len(weights), len(scores) + 1))
    np.cumsum(weights[:, order], axis=1, out=so_far[:, 1:])
    above = len(scores) - np.searchsorted(scores[order][::-1], values, side=side)
    return so_far[:, above], so_far[:, -1]
