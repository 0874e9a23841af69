"""Abilities of detectors and difficulties of generators, on one scale.

The AUC is the share of pairs of a real and a fake of which a detector says rightly which is the fake. Rasch's model
("Probabilistic Models for Some Intelligence and Attainment Tests", 1960) explains the shares of all matches by one
number of each player::

    expected share = 1 / (1 + exp(difficulty - ability))

It has no room for a detector that is good at one generator and bad at another: where it fails, by more than the few
images explain, somebody is a specialist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float64]

PRIOR_SD = 2.0
"""Of the normal prior of every ability and difficulty, in logits, around 0.

Two players of such a prior differ by 2.8 logits, as a standard deviation: in 95 of 100 matches the share lies between
0.004 and 0.996, which is about all that some hundred images can tell. So it hardly moves what was measured, and whoever
wins everything has a finite ability, the higher the more was won.
"""

SPECIALIST = 1.5
"""Above this misfit a player is called a specialist: such a mean square is hardly chance, but something that one number
does not say (Wright and Linacre, "Reasonable mean-square fit values", Rasch Measurement Transactions 8, 1994)."""


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What one number of each player explains of a matrix of shares, and what it does not.

    Attributes:
        detectors: Abilities in logits, float64 ``(m,)``. 0 wins half of the pairs of a generator of difficulty 0.
        generators: Difficulties likewise, ``(n,)``.
        detectors_se: Their standard errors, for one detector and the mean of the anchors.
        generators_se: Likewise.
        expected: The shares that they explain, ``(m, n)``.
        residuals: What was observed, less that, in standard deviations, ``(m, n)``; NaN where there was no match.
        detectors_misfit: The mean square of the residuals of each detector, weighted by how much a match can tell
            ("infit"), ``(m,)``: 1 is what chance makes at most; see :data:`SPECIALIST`.
        generators_misfit: Likewise, ``(n,)``.
    """

    detectors: Values
    generators: Values
    detectors_se: Values
    generators_se: Values
    expected: Values
    residuals: Values
    detectors_misfit: Values
    generators_misfit: Values


def fit_abilities(shares: Values, trials: Values, *, anchors: npt.NDArray[np.bool_] | None = None) -> Abilities:
    """Fits Rasch's model with a normal prior (:data:`PRIOR_SD`): the most likely abilities and difficulties.

    A match counts as so many independent pairs as the smaller side has independent images: the variance of an AUC ``a``
    is at most ``a (1 - a) / min(reals, fakes)`` (Birnbaum and Klose, Annals of Mathematical Statistics 28, 1957). So
    standard errors are rather too large than too small, and misfit rather too small. They take matches for independent,
    though matches share their images.

    Args:
        shares: Of pairs that each detector (row) won of each generator (column): float64 ``(m, n)`` in [0, 1], NaN
            where there was no match.
        trials: How many independent pairs each is the share of, ``(m, n)``, above 0.
        anchors: bool ``(n,)``: the generators whose mean difficulty is 0; all by default. The fit is the same whichever
            they are.
    """
    from scipy.optimize import minimize  # half a second that who only reads scoreboards does not spend
    from scipy.special import expit

    m, n = shares.shape
    played = ~np.isnan(shares)
    weights = np.where(played, trials, 0.0)
    observed = np.where(played, shares, 0.5)
    precision = 1 / PRIOR_SD**2

    def gaps(both: Values) -> Values:
        return np.asarray(both[:m, None] - both[m:])

    def loss(both: Values) -> float:
        gap = gaps(both)
        surprise = np.logaddexp(0, gap) - observed * gap  # -log likelihood of a share, but for a constant
        return float((weights * surprise).sum() + precision / 2 * both @ both)

    def slope(both: Values) -> Values:
        excess = weights * (expit(gaps(both)) - observed)
        return np.concatenate([excess.sum(axis=1), -excess.sum(axis=0)]) + precision * both

    def curvature(both: Values) -> Values:
        share = expit(gaps(both))
        information = weights * share * (1 - share)
        return np.asarray(
            np.block(
                [
                    [np.diag(information.sum(axis=1)), -information],
                    [-information.T, np.diag(information.sum(axis=0))],
                ]
            )
            + precision * np.eye(m + n)
        )

    start = np.zeros(m + n)
    enough = 1e-9 * max(1.0, float(weights.sum()))
    both = minimize(loss, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": enough}).x
    # Newton's last step, from where the loss itself no longer tells two abilities apart.
    both = both - np.linalg.solve(curvature(both), slope(both))
    anchored = np.zeros(m + n)
    anchored[m:] = 1 / n if anchors is None else anchors / anchors.sum()
    shift = np.eye(m + n) - anchored  # each less the mean of the anchors
    errors = np.sqrt(np.diag(shift @ np.linalg.inv(curvature(both)) @ shift.T))
    expected = expit(gaps(both))
    variance = expected * (1 - expected)
    surprise = np.where(played, observed - expected, np.nan)
    both = shift @ both
    return Abilities(
        detectors=both[:m],
        generators=both[m:],
        detectors_se=errors[:m],
        generators_se=errors[m:],
        expected=expected,
        residuals=surprise / np.sqrt(variance / trials),
        detectors_misfit=_misfit(surprise, weights, variance, axis=1),
        generators_misfit=_misfit(surprise, weights, variance, axis=0),
    )


def _misfit(surprise: Values, weights: Values, variance: Values, *, axis: int) -> Values:
    """The information-weighted mean square of standardised residuals."""
    squares = np.nansum((weights * surprise) ** 2, axis=axis)
    return np.asarray(squares / (weights * variance).sum(axis=axis))


__all__ = ["PRIOR_SD", "SPECIALIST", "Abilities", "fit_abilities"]
