"""Traces of JPEG: the grid of its blocks, and the table that they were quantised with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn

from fakeoff.protocols.forensics.pixels import BLOCK, ROUNDING_VARIANCE, Floats

Phase: TypeAlias = tuple[int, int]


"""Row and column, 0 to 7, of the first whole 8x8 block."""


# Above these an image carries the trace. docs/audit.md gives what clean photographs and planted ones measure.
JPEG_SCORE = 6.0


_LARGEST_STEP = 20


QUALITIES = np.arange(40, 101)


_AT_ONCE = 64


_PHASE_SAMPLE = 6


_PHASE_CARRIED_BY = 2


_NO_PHASE: Phase = (0, 0)


# A table explains a picture's coefficients if their comb is about as sharp as the sharpest, and if it is not found
# much less clearly than the clearest.
_EXACT = 0.9


_CLEAR = 0.35


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


@dataclass(frozen=True, kw_only=True)
class JpegGrid:
    """JPEG's quantisation, as found in decoded pixels.

    Attributes:
        contrast: Float ``(n, qualities)``; how much better each table's comb is than on a shifted grid, in standard
            deviations.
        explained: Bool ``(n, qualities)``; whether a table leaves nothing of the coefficients but rounding. Of a
            picture that was saved twice that is the last one: the first is only nearly as exact.
    """

    contrast: Floats
    explained: npt.NDArray[np.bool_]

    @property
    def score(self) -> Floats:
        """Float ``(n,)``; without a JPEG history about 2.3, above :data:`JPEG_SCORE` with one."""
        score: Floats = self.contrast.max(1)
        return score

    @property
    def quality(self) -> npt.NDArray[np.int64]:
        """Int ``(n,)``; the libjpeg quality of the last saving. Meaningless where there is no JPEG history."""
        among = self.explained | ~self.explained.any(1, keepdims=True)
        quality: npt.NDArray[np.int64] = QUALITIES[np.where(among, self.contrast, -np.inf).argmax(1)]
        return quality


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
    shifted = ((phase[0] + 4) % BLOCK, (phase[1] + 4) % BLOCK)
    parts = np.array_split(images, -(-len(images) // _AT_ONCE))  # the coefficients take six times the pixels' memory
    combs = [_comb(part, phase) for part in parts]
    control = np.concatenate([_comb(part, shifted).score for part in parts])
    contrast = np.concatenate([comb.score for comb in combs]) - control
    exactness, error = (np.concatenate([getattr(comb, name) for comb in combs]) for name in ("exactness", "error"))
    clear = contrast > _CLEAR * contrast.max(1, keepdims=True)
    sharpest = np.where(clear, exactness, 0).max(1, keepdims=True).clip(max=1)  # colours are rounded once more
    return JpegGrid(contrast=contrast, explained=clear & (exactness > _EXACT * sharpest - error))


def find_grid_phase(images: Sequence[Floats] | Floats) -> Phase:
    """The phase at which most of a few images carry JPEG's grid; ``(0, 0)`` unless another is clearly stronger.

    Args:
        images: Luma, float32 ``(h, w)`` each; their sizes may differ, because a crop moves every grid alike.
    """
    by_shape: dict[tuple[int, ...], list[Floats]] = defaultdict(list)
    for index in np.linspace(0, len(images) - 1, min(_PHASE_SAMPLE, len(images))).astype(int):
        by_shape[images[index].shape].append(images[index])
    sample = [np.stack(same_shape) for same_shape in by_shape.values()]

    def carried(phase: Phase) -> int:
        return sum(int((_comb(same_shape, phase).score.max(1) > JPEG_SCORE).sum()) for same_shape in sample)

    unmoved = carried(_NO_PHASE)
    if unmoved + _PHASE_CARRIED_BY > sum(map(len, sample)):
        return _NO_PHASE
    carrying = {
        phase: unmoved if phase == _NO_PHASE else carried(phase) for phase in product(range(BLOCK), range(BLOCK))
    }
    best = max(carrying, key=lambda phase: carrying[phase])
    return best if carrying[best] >= carrying[_NO_PHASE] + _PHASE_CARRIED_BY else _NO_PHASE


@lru_cache(maxsize=1)
def _tables() -> tuple[Mapping[int, npt.NDArray[np.intp]], Floats]:
    """For each step the AC frequencies that some quality's table has it at, and all of these in each table.

    Returns:
        The frequencies by their step, and float32 ``(pairs, qualities)``: what a pair of step and frequency weighs in
        a quality's fit, 0 where its table has another step there.
    """
    tables = np.stack([quantisation_table(int(quality)) for quality in QUALITIES], axis=1)
    # Larger steps leave too few coefficients beyond their zero bin.
    frequencies = {step: np.flatnonzero((tables[1:] == step).any(1)) + 1 for step in range(1, _LARGEST_STEP + 1)}
    # What rounding to 8 bits leaves of the comb: the characteristic function of its noise.
    weights = [
        (tables[at] == step) * np.exp(-2 * np.pi**2 * ROUNDING_VARIANCE / step**2) for step, at in frequencies.items()
    ]
    return frequencies, np.concatenate(weights).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Comb:
    """How well the coefficients of a grid fit each quality's table; float32 ``(n, qualities)`` each.

    Attributes:
        score: In standard deviations of what coefficients give that know no table.
        exactness: 1 where nothing but rounding to 8 bits is between the coefficients and the table's multiples.
        error: The standard deviation of an exactness.
    """

    score: Floats
    exactness: Floats
    error: Floats


def block_spectrum(images: Floats, phase: Phase) -> Floats:
    """The DCT of the whole 8x8 blocks of a grid; float32 ``(n, block rows, 8, block columns, 8)``."""
    n, h, w = images.shape
    rows, columns = (h - phase[0]) // BLOCK, (w - phase[1]) // BLOCK
    whole = images[:, phase[0] : phase[0] + rows * BLOCK, phase[1] : phase[1] + columns * BLOCK]
    spectrum: Floats = dctn(whole.reshape(n, rows, BLOCK, columns, BLOCK), axes=(2, 4), norm="ortho")
    return spectrum


def _comb(images: Floats, phase: Phase) -> _Comb:
    spectrum = block_spectrum(images, phase)
    sizes = np.abs(spectrum.transpose(2, 4, 0, 1, 3).reshape(BLOCK**2, len(images), -1))
    frequencies, weights = _tables()
    cosines, counts = [], []
    for step, at in frequencies.items():
        wave = sizes[at]
        beyond_zero = wave > step / 2
        wave *= np.float32(2 * np.pi / step)
        np.cos(wave, out=wave)
        wave *= beyond_zero
        cosines.append(wave.sum(-1))
        counts.append(beyond_zero.sum(-1, dtype=np.float32))
    weighed = np.concatenate(cosines).T @ weights
    squares = np.concatenate(counts).T @ weights**2
    # A cosine of a random phase has the variance 1/2; one more keeps a few coefficients from being sure.
    variance = squares / 2 + 1
    return _Comb(
        score=(weighed / np.sqrt(variance)).astype(np.float32),
        exactness=(weighed / np.maximum(squares, np.float32(1e-6))).astype(np.float32),
        error=(1 / np.sqrt(variance)).astype(np.float32),
    )
