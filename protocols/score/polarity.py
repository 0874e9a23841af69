"""Whether a detector that does not learn has fake and real the wrong way round: seen on val, before anything counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from fakeoff.protocols.score.metrics import area_under_roc

FAR_BELOW = 0.4
"""An AUC whose interval ends below this is no bad luck: who guesses has 0.5."""

CONFIDENCE = 0.99
"""Of the interval: a detector that is refused wrongly plays nothing at all."""

Scores = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class AreaUnderROC:
    """An area under the ROC curve, and the ends of its interval.

    Attributes:
        value: In [0, 1].
        low: The interval's lower end.
        high: Its upper end.
    """

    value: float
    low: float
    high: float


def auc_of_people(real: Scores, fake: Scores, persons: Sequence[int]) -> AreaUnderROC:
    """The area under the ROC curve, with an interval over people.

    The variance is that of DeLong et al., "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 1988, summed within clusters as in Obuchowski, "Nonparametric analysis of
    clustered ROC curve data", Biometrics 1997: photographs of one person are no independent ones. Student's
    distribution has as many degrees of freedom as there are people, less one. An area of 0 has no variance: the
    interval ends no closer to 0 or 1 than that of a share of which none was seen (Clopper and Pearson, Biometrika
    1934).

    Args:
        real: P(fake) of reals, ``(n_real,)``.
        fake: P(fake) of fakes, ``(n_fake,)``; each is its own unit.
        persons: Who is on each real.
    """
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    value = area_under_roc(real, fake)
    beaten = _share_below(fake, real)  # of each fake: the share of reals below it
    beaten_by = 1 - _share_below(real, fake)
    _, who = np.unique(np.asarray(persons), return_inverse=True)
    of_person = np.bincount(who, weights=beaten_by - value).astype(np.float64)
    people = len(of_person)
    variance = _spread(of_person, len(real)) + _spread(beaten - value, len(fake))
    reach = float(student.ppf((1 + CONFIDENCE) / 2, max(1, min(people, len(fake)) - 1)) * np.sqrt(variance))
    none_seen = 1 - (1 - CONFIDENCE) ** (1 / min(len(real), len(fake)))
    low, high = min(value - reach, 1 - none_seen), max(value + reach, none_seen)
    return AreaUnderROC(value=value, low=max(0.0, low), high=min(1.0, high))


def is_turned_round(areas: Sequence[AreaUnderROC]) -> bool:
    """Whether the areas against all generators, as they came, lie far below 0.5.

    One that is fooled by a single generator is not turned round.
    """
    return bool(areas) and all(area.high < FAR_BELOW for area in areas)


def _share_below(values: Scores, others: Scores) -> npt.NDArray[np.float64]:
    """Of each value: the share of others that lie below it; ties count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    shares: npt.NDArray[np.float64] = below / (2 * len(others))
    return shares


def _spread(sums: npt.NDArray[np.float64], n: int) -> float:
    units = len(sums)
    return float(units / max(1, units - 1) * (sums**2).sum() / n**2)


__all__ = ["CONFIDENCE", "FAR_BELOW", "AreaUnderROC", "auc_of_people", "is_turned_round"]
