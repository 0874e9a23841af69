"""Category shift: how much the distribution of the most predictive patches over the parts of the face moved.

Chai et al., ECCV 2020, section 4.3 and Fig. 6, say that a retrained detector "relies less on background patches".
Here that has a size, an interval, and a comparison with what chance alone gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.patches import Labels


@dataclass(frozen=True, kw_only=True)
class PartShift:
    """From one distribution of parts to another.

    Attributes:
        tv: Total-variation distance of the two, in [0, 1]: the share of images whose part would have to change.
        tv_ci: Its bootstrap interval.
        tv_halves: The mean distance between one random half of the images on the one side and the other half on the
            other side: like ``tv``, at the sample size of ``tv_null``.
        tv_null: The distance that 95% of such halves stay below when both are of the same side: chance.
        exceeds_null: Whether ``tv_halves`` is above ``tv_null``.
        differences: For each part, how much its share grew.
        differences_ci: Their bootstrap intervals.
    """

    tv: float
    tv_ci: tuple[float, float]
    tv_halves: float
    tv_null: float
    exceeds_null: bool
    differences: dict[str, float]
    differences_ci: dict[str, tuple[float, float]]


def total_variation(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half the sum of absolute differences along the last axis; in [0, 1]."""
    return np.asarray(np.abs(after - before).sum(axis=-1) / 2)


def measure_shift(
    before: Labels, after: Labels, *, resamples: int, confidence: float, rng: np.random.Generator
) -> PartShift:
    """Compares the parts of the same images (or of images from the same latents) on two sides.

    Args:
        before: uint8 ``(n,)``: the part of each image's most predictive patch, as one detector sees it.
        after: uint8 ``(n,)``: as another does, in the same order. Resampling keeps the pairs.
        resamples: Of the bootstrap, and of the halves.
        confidence: Of the intervals, as a share.
        rng: For both.

    Raises:
        ValueError: Fewer than two images, or sides of different length.
    """
    n = len(before)
    if n < 2 or len(after) != n:
        raise ValueError(f"{n} and {len(after)} images cannot be compared; two or more, and as many on both sides")
    sides = np.stack([np.eye(len(PARTS))[side] for side in (before, after)])
    shares = sides.mean(axis=1)
    drawn = np.stack([sides[:, rng.integers(n, size=n)].mean(axis=1) for _ in range(resamples)])
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    tv_ci = np.quantile(total_variation(drawn[:, 0], drawn[:, 1]), tails)
    differences_ci = np.quantile(drawn[:, 1] - drawn[:, 0], tails, axis=0)
    across, within = _halves(sides, resamples=resamples, rng=rng)
    null = float(np.quantile(within, 0.95))
    return PartShift(
        tv=float(total_variation(shares[0], shares[1])),
        tv_ci=(float(tv_ci[0]), float(tv_ci[1])),
        tv_halves=float(across.mean()),
        tv_null=null,
        exceeds_null=bool(across.mean() > null),
        differences={part: float(d) for part, d in zip(PARTS, shares[1] - shares[0], strict=True)},
        differences_ci={part: (float(a), float(b)) for part, a, b in zip(PARTS, *differences_ci, strict=True)},
    )


def _halves(
    sides: npt.NDArray[np.float64], *, resamples: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances of random halves: across the two sides, and within each of them (the larger of the two)."""
    n = sides.shape[1]
    across, within = np.empty(resamples), np.empty(resamples)
    for index in range(resamples):
        order = rng.permutation(n)
        first, second = (sides[:, half].mean(axis=1) for half in (order[: n // 2], order[n // 2 : 2 * (n // 2)]))
        distances = total_variation(first[:, None], second[None])  # [side of the one half, side of the other]
        across[index] = (distances[0, 1] + distances[1, 0]) / 2
        within[index] = max(distances[0, 0], distances[1, 1])
    return across, within
