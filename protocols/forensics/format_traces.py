"""Traces that a format leaves in an image: in the file, and in the pixels after decoding.

Every pixel trace is normalised against the same image's own content (another grid phase, a shifted interpolation, a
smoothed histogram), so that it sees codecs, resizing and quantisation, and not what a generator draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import convolve1d

from fakeoff.arena.images import Pixels
from fakeoff.protocols.forensics.jpeg_grid import Phase
from fakeoff.protocols.forensics.pixels import BLOCK, Floats

HISTOGRAM_GAPS = 0.03


_NEAR = 24  # levels


_FLAT = 8  # levels between the darkest and the brightest pixel of a block


def periodicity(images: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How far each frequency of the second derivative stands out of its neighbours, over a set of images.

    Interpolation makes the variance of the second derivative periodic: Gallagher, "Detection of linear and cubic
    interpolation in JPEG compressed images" (CRV 2005). It outlives JPEG, but JPEG's grid and a generator's own
    upsampling are periodic as well, so it says that there is a period, not where it comes from.

    Args:
        images: Luma of central crops of one size, float32 ``(n, h, w)`` in [0, 255], at least 32 pixels high.

    Returns:
        Frequencies from 0.1 to 0.5 in cycles per pixel, and the mean log power over that of the neighbours;
        ``(bins,)`` each. Clean photographs stay below 0.5.
    """
    second = np.abs(images[:, 2:] - 2 * images[:, 1:-1] + images[:, :-2]).mean(2)
    whole = second.shape[1] // 16 * 16  # JPEG's and the usual ratios' frequencies fall on bins
    profile = second[:, :whole] / (second.mean(1, keepdims=True) + 1e-3)
    power = np.log(np.abs(np.fft.rfft(profile, axis=1)) ** 2 + 1e-6).mean(0)
    frequencies: npt.NDArray[np.float64] = np.fft.rfftfreq(whole).astype(np.float64)
    kept = np.flatnonzero(frequencies >= 0.1)
    around = [np.r_[power[max(1, k - 4) : k], power[k + 1 : k + 5]] for k in kept]
    excess = [float(power[k] - np.median(near)) for k, near in zip(kept, around, strict=True)]
    return frequencies[kept], np.array(excess, dtype=np.float64)


def histogram_gaps(images: Floats, *, phases: Sequence[Phase | None] | None = None) -> Floats:
    """The share of grey levels that are missing although levels on both sides of them are populated.

    Fewer bits, a palette, a contrast stretch or a gamma leave a comb in the histogram: Stamm and Liu, "Forensic
    detection of image manipulation using statistical intrinsic fingerprints" (IEEE TIFS 2010). The image's own
    smoothed histogram says how many levels chance would leave empty; that much is subtracted. It is smoothed from
    either side, and the lower counts: where a picture's levels end, those beyond are no gaps.

    JPEG quantises a block's brightness as well, in steps of a level or more. So in a picture with a JPEG history its
    flat blocks do not count.

    Args:
        images: One channel, float32 ``(n, h, w)`` in [0, 255].
        phases: Of each image, where JPEG's grid begins; None where there is no JPEG history.

    Returns:
        Float ``(n,)``, about 0 without a trace, 0.5 where every second level is missing.
    """
    of_each = phases or [None] * len(images)
    counts = np.stack([_levels(image, phase) for image, phase in zip(images, of_each, strict=True)])
    counts[:, [0, 255]] = 0  # saturation is content
    expected = np.minimum(
        convolve1d(counts, _BELOW, mode="constant"), convolve1d(counts, _BELOW[::-1], mode="constant")
    )
    populated = expected >= 5
    populated[:, [0, 255]] = False
    missing = (counts == 0) - np.exp(-expected)
    gaps: Floats = np.where(populated, missing, 0).sum(1) / np.maximum(populated.sum(1), 1)
    return gaps.astype(np.float32)


def _one_side() -> Floats:
    """Half a Gaussian of 6 levels, which a histogram is smoothed with from one side; float32 ``(49,)``, of sum 1."""
    half = np.where(
        np.arange(-_NEAR, _NEAR + 1) >= 0, np.exp(-((np.arange(-_NEAR, _NEAR + 1) / (_NEAR / 4)) ** 2) / 2), 0
    )
    kernel: Floats = (half / half.sum()).astype(np.float32)
    return kernel


_BELOW = _one_side()


def _levels(image: Floats, phase: Phase | None) -> Floats:
    """How many pixels have each grey level; float32 ``(256,)``."""
    levels = np.clip(np.rint(image), 0, 255).astype(np.intp)
    if phase is not None:
        rows, columns = ((side - begin) // BLOCK for side, begin in zip(levels.shape, phase, strict=True))
        whole = levels[phase[0] : phase[0] + rows * BLOCK, phase[1] : phase[1] + columns * BLOCK]
        blocks = whole.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3).reshape(-1, BLOCK**2)
        levels = blocks[np.ptp(blocks, axis=1) >= _FLAT]
    return np.bincount(levels.ravel(), minlength=256).astype(np.float32)


def colours(image: Pixels) -> str:
    """``grey``, ``nearly grey``, ``palette`` (at most 256 colours on 16 times as many pixels) or ``colour``.

    Args:
        image: uint8 ``(h, w, 3)``.
    """
    red, green, blue = np.moveaxis(image.astype(np.int16), -1, 0)
    chroma = max(int(np.abs(one - other).max()) for one, other in ((red, green), (green, blue), (blue, red)))
    if chroma <= _FAINT_CHROMA:
        return "nearly grey" if chroma else "grey"
    few = red.size >= 4096 and Image.fromarray(image).getcolors(256) is not None
    return "palette of at most 256 colours" if few else "colour"


_FAINT_CHROMA = 12  # what a codec's own colour space leaves of grey


THUMBNAIL_SIDE = 32


_HASH_KEPT = 8


@dataclass(frozen=True, kw_only=True)
class PerceptualHashes:
    """DCT hashes of images: 63 bits each, so that two differ by ``np.bitwise_count(a ^ b)``.

    Attributes:
        upright: uint64 ``(n,)``.
        mirrored: uint64 ``(n,)``; the hashes of the mirror images.
    """

    upright: npt.NDArray[np.uint64]
    mirrored: npt.NDArray[np.uint64]


def thumbnail(image: Pixels) -> Pixels:
    """An image as grey uint8 ``(32, 32)``, for :func:`perceptual_hashes`."""
    grey = Image.fromarray(image).convert("L").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.uint8)


def perceptual_hashes(thumbnails: Pixels) -> PerceptualHashes:
    """Hashes images by the signs of their low frequencies.

    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010).

    Args:
        thumbnails: uint8 ``(n, 32, 32)``.
    """
    low = dctn(thumbnails.astype(np.float32), axes=(1, 2), norm="ortho")[:, :_HASH_KEPT, :_HASH_KEPT]
    # Mirroring turns the sign of every odd horizontal frequency.
    mirrored = low * np.where(np.arange(_HASH_KEPT) % 2, -1, 1)
    return PerceptualHashes(upright=_packed(low), mirrored=_packed(mirrored))


def _packed(low: Floats) -> npt.NDArray[np.uint64]:
    """The frequencies above the image's median, but for its brightness, as the bits of one number."""
    part = low.reshape(len(low), -1)[:, 1:]
    bits = np.packbits(part > np.median(part, axis=1, keepdims=True), axis=1)
    return bits.view(np.uint64)[:, 0]


def likeness(first: Pixels, second: Pixels) -> Floats:
    """The correlation of thumbnails, pair by pair: uint8 ``(n, 32, 32)`` twice to float32 ``(n,)`` in [-1, 1]."""
    correlation: Floats = np.einsum("nij,nij->n", _standardised(first), _standardised(second)) / THUMBNAIL_SIDE**2
    return correlation


def _standardised(thumbnails: Pixels) -> Floats:
    grey = thumbnails.astype(np.float32)
    mean, deviation = (moment(axis=(1, 2), keepdims=True) for moment in (grey.mean, grey.std))
    standardised: Floats = (grey - mean) / (deviation + np.float32(1e-3))
    return standardised
