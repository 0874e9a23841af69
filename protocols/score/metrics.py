"""The figures of a match: from two vectors of scores to metrics with bootstrap intervals.

Everything is at 50/50 prevalence: reals and fakes weigh the same in total, however many there are of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.score.calibration import (
    OPERATING,
    Scores,
    Thresholds,
    Weights,
    basic_interval,
    bound_of_all,
    measure_calibration,
    measure_operation,
)

People = npt.NDArray[np.integer]

THRESHOLD = 0.5
_CHUNK = 256

METRICS = ("ap", "ap_real", "auc", "accuracy", "accuracy_val_threshold", "recall_fake")
"""What every match has; higher is better for the detector. :data:`fakeoff.protocols.score.calibration.CALIBRATION` and
``OPERATING`` name the others."""

Interval: TypeAlias = tuple[float, float]


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
    """The metrics of a match, each with its bootstrap interval.

    Attributes:
        n_real: Real test images.
        n_fake: Fake ones.
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


def evaluate(
    real: Scores,
    fake: Scores,
    *,
    val_threshold: float,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    people: tuple[People, People] | None = None,
    at_5_fpr: float | None = None,
    at_1_fpr: float | None = None,
    decisions: Mapping[str, tuple[Scores, Scores]] | None = None,
) -> MatchFigures:
    """Computes every metric of a match and its percentile interval by bootstrap over images, or over people.

    Reals and fakes are resampled by themselves, so prevalence stays, and every metric is of the same resamples. People
    are resampled with all images of theirs, on both sides at once; each side's weights then sum to 1 again.

    Args:
        real: P(fake) of the real test images, ``(n_real,)``.
        fake: P(fake) of the fake test images, ``(n_fake,)``.
        val_threshold: The threshold chosen on val.
        resamples: Bootstrap resamples.
        confidence: Of the intervals, as a share.
        rng: The source of the resamples.
        people: Who is on each real and on each fake, counted from 0: ``(n_real,)`` and ``(n_fake,)``. None resamples
            images.
        at_5_fpr: The threshold that at most 5% of val's reals reach; None where there is none.
        at_1_fpr: That for 1%.
        decisions: P(fake) of the same images, real and fake, under other decisions: ``before_softmax`` and ``vote``.
    """
    # In float32 a midpoint of two neighbouring scores would round to one of them.
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    ones = (np.full((1, len(real)), 1 / len(real)), np.full((1, len(fake)), 1 / len(fake)))
    calibration = measure_calibration(real, fake)
    thresholds = Thresholds(accuracy=val_threshold, at_5_fpr=at_5_fpr, at_1_fpr=at_1_fpr)
    operation = measure_operation(real, fake, thresholds)
    pooled = {
        name: (one.astype(np.float64), other.astype(np.float64)) for name, (one, other) in (decisions or {}).items()
    }

    def measure(*weights: Weights) -> dict[str, npt.NDArray[np.float64]]:
        measured = _figures(real, fake, *weights, val_threshold=val_threshold)
        measured |= calibration(*weights) | operation(*weights)
        for name, sides in pooled.items():
            ap, auc = ap_and_auc(*sides, *weights)
            accuracy = _accuracy(*sides, *weights, threshold=THRESHOLD)
            measured |= {f"{name} ap": ap, f"{name} auc": auc, f"{name} accuracy": accuracy}
        return measured

    figures = measure(*ones)
    draws: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in figures}
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        weights = (
            _of_people(*people, rows=rows, rng=rng)
            if people
            else (
                rng.multinomial(len(real), np.full(len(real), 1 / len(real)), size=rows) / len(real),
                rng.multinomial(len(fake), np.full(len(fake), 1 / len(fake)), size=rows) / len(fake),
            )
        )
        for name, values in measure(*weights).items():
            draws[name].append(values)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    found: dict[str, Any] = {}
    for name, values in figures.items():
        value = float(np.clip(values[0], 0, 1))
        low, high = map(float, np.quantile(np.concatenate(draws[name]).clip(0, 1), tails))
        if name == "ece":
            low, high = basic_interval(value, low, high)
        elif name in OPERATING:
            n = len(fake) if name.startswith("tpr") else len(real)
            low, high = bound_of_all(value, low, high, n=n, confidence=confidence)
        found |= {name: value, f"{name}_ci": (low, high)}
    for decision in pooled:
        mine = [name for name in found if name.startswith(f"{decision} ")]
        found[decision] = DecisionFigures(**{name.removeprefix(f"{decision} "): found.pop(name) for name in mine})
    return MatchFigures(n_real=len(real), n_fake=len(fake), **found)


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


def _of_people(real: People, fake: People, *, rows: int, rng: np.random.Generator) -> tuple[Weights, Weights]:
    """Weights of reals and of fakes in resamples of people; a resample that has no image of a side is drawn again."""
    count = int(max(real.max(), fake.max())) + 1
    times = np.empty((0, count), dtype=np.int64)
    while len(times) < rows:
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        both = drawn[:, real].any(axis=1) & drawn[:, fake].any(axis=1)
        times = np.concatenate([times, drawn[both]])[:rows]
    sides = (times[:, real].astype(np.float64), times[:, fake].astype(np.float64))
    return sides[0] / sides[0].sum(axis=1, keepdims=True), sides[1] / sides[1].sum(axis=1, keepdims=True)


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
    values, place = np.unique(np.concatenate([negative, positive]), return_inverse=True)
    bins = len(values)
    gather: Callable[[Weights, npt.NDArray[np.intp]], Weights] = lambda weights, where: np.stack(  # noqa: E731
        [np.bincount(where, weights=row, minlength=bins) for row in weights]
    )
    # Highest score first: (rows, bins)
    false = gather(negative_weights, place[: len(negative)])[:, ::-1]
    true = gather(positive_weights, place[len(negative) :])[:, ::-1]
    false_so_far, true_so_far = false.cumsum(1), true.cumsum(1)
    flagged = false_so_far + true_so_far
    precision = np.divide(true_so_far, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    ap = (precision * true).sum(1) / true_so_far[:, -1]
    auc = (false * (true_so_far - true / 2)).sum(1) / (true_so_far[:, -1] * false_so_far[:, -1])
    return np.minimum(ap, 1.0), np.minimum(auc, 1.0)
