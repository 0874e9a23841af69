"""Traces of a resize: by which kernel, from which size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F

from fakeoff.protocols.forensics.pixels import ROUNDING_VARIANCE, STRIP, Floats, chi2_median, crop_offset

_INTERPOLATION_RESIDUAL = 1.6 * ROUNDING_VARIANCE


_INTERPOLATION_CONTRAST = float(np.log(3))


@dataclass(frozen=True, kw_only=True)
class Interpolation:
    """A resizing to the present height: from how many rows, and with which kernel."""

    source: int
    kernel: str


@dataclass(frozen=True, kw_only=True)
class InterpolationFit:
    """How exactly columns are an interpolation of fewer rows.

    Attributes:
        residual: Float ``(n,)``; variance of what the interpolation cannot explain, in grey levels squared. Rounding
            alone leaves 1/12.
        contrast: Float ``(n,)``; log of the residual of the same interpolation shifted by half a source pixel, over
            ``residual``. 0 for content that is only smooth.
    """

    residual: Floats
    contrast: Floats

    @property
    def carried(self) -> npt.NDArray[np.bool_]:
        """Which images were resized so; bool ``(n,)``."""
        both: npt.NDArray[np.bool_] = (self.residual < _INTERPOLATION_RESIDUAL) & (
            self.contrast > _INTERPOLATION_CONTRAST
        )
        return both


_PILLOW_KERNELS: Mapping[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}


_OPENCV_BICUBIC = "bicubic (OpenCV, PyTorch)"  # a = -0.75, where Pillow has a = -0.5


KERNELS = (*_PILLOW_KERNELS, _OPENCV_BICUBIC)


_SEARCH_COLUMNS = 16


# Above this height not every source height is tried, but usual ones and simple ratios.
_EVERY_SOURCE_TO = 96


_USUAL_SIDES = (64, 96, 112, 128, 160, 178, 192, 200, 224, 256, 299, 300, 320, 384, 400, 448, 480, 500, 512, 600)


_USUAL_SHARES = (1 / 4, 1 / 3, 3 / 8, 2 / 5, 1 / 2, 3 / 5, 5 / 8, 2 / 3, 7 / 10, 3 / 4, 4 / 5, 5 / 6, 7 / 8, 9 / 10)


def fit_interpolation(
    images: Floats, interpolation: Interpolation, *, height: int, columns: int | None = None
) -> InterpolationFit:
    """Tests whether the columns of images are an exact interpolation of a smaller picture.

    Interpolated pixels are linear combinations of their neighbours: a column of h pixels that was made of m < h
    lies in a subspace of m dimensions, but for rounding. This is the linear dependence of Popescu and Farid,
    "Exposing digital forgeries by detecting traces of resampling" (IEEE TSP 2005), with known kernels in place of
    their estimation by EM; Mahdian and Saic, "Blind authentication using periodic properties of interpolation"
    (IEEE TIFS 2008) review it. The learned convolutions of a generator leave no such dependence, however periodic
    their spectrum is. Only columns are tested, because Pillow resizes them last and rounds once more before.

    Args:
        images: One channel of central crops, float32 ``(n, h, w)`` in [0, 255].
        interpolation: What to test for.
        height: Of the images before the crop.
        columns: Test that many of the columns only.
    """
    top = max(0, (height - STRIP) // 2)
    every = max(1, images.shape[2] // columns) if columns else 1
    inside = top - crop_offset(height)
    strip = images[:, inside : inside + STRIP, ::every]
    aligned, shifted = _complements(height, top, interpolation)
    residual = _unexplained(strip, aligned)
    control = _unexplained(strip, shifted)
    floor = np.float32(ROUNDING_VARIANCE / 10)  # nearest neighbours leave nothing at all
    return InterpolationFit(residual=residual, contrast=np.log((control + floor) / (residual + floor)))


def find_interpolation(images: Floats, *, height: int) -> Interpolation | None:
    """The resizing that explains most of the images, or None where none is carried.

    Args:
        images: One channel of central crops, float32 ``(n, h, w)`` in [0, 255]; a few dozen are enough.
        height: Of the images before the crop.
    """
    weights: dict[Interpolation, float] = {}
    for source, kernel in product(_source_heights(height), KERNELS):
        candidate = Interpolation(source=source, kernel=kernel)
        fit = fit_interpolation(images, candidate, height=height, columns=_SEARCH_COLUMNS)
        weights[candidate] = float(fit.contrast[fit.carried].sum())
    most = max(weights.values(), default=0.0)
    # What 16 rows explain, 48 explain as well: of those that explain it about as clearly, the smallest source.
    clear = [found for found, weight in weights.items() if weight > 0 and weight >= 0.9 * most]
    return min(clear, key=lambda found: (found.source, -weights[found]), default=None)


def _source_heights(height: int) -> list[int]:
    if height <= _EVERY_SOURCE_TO:
        return list(range(height // 4, int(height * 0.96)))
    usual = {*_USUAL_SIDES, *(round(height * share) for share in _USUAL_SHARES)}
    return sorted(side for side in usual if height / 4 <= side < height * 0.96)


@lru_cache(maxsize=1024)
def _complements(height: int, top: int, interpolation: Interpolation) -> tuple[Floats, Floats]:
    """Orthonormal bases of what an interpolation, and the same one shifted, cannot produce; each ``(rows, k)``."""
    aligned, shifted = (_matrix(height, interpolation, shifted=shifted) for shifted in (False, True))
    return _complement(aligned[top : top + STRIP]), _complement(shifted[top : top + STRIP])


def _matrix(height: int, interpolation: Interpolation, *, shifted: bool) -> npt.NDArray[np.float64]:
    """The interpolation as a matrix ``(height, source)``, by resizing the unit vectors.

    Shifted, it reads half a source pixel further down, from one row more.
    """
    source = interpolation.source
    unit = np.eye(source + shifted, dtype=np.float32)
    if interpolation.kernel == _OPENCV_BICUBIC and not shifted:
        rows = F.interpolate(
            torch.from_numpy(unit)[None, None], size=(source, height), mode="bicubic", align_corners=False
        )[0, 0].numpy()
    else:
        kernel = _PILLOW_KERNELS.get(interpolation.kernel, Image.Resampling.BICUBIC)
        box = (0.5, 0, source + 0.5, source + 1) if shifted else None
        rows = np.asarray(Image.fromarray(unit).resize((height, source + shifted), kernel, box=box))
    return rows.T.astype(np.float64)


def _complement(matrix: npt.NDArray[np.float64]) -> Floats:
    touched = matrix[:, np.abs(matrix).max(axis=0) > 1e-6]
    left, singular, _ = np.linalg.svd(touched, full_matrices=True)
    rank = int((singular > singular[0] * 1e-3).sum())
    return left[:, rank:].astype(np.float32)


def _unexplained(strip: Floats, complement: Floats) -> Floats:
    """The median over columns of the residual's variance; the median, because saturated columns are not linear."""
    free = complement.shape[1]
    if not free:
        return np.full(len(strip), np.inf, np.float32)
    residual = complement.T @ strip
    median = np.median(np.mean(residual**2, axis=1), axis=1) / chi2_median(free)
    scaled: Floats = median.astype(np.float32)
    return scaled
