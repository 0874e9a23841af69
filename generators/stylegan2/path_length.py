"""Path-length regularisation: a step in w should change an image by the same amount everywhere.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 3.2 and Eq. 4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DECAY = 0.01


def path_lengths(images: Tensor, ws: Tensor, *, rng: torch.Generator) -> Tensor:
    """How far images move with their styles, in a random direction of the space of images.

    Args:
        images: float32 ``(n, c, h, w)``, made from ``ws``.
        ws: float32 ``(n, layers, dim)``.
        rng: A CPU generator, the only source of randomness.

    Returns:
        float32 ``(n,)``, differentiable.
    """
    direction = torch.randn(images.shape, generator=rng).to(images) / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * direction).sum(), ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def path_penalty(lengths: Tensor, mean: Tensor) -> Tensor:
    """The mean squared distance of lengths, ``(n,)``, to their moving mean, a scalar that is moved in place."""
    with torch.no_grad():
        mean.lerp_(lengths.mean().to(mean), _DECAY)
    return (lengths - mean.clone()).square().mean()
