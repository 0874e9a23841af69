"""What trainings that were repeated with other seeds are worth: intervals over people and seeds.

A detector's figure on a pool of fakes is uncertain for two reasons. The people of test are few, and others would have
given another figure; and another training of the same network would have ended elsewhere. Both are estimated: people
(and fakes, each of which is its own unit) by one set of bootstrap weights that all detectors, generators and seeds
share, so that differences have intervals; seeds by the spread of their figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from fakeoff.protocols.score.calibration import Scores
from fakeoff.protocols.score.metrics import ap_and_auc
from fakeoff.protocols.score.people import Weights, as_weights, count_images

Draws: TypeAlias = npt.NDArray[np.float64]
"""A figure of every training and of every resample: float64 ``(seeds, 1 + resamples)``. The first column is that of the
images as they are."""

_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure that is a mean over trainings, or a difference of such means.

    Attributes:
        value: It.
        low: The lower end of its interval.
        high: The upper one.
        of_seeds: The figure of each training.
        people_error: Its standard error over the people and fakes of test.
        seed_error: Its standard error over seeds; None of one seed, and then the interval leaves them out.
    """

    value: float
    low: float
    high: float
    of_seeds: tuple[float, ...]
    people_error: float
    seed_error: float | None

    def contains(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high


class SharedResamples:
    """Bootstrap weights of the test images, the same for whoever is compared on them.

    People are drawn with all their photographs. Fakes are drawn one by one, since each has its own latent; one of a
    manipulator comes as often as the people do whose photographs it is made of
    (:func:`fakeoff.protocols.score.people.count_images`).

    Args:
        persons: Who is on each real of test, ``(n_real,)``: the same number is the same person.
        fakes: By name of a generator version: how many test fakes it has, or who is on each of them, for each way of
            being on it: as target, as source.
        resamples: How many.
        rng: The source of the draws.

    Attributes:
        people: How many persons there are.
    """

    def __init__(
        self,
        persons: Sequence[int],
        fakes: Mapping[str, int | Sequence[Sequence[int]]],
        *,
        resamples: int,
        rng: np.random.Generator,
    ) -> None:
        everybody, who = np.unique(np.asarray(persons), return_inverse=True)
        self.people = len(everybody)
        times = rng.multinomial(self.people, np.full(self.people, 1 / self.people), size=resamples)
        self._real = _with_plain(times[:, who])
        self._fakes = {}
        for name in sorted(fakes):
            units = fakes[name]
            if isinstance(units, int):
                self._fakes[name] = _with_plain(rng.multinomial(units, np.full(units, 1 / units), size=resamples))
            else:
                on_it = np.searchsorted(everybody, np.asarray(units))
                self._fakes[name] = _with_plain(count_images(times, on_it))

    def average_precision(self, real: Scores, fake: Scores, generator: str) -> tuple[Draws, Draws]:
        """Average precision (fake is positive) and area under the ROC curve at 50/50 prevalence, for each resample.

        Args:
            real: P(fake) of the reals, ``(n_real,)``.
            fake: P(fake) of a generator version's fakes, ``(n_fake,)``.
            generator: Whose they are.

        Returns:
            Two of ``(1 + resamples,)``; the first value of each is that of the images as they are.
        """
        reals, fakes = real.astype(np.float64), fake.astype(np.float64)
        weights = self._fakes[generator]
        starts = range(0, len(self._real), _ROWS)
        chunks = [slice(start, start + _ROWS) for start in starts]
        parts = [ap_and_auc(reals, fakes, self._real[rows], weights[rows]) for rows in chunks]
        ap, auc = (np.concatenate(part) for part in zip(*parts, strict=True))
        return ap, auc

    def shares(self, real: npt.NDArray[np.bool_], fake: npt.NDArray[np.bool_], generator: str) -> tuple[Draws, Draws]:
        """The share of reals, and of fakes, of which something is true, for each resample.

        Args:
            real: Of which reals, ``(n_real,)``.
            fake: Of which of a generator version's fakes, ``(n_fake,)``.
            generator: Whose they are.

        Returns:
            Two of ``(1 + resamples,)``, as for :meth:`average_precision`.
        """
        return self._real @ real.astype(np.float64), self._fakes[generator] @ fake.astype(np.float64)


def told_over(people: int, seeds: int) -> str:
    """What intervals are over, for captions: ``8 people and 3 seeds``."""
    return f"{people} people and {seeds} seeds" if seeds > 1 else f"{people} people, one seed"


def estimate(draws: Draws, *, people: int, confidence: float) -> Estimate:
    """The mean over trainings, with an interval over people and seeds.

    Its variance is the sum of two: the bootstrap's, of the trainings' mean, times ``people / (people - 1)`` because the
    bootstrap of few units is too narrow by that; and that of a mean of as many seeds. Student's distribution has the
    degrees of freedom of Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 1946. With one seed the second is not known, and is left out. The ends are not cut to where a figure may
    lie.

    Args:
        draws: Of one figure, ``(seeds, 1 + resamples)``; of a difference of figures, the difference of theirs.
        people: How many persons the resamples drew from.
        confidence: Of the interval, as a share.
    """
    seeds = len(draws)
    of_seeds = draws[:, 0]
    value = float(of_seeds.mean())
    people_variance = float(draws[:, 1:].mean(axis=0).var(ddof=1)) * people / max(1, people - 1)
    variances, degrees = [people_variance], [max(1, people - 1)]
    if seeds > 1:
        variances.append(float(of_seeds.var(ddof=1)) / seeds)
        degrees.append(seeds - 1)
    total = sum(variances)
    freedom = total**2 / sum(part**2 / of for part, of in zip(variances, degrees, strict=True)) if total else 1.0
    reach = float(student.ppf((1 + confidence) / 2, freedom)) * total**0.5
    return Estimate(
        value=value,
        low=value - reach,
        high=value + reach,
        of_seeds=tuple(map(float, of_seeds)),
        people_error=people_variance**0.5,
        seed_error=variances[1] ** 0.5 if seeds > 1 else None,
    )


def estimate_share(draws: Draws, *, people: int, images: int, confidence: float) -> Estimate:
    """:func:`estimate` of a figure between 0 and 1, such as an average precision.

    A perfect figure has no spread, and is still not known to be 1: the interval ends no closer to 0 or 1 than that of a
    share of which none was seen (Clopper and Pearson, Biometrika 1934), and not outside of them.

    Args:
        draws: See :func:`estimate`.
        people: Likewise.
        images: The smaller number of images, of reals and of fakes.
        confidence: Likewise.
    """
    found = estimate(draws, people=people, confidence=confidence)
    none_seen = 1 - ((1 - confidence) / 2) ** (1 / images)
    low, high = min(found.low, 1 - none_seen), max(found.high, none_seen)
    return Estimate(**{**vars(found), "low": max(0.0, low), "high": min(1.0, high)})


def slope(draws: Sequence[Draws], places: Sequence[float]) -> Draws:
    """The least-squares slope of figures over places on an axis, for each training and resample.

    Args:
        draws: Of each detector, each ``(seeds, 1 + resamples)``.
        places: Of each detector.

    Raises:
        ValueError: All lie in one place.
    """
    centred = np.asarray(places, dtype=np.float64) - np.mean(places)
    spread = float((centred**2).sum())
    if not spread:
        raise ValueError("a slope needs figures at two places at least")
    return np.tensordot(centred / spread, np.stack(list(draws)), axes=1)


def _with_plain(times: npt.NDArray[Any]) -> Weights:
    """Weights ``(1 + resamples, n)`` whose rows sum to 1; those of the images as they are come first."""
    n = times.shape[1]
    return np.concatenate([np.full((1, n), 1 / n), as_weights(times)])


__all__ = ["Draws", "Estimate", "SharedResamples", "estimate", "estimate_share", "slope", "told_over"]
