"""The generating network of StyleGAN: a mapping, and a synthesis that grows.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019. The critic is a
Progressive GAN's with other blocks (:class:`fakeoff.generators.stylegan.layers.BlurredCriticBlock`). A *level* says
how far both have grown: 0 is 4 x 4 pixels, 1 is 8 x 8, and 1.25 is 8 x 8 faded in by a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators.pgan_networks import EqualisedConv2d, PointwiseConv2d
from fakeoff.generators.stylegan.layers import StyledLayer
from fakeoff.generators.styles import Linear, Mapping, mix

Noise = Sequence[Tensor] | None
"""A map for each layer, ``(n, 1, side, side)``; None for no noise."""


def layers_at(level: float) -> int:
    """How many styles an image takes: two for each resolution."""
    return 2 * (math.ceil(level) + 1)


class SynthesisBlock(nn.Module):
    """The two layers of one resolution above 4 x 4."""

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int) -> None:
        super().__init__()
        self.layer1 = StyledLayer(style_dim, inputs, outputs, side=side, up=True)
        self.layer2 = StyledLayer(style_dim, outputs, outputs, side=side)


class Synthesis(nn.Module):
    """Styles to images, meant to lie in [-1, 1]; the outputs are linear.

    Args:
        style_dim: Length of a w.
        features: Feature maps by side, as of :func:`fakeoff.generators.styles.widths`.
        channels: 1 or 3.
    """

    def __init__(self, style_dim: int, *, features: dict[int, int], channels: int) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.empty(features[4], 4, 4))
        self.layer1 = StyledLayer(style_dim, 0, features[4], side=4)
        self.layer2 = StyledLayer(style_dim, features[4], features[4], side=4)
        self.blocks = nn.ModuleList(
            SynthesisBlock(style_dim, features[side // 2], features[side], side=side) for side in list(features)[1:]
        )
        self.to_image = nn.ModuleList(PointwiseConv2d(count, channels, gain=1.0) for count in features.values())

    def layers(self, level: float) -> list[StyledLayer]:
        """Those that take part, in order."""
        active = [cast("SynthesisBlock", block) for block in self.blocks[: math.ceil(level)]]
        return [self.layer1, self.layer2, *(layer for block in active for layer in (block.layer1, block.layer2))]

    def draw_noise(self, n: int, *, level: float, rng: torch.Generator) -> list[Tensor]:
        """Noise of its own for each image, a map ``(n, 1, side, side)`` for each layer (section 3.2)."""
        return [
            torch.randn(n, 1, layer.side, layer.side, generator=rng).to(self.const.device)
            for layer in self.layers(level)
        ]

    def forward(self, ws: Tensor, *, noise: Noise, level: float) -> Tensor:
        """Makes images.

        Args:
            ws: float32 ``(n, layers, dim)``, a style for each layer.
            noise: For each layer.
            level: How far it has grown.

        Returns:
            float32 ``(n, channels, side, side)`` with the level's side.
        """
        done, top = math.floor(level), math.ceil(level)
        maps: Iterator[Tensor | None] = iter(noise if noise is not None else [None] * layers_at(level))
        x = self.const.expand(len(ws), -1, -1, -1)
        coarse: Tensor | None = None
        for index, layer in enumerate(self.layers(level)):
            x = layer(x, ws[:, index], noise=next(maps))
            if top > done and index + 1 == layers_at(done):
                coarse = self.to_image[done](x).float()
        image: Tensor = self.to_image[top](x).float()
        if coarse is None:
            return image
        return torch.lerp(F.interpolate(coarse, scale_factor=2.0, mode="nearest"), image, level - done)


class Network(nn.Module):
    """The generator: :class:`fakeoff.generators.styles.Mapping` and :class:`Synthesis`.

    Args:
        dim: Length of z and of w.
        mapping_layers: Of the mapping network.
        features: Feature maps by side.
        channels: 1 or 3.
    """

    def __init__(self, dim: int, *, mapping_layers: int, features: dict[int, int], channels: int) -> None:
        super().__init__()
        self.mapping = Mapping(dim, layers=mapping_layers)
        self.synthesis = Synthesis(dim, features=features, channels=channels)

    def styles(self, z: Tensor, *, level: float, psi: float = 1.0, truncated_side: int = 1024) -> Tensor:
        """The same w for all layers, drawn towards the mean of w in those of low resolution (appendix B).

        Args:
            z: ``(n, dim)``.
            level: How far it has grown.
            psi: What is left of the distance to the mean.
            truncated_side: The largest resolution that is truncated, in pixels a side.

        Returns:
            float32 ``(n, layers, dim)``.
        """
        return self.spread(self.mapping(z), level=level, psi=psi, truncated_side=truncated_side)

    def spread(self, w: Tensor, *, level: float, psi: float = 1.0, truncated_side: int = 1024) -> Tensor:
        """As :meth:`styles`, of w, ``(n, dim)``."""
        near = self.mapping.truncate(w, psi)
        return torch.stack([near if one.side <= truncated_side else w for one in self.synthesis.layers(level)], dim=1)

    def mixed_styles(self, z: Tensor, other: Tensor, share: float, *, level: float, rng: torch.Generator) -> Tensor:
        """Styles of two latents an image (:func:`fakeoff.generators.styles.mix`), ``(n, layers, dim)``."""
        return mix(self.mapping, z, other, share, layers=layers_at(level), rng=rng)


def draw_weights(network: nn.Module, *, rng: torch.Generator) -> None:
    """Draws weights and the constant from N(0, 1), those of slow layers larger; biases stay zero.

    The paper's constant starts as ones (appendix C), which has no deviation that could be normed: what is divided by
    nothing differs from one machine to the next.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, EqualisedConv2d):
                layer.weight.normal_(generator=rng)
            elif isinstance(layer, Linear):
                layer.weight.normal_(generator=rng).mul_(layer.deviation)
            elif isinstance(layer, Synthesis):
                layer.const.normal_(generator=rng)


__all__ = ["Network", "Noise", "Synthesis", "SynthesisBlock", "draw_weights", "layers_at"]
