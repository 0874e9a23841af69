"""What all traces are read from: crops and their brightness."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv  # chi2.median of scipy.stats, without its half second of imports

from fakeoff.arena.images import LUMA, Pixels

Floats: TypeAlias = npt.NDArray[np.float32]


ROUNDING_VARIANCE = 1 / 12  # of 8-bit quantisation, in grey levels squared


BLOCK = 8


_WINDOW = 128


def crop_offset(side: int) -> int:
    """Where :func:`central_crop` begins along a side; a multiple of 8, so that JPEG's grid keeps its phase."""
    return max(0, (side - _WINDOW) // 2 // BLOCK * BLOCK)


def central_crop(image: Pixels) -> Pixels:
    """The part of an image that is measured: uint8 ``(h, w, 3)``, at most 128 pixels a side; a copy."""
    top, left = (crop_offset(side) for side in image.shape[:2])
    return image[top : top + _WINDOW, left : left + _WINDOW].copy()


def luma(pixels: Pixels) -> Floats:
    """The luma of RGB images ``(..., h, w, 3)``, not rounded; float32 ``(..., h, w)`` in [0, 255]."""
    weighed: Floats = pixels.astype(np.float32) @ np.array(LUMA, dtype=np.float32)
    return weighed


STRIP = 64


@lru_cache(maxsize=STRIP)
def chi2_median(degrees: int) -> float:
    """The median of a mean of squares of standard normals."""
    return float(2 * gammaincinv(degrees / 2, 0.5) / degrees)
