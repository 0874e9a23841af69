"""A pool in use: 8-bit images where a player works, turned into what it is shown batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena.compute import CPU, image_layout, move
from fakeoff.arena.images import Pixels

_SHARE_OF_FREE = 0.5


class Pool:
    """Images at rest, as bytes: a quarter of what they are as numbers.

    On a CPU nothing is copied but what is shown: pools may lie on the disk and be larger than memory. On a GPU they
    stay there where they fit into half of its free memory; else they wait in pinned memory, and each batch is copied
    while the GPU computes.

    Args:
        *pixels: uint8 ``(n, h, w, 3)`` each, RGB, of one size; they are laid one after the other. They must not change.
        device: Where batches are wanted.
        order: int64 ``(n,)``: the place, among all of them, of each image of the pool; as they are laid by default.

    Attributes:
        device: Where batches are wanted.
    """

    def __init__(self, *pixels: Pixels, device: torch.device = CPU, order: npt.NDArray[np.int64] | None = None) -> None:
        self.device = device
        self._parts = pixels
        self._ends = np.cumsum([len(part) for part in pixels])
        self._order = np.arange(self._ends[-1]) if order is None else order
        self._resident: Tensor | None = None
        if device.type != "cuda":
            return
        levels = self._gather(self._order)
        if levels.nbytes <= _SHARE_OF_FREE * _free_bytes(device):
            self._resident = levels.to(device)
        elif torch.cuda.is_available():
            self._resident = levels.pin_memory()

    def __len__(self) -> int:
        return len(self._order)

    @property
    def levels(self) -> Tensor:
        """All of them as they rest, uint8 ``(n, 3, h, w)``."""
        return self._gather(self._order) if self._resident is None else self._resident

    def __getitem__(self, part: slice) -> Tensor:
        """Some of them: float32 ``(n, 3, h, w)`` in [0, 1], in channels_last memory on the device."""
        return self._shown(self._gather(self._order[part]) if self._resident is None else self._resident[part])

    def draw(self, n: int, *, rng: torch.Generator, flips: bool = False) -> Tensor:
        """Draws images with replacement.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.
            flips: Mirror each with even odds.

        Returns:
            float32 ``(n, 3, h, w)`` in [0, 1], in channels_last memory on the device.
        """
        return self.show(self.choose(n, rng=rng), rng=rng, flips=flips)

    def choose(self, n: int, *, rng: torch.Generator) -> Tensor:
        """Draws the places of images with replacement, int64 ``(n,)`` on the CPU: what :meth:`draw` would show.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.
        """
        return torch.randint(len(self), (n,), generator=rng)

    def show(self, places: Tensor, *, rng: torch.Generator, flips: bool = False) -> Tensor:
        """The images at some places, as :meth:`draw` shows them.

        Args:
            places: int64 ``(n,)``.
            rng: A CPU generator: of what is mirrored.
            flips: Mirror each with even odds.

        Returns:
            float32 ``(n, 3, h, w)`` in [0, 1], in channels_last memory on the device.
        """
        if self._resident is None:
            drawn = self._gather(self._order[places.numpy()])
        else:
            drawn = self._resident[places.to(self._resident.device)]
        if flips:
            mirrored = torch.rand(len(places), 1, 1, 1, generator=rng).to(drawn.device) < 0.5
            drawn = torch.where(mirrored, drawn.flip(-1), drawn)
        return self._shown(drawn)

    def _gather(self, places: npt.NDArray[np.int64]) -> Tensor:
        """The images at some places as they were laid, uint8 ``(n, 3, h, w)`` in channels_last memory."""
        drawn = np.empty((len(places), *self._parts[0].shape[1:]), dtype=np.uint8)
        of = np.searchsorted(self._ends, places, side="right")
        for index, part in enumerate(self._parts):
            if (here := of == index).any():
                drawn[here] = part[places[here] - (self._ends[index] - len(part))]
        # (n, h, w, 3) in memory is (n, 3, h, w) in channels_last: nothing is moved
        return torch.from_numpy(drawn).permute(0, 3, 1, 2)

    def _shown(self, levels: Tensor) -> Tensor:
        return image_layout(move(levels, self.device).to(torch.float32).div_(255))


def batch_of(pools: Sequence[Pool], each: int, *, rng: torch.Generator) -> Tensor:
    """Draws as many images from each of several pools, one pool after the other."""
    return image_layout(torch.cat([pool.draw(each, rng=rng) for pool in pools]))


def _free_bytes(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else float("inf")


__all__ = ["Pool", "batch_of"]
