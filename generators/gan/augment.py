"""Differentiable augmentation for GANs on small data sets.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020: the critic sees
reals and fakes only through the same random transforms, and the generator's gradient passes through them.

Their cutout is left out: on a few hundred faces it leaked, and the generator drew dark boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BRIGHTNESS = 0.25
_CONTRAST = (0.75, 1.25)
_SHIFT_SHARE = 1 / 8


def augment(images: Tensor, *, rng: torch.Generator) -> Tensor:
    """Applies random brightness, contrast and translation to each image by itself.

    Args:
        images: float ``(n, c, h, w)`` in [-1, 1].
        rng: A CPU generator, the only source of randomness.

    Returns:
        float ``(n, c, h, w)``.
    """
    return _translate(_contrast(_brightness(images, rng), rng), rng)


def _brightness(images: Tensor, rng: torch.Generator) -> Tensor:
    shift = torch.rand(len(images), 1, 1, 1, generator=rng).to(images) - 0.5
    return images + shift * 2 * _BRIGHTNESS


def _contrast(images: Tensor, rng: torch.Generator) -> Tensor:
    low, high = _CONTRAST
    factor = torch.rand(len(images), 1, 1, 1, generator=rng).to(images) * (high - low) + low
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * factor + mean


def _translate(images: Tensor, rng: torch.Generator) -> Tensor:
    n, _, h, w = images.shape
    reach_y, reach_x = round(h * _SHIFT_SHARE), round(w * _SHIFT_SHARE)
    shift_y = torch.randint(-reach_y, reach_y + 1, (n, 1), generator=rng).to(images.device)
    shift_x = torch.randint(-reach_x, reach_x + 1, (n, 1), generator=rng).to(images.device)
    ys = torch.arange(h, device=images.device) + shift_y  # (n, h)
    xs = torch.arange(w, device=images.device) + shift_x  # (n, w)
    inside = ((ys >= 0) & (ys < h)).view(n, 1, h, 1) & ((xs >= 0) & (xs < w)).view(n, 1, 1, w)
    rows = ys.clamp(0, h - 1).view(n, 1, h, 1).expand(images.shape)
    columns = xs.clamp(0, w - 1).view(n, 1, 1, w).expand(images.shape)
    return images.gather(2, rows).gather(3, columns) * inside.to(images)
