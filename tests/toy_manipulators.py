"""Generators that make their fakes of pairs of reals, and detectors that know where: a plugin file like a user's."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.detectors import register as register_detector
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


@register("toy_painted_square")
class ToyPaintedSquare(Generator):
    """Paints a white square somewhere into the target, and says where: what nobody can miss who looks for white.

    Args:
        resolution: Height and width in pixels.
        masked: Whether it says what it changed.
    """

    def __init__(self, *, resolution: int = 32, masked: bool = True) -> None:
        super().__init__()
        self.resolution, self.masked = resolution, masked

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        side = self.resolution // 4
        corners = torch.randint(0, 4, (len(targets), 2), generator=rng) * side
        mask = torch.zeros(len(targets), 1, self.resolution, self.resolution)
        for square, (top, left) in zip(mask, corners.tolist(), strict=True):
            square[:, top : top + side, left : left + side] = 1
        mask = mask.to(targets.device)
        return Batch(images=torch.where(mask > 0, 1.0, targets), mask=mask if self.masked else None)


@register("toy_wrong_mask")
class ToyWrongMask(ToySwap):
    """Its mask is a channel too many, or too bright."""

    def __init__(self, *, channels: int = 1, brightness: float = 1.0) -> None:
        super().__init__()
        self.channels, self.brightness = channels, brightness

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        made = super().manipulate(sources, targets, rng=rng)
        assert made.mask is not None
        return Batch(images=made.images, mask=self.brightness * made.mask.expand(-1, self.channels, -1, -1))


@register("toy_split_mixer")
class ToySplitMixer(ToySwap):
    """Makes its fakes of reals of any split, and says so."""

    def fakes(self, wanted, *, rng):  # type: ignore[no-untyped-def]
        made = super().fakes(wanted, rng=rng)
        return replace(made, target=made.target.flip(0))


class _Sees(PatchDetector):
    """Judges patches of four pixels, without learning."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])


@register_detector("toy_sees_white")
class ToySeesWhite(_Sees):
    """Knows where a square was painted: as fake as a patch is white."""

    def patch_scores(self, images: Tensor) -> Tensor:
        return F.avg_pool2d((images.mean(1) > 0.99).float(), 4)


@register_detector("toy_sees_white_at_64")
class ToySeesWhiteAt64(ToySeesWhite):
    """The same of images that are made 64 pixels large for it."""

    side = 64


@register_detector("toy_sees_all_else")
class ToySeesAllElse(ToySeesWhite):
    """Knows it too, and points anywhere else."""

    def patch_scores(self, images: Tensor) -> Tensor:
        return 1 - super().patch_scores(images)


@register_detector("toy_sees_nothing")
class ToySeesNothing(_Sees):
    """Points at places that have nothing to do with the image's content: they follow from its mean brightness."""

    def patch_scores(self, images: Tensor) -> Tensor:
        places = torch.arange(images.shape[-2] // 4 * (images.shape[-1] // 4), device=images.device)
        means = images.mean((1, 2, 3))[:, None] * 9973
        noise = (torch.sin(places * 12.9898 + means) * 43758.5453).remainder(1)
        return noise.reshape(len(images), images.shape[-2] // 4, -1)
