"""Category shift: how much the distribution of the most predictive patches over the parts of the face moved.

Chai et al., ECCV 2020, section 4.3 and Fig. 6, say that a retrained detector "relies less on background patches".
Here that has a size, an interval, and a comparison with what chance alone gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.score.distances import total_variation
from fakeoff.protocols.score.patches import Labels

Floats: TypeAlias = npt.NDArray[np.float64]

_CHANCE = 0.95
_ROUNDING = 1e-9  # shares are multiples of 1 / n; sums of them differ in their last digits


@dataclass(frozen=True, kw_only=True)
class PartShift:
    """From one distribution of parts to another.

    Attributes:
        tv: Total-variation distance of the two, in [0, 1]: the share of images whose part would have to change. It is
            above 0 by chance alone, so it is to be read beside ``tv_null``.
        tv_null: 95% of the distances that chance gives are not above this: which side an image's two parts stand on
            is thrown for each image.
        p_value: How often chance gives at least ``tv``.
        exceeds_null: Whether ``tv`` is above ``tv_null``.
        tv_halves: 95% of the distances of two random halves of the same side's images are not above this (the larger
            of the two sides' figures). Halves are small, so this asks for more than ``tv_null``.
        exceeds_halves: Whether ``tv`` is above ``tv_halves``.
        differences: For each part, how much its share grew.
        differences_ci: Their bootstrap intervals.
    """

    tv: float
    tv_null: float
    p_value: float
    exceeds_null: bool
    tv_halves: float
    exceeds_halves: bool
    differences: dict[str, float]
    differences_ci: dict[str, tuple[float, float]]


def measure_shift(
    before: Labels, after: Labels, *, resamples: int, confidence: float, rng: np.random.Generator
) -> PartShift:
    """Compares the parts of the same images (or of images from the same latents) on two sides.

    Args:
        before: uint8 ``(n,)``: the part of each image's most predictive patch, as one detector sees it.
        after: uint8 ``(n,)``: as another does, in the same order. Resampling keeps the pairs.
        resamples: Of the bootstrap, of the exchanged sides, and of the halves.
        confidence: Of the intervals, as a share.
        rng: For all three.

    Raises:
        ValueError: Fewer than two images, or sides of different length.
    """
    n = len(before)
    if n < 2 or len(after) != n:
        raise ValueError(f"{n} and {len(after)} images cannot be compared; two or more, and as many on both sides")
    sides = np.stack([np.eye(len(PARTS))[side] for side in (before, after)])
    shares = sides.mean(axis=1)
    tv = float(total_variation(*shares))
    moved = sides[1] - sides[0]
    drawn = np.stack([moved[rng.integers(n, size=n)].mean(axis=0) for _ in range(resamples)])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn, tails, axis=0)
    signs = rng.choice([-1.0, 1.0], size=(resamples, n))
    by_chance = total_variation(np.zeros(len(PARTS)), signs @ moved / n)
    null = float(np.quantile(by_chance, _CHANCE))
    halves = float(np.quantile(_halves(sides, resamples=resamples, rng=rng), _CHANCE, axis=1).max())
    return PartShift(
        tv=tv,
        tv_null=null,
        p_value=float((1 + (by_chance >= tv - _ROUNDING).sum()) / (1 + resamples)),
        exceeds_null=tv > null + _ROUNDING,
        tv_halves=halves,
        exceeds_halves=tv > halves + _ROUNDING,
        differences={part: float(d) for part, d in zip(PARTS, shares[1] - shares[0], strict=True)},
        differences_ci={part: (float(a), float(b)) for part, a, b in zip(PARTS, low, high, strict=True)},
    )


def _halves(sides: Floats, *, resamples: int, rng: np.random.Generator) -> Floats:
    """Distances of random halves of each side; ``(2, resamples)``."""
    n = sides.shape[1]
    distances = np.empty((2, resamples))
    for index in range(resamples):
        order = rng.permutation(n)
        halves = (sides[:, half].mean(axis=1) for half in (order[: n // 2], order[n // 2 : 2 * (n // 2)]))
        distances[:, index] = total_variation(*halves)
    return distances
