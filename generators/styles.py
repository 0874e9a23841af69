"""What generators that are led by styles have in common: the way from a latent to the style of each layer.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, sections 2 and
3.1 and appendices B and C. Names, shapes and scales of weights are those of NVIDIA's ``stylegan2-ada-pytorch``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators.pgan_networks import pixel_norm

GAIN = 2**0.5
"""What makes up for the half that a leaky ReLU takes away."""

_SLOPE = 0.2
_MAPPING_RATE = 0.01
_MEAN_DECAY = 0.995
_FEWEST = 8
_PIXELS_AT_A_TIME = 64 * 128 * 128
_MOST_AT_A_TIME = 64


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2, without its gain: layers scale what comes before it, which is the same."""
    return F.leaky_relu(x, _SLOPE)


def widths(resolution: int, *, features: int, most: int) -> dict[int, int]:
    """Feature maps at 4, 8, ..., ``resolution`` pixels: ``min(features / side, most)``, and never below 8."""
    sides = [2**power for power in range(2, int(math.log2(resolution)) + 1)]
    return {side: max(_FEWEST, min(most, features // side)) for side in sides}


def at_a_time(resolution: int) -> int:
    """How many images of so many pixels a side are decoded together, so that memory stays small."""
    return max(1, min(_MOST_AT_A_TIME, _PIXELS_AT_A_TIME // resolution**2))


class Linear(nn.Module):
    """A fully connected layer with an equalised learning rate.

    Args:
        inputs: Features before.
        outputs: Features after.
        rate: Multiplies the learning rate: weights are held larger by its inverse, and scaled down when used.
        bias: What the biases start from.
        gain: Multiplies the result; :data:`GAIN` where a leaky ReLU follows.
    """

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.deviation = 1 / rate
        self.scale = gain * rate / math.sqrt(inputs)
        self.bias_scale = gain * rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.bias_scale)


class Mapping(nn.Module):
    """Latents to styles: z of unit length through fully connected layers that learn at a hundredth of the rate.

    Args:
        dim: Length of z and of w.
        layers: How many; the published networks have 8.
    """

    w_avg: Tensor

    def __init__(self, dim: int, *, layers: int) -> None:
        super().__init__()
        self.layers = layers
        for index in range(layers):
            self.add_module(f"fc{index}", Linear(dim, dim, rate=_MAPPING_RATE, gain=GAIN))
        self.register_buffer("w_avg", torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """Args: z ``(n, dim)``. Returns w, float32 ``(n, dim)``."""
        # Weights here are a hundred times those of other layers: in bfloat16, faces move by steps.
        with torch.autocast(z.device.type, enabled=False):
            w = pixel_norm(z.to(self.w_avg.dtype))
            for index in range(self.layers):
                w = lrelu(self.get_submodule(f"fc{index}")(w))
        return w

    @torch.no_grad()
    def follow(self, w: Tensor) -> None:
        """Moves the mean of w towards that of a batch, ``(n, dim)``."""
        self.w_avg.lerp_(w.detach().mean(0), 1 - _MEAN_DECAY)

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Draws w, ``(n, dim)``, towards the mean: ``w_avg + psi * (w - w_avg)``."""
        return w if psi == 1 else self.w_avg.lerp(w, psi)


def mix(mapping: Mapping, z: Tensor, other: Tensor, share: float, *, layers: int, rng: torch.Generator) -> Tensor:
    """Styles of two latents an image, the second from a random layer on (Karras et al., CVPR 2019, section 3.1).

    Args:
        mapping: From latents to styles.
        z: ``(n, dim)``.
        other: ``(n, dim)``.
        share: How many of the images are mixed, from 0 to 1.
        layers: How many styles an image takes, at least 2.
        rng: A CPU generator, the only source of randomness.

    Returns:
        float32 ``(n, layers, dim)``.
    """
    n = len(z)
    cut = torch.randint(1, layers, (n,), generator=rng)
    mixed = torch.rand(n, generator=rng) < share
    cut = torch.where(mixed, cut, layers).to(z.device)
    first = torch.arange(layers, device=z.device)[None] < cut[:, None]  # (n, layers)
    one, two = mapping(torch.cat([z, other])).chunk(2)
    return torch.where(first[..., None], one[:, None], two[:, None])
