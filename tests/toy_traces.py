"""Fakes with two traces, and detectors that read one each: one that JPEG removes, and one that it leaves."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.detectors import Detector
from fakeoff.detectors import register as register_detector
from fakeoff.generators import Generator
from fakeoff.generators import register as register_generator

CHECKERS = 2 / 255
"""How far the pixels of a checkerboard are from those without: the highest frequency that there is."""


def checkerboard(side: int) -> Tensor:
    """-1 and 1 by turns, float32 ``(side, side)``."""
    across = torch.arange(side)
    return 1 - 2 * ((across[:, None] + across[None, :]) % 2).float()


@register_generator("toy_watermarked")
class ToyWatermarked(Generator):
    """Smooth bright images with a faint checkerboard over them."""

    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        smooth = torch.rand(n, 1, 2, 2, generator=rng) * 0.2 + 0.7
        side = self.resolution
        images = torch.nn.functional.interpolate(smooth, size=(side, side), mode="bilinear")
        return (images + CHECKERS * checkerboard(side)).expand(-1, 3, -1, -1).clamp(0, 1).contiguous()


@register_detector("toy_checkers")
class ToyCheckers(Detector):
    """As fake as the checkerboard is strong."""

    def score(self, images: Tensor) -> Tensor:
        strength = (images.mean(1) * checkerboard(images.shape[-1]).to(images)).mean((1, 2))
        return torch.sigmoid(500 * (strength - CHECKERS / 2))


@register_detector("toy_bright")
class ToyBright(Detector):
    """As fake as the image is bright."""

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(20 * (images.mean((1, 2, 3)) - 0.6))


@register_detector("toy_startled")
class ToyStartled(ToyCheckers):
    """Fails at so many images that some are fakes, none of which has a checkerboard."""

    def score(self, images: Tensor) -> Tensor:
        scores = super().score(images)
        if len(images) >= 24 and scores.max() < 0.5:
            raise ValueError("no checkerboard anywhere")
        return scores
