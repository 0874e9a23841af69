"""The game of detector versions against generator versions: its value, who would be played, and what others lose.

Each side picks one of its versions without knowing the other's choice; the detector's side wins the detector's figure,
a share such as the AUC, and the generator's side loses it. By von Neumann's theorem both have a mixture of their
versions that guarantees them the same share, the value, whatever the other does. Linear programming finds it.

There may be many optimal mixtures. Balduzzi et al., "Re-evaluating Evaluation" (NeurIPS 2018), take the most even one,
so that the answer does not depend on the order of players. Here "most even" is the least sum of squares in place of the
most entropy: both are unique, and this one is found exactly in finitely many steps, as a least distance problem (Lawson
and Hanson, "Solving Least Squares Problems", 1974, chapter 23). Versions with the same figures against everybody count
as one, whose weight they share equally; so a copy changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

_SAME = 6  # decimals of figures: what is beyond them decides nothing
_PLAYED = 1e-9  # whose weight in the solver's mixture is above this is played
_SLACKS = (1e-13, 1e-11, 1e-9, 1e-7)  # of the value: as little as leaves room for a mixture in spite of rounding
_GUARANTEED = 1e-9  # a mixture that wins so much less than it should is none


@dataclass(frozen=True, kw_only=True)
class Equilibrium:
    """What both sides can guarantee themselves, and how.

    Attributes:
        value: The detectors' share where both play as well as can be, in [0, 1].
        detectors: The most even optimal mixture of the rows, float64 ``(m,)``; its sum is 1.
        generators: Likewise of the columns, ``(n,)``.
    """

    value: float
    detectors: Values
    generators: Values


@dataclass(frozen=True, kw_only=True)
class Complete:
    """The part of a matrix in which every match was played.

    Attributes:
        rows: Which are in it, in their order, int64.
        columns: Likewise.
    """

    rows: Indices
    columns: Indices


def find_complete(payoff: Values) -> Complete:
    """Leaves out rows and columns, one after the other, until no cell is missing.

    The next to go is the one with the largest share of its cells missing; of equals a column before a row, and the last
    one before others. So whoever sorts rows and columns by name gets the same whatever their order was.

    Args:
        payoff: float64 ``(m, n)``; NaN where there was no match.

    Returns:
        What is left; without rows and columns where nothing was played.
    """
    rows, columns = np.arange(payoff.shape[0]), np.arange(payoff.shape[1])
    while len(rows) and len(columns):
        missing = np.isnan(payoff[np.ix_(rows, columns)])
        if not missing.any():
            return Complete(rows=rows, columns=columns)
        of_rows, of_columns = missing.mean(axis=1), missing.mean(axis=0)
        if of_columns.max() >= of_rows.max():
            columns = np.delete(columns, _last_largest(of_columns))
        else:
            rows = np.delete(rows, _last_largest(of_rows))
    return Complete(rows=np.arange(0), columns=np.arange(0))


def solve_game(payoff: Values) -> Equilibrium:
    """Finds the value of a zero-sum game and the most even optimal mixture of each side.

    Figures are taken to a millionth. Nothing depends on the order of rows and columns. A copy of a row or column shares
    the weight of the one that it is a copy of, and changes nothing else.

    Args:
        payoff: What a row wins of a column, float64 ``(m, n)``, in [0, 1], nothing missing; at least one of each.

    Example:
        >>> pennies = solve_game(np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> round(pennies.value, 6), pennies.detectors.round(6).tolist()
        (0.5, [0.5, 0.5])
    """
    rows, row_of = np.unique(payoff.round(_SAME), axis=0, return_inverse=True)
    distinct, column_of = np.unique(rows, axis=1, return_inverse=True)
    low, span = distinct.min(), max(np.ptp(distinct), 1e-9)
    scaled = (distinct - low) / span  # so that tolerances mean the same in every game
    value = _value(scaled)
    return Equilibrium(
        value=float(low + span * value),
        detectors=_shared(_most_even(scaled, value), row_of),
        generators=_shared(_most_even(1 - scaled.T, 1 - value), column_of),
    )


def exploit_detectors(payoff: Values, mixture: Values, *, value: float) -> float:
    """What detectors lose of the value where the other side knows their mixture, and answers it as well as it can.

    Args:
        payoff: See :func:`solve_game`.
        mixture: Of the rows, float64 ``(m,)``.
        value: Of the game.

    Returns:
        From 0, where the mixture is optimal, to 1.
    """
    return max(0.0, value - float((mixture @ payoff).min()))


def exploit_generators(payoff: Values, mixture: Values, *, value: float) -> float:
    """What detectors win above the value where they know the mixture of the generators.

    Args:
        payoff: See :func:`solve_game`.
        mixture: Of the columns, float64 ``(n,)``.
        value: Of the game.

    Returns:
        From 0, where the mixture is optimal, to 1.
    """
    return max(0.0, float((payoff @ mixture).max()) - value)


def _value(payoff: Values) -> float:
    """The most that a mixture of rows wins of every column."""
    from scipy.optimize import linprog  # half a second that who only reads scoreboards does not spend

    m, n = payoff.shape
    objective = np.append(np.zeros(m), -1.0)  # the mixture, and the value that it guarantees
    found = linprog(
        objective,
        A_ub=np.hstack([-payoff.T, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * m + [(None, None)],
        method="highs-ds",  # ends at a vertex
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if not found.success:  # a matrix of numbers in [0, 1] has a value
        raise ArithmeticError(f"the game of {m} detectors and {n} generators was not solved: {found.message}")
    # The solver is right up to its tolerance. Who is played on both sides is known now, and all of them do equally well
    # against the other side's optimal mixture, which gives the value to the last digits.
    rows, columns = found.x[:-1] > _PLAYED, -found.ineqlin.marginals > _PLAYED
    equal = np.hstack([payoff[np.ix_(rows, columns)].T, -np.ones((columns.sum(), 1))])
    system = np.vstack([equal, np.append(np.ones(rows.sum()), 0.0)])
    solution, *_ = np.linalg.lstsq(system, np.append(np.zeros(columns.sum()), 1.0))
    return float(np.clip(solution[-1], 0, 1))


def _most_even(payoff: Values, value: float) -> Values:
    """Of all mixtures of rows that guarantee the value, the one with the least sum of squares; ``(m,)``."""
    from scipy.optimize import nnls

    m, n = payoff.shape
    # The least x with G x >= h: no weight below 0, no less than the value from every column, and a sum of at least 1.
    # The first two hold for any multiple of a mixture, so that the least x has a sum of 1.
    wanted = np.append(np.zeros(m), 1.0)
    for slack in _SLACKS:
        gains = payoff - (value - slack)
        gains = gains[:, (gains < 0).any(axis=0)]  # the others ask for nothing
        limits = np.append(np.zeros(m + gains.shape[1]), 1.0)
        system = np.vstack([np.hstack([np.eye(m), gains, np.ones((m, 1))]), limits])
        multipliers, _ = nnls(system, wanted, maxiter=30 * len(limits))
        rest = wanted - system @ multipliers
        least: Values = np.clip(-rest[:-1], 0, None)
        if least.sum() > _PLAYED:
            mixture: Values = least / least.sum()
            if (mixture @ payoff).min() >= value - slack - _GUARANTEED:
                return mixture
    raise ArithmeticError(f"no mixture of {m} versions against {n} guarantees the value of their game, {value}")


def _shared(weights: Values, place_of: Indices) -> Values:
    """The weight of each distinct version, in equal parts to its copies."""
    copies = np.bincount(place_of.ravel())
    shared: Values = (weights / copies)[place_of.ravel()]
    return shared


def _last_largest(shares: Values) -> int:
    return len(shares) - 1 - int(np.argmax(shares[::-1]))


__all__ = ["Complete", "Equilibrium", "exploit_detectors", "exploit_generators", "find_complete", "solve_game"]
