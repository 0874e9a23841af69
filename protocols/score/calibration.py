"""Whether P(fake) is a probability, and what is caught where few false alarms are allowed.

All at 50/50 prevalence, as in :mod:`fakeoff.protocols.score.metrics`: of the same weight in total, however many images
there are of each side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.score.intervals import Figure, Interval, quantile
from fakeoff.protocols.score.people import Weights

Scores: TypeAlias = npt.NDArray[np.floating]
Figures: TypeAlias = dict[str, npt.NDArray[np.float64]]

BINS = 10
"""Of the expected calibration error, each with a tenth of the weight."""

_ROUNDING = 1e-9  # of a sum of weights

CALIBRATION = ("brier", "ece")
OPERATING = ("tpr_at_5_fpr", "fpr_at_5_fpr", "tpr_at_1_fpr", "fpr_at_1_fpr")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """P(fake) from which a detector version says fake, for one purpose or another. All are chosen on val.

    Attributes:
        accuracy: With the best balanced accuracy.
        at_5_fpr: At most 5% of val's reals reach it; None where val was not scored.
        at_1_fpr: At most 1% of them do; likewise.
    """

    accuracy: float
    at_5_fpr: float | None = None
    at_1_fpr: float | None = None


def fpr_threshold(real: Scores, rate: float) -> float:
    """The lowest threshold that at most a share of val's reals reach, in float32, which scores are.

    It lies just above a score of val. Of fewer than ``1 / rate`` reals not one may reach it, so that it lies above the
    highest of them: the false positives that it will have are then about one in ``n + 1``, whatever was asked for.
    Where a real scores 1 it lies above 1, and nothing is called fake.

    Args:
        real: P(fake) of real validation images, ``(n,)``, from 1.
        rate: The share, in (0, 1).
    """
    allowed = int(np.floor(rate * len(real) + _ROUNDING))
    first_below = np.sort(real.astype(np.float64))[::-1][allowed]
    above = np.float32(first_below)
    # In float64 it would be rounded down to that very score where somebody compares it with scores in float32.
    return float(above if float(above) > first_below else np.nextafter(above, np.float32(np.inf)))


def measure_calibration(real: Scores, fake: Scores) -> Callable[[Weights, Weights], Figures]:
    """Brier score and expected calibration error of scores, for any weights of theirs.

    The Brier score (Brier 1950) is the mean squared distance of P(fake) from the truth, 0 or 1. The expected
    calibration error (Naeini et al., AAAI 2015) sorts images into bins by their scores and is the mean distance, over
    bins, between the share of fakes in a bin and its mean score. Bins are of equal mass, :data:`BINS` of them:
    detectors give most images a score near 0 or 1, where bins of equal width would be crowded and the others empty
    (Nixon et al., CVPR workshops 2019). Equal scores share a bin. Every resample has the bins of the whole sample.

    Args:
        real: float64 ``(n_real,)``.
        fake: float64 ``(n_fake,)``.

    Returns:
        From weights ``(rows, n_real)`` and ``(rows, n_fake)``, each row of which sums to 1, to ``brier`` and ``ece``,
        ``(rows,)`` each, in [0, 1].
    """
    real_bins, fake_bins = _bins_of_equal_mass(real, fake)
    # In a bin, truth less score: its sum over the fakes (1 less score) and over the reals (0 less score).
    excess, lack = real_bins * real[:, None], fake_bins * (1 - fake)[:, None]

    def measure(real_weights: Weights, fake_weights: Weights) -> Figures:
        gaps = fake_weights @ lack - real_weights @ excess
        return {
            "brier": (real_weights @ real**2 + fake_weights @ (1 - fake) ** 2) / 2,
            "ece": np.abs(gaps).sum(1) / 2,
        }

    return measure


def measure_operation(real: Scores, fake: Scores, thresholds: Thresholds) -> Callable[[Weights, Weights], Figures]:
    """What is caught, and how many false alarms there are, at thresholds that were chosen on val.

    Args:
        real: P(fake) of real test images, float64 ``(n_real,)``.
        fake: Of fake ones, float64 ``(n_fake,)``.
        thresholds: Of val.

    Returns:
        From weights, as :func:`measure_calibration` has them, to those of :data:`OPERATING` that there is a threshold
        for.
    """
    points = {"5": thresholds.at_5_fpr, "1": thresholds.at_1_fpr}
    reached = {
        percent: ((real >= threshold).astype(float), (fake >= threshold).astype(float))
        for percent, threshold in points.items()
        if threshold is not None
    }

    def measure(real_weights: Weights, fake_weights: Weights) -> Figures:
        found: Figures = {}
        for percent, (alarms, caught) in reached.items():
            found |= {f"tpr_at_{percent}_fpr": fake_weights @ caught, f"fpr_at_{percent}_fpr": real_weights @ alarms}
        return found

    return measure


def basic_interval(figure: Figure, confidence: float) -> Interval:
    """The basic bootstrap interval (Davison and Hinkley 1997, section 5.2), within [0, 1] and around its figure.

    A calibration error is a sum of distances: noise makes it larger, and that of a resample larger again. Percentiles
    would lie above the figure; mirrored at it they lie where the error is without so much noise. Of few units they are
    stretched as far as Student's quantile lies beyond the normal one.

    Args:
        figure: It, with its resamples.
        confidence: As a share.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = (float(end) - figure.value for end in np.quantile(figure.draws.astype(np.float64), tails))
    few = figure.units / max(1, figure.units - 1)
    stretch = quantile(confidence, figure.units) / NormalDist().inv_cdf(tails[1]) * few**0.5
    return max(0.0, figure.value - max(0.0, high * stretch)), min(1.0, figure.value - min(0.0, low * stretch))


def bound_of_all(value: float, low: float, high: float, *, n: int, confidence: float) -> tuple[float, float]:
    """An interval of a share; where it is 0 or 1 every resample is, and the exact binomial says what that is worth.

    Args:
        value: The share.
        low: The lower percentile of its resamples.
        high: The upper one.
        n: Of how many images (Clopper and Pearson 1934); were they not independent, it would be wider.
        confidence: Of the interval, as a share.
    """
    still_likely = 1 - ((1 - confidence) / 2) ** (1 / n)
    if value < _ROUNDING:
        return low, max(high, still_likely)
    return (min(low, 1 - still_likely), high) if value > 1 - _ROUNDING else (low, high)


def _bins_of_equal_mass(real: Scores, fake: Scores) -> tuple[Weights, Weights]:
    """Which bin each image is in: 0 or 1, float64 ``(n_real, BINS)`` and ``(n_fake, BINS)``."""
    values, place = np.unique(np.concatenate([real, fake]), return_inverse=True)
    weights = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    mass = np.bincount(place, weights=weights, minlength=len(values))
    # A score is in the bin of the middle of its mass; rounded, or the last digit of a sum would decide at an edge.
    middle = np.round((mass.cumsum() - mass / 2) * BINS, 9)
    bins = np.minimum(np.floor(middle), BINS - 1).astype(int)[place]
    rows = np.eye(BINS)[bins]
    return rows[: len(real)], rows[len(real) :]


__all__ = [
    "BINS",
    "CALIBRATION",
    "OPERATING",
    "Scores",
    "Thresholds",
    "Weights",
    "basic_interval",
    "bound_of_all",
    "fpr_threshold",
    "measure_calibration",
    "measure_operation",
]
