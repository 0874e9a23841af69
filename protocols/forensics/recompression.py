"""What JPEG alone would make of a picture's content: a control for traces that its quantisation leaves as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import idctn

from fakeoff.protocols.forensics.jpeg_grid import Phase, block_spectrum
from fakeoff.protocols.forensics.pixels import BLOCK, Floats

_NOTHING = 1.5  # a coefficient that JPEG quantised to nothing, but for rounding to 8 bits (five standard deviations)


class Recompressed:
    """Pictures with a JPEG history, moved against their grid by some rows and compressed once more as they were.

    A resize is at home on its own rows, and JPEG on its blocks: what is found in a picture and not in the moved one is
    no work of JPEG's, and what is found in both is. The tables need not be known, which matters where a picture was
    saved twice: of each of the 64 frequencies as large a share of coefficients is set to nothing as there is nothing
    of in the picture.

    Args:
        images: One channel of central crops, float32 ``(n, h, w)`` in [0, 255].
        phases: Of each image, where JPEG's grid begins; None where there is no JPEG history.
    """

    def __init__(self, images: Floats, phases: Sequence[Phase | None]) -> None:
        self._images = images
        self._phases = phases
        self._moved: dict[int, Floats] = {}
        self.history = np.array([phase is not None for phase in phases], dtype=np.bool_)

    def moved(self, rows: int) -> Floats:
        """All images, moved up by 1 to 7 rows, float32 ``(n, h, w)``; those without a history are as they are."""
        if rows not in self._moved:
            made = self._images.copy()
            for phase in {phase for phase in self._phases if phase is not None}:
                at = np.flatnonzero([own == phase for own in self._phases])
                made[at] = _compressed_again(self._images[at], rows, phase)
            self._moved[rows] = made
        return self._moved[rows]


def rows_off(ratio: float) -> int:
    """By how many rows a picture has to be moved to be as far as can be from the rows that a resize made.

    Args:
        ratio: Rows before the resize over rows after it.
    """
    # Half a block is farthest from JPEG's own grid.
    return min(range(1, BLOCK), key=lambda rows: (round(abs(rows * ratio % 1 - 0.5), 3), abs(rows - BLOCK // 2)))


def _compressed_again(images: Floats, rows: int, phase: Phase) -> Floats:
    moved = np.concatenate([images[:, rows:], images[:, : -rows - 1 : -1]], axis=1)  # mirrored where it ends
    before, after = (block_spectrum(pixels, phase) for pixels in (images, moved))
    n, down, _, across, _ = before.shape
    nothing = (np.abs(before) < _NOTHING).sum((1, 3), keepdims=True)
    sizes = np.abs(after).transpose(0, 2, 4, 1, 3).reshape(n, BLOCK, BLOCK, -1)
    ranks = np.empty_like(sizes, dtype=np.intp)
    np.put_along_axis(ranks, sizes.argsort(-1, kind="stable"), np.arange(sizes.shape[-1]), axis=-1)
    after[ranks.reshape(n, BLOCK, BLOCK, down, across).transpose(0, 3, 1, 4, 2) < nothing] = 0
    blocks = idctn(after, axes=(2, 4), norm="ortho").reshape(n, down * BLOCK, across * BLOCK)
    moved[:, phase[0] : phase[0] + down * BLOCK, phase[1] : phase[1] + across * BLOCK] = blocks
    compressed: Floats = np.clip(np.rint(moved), 0, 255)
    return compressed
