"""Traces that a format leaves in an image: in the file, and in the pixels after decoding.

Every pixel trace is normalised against the same image's own content (another grid phase, a shifted interpolation, a
smoothed histogram), so that it sees codecs, resizing and quantisation, and not what a generator draws.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, TiffImagePlugin
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter1d
from scipy.stats import chi2
from torch.nn import functional as F

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import LUMA, Pixels
from fakeoff.arena.images.reals import read_image

Floats: TypeAlias = npt.NDArray[np.float32]
Phase: TypeAlias = tuple[int, int]
"""Row and column, 0 to 7, of the first whole 8x8 block."""

# Above these an image carries the trace. docs/audit.md gives what clean photographs and planted ones measure.
JPEG_SCORE = 6.0
HISTOGRAM_GAPS = 0.05
_ROUNDING_VARIANCE = 1 / 12  # of 8-bit quantisation, in grey levels squared
_INTERPOLATION_RESIDUAL = 1.6 * _ROUNDING_VARIANCE
_INTERPOLATION_CONTRAST = float(np.log(3))

_BLOCK = 8
_WINDOW = 128
_LARGEST_STEP = 20
_QUALITIES = np.arange(40, 101)
_AT_ONCE = 64
_PHASE_SAMPLE = 6
_PHASE_CARRIED_BY = 2
_NO_PHASE: Phase = (0, 0)

# ITU-T T.81, table K.1: the luminance quantisation table that libjpeg scales by its quality.
_K1 = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()


def quantisation_table(quality: int) -> npt.NDArray[np.int64]:
    """libjpeg's luminance quantisation table at a quality of 1 to 100; ``(64,)``, row by row."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: npt.NDArray[np.int64] = np.clip((_K1 * scale + 50) // 100, 1, 255)
    return table


def crop_offset(side: int) -> int:
    """Where :func:`central_crop` begins along a side; a multiple of 8, so that JPEG's grid keeps its phase."""
    return max(0, (side - _WINDOW) // 2 // _BLOCK * _BLOCK)


def central_crop(image: Pixels) -> Pixels:
    """The part of an image that is measured: uint8 ``(h, w, 3)``, at most 128 pixels a side; a copy."""
    top, left = (crop_offset(side) for side in image.shape[:2])
    return image[top : top + _WINDOW, left : left + _WINDOW].copy()


def luma(pixels: Pixels) -> Floats:
    """The luma of RGB images ``(..., h, w, 3)``, not rounded; float32 ``(..., h, w)`` in [0, 255]."""
    weighed: Floats = pixels.astype(np.float32) @ np.array(LUMA, dtype=np.float32)
    return weighed


@dataclass(frozen=True, kw_only=True)
class JpegGrid:
    """JPEG's quantisation, as found in decoded pixels.

    Attributes:
        score: Float ``(n,)``; in standard deviations. Without a JPEG history about 2.3, above
            :data:`JPEG_SCORE` with one.
        quality: Int ``(n,)``; the libjpeg quality whose table fits best. Meaningless below the threshold.
    """

    score: Floats
    quality: npt.NDArray[np.int64]


def jpeg_grid(images: Floats, *, phase: Phase = _NO_PHASE) -> JpegGrid:
    """Looks for the comb that quantisation leaves in the histograms of 8x8 DCT coefficients.

    After JPEG each coefficient lies near a multiple of its step q, blurred only by rounding to 8 bits (variance
    1/12). The mean of cos(2 pi c / q) over a table's 63 AC frequencies says how near. Two precautions keep
    content out: coefficients in the zero bin (|c| <= q / 2) do not count, because a smooth picture puts them there
    as well; and the same figure on a grid shifted by half a block is subtracted.

    Sources: Fan and de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer
    estimation" (IEEE TIP 2003); Luo, Huang and Qiu, "JPEG error analysis and its applications to digital image
    forensics" (IEEE TIFS 2010).

    Args:
        images: Luma of central crops, float32 ``(n, h, w)`` in [0, 255], at least 16 pixels a side.
        phase: Where the grid begins; ``(0, 0)`` where nothing was cropped after JPEG.
    """
    shifted = ((phase[0] + 4) % _BLOCK, (phase[1] + 4) % _BLOCK)
    parts = np.array_split(images, -(-len(images) // _AT_ONCE))  # the coefficients take six times the pixels' memory
    contrast = np.concatenate([_comb(part, phase) - _comb(part, shifted) for part in parts])
    return JpegGrid(score=contrast.max(1), quality=_QUALITIES[contrast.argmax(1)])


def find_grid_phase(images: Sequence[Floats] | Floats) -> Phase:
    """The phase at which most of a few images carry JPEG's grid; ``(0, 0)`` unless another is clearly stronger.

    Args:
        images: Luma, float32 ``(h, w)`` each; their sizes may differ, because a crop moves every grid alike.
    """
    by_shape: dict[tuple[int, ...], list[Floats]] = defaultdict(list)
    for index in np.linspace(0, len(images) - 1, min(_PHASE_SAMPLE, len(images))).astype(int):
        by_shape[images[index].shape].append(images[index])
    sample = [np.stack(same_shape) for same_shape in by_shape.values()]
    carrying = {
        phase: sum(int((_comb(same_shape, phase).max(1) > JPEG_SCORE).sum()) for same_shape in sample)
        for phase in product(range(_BLOCK), range(_BLOCK))
    }
    best = max(carrying, key=lambda phase: carrying[phase])
    return best if carrying[best] >= carrying[_NO_PHASE] + _PHASE_CARRIED_BY else _NO_PHASE


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], Floats], ...]:
    """For each quality: the AC frequencies whose step is small enough to leave a comb, the steps, their weights."""
    tables = []
    for quality in _QUALITIES:
        steps = quantisation_table(int(quality))
        frequencies = np.flatnonzero((steps <= _LARGEST_STEP) & (np.arange(_BLOCK**2) > 0))
        steps = steps[frequencies]
        # What rounding to 8 bits leaves of the comb: the characteristic function of its noise.
        weights = np.exp(-2 * np.pi**2 * _ROUNDING_VARIANCE / steps**2).astype(np.float32)
        tables.append((frequencies, steps - 1, weights))
    return tuple(tables)


def _comb(images: Floats, phase: Phase) -> Floats:
    """How well the coefficients of a grid fit each quality's table, in standard deviations; ``(n, qualities)``."""
    n, h, w = images.shape
    rows, columns = (h - phase[0]) // _BLOCK, (w - phase[1]) // _BLOCK
    whole = images[:, phase[0] : phase[0] + rows * _BLOCK, phase[1] : phase[1] + columns * _BLOCK]
    spectrum = dctn(whole.reshape(n, rows, _BLOCK, columns, _BLOCK), axes=(2, 4), norm="ortho")
    size = np.abs(spectrum.transpose(0, 2, 4, 1, 3).reshape(n, _BLOCK**2, rows * columns))
    cosines = np.empty((n, _BLOCK**2, _LARGEST_STEP), np.float32)
    counts = np.empty_like(cosines)
    for q in range(1, _LARGEST_STEP + 1):
        beyond_zero = size > q / 2
        wave = np.cos(size * np.float32(2 * np.pi / q))
        cosines[:, :, q - 1] = np.where(beyond_zero, wave, 0).sum(-1)
        counts[:, :, q - 1] = beyond_zero.sum(-1)
    fits = []
    for frequencies, step, weights in _tables():
        # A cosine of a random phase has the variance 1/2; one more keeps a few coefficients from being sure.
        variance = counts[:, frequencies, step] @ weights**2 / 2 + 1
        fits.append(cosines[:, frequencies, step] @ weights / np.sqrt(variance))
    return np.stack(fits, axis=1)


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
_STRIP = 64
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
    top = max(0, (height - _STRIP) // 2)
    every = max(1, images.shape[2] // columns) if columns else 1
    inside = top - crop_offset(height)
    strip = images[:, inside : inside + _STRIP, ::every]
    aligned, shifted = _complements(height, top, interpolation)
    residual = _unexplained(strip, aligned)
    control = _unexplained(strip, shifted)
    floor = np.float32(_ROUNDING_VARIANCE / 10)  # nearest neighbours leave nothing at all
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
    return _complement(aligned[top : top + _STRIP]), _complement(shifted[top : top + _STRIP])


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
    median = np.median(np.mean(residual**2, axis=1), axis=1) / _chi2_median(free)
    scaled: Floats = median.astype(np.float32)
    return scaled


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


@lru_cache(maxsize=_STRIP)
def _chi2_median(degrees: int) -> float:
    """The median of a mean of squares of standard normals."""
    return float(chi2.median(degrees) / degrees)


def histogram_gaps(images: Floats) -> Floats:
    """The share of grey levels that are missing although their neighbours are populated.

    Fewer bits, a palette, a contrast stretch or a gamma leave a comb in the histogram: Stamm and Liu, "Forensic
    detection of image manipulation using statistical intrinsic fingerprints" (IEEE TIFS 2010). The image's own
    smoothed histogram says how many levels chance would leave empty; that much is subtracted.

    Args:
        images: One channel, float32 ``(n, h, w)`` in [0, 255].

    Returns:
        Float ``(n,)``, about 0 without a trace, 0.5 where every second level is missing.
    """
    levels = (np.clip(np.rint(image), 0, 255).astype(np.intp).ravel() for image in images)
    counts = np.stack([np.bincount(image, minlength=256) for image in levels]).astype(np.float32)
    counts[:, [0, 255]] = 0  # saturation is content
    expected = gaussian_filter1d(counts, 4.0, axis=1, mode="constant")
    populated = expected >= 5
    populated[:, [0, 255]] = False
    missing = (counts == 0) - np.exp(-expected)
    gaps: Floats = np.where(populated, missing, 0).sum(1) / np.maximum(populated.sum(1), 1)
    return gaps.astype(np.float32)


def colours(image: Pixels) -> str:
    """``grey``, ``nearly grey``, ``palette`` (at most 256 colours on 16 times as many pixels) or ``colour``.

    Args:
        image: uint8 ``(h, w, 3)``.
    """
    wide = image.astype(np.int32)
    chroma = int(np.ptp(wide, axis=2).max())
    if chroma <= _FAINT_CHROMA:
        return "nearly grey" if chroma else "grey"
    distinct = len(np.unique(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]))
    return "palette of at most 256 colours" if distinct <= 256 and wide[..., 0].size >= 4096 else "colour"


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


_WORD_LENGTH = 48
_PNG_DEPTH_AT = 24  # in IHDR, which is the first chunk
_TIFF_BITS_PER_SAMPLE = 258


def _printable(value: object) -> str:
    text = "".join(letter for letter in " ".join(str(value).split()) if letter.isprintable())
    return text[:_WORD_LENGTH]


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image file, opened and decoded once.

    Attributes:
        pixels: uint8 ``(h, w, 3)``, upright; what :func:`fakeoff.arena.images.reals.read_image` gives.
        traces: What the file says about itself, by the name of the trace. Those whose name begins with ``JPEG`` are
            given for JPEG files only, so that a difference of format is not told six times.
        sha256: Of the file's bytes.
    """

    pixels: Pixels
    traces: dict[str, str]
    sha256: bytes


def read_file(path: Path) -> ImageFile:
    """Reads an image file: its pixels, and what it says about itself.

    Args:
        path: Treated as hostile, as :func:`fakeoff.arena.images.reals.read_image` does.

    Raises:
        UnidentifiedImageError: Not an image.
        DataError: An image, but damaged or too large, or its metadata are damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").digest()
                file.seek(0)
                header = file.read(_PNG_DEPTH_AT + 1)
                with Image.open(file) as opened:
                    if _is_ordinary(opened):
                        pixels = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"), dtype=np.uint8)
                    else:
                        pixels = np.asarray(read_image(path).convert("RGB"), dtype=np.uint8)
                    opened.load()  # PNG text may follow the pixels
                    traces = _describe(opened, header=header, extension=path.suffix.lower())
        except Exception as error:  # decoders, of metadata as well, raise anything
            read_image(path)  # says in one line what is wrong with the pixels; else it is the metadata
            raise DataError(f"damaged metadata: {_printable(error) or type(error).__name__}") from error
    return ImageFile(pixels=pixels, traces=traces, sha256=sha256)


def _is_ordinary(image: Image.Image) -> bool:
    """Whether Pillow's own conversion to 8 bits will do, and no limit of size is near; else read_image has to see."""
    small = image.width * image.height <= (Image.MAX_IMAGE_PIXELS or 0)
    return small and not image.mode.startswith(("I", "F"))


def _describe(image: Image.Image, *, header: bytes, extension: str) -> dict[str, str]:
    info = image.info
    named = Image.registered_extensions().get(extension)
    exif = image.getexif()
    tags = sorted(_printable(ExifTags.TAGS.get(tag, hex(tag))) for tag in exif)
    text = sorted(_printable(name) for name in getattr(image, "text", {}))
    traces = {
        "file format": image.format or "unknown",
        "file extension": "fits the format" if named == image.format else f"{_printable(extension) or 'none'}",
        "mode": image.mode + (" with transparency" if "transparency" in info else ""),
        "bit depth": _bit_depth(image, header),
        "EXIF": ", ".join(tags)[: 3 * _WORD_LENGTH] or "none",
        "EXIF software": _printable(exif.get(ExifTags.Base.Software, "none")),
        "ICC profile": f"{len(info['icc_profile'])} bytes" if info.get("icc_profile") else "none",
        "text chunks": ", ".join(text)[: 3 * _WORD_LENGTH] or "none",
        "resolution (dpi)": _printable(info.get("dpi", "none")),
        "gamma": _printable(info.get("gamma", "none")),
        "comment": "present" if info.get("comment") else "none",
        "interlacing": "interlaced" if info.get("interlace") else "none",
        "XMP": "present" if info.get("xmp") or info.get("XML:com.adobe.xmp") else "none",
        "frames": str(getattr(image, "n_frames", 1)),
    }
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image), "other or grey")
        traces |= {
            "JPEG quantisation tables": _table_name(image.quantization),
            "JPEG chroma subsampling": sampling,
            "JPEG density": _printable(info.get("jfif_density", "none")),
            "JPEG scan": "progressive" if info.get("progressive") or info.get("progression") else "baseline",
        }
    # One string for all the files that say the same: there may be 100 000.
    return {name: sys.intern(value) for name, value in traces.items()}


def _bit_depth(image: Image.Image, header: bytes) -> str:
    """Bits of a sample in the file; where Pillow does not say, of its decoded mode."""
    if image.format == "PNG":
        depth = header[_PNG_DEPTH_AT]  # the mode hides it: 16-bit RGB is decoded to 8 bits, 2-bit grey as well
    elif isinstance(image, TiffImagePlugin.TiffImageFile) and _TIFF_BITS_PER_SAMPLE in image.tag_v2:
        depth = max(image.tag_v2[_TIFF_BITS_PER_SAMPLE])
    elif image.mode == "1":
        depth = 1
    elif image.mode in ("I", "F"):
        depth = 32
    else:
        depth = 16 if image.mode.startswith("I;16") else 8
    return f"{depth} bit{'s' if depth != 1 else ''}"


def _table_name(tables: Mapping[int, Sequence[int]]) -> str:
    first = list(tables.get(0, ()))
    for quality in range(100, 0, -1):
        if first == quantisation_table(quality).tolist():
            return f"libjpeg, quality {quality}"
    return f"not libjpeg's, mean step {np.mean(first):.1f}" if first else "none"
