"""Fakes of which it is known what was changed, and how a patch detector's heatmap of each lies to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from fakeoff.arena.images import Masks
from fakeoff.detectors import ReceptiveField
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.patches import Floats, Indices, Truth

Values: TypeAlias = npt.NDArray[np.float64]

_INSIDE = 128  # of 255: a pixel that is changed by half or more lies inside
_FAKE: Truth = "fake"
_CANDIDATES = 100
_AT_A_TIME = 32


@dataclass(frozen=True, kw_only=True)
class MaskedFakes:
    """What a patch detector said of fakes, and what was changed of them.

    Attributes:
        scores: float32 ``(n, h', w')``: P(fake) of each patch.
        masks: uint8 ``(n, h, w)``, 255 where all was changed, at the size at which the detector was shown the images.
    """

    scores: Floats
    masks: Masks

    def usable(self) -> MaskedFakes:
        """Those of which some pixels were changed and some were not."""
        return self.at(self.places())

    def places(self) -> Indices:
        """Which these are, int64."""
        inside = self.inside.mean(axis=(1, 2))
        return np.flatnonzero((inside > 0) & (inside < 1))

    def at(self, places: Indices) -> MaskedFakes:
        """Some of them."""
        return MaskedFakes(scores=self.scores[places], masks=self.masks[places])

    def shuffled(self, rng: np.random.Generator) -> MaskedFakes:
        """The same with the patches of each image in another order."""
        if not len(self.scores):
            return self
        flat = self.scores.reshape(len(self.scores), -1)
        return MaskedFakes(scores=rng.permuted(flat, axis=1).reshape(self.scores.shape), masks=self.masks)

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which pixels were changed by half or more."""
        return self.masks >= _INSIDE


def of_pixels(fakes: MaskedFakes, field: ReceptiveField, threshold: float) -> dict[str, Values]:
    """Holds heatmaps against masks pixel by pixel.

    Args:
        fakes: Each with pixels inside and outside of its mask.
        field: The detector's: where the heatmap lies.
        threshold: Of P(fake), from which a pixel is called changed.

    Returns:
        ``mass``, ``auc`` and ``iou`` of each fake, float64 ``(n,)``: see
        :class:`fakeoff.protocols.score.localisation.LocalisationFigures`.
    """
    found: dict[str, list[Values]] = {"mass": [], "auc": [], "iou": []}
    for start in range(0, len(fakes.scores), _AT_A_TIME):
        heat, inside = _pixels(fakes, field, slice(start, start + _AT_A_TIME))
        changed = inside.sum(axis=1)
        whole = heat.sum(axis=1)
        found["mass"].append(
            np.where(whole > 0, (heat * inside).sum(axis=1) / np.where(whole > 0, whole, 1), inside.mean(axis=1))
        )
        above = (rankdata(heat, axis=1) * inside).sum(axis=1) - changed * (changed + 1) / 2
        found["auc"].append(above / (changed * (inside.shape[1] - changed)))
        called = heat >= threshold
        found["iou"].append((called & inside).sum(axis=1) / (called | inside).sum(axis=1))
    return {name: np.concatenate(values) for name, values in found.items()}


def best_threshold(fakes: MaskedFakes, field: ReceptiveField) -> float:
    """The threshold with the best IoU in the mean over fakes; of equals the middle one; 0.5 where there are none.

    Args:
        fakes: Of val.
        field: The detector's.
    """
    if not len(fakes.scores):
        return 0.5
    levels = np.unique(np.quantile(fakes.scores.astype(np.float64), np.linspace(0, 1, _CANDIDATES + 1)))
    candidates = np.concatenate([levels, (levels[1:] + levels[:-1]) / 2])  # pixels between patches have others, too
    candidates.sort()
    sums = np.zeros(len(candidates))
    for start in range(0, len(fakes.scores), _AT_A_TIME):
        heat, inside = _pixels(fakes, field, slice(start, start + _AT_A_TIME))
        for values, changed in zip(heat, inside, strict=True):
            hits, others = (
                len(side) - np.searchsorted(np.sort(side), candidates) for side in (values[changed], values[~changed])
            )
            sums += hits / (changed.sum() + others)
    best = np.flatnonzero(sums >= sums.max() - 1e-9)
    return float(candidates[best[len(best) // 2]])


def _pixels(fakes: MaskedFakes, field: ReceptiveField, part: slice) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Heatmaps and masks of some fakes, pixel by pixel: float64 and bool ``(k, h * w)``."""
    inside = fakes.inside[part]
    heat = patches.align(fakes.scores[part], field, size=(inside.shape[1], inside.shape[2]))
    return heat.reshape(len(heat), -1).astype(np.float64), inside.reshape(len(inside), -1)


def of_patches(fakes: MaskedFakes, field: ReceptiveField, *, rng: np.random.Generator) -> dict[str, Values]:
    """Holds most predictive patches against masks.

    Args:
        fakes: Any.
        field: The detector's: which pixels a patch sees.
        rng: Of ties.

    Returns:
        Of each fake, float64 ``(n,)``: ``pointing``, 1 where the centre of its most predictive patch lies inside, else
        0; ``patch``, the share of that patch which lies inside; and both in the mean over all of its patches,
        ``any_centre`` and ``any_patch``.
    """
    inside, grid = fakes.inside, fakes.scores.shape[1:]
    height, width = inside.shape[1:]
    units = all_units(grid)
    middle = np.floor(field.offset + units * field.stride + (field.size - 1) / 2).astype(np.int64)
    middle = np.clip(middle, 0, [height - 1, width - 1])
    centres = inside[:, middle[:, 0], middle[:, 1]].astype(np.float64)  # (n, h' * w')
    shares = shares_inside(inside, patches.windows(units, field, size=(height, width)))
    chosen, _ = patches.most_predictive(fakes.scores, truth=_FAKE, rng=rng)
    at = (np.arange(len(inside)), chosen[:, 0] * grid[1] + chosen[:, 1])
    return {
        "pointing": centres[at],
        "patch": shares[at],
        "any_centre": centres.mean(axis=1),
        "any_patch": shares.mean(axis=1),
    }


def all_units(grid: tuple[int, ...]) -> Indices:
    """All patches of a grid, row by row; int64 ``(h' * w', 2)``."""
    return np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1).reshape(-1, 2)


def shares_inside(inside: npt.NDArray[Any], boxes: Indices) -> Values:
    """How much of each patch lies inside, float64 ``(n, k)``; of ``(n, h, w)`` and of boxes ``(k, 4)``."""
    n, height, width = inside.shape
    table = np.zeros((n, height + 1, width + 1))
    np.cumsum(np.cumsum(inside, axis=1), axis=2, out=table[:, 1:, 1:])
    top, left, bottom, right = boxes.T
    changed = table[:, bottom, right] - table[:, top, right] - table[:, bottom, left] + table[:, top, left]
    shares: Values = changed / ((bottom - top) * (right - left))
    return shares


__all__ = ["MaskedFakes", "Values", "all_units", "best_threshold", "of_patches", "of_pixels", "shares_inside"]
