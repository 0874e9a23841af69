"""Generators that make their fakes of pairs of reals: a plugin file, entered as a user's would be."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators import Batch, ExtraLoss, Generator, Plan, register


@register("toy_swap")
class ToySwap(Generator):
    """Pastes the centre of one face into another: a soft ellipse, in the colours of where it goes.

    Args:
        resolution: Height and width in pixels.
    """

    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution
        y, x = torch.meshgrid(*(torch.linspace(-1, 1, resolution),) * 2, indexing="ij")
        inside = 1 - torch.sqrt((x / 0.6) ** 2 + (y / 0.8) ** 2)
        self.register_buffer("ellipse", (inside * 3).clamp(0, 1)[None, None], persistent=False)

    ellipse: Tensor

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        mask = self.ellipse.expand(len(targets), -1, -1, -1)
        (source_mean, source_std), (mean, std) = self._tone(sources), self._tone(targets)
        face = ((sources - source_mean) * std / source_std + mean).clamp(0, 1)
        return Batch(images=torch.lerp(targets, face, mask), mask=mask)

    def _tone(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the colours in the ellipse."""
        weights = self.ellipse / self.ellipse.sum()
        mean = (images * weights).sum((2, 3), keepdim=True)
        return mean, ((images - mean).square() * weights).sum((2, 3), keepdim=True).add(1e-4).sqrt()


@register("toy_learning_swap")
class ToyLearningSwap(ToySwap):
    """The same, with a tone that it learns: of its own accord the target's, in an attack what passes as real."""

    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__(resolution=resolution)
        self.tone = nn.Parameter(torch.full((3, 1, 1), 0.2))
        self.start(Plan(purpose="pretrain", steps=1, batch=1))

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.tone], lr=plan.rate or 0.02)

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        swapped = super().manipulate(sources, targets, rng=rng)
        assert swapped.mask is not None
        return Batch(images=(swapped.images + self.tone * swapped.mask).clamp(0, 1), mask=swapped.mask)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        fakes = self.manipulate(batch.images.roll(1, 0), batch.images, rng=rng).images
        loss = F.mse_loss(fakes.mean((2, 3)), batch.images.mean((2, 3)))
        measured = {"own_loss": loss.item()}
        if extra_loss is not None:
            extra = extra_loss(fakes)
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return measured


@register("toy_halves")
class ToyHalves(Generator):
    """The left of one face and the right of another, to the last pixel: whoever is in a fake can be found."""

    resolution = 16

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        left = torch.arange(16) < 8
        return Batch(images=torch.where(left.to(targets.device), sources, targets))


@register("toy_splitless_halves")
class ToySplitlessHalves(ToyHalves):
    def fakes(self, wanted, *, rng):  # type: ignore[no-untyped-def]
        return Batch(images=super().fakes(wanted, rng=rng).images)
