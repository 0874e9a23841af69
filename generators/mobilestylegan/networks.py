"""The two networks of MobileStyleGAN.

Belousov, "MobileStyleGAN", 2021 (arXiv 2104.04767). The mapping network is the teacher's, a StyleGAN2's (Karras et al.,
CVPR 2020) and rests here; the synthesis network is the student's, which predicts an image's wavelet bands.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from fakeoff.generators.mobilestylegan.layers import (
    Modulation,
    StyledConv,
    ToBands,
    WaveletUpsampling,
    inverse_haar,
    lrelu,
)

_GAIN = 2**0.5
_LATENTS_OF_MEAN = 4096
# Of features, whose gradient is held at a time: one image of the published network.
_PIXELS_AT_A_TIME = 512 * 512


class Mapping(nn.Module):
    """Latents to styles: z of unit length through fully connected layers.

    Args:
        dim: Length of z and of w.
        layers: How many; the published network has 8.
    """

    w_avg: Tensor

    def __init__(self, dim: int, *, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, dim) for _ in range(layers)])
        self.register_buffer("w_avg", torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """Args: z ``(n, dim)``. Returns w, float32 ``(n, dim)``."""
        with torch.autocast(z.device.type, enabled=False):
            w = z.float() * torch.rsqrt(z.float().square().mean(1, keepdim=True) + 1e-8)
            for layer in self.layers:
                w = lrelu(layer(w)) * _GAIN
        return w

    @torch.no_grad()
    def measure_mean(self, *, rng: torch.Generator) -> None:
        """Takes the mean of w over 4,096 latents, as many as the published package takes."""
        self.w_avg.copy_(self(torch.randn(_LATENTS_OF_MEAN, len(self.w_avg), generator=rng)).mean(0))

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Draws w, ``(n, dim)``, towards the mean: ``w_avg + psi * (w - w_avg)``."""
        return w if psi == 1 else self.w_avg.lerp(w, psi)


class SynthesisBlock(nn.Module):
    """The layers of one resolution, twice that of the block before."""

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int) -> None:
        super().__init__()
        self.up = WaveletUpsampling(style_dim, inputs)
        self.conv0 = StyledConv(style_dim, inputs // 4, outputs, side=side, separable=True)
        self.conv1 = StyledConv(style_dim, outputs, outputs, side=side, separable=True)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, inputs, side / 2, side / 2)``, w ``(n, dim)``. Returns ``(n, outputs, side, side)``."""
        x = self.conv0(self.up(x, w), w)
        return self.conv1(x, w)  # type: ignore[no-any-return]


class Synthesis(nn.Module):
    """Styles to images, meant to lie in [-1, 1], by way of their wavelet bands.

    Args:
        style_dim: Length of a w.
        features: Feature maps by side: 4, 8, ... up to half of the side of the images that it was made for.
    """

    def __init__(self, style_dim: int, *, features: dict[int, int]) -> None:
        super().__init__()
        (first, count), *_ = features.items()
        self.const = nn.Parameter(torch.zeros(count, first, first))
        self.conv = StyledConv(style_dim, count, count, side=first, separable=False)
        self.blocks = nn.ModuleList(
            SynthesisBlock(style_dim, features[before], features[side], side=side)
            for before, side in itertools.pairwise(features)
        )
        self.to_bands = ToBands(style_dim, features[max(features)])
        self.band_side = max(features)

    def bands(self, w: Tensor) -> Tensor:
        """Args: w float32 ``(n, dim)``. Returns float32 ``(n, 12, band_side, band_side)``."""
        x = self.const.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.conv(x, w)
        for block in self.blocks:
            x = block(x, w)
        return self.to_bands(x, w)  # type: ignore[no-any-return]

    def forward(self, w: Tensor, *, resolution: int) -> Tensor:
        """Makes images, a few at a time.

        On the way back, what lies between styles and images is computed again a few images at a time, in place of
        being held (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016): of one image of the published
        network it is more than 1 GB.

        Args:
            w: float32 ``(n, dim)``.
            resolution: Twice :attr:`band_side`; or that, a half of it, a quarter and so on. Only the largest is made
                of all bands; the others are means of its pixels, which is what the low band holds.

        Returns:
            float32 ``(n, 3, resolution, resolution)``.
        """
        parts = w.split(max(1, _PIXELS_AT_A_TIME // self.band_side**2))
        if len(parts) == 1 or not torch.is_grad_enabled():
            return torch.cat([self._few(part, resolution) for part in parts])
        made = [
            checkpoint(self._few, part, resolution, use_reentrant=False, preserve_rng_state=False) for part in parts
        ]
        return torch.cat(made)

    def _few(self, w: Tensor, resolution: int) -> Tensor:
        bands = self.bands(w)
        if resolution > self.band_side:
            return inverse_haar(bands)
        # The low band is twice the mean of 2 x 2 pixels.
        return F.avg_pool2d(bands[:, :3] / 2, self.band_side // resolution)


def draw_weights(mapping: Mapping, synthesis: Synthesis, *, rng: torch.Generator) -> None:
    """Draws weights so that features keep a deviation of about 1, and measures the mean of w."""
    with torch.no_grad():
        for linear in mapping.layers:
            assert isinstance(linear, nn.Linear)
            linear.weight.normal_(generator=rng).div_(math.sqrt(linear.in_features))
            linear.bias.zero_()
        synthesis.const.normal_(generator=rng)
        for layer in synthesis.modules():
            if isinstance(layer, Modulation):
                layer.affine.weight.normal_(generator=rng).mul_(0.25 / math.sqrt(layer.affine.in_features))
                layer.affine.bias.fill_(1.0)
            elif isinstance(layer, StyledConv):
                # A modulation divides by the root of nine times the inputs; the convolutions make up for that.
                inputs = layer.conv.in_channels
                if layer.separable:
                    layer.depthwise.weight.normal_(generator=rng).mul_(math.sqrt(inputs))
                    layer.conv.weight.normal_(generator=rng).mul_(math.sqrt(2 / inputs))
                else:
                    layer.conv.weight.normal_(generator=rng).mul_(math.sqrt(2))
                assert layer.conv.bias is not None
                layer.conv.bias.zero_()
                layer.noise.normal_(generator=rng).mul_(0.1)
            elif isinstance(layer, ToBands):
                assert layer.conv.bias is not None
                layer.conv.weight.normal_(generator=rng).mul_(0.25)
                layer.conv.bias.zero_()
    mapping.measure_mean(rng=rng)
