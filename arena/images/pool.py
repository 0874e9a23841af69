"""A pool in use: 8-bit images where a player works, turned into what it is shown batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fakeoff.arena.compute import CPU, image_layout, move
from fakeoff.arena.images import Pixels

_SHARE_OF_FREE = 0.5


class Pool:
    """Images at rest, as bytes: a quarter of what they are as numbers.

    On a GPU they stay there where they fit into half of its free memory; else they wait in pinned memory, and each
    batch is copied while the GPU computes.

    Args:
        *pixels: uint8 ``(n, h, w, 3)`` each, RGB, of one size; they are laid one after the other.
        device: Where batches are wanted.

    Attributes:
        device: Where batches are wanted.
    """

    def __init__(self, *pixels: Pixels, device: torch.device = CPU) -> None:
        self.device = device
        joined = np.concatenate(pixels) if len(pixels) > 1 else pixels[0].copy()
        # (n, h, w, 3) in memory is (n, 3, h, w) in channels_last: nothing is moved
        self._levels = torch.from_numpy(joined).permute(0, 3, 1, 2)
        if device.type != "cuda":
            return
        if joined.nbytes <= _SHARE_OF_FREE * _free_bytes(device):
            self._levels = self._levels.to(device)
        elif torch.cuda.is_available():
            self._levels = self._levels.pin_memory()

    def __len__(self) -> int:
        return len(self._levels)

    @property
    def levels(self) -> Tensor:
        """All of them as they rest, uint8 ``(n, 3, h, w)``."""
        return self._levels

    def __getitem__(self, part: slice) -> Tensor:
        """Some of them: float32 ``(n, 3, h, w)`` in [0, 1], in channels_last memory on the device."""
        return self._shown(self._levels[part])

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
        drawn = self._levels[places.to(self._levels.device)]
        if flips:
            mirrored = torch.rand(len(places), 1, 1, 1, generator=rng).to(drawn.device) < 0.5
            drawn = torch.where(mirrored, drawn.flip(-1), drawn)
        return self._shown(drawn)

    def _shown(self, levels: Tensor) -> Tensor:
        return image_layout(move(levels, self.device).to(torch.float32).div_(255))


def batch_of(pools: Sequence[Pool], each: int, *, rng: torch.Generator) -> Tensor:
    """Draws as many images from each of several pools, one pool after the other."""
    return image_layout(torch.cat([pool.draw(each, rng=rng) for pool in pools]))


def _free_bytes(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else float("inf")


__all__ = ["Pool", "batch_of"]
