"""What becomes of an image before somebody's own network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.images import resized, to_tensor

Kernel: TypeAlias = Literal["bicubic", "bilinear", "lanczos"]
"""How an image is resized."""

ChannelOrder: TypeAlias = Literal["rgb", "bgr"]
"""Which channel is the first one."""

Layout: TypeAlias = Literal["nchw", "nhwc"]
"""Where the channels are: before height and width (PyTorch), or behind them (Keras)."""

_FILTERS: dict[Kernel, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resizing, a crop, the order of the channels, values, and layout: in this order.

    Attributes:
        side: Height and width in pixels of what the network is shown; 0 is the image's own.
        resize: Height and width in pixels that an image is resized to first, of which the middle is cut out; 0 is
            ``side``.
        kernel: Of resizing.
        antialias: Whether the kernel widens where an image becomes smaller, as Pillow's does; Lanczos' always does.
        eight_bits: Whether Pillow resizes, in 8 bits, or PyTorch, without rounding.
        channels: The order that the network is used to.
        layout: Likewise.
        white: What 1 becomes before mean and deviation: 1, or 255.
        mean: Of each channel in the network's order, taken off; in units of ``white``.
        std: Of each channel, divided by; likewise.
    """

    side: int = 0
    resize: int = 0
    kernel: Kernel = "bicubic"
    antialias: bool = True
    eight_bits: bool = True
    channels: ChannelOrder = "rgb"
    layout: Layout = "nchw"
    white: float = 1.0
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)

    def __call__(self, images: Tensor) -> Tensor:
        """Prepares images; differentiable.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float ``(n, 3, side, side)``, or ``(n, side, side, 3)``.
        """
        images = self._cropped(self._resized(images))
        if self.channels == "bgr":
            images = images.flip(1)
        mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        images = (images * self.white - mean) / std
        return images if self.layout == "nchw" else images.permute(0, 2, 3, 1)

    def _resized(self, images: Tensor) -> Tensor:
        side = self.resize or self.side
        if not side or images.shape[-2:] == (side, side):
            return images
        if not self.eight_bits:
            return self._interpolated(images, side)
        exact = _by_pillow(images, side, self.kernel)
        if not images.requires_grad:
            return exact
        smooth = self._interpolated(images, side)
        return smooth + (exact - smooth).detach()  # Pillow's values, and a gradient that passes its rounding by

    def _interpolated(self, images: Tensor, side: int) -> Tensor:
        if self.kernel == "lanczos":
            return resized(images, side)
        # A cubic overshoots next to edges.
        return F.interpolate(
            images, size=(side, side), mode=self.kernel, antialias=self.antialias, align_corners=False
        ).clamp(0, 1)

    def _cropped(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if not self.side or (height, width) == (self.side, self.side):
            return images
        top, left = (height - self.side) // 2, (width - self.side) // 2
        return images[:, :, top : top + self.side, left : left + self.side]


def _by_pillow(images: Tensor, side: int, kernel: Kernel) -> Tensor:
    pixels = (images.detach() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    made = [np.asarray(Image.fromarray(image).resize((side, side), _FILTERS[kernel])) for image in pixels]
    return to_tensor(np.stack(made)).to(images)


__all__ = ["ChannelOrder", "Kernel", "Layout", "Preprocessing"]
