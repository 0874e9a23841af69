"""What the synthesis network of MobileStyleGAN is made of.

Belousov, "MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis", 2021
(arXiv 2104.04767): convolutions that are separable in depth, with a demodulation that does not depend on the style and
so is part of their weights, and the inverse wavelet transform in place of upsampling. As in the published exports,
noise is constant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2."""
    return F.leaky_relu(x, _SLOPE)


def inverse_haar(bands: Tensor) -> Tensor:
    """The inverse of the two-dimensional Haar wavelet transform, one level.

    Args:
        bands: ``(n, 4 * c, h, w)``: first the low band of all ``c``, which is twice the mean of 2 x 2 pixels; then for
            each of them three details, of differences down, across, and in the diagonal.

    Returns:
        ``(n, c, 2 * h, 2 * w)``.
    """
    # Features come last while pixels move: a CPU convolves separably in half the time where they lie so.
    rows = bands.permute(0, 2, 3, 1)
    low, details = rows.split([rows.shape[3] // 4, 3 * rows.shape[3] // 4], dim=3)
    down, across, diagonal = details.unflatten(3, (-1, 3)).unbind(4)
    above, below = low + down, low - down
    left, right = across + diagonal, across - diagonal
    upper = torch.stack([above + left, above - left], 3).flatten(2, 3)  # (n, h, 2w, c)
    lower = torch.stack([below + right, below - right], 3).flatten(2, 3)
    image = torch.stack([upper, lower], 2).flatten(1, 2) / 2
    return image.permute(0, 3, 1, 2)


class Modulation(nn.Module):
    """A factor for each feature from the style.

    Args:
        style_dim: Length of a w.
        features: How many factors.
        scale: Multiplies them.
    """

    def __init__(self, style_dim: int, features: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.affine = nn.Linear(style_dim, features)
        self.scale = scale

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, features, h, w)``, w float32 ``(n, style_dim)``. Returns what x is, times the factors."""
        with torch.autocast(w.device.type, enabled=False):
            factors: Tensor = self.affine(w) * self.scale
        return x * factors.to(x.dtype)[..., None, None]


class StyledConv(nn.Module):
    """Modulation, a convolution, noise, bias, activation; the resolution stays.

    Args:
        style_dim: Length of a w.
        inputs: Features before.
        outputs: Features after.
        side: Pixels a side.
        separable: Whether a 3x3 convolution of each feature by itself and a 1x1 convolution of all stand in the place
            of a 3x3 convolution of all.
    """

    noise: Tensor

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int, separable: bool) -> None:
        super().__init__()
        self.modulation = Modulation(style_dim, inputs, scale=1 / math.sqrt(inputs * 9))
        if separable:
            self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
            self.conv = nn.Conv2d(inputs, outputs, 1)
        else:
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.register_buffer("noise", torch.zeros(1, side, side))
        self.separable = separable

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, inputs, side, side)``, w float32 ``(n, style_dim)``. Returns ``(n, outputs, side, side)``."""
        x = self.modulation(x, w)
        if self.separable:
            x = self.depthwise(x)
        x = self.conv(x)
        return lrelu(x + self.noise.to(x.dtype))


class WaveletUpsampling(nn.Module):
    """Modulation, then a quarter of the features at twice the resolution (section 3.3 of the paper)."""

    def __init__(self, style_dim: int, inputs: int) -> None:
        super().__init__()
        self.modulation = Modulation(style_dim, inputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, inputs, h, w)``, w float32 ``(n, style_dim)``. Returns ``(n, inputs / 4, 2h, 2w)``."""
        return inverse_haar(self.modulation(x, w))


class ToBands(nn.Module):
    """Features to the wavelet bands of an image at twice their resolution: a modulated 1x1 convolution."""

    def __init__(self, style_dim: int, inputs: int) -> None:
        super().__init__()
        self.modulation = Modulation(style_dim, inputs, scale=1 / math.sqrt(inputs))
        self.conv = nn.Conv2d(inputs, 12, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, inputs, h, w)``, w float32 ``(n, style_dim)``. Returns float32 ``(n, 12, h, w)``."""
        bands: Tensor = self.conv(self.modulation(x, w))
        return bands.float()
