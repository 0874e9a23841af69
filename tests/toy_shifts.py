"""Generators whose latents can be shifted, or seem to be: a plugin file for the tests of exaggeration."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.detectors import register as register_detector
from fakeoff.generators import Generator
from fakeoff.generators import register as register_generator

SIDE = 16
LATENTS = 6


@register_generator("toy_corner")
class ToyCorner(Generator):
    """Grey images: the first latent brightens the quarter above left; the others are patterns that brighten nothing."""

    resolution, latent_dim = SIDE, LATENTS

    def __init__(self, *, noise: float = 0.0) -> None:
        super().__init__()
        self.noise = noise
        patterns = torch.randn(LATENTS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        patterns = 0.03 * (patterns - patterns.mean((1, 2), keepdim=True))
        patterns[0] = 0.0
        patterns[0, : SIDE // 2, : SIDE // 2] = 0.1
        self.register_buffer("patterns", patterns)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = 0.5 + torch.einsum("nd,dhw->nhw", z, self.patterns)
        if rng is not None and self.noise:
            images = images + self.noise * torch.randn(len(z), 1, 1, generator=rng)
        return images[:, None].expand(-1, 3, -1, -1)


@register_generator("toy_mapped_corner")
class ToyMappedCorner(ToyCorner):
    """Has a space behind its latents, in which brightness comes last, and ten times as large."""

    def map_latents(self, z: Tensor) -> Tensor:
        return 10 * z.flip(1)

    def synthesise(self, w: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(w.flip(1) / 10, rng=rng)


@register_generator("toy_mapped_elsewhere")
class ToyMappedElsewhere(ToyMappedCorner):
    """What it decodes does not come by way of that space."""

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(-z, rng=rng)


@register_generator("toy_one_latent")
class ToyOneLatent(ToyCorner):
    """Draws the same latent each time."""

    def latents(self, n: int, *, rng: torch.Generator) -> Tensor:
        return torch.zeros(n, LATENTS)


@register_generator("toy_unshiftable")
class ToyUnshiftable(ToyCorner):
    """Makes fakes, and raises when a gradient is asked for."""

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        if z.requires_grad:
            raise RuntimeError("no gradients\nhere")
        return super().decode(z, rng=rng)


@register_detector("toy_takes_notes")
class ToyTakesNotes(PatchDetector):
    """A patch is as fake as it is bright; it counts the images that a gradient is asked for of."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noted", torch.zeros(()))

    def patch_scores(self, images: Tensor) -> Tensor:
        if images.requires_grad:
            self.noted += len(images)
        return torch.nn.functional.avg_pool2d(images.mean(1), 4)


@register_detector("toy_hides_scores")
class ToyHidesScores(PatchDetector):
    """A gradient flows from its evasion loss, and none from its scores."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])

    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images.detach().mean(1), 4)

    def evasion_loss(self, images: Tensor) -> Tensor:
        return images.mean()


@register_detector("toy_lost_gradient")
class ToyLostGradient(ToyHidesScores):
    """Says that it is differentiable, and is not."""

    def evasion_loss(self, images: Tensor) -> Tensor:
        return images.detach().mean()
