"""Progressive growing: training starts with small images, and layers for larger ones are faded in.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018, section 2 and
appendix A.1. A *level* says how far both networks have grown: 0 is 4 x 4 pixels, 1 is 8 x 8, and 1.25 is 8 x 8 faded
in by a quarter.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators.gan.player import AdversarialGenerator


class GrowingGenerator(AdversarialGenerator):
    """An adversarial generator whose networks grow with what they have seen.

    Args:
        fade_images: Images over which a level is faded in.
        stable_images: Images for which a level is trained before the next one is faded in.
        first_level: The level that training begins at.
        **shared: As for every adversarial generator.
    """

    images_at_level: Tensor
    grown: Tensor

    def __init__(self, *, fade_images: int, stable_images: int, first_level: int = 0, **shared: Any) -> None:
        super().__init__(**shared)
        self.fade_images, self.stable_images = fade_images, stable_images
        # The level is state, not schedule: a version stays as grown as it is under any other schedule.
        self.register_buffer("images_at_level", torch.zeros((), dtype=torch.int64))
        self.register_buffer("grown", torch.full((), float(first_level), dtype=torch.float64))

    @property
    def level(self) -> float:
        """How far the networks have grown: 0 is 4 pixels; fractions are being faded in (section 2)."""
        return float(self.grown)

    def _growing(self) -> list[tuple[nn.Module, nn.ModuleList, nn.ModuleList]]:
        """Each network that grows, its layers to or from an image by level, and its blocks from each level to the next.

        The critic's second.
        """
        raise NotImplementedError

    def _after_step(self, images: int) -> None:
        """Trains a level until it is stable, then fades the next one in."""
        done = math.floor(self.level)
        if self.level > done:
            self.grown.fill_(min(done + 1.0, self.level + images / max(1, self.fade_images)))
        elif done < int(math.log2(self.resolution)) - 2:
            self.images_at_level += images
            if int(self.images_at_level) >= self.stable_images:
                self.images_at_level.zero_()
                self.grown += min(1.0, images / max(1, self.fade_images))

    def _ask_for_gradients(self) -> None:
        """Lets the layers of other levels rest: they say so, and nobody takes them for forgotten."""
        done, top = math.floor(self.level), math.ceil(self.level)
        for network, ends, blocks in self._growing():
            network.requires_grad_(True)
            for index, end in enumerate(ends):
                end.requires_grad_(index in (done, top))
            for index, block in enumerate(blocks):
                block.requires_grad_(index < top)

    def _judge(self, images: Tensor) -> Tensor:
        value: Tensor = self.critic(images, level=self.level)
        return value

    def _of_reals(self, reals: Tensor) -> Tensor:
        return self._to_level(reals, self.level)

    def _to_level(self, reals: Tensor, level: float) -> Tensor:
        images = super()._of_reals(reals)
        side = 4 * 2 ** math.ceil(level)
        if side < self.resolution:
            images = F.avg_pool2d(images, self.resolution // side)
        fade = level - math.floor(level)
        if fade:
            # The reals fade in as well (appendix A.1).
            coarse = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="nearest")
            images = torch.lerp(coarse, images, fade)
        return images

    def _to_rgb(self, images: Tensor) -> Tensor:
        images = (images + 1) / 2
        if images.shape[-1] < self.resolution:
            images = F.interpolate(images, size=self.resolution, mode="nearest")
        return images.expand(-1, 3, -1, -1)


__all__ = ["GrowingGenerator"]
