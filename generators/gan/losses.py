"""The two objectives that a GAN here can be trained on.

``wgan_gp``: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, with the small drift term
of Karras et al., ICLR 2018, appendix A.1. ``non_saturating``: Goodfellow et al., NeurIPS 2014, with the R1
penalty of Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018, which may be
applied every few steps (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Loss: TypeAlias = Literal["wgan_gp", "non_saturating"]

_DRIFT = 1e-3


def critic_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """The critic's loss without its penalty.

    Args:
        loss: Which objective.
        real: The critic's values for reals, float32 ``(n,)``.
        fake: Likewise for fakes.
    """
    if loss == "wgan_gp":
        return fake.mean() - real.mean() + _DRIFT * real.square().mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """The generator's loss from the critic's values for fakes, float32 ``(n,)``."""
    return -fake.mean() if loss == "wgan_gp" else F.softplus(-fake).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], reals: Tensor, fakes: Tensor, *, rng: torch.Generator
) -> Tensor:
    """The mean of ``(|gradient| - 1)^2`` at random points between reals and fakes (WGAN-GP, weight 1)."""
    mix = torch.rand(len(reals), 1, 1, 1, generator=rng).to(reals)
    points = torch.lerp(reals, fakes, mix).detach().requires_grad_()
    norms: Tensor = torch.linalg.vector_norm(_gradient(critic, points), dim=1)
    return (norms - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], reals: Tensor) -> Tensor:
    """Half the mean squared gradient of the critic at the reals (R1, weight 1)."""
    points = reals.detach().requires_grad_()
    return 0.5 * _gradient(critic, points).square().sum(1).mean()


def _gradient(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradient.flatten(1)
