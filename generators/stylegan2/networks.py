"""The two networks of StyleGAN2.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020; sections and equations below are that
paper's. State dicts have the names and shapes of NVIDIA's ``stylegan2-ada-pytorch`` (its ``G_ema`` and ``D``, without
classes), less the filters, which are always the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from fakeoff.generators.pgan_networks import minibatch_stddev
from fakeoff.generators.stylegan2.layers import Conv2d, ModulatedConv2d, ToImage, resample_filter, upsample
from fakeoff.generators.styles import GAIN, Linear, Mapping, lrelu, mix, widths

Noise = Sequence[Tensor] | None
"""A map for each modulated 3x3 convolution, ``(n, 1, side, side)`` or ``(side, side)``; None for no noise."""


class SynthesisBlock(nn.Module):
    """The layers of one resolution: a skip generator's (section 4.2, Fig. 7b)."""

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int, channels: int) -> None:
        super().__init__()
        self.first = inputs == 0
        if self.first:
            self.const = nn.Parameter(torch.empty(outputs, side, side))
        else:
            self.conv0 = ModulatedConv2d(style_dim, inputs, outputs, side=side, up=True)
        self.conv1 = ModulatedConv2d(style_dim, outputs, outputs, side=side, up=False)
        self.torgb = ToImage(style_dim, outputs, channels)

    @property
    def convs(self) -> list[ModulatedConv2d]:
        return [self.conv1] if self.first else [self.conv0, self.conv1]


class Synthesis(nn.Module):
    """Styles to images, meant to lie in [-1, 1].

    Args:
        style_dim: Length of a w.
        features: Feature maps by side, as of :func:`widths`.
        channels: 1 or 3.
    """

    low_pass: Tensor

    def __init__(self, style_dim: int, *, features: dict[int, int], channels: int) -> None:
        super().__init__()
        self.register_buffer("low_pass", resample_filter(), persistent=False)
        self.sides = list(features)
        for before, side in itertools.pairwise([0, *self.sides]):
            inputs = features[before] if before else 0
            block = SynthesisBlock(style_dim, inputs, features[side], side=side, channels=channels)
            self.add_module(f"b{side}", block)
        self.layers = 2 * len(self.sides)
        """How many styles an image takes: one for each 3x3 convolution, and one for the last image."""

    @property
    def blocks(self) -> list[SynthesisBlock]:
        return [cast("SynthesisBlock", self.get_submodule(f"b{side}")) for side in self.sides]

    @property
    def convs(self) -> list[ModulatedConv2d]:
        """The layers that take noise, in order."""
        return [conv for block in self.blocks for conv in block.convs]

    def draw_noise(self, n: int, *, rng: torch.Generator) -> list[Tensor]:
        """Noise of its own for each image, a map ``(n, 1, side, side)`` for each of :attr:`convs`."""
        return [
            torch.randn(n, 1, conv.side, conv.side, generator=rng).to(conv.noise_strength.device) for conv in self.convs
        ]

    def constant_noise(self) -> list[Tensor]:
        """The same noise for all images, a map ``(side, side)`` for each of :attr:`convs`."""
        return [conv.noise_const for conv in self.convs]

    def forward(self, ws: Tensor, *, noise: Noise) -> Tensor:
        """Makes images.

        Args:
            ws: float32 ``(n, layers, style_dim)``. A block's image takes the style of the convolution after it.
            noise: For each of :attr:`convs`.

        Returns:
            float32 ``(n, channels, side, side)`` with the last side.
        """
        maps = iter(noise if noise is not None else [None] * len(self.convs))
        blocks = self.blocks
        x = blocks[0].const.expand(len(ws), -1, -1, -1)
        image: Tensor | None = None
        layer = 0
        for block in blocks:
            for conv in block.convs:
                x = conv(x, ws[:, layer], noise=next(maps))
                layer += 1
            own = block.torgb(x, ws[:, layer])
            image = own if image is None else upsample(image, self.low_pass).to(own.dtype) + own
        assert image is not None
        return image


class Network(nn.Module):
    """The generator: :class:`Mapping` and :class:`Synthesis`.

    Args:
        dim: Length of z and of w.
        mapping_layers: Of the mapping network.
        features: Feature maps by side, as of :func:`widths`.
        channels: 1 or 3.
    """

    def __init__(self, dim: int, *, mapping_layers: int, features: dict[int, int], channels: int) -> None:
        super().__init__()
        self.mapping = Mapping(dim, layers=mapping_layers)
        self.synthesis = Synthesis(dim, features=features, channels=channels)

    def styles(self, z: Tensor, *, psi: float = 1.0) -> Tensor:
        """Args: z ``(n, dim)``; truncation psi. Returns the same w for all layers, ``(n, layers, dim)``."""
        return self.spread(self.mapping(z), psi=psi)

    def spread(self, w: Tensor, *, psi: float = 1.0) -> Tensor:
        """Args: w ``(n, dim)``; truncation psi. Returns it for all layers, ``(n, layers, dim)``."""
        return self.mapping.truncate(w, psi)[:, None].expand(-1, self.synthesis.layers, -1)

    def mixed_styles(self, z: Tensor, other: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
        """Styles of two latents an image, the second from a random layer on (Karras et al., CVPR 2019, section 3.1).

        Args:
            z: ``(n, dim)``.
            other: ``(n, dim)``.
            share: How many of the images are mixed, from 0 to 1.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, layers, dim)``.
        """
        return mix(self.mapping, z, other, share, layers=self.synthesis.layers, rng=rng)


class CriticBlock(nn.Module):
    """A residual block that halves the resolution (section 4.2, Fig. 7c)."""

    def __init__(self, inputs: int, outputs: int, *, channels: int) -> None:
        super().__init__()
        if channels:
            self.fromrgb = Conv2d(channels, inputs, 1)
        self.conv0 = Conv2d(inputs, inputs, 3)
        # Both ways are scaled by the root of a half, so that their sum has unit deviation again.
        self.conv1 = Conv2d(inputs, outputs, 3, down=True, gain=1.0)
        self.skip = Conv2d(inputs, outputs, 1, down=True, bias=False, gain=0.5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        deep: Tensor = lrelu(self.conv1(lrelu(self.conv0(x))))
        past: Tensor = self.skip(x)
        return deep + past


class CriticHead(nn.Module):
    """From 4 x 4 pixels to one value, with the deviation over the minibatch as one more feature."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = Conv2d(features + 1, features, 3)
        self.fc = Linear(features * 16, features, gain=GAIN)
        self.out = Linear(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = lrelu(self.conv(minibatch_stddev(x)))
        value: Tensor = self.out(lrelu(self.fc(x.flatten(1))))
        return value.float().squeeze(1)


class Critic(nn.Module):
    """Images to one realness value each.

    Args:
        features: Feature maps by side, as of :func:`widths`.
        channels: 1 or 3.
    """

    def __init__(self, *, features: dict[int, int], channels: int) -> None:
        super().__init__()
        self.sides = list(features)[:0:-1]
        for index, side in enumerate(self.sides):
            block = CriticBlock(features[side], features[side // 2], channels=0 if index else channels)
            self.add_module(f"b{side}", block)
        self.b4 = CriticHead(features[4])

    def forward(self, images: Tensor) -> Tensor:
        """Args: images ``(n, channels, side, side)``, meant to lie in [-1, 1]. Returns float32 ``(n,)``."""
        blocks = [cast("CriticBlock", self.get_submodule(f"b{side}")) for side in self.sides]
        x = lrelu(blocks[0].fromrgb(images))
        for block in blocks:
            x = block(x)
        value: Tensor = self.b4(x)
        return value


__all__ = ["Critic", "Mapping", "Network", "Noise", "Synthesis", "widths"]
