"""Traces of a resize: by which kernel, from which size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from fakeoff.protocols.forensics.pixels import ROUNDING_VARIANCE, STRIP, Floats, chi2_median, crop_offset
from fakeoff.protocols.forensics.recompression import Recompressed, rows_off

_INTERPOLATION_RESIDUAL = 1.6 * ROUNDING_VARIANCE


_INTERPOLATION_CONTRAST = float(np.log(3))  # against either control


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
        beyond_jpeg: Float ``(n,)``; log of the same interpolation's residual in what JPEG alone would make of the
            content (:mod:`fakeoff.protocols.forensics.recompression`), over ``residual``. About 0 where JPEG explains
            the trace, infinite without a JPEG history.
    """

    residual: Floats
    contrast: Floats
    beyond_jpeg: Floats

    @property
    def carried(self) -> npt.NDArray[np.bool_]:
        """Which images were resized so; bool ``(n,)``."""
        both: npt.NDArray[np.bool_] = (self.residual < _INTERPOLATION_RESIDUAL) & (
            np.minimum(self.contrast, self.beyond_jpeg) > _INTERPOLATION_CONTRAST
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


_REACH = 4  # rows that a kernel reads on either side: Lanczos has three


_SEARCH_COLUMNS = 16


# Above this height not every source height is tried, but usual ones and simple ratios.
_EVERY_SOURCE_TO = 96


_USUAL_SIDES = (64, 96, 112, 128, 160, 178, 192, 200, 224, 256, 299, 300, 320, 384, 400, 448, 480, 500, 512, 600)


_USUAL_SHARES = (1 / 4, 1 / 3, 3 / 8, 2 / 5, 1 / 2, 3 / 5, 5 / 8, 2 / 3, 7 / 10, 3 / 4, 4 / 5, 5 / 6, 7 / 8, 9 / 10)


def fit_interpolation(
    images: Floats,
    interpolation: Interpolation,
    *,
    height: int,
    columns: int | None = None,
    recompressed: Recompressed | None = None,
) -> InterpolationFit:
    """Tests whether the columns of images are an exact interpolation of a smaller picture.

    Interpolated pixels are linear combinations of their neighbours: a column of h pixels that was made of m < h
    lies in a subspace of m dimensions, but for rounding. This is the linear dependence of Popescu and Farid,
    "Exposing digital forgeries by detecting traces of resampling" (IEEE TSP 2005), with known kernels in place of
    their estimation by EM; Mahdian and Saic, "Blind authentication using periodic properties of interpolation"
    (IEEE TIFS 2008) review it. The learned convolutions of a generator leave no such dependence, however periodic
    their spectrum is. Only columns are tested, because Pillow resizes them last and rounds once more before.

    JPEG leaves one where it quantises a block's highest frequencies to nothing: eight rows then have the freedom of
    seven or six, as if they had been seven or six. So what explains a picture with a JPEG history has to explain it
    better than the same content that was moved against the grid and compressed alike.

    Args:
        images: One channel of central crops, float32 ``(n, h, w)`` in [0, 255].
        interpolation: What to test for.
        height: Of the images before the crop.
        columns: Test that many of the columns only.
        recompressed: The images' JPEG histories; None where they have none.
    """
    top = max(0, (height - STRIP) // 2)
    every = max(1, images.shape[2] // columns) if columns else 1
    inside = top - crop_offset(height)
    strip = images[:, inside : inside + STRIP, ::every]
    aligned, shifted = _complements(height, top, interpolation)
    residual = _unexplained(strip, aligned)
    control = _unexplained(strip, shifted)
    floor = np.float32(ROUNDING_VARIANCE / 10)  # nearest neighbours leave nothing at all
    fit = InterpolationFit(
        residual=residual,
        contrast=np.log((control + floor) / (residual + floor)),
        beyond_jpeg=np.full(len(images), np.inf, np.float32),
    )
    if recompressed is None or not (asked := fit.carried & recompressed.history).any():
        return fit
    moved = recompressed.moved(rows_off(interpolation.source / height))[asked, inside : inside + STRIP, ::every]
    fit.beyond_jpeg[asked] = np.log((_unexplained(moved, aligned) + floor) / (residual[asked] + floor))
    return fit


def find_interpolation(
    images: Floats, *, height: int, recompressed: Recompressed | None = None
) -> Interpolation | None:
    """The resizing that explains most of the images, or None where none is carried.

    Args:
        images: One channel of central crops, float32 ``(n, h, w)`` in [0, 255]; a few dozen are enough.
        height: Of the images before the crop.
        recompressed: The images' JPEG histories; None where they have none.
    """
    weights: dict[Interpolation, float] = {}
    for source, kernel in product(_source_heights(height), KERNELS):
        candidate = Interpolation(source=source, kernel=kernel)
        fit = fit_interpolation(images, candidate, height=height, columns=_SEARCH_COLUMNS, recompressed=recompressed)
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
    aligned, shifted = (_matrix(height, top, interpolation, shifted=shifted) for shifted in (False, True))
    return _complement(aligned), _complement(shifted)


def _matrix(height: int, top: int, interpolation: Interpolation, *, shifted: bool) -> npt.NDArray[np.float64]:
    """The strip's rows of an interpolation as a matrix ``(rows, near)`` from the source rows near them.

    It is made by resizing unit vectors. Shifted, it reads half a source pixel further down, from one row more.
    """
    source, rows = interpolation.source, slice(top, min(top + STRIP, height))
    near = slice(max(0, rows.start * source // height - _REACH), rows.stop * source // height + _REACH + 2)
    if interpolation.kernel == _OPENCV_BICUBIC and not shifted:
        return _opencv_bicubic(height, source, rows)[:, near]
    unit = np.eye(source + shifted, dtype=np.float32)[near]
    kernel = _PILLOW_KERNELS.get(interpolation.kernel, Image.Resampling.BICUBIC)
    box = (0.5, 0, source + 0.5, len(unit)) if shifted else None
    resized = np.asarray(Image.fromarray(unit).resize((height, len(unit)), kernel, box=box))
    return resized[:, rows].T.astype(np.float64)


def _opencv_bicubic(height: int, source: int, rows: slice) -> npt.NDArray[np.float64]:
    """``torch.nn.functional.interpolate(mode="bicubic")`` as a matrix: importing it takes longer than an audit."""
    centres = (np.arange(height)[rows] + 0.5) * source / height - 0.5
    first = np.floor(centres).astype(np.intp)
    matrix = np.zeros((len(centres), source))
    a = -0.75
    for tap in range(-1, 3):
        x = np.abs(centres - first - tap)
        weight = np.where(x <= 1, ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a)
        np.add.at(matrix, (np.arange(len(centres)), np.clip(first + tap, 0, source - 1)), weight)
    return matrix


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
