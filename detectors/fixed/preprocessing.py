"""What becomes of an image before somebody's own network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.images import resized

Kernel: TypeAlias = Literal["bicubic", "bilinear", "lanczos"]
"""How an image is resized."""

ChannelOrder: TypeAlias = Literal["rgb", "bgr"]
"""Which channel is the first one."""

Layout: TypeAlias = Literal["nchw", "nhwc"]
"""Where the channels are: before height and width (PyTorch), or behind them (Keras)."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resizing, a crop, the order of the channels, values, and layout: in this order.

    Attributes:
        side: Height and width in pixels of what the network is shown; 0 is the image's own.
        resize: Height and width in pixels that an image is resized to first, of which the middle is cut out; 0 is
            ``side``.
        kernel: Of resizing.
        antialias: Whether the kernel widens where an image becomes smaller, as Pillow's does; Lanczos' always does.
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
        if self.kernel == "lanczos":
            return resized(images, side)
        # Across, then down, as Pillow does it: a cubic overshoots next to edges, and what has no place in 8 bits is cut
        # off after each.
        for size in ((images.shape[-2], side), (side, side)):
            images = F.interpolate(
                images, size=size, mode=self.kernel, antialias=self.antialias, align_corners=False
            ).clamp(0, 1)
        return images

    def _cropped(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if not self.side or (height, width) == (self.side, self.side):
            return images
        top, left = (height - self.side) // 2, (width - self.side) // 2
        return images[:, :, top : top + self.side, left : left + self.side]


__all__ = ["ChannelOrder", "Kernel", "Layout", "Preprocessing"]
