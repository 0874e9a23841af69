"""Players that misbehave: a plugin file for the tests of forfeits."""

from __future__ import annotations

import ctypes

import numpy as np
import torch
from torch import Tensor, nn

from fakeoff.detectors import Batch, Detector, PatchDetector, ReceptiveField
from fakeoff.detectors import register as register_detector
from fakeoff.generators import ExtraLoss, Generator
from fakeoff.generators import register as register_generator


class _Trainable(Generator):
    """A sane start; what is wrong shows only in round 1."""

    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution
        self.mean = nn.Parameter(torch.zeros(3, resolution, resolution))
        self.register_buffer("attacks", torch.zeros((), dtype=torch.int64))

    attacks: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        noise = 0.05 * torch.randn(n, 3, self.resolution, self.resolution, generator=rng)
        return torch.sigmoid(self.mean + noise).detach()

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        self.attacks += 1
        if extra_loss is not None:
            extra_loss(torch.sigmoid(self.mean).expand(4, -1, -1, -1)).backward()
            with torch.no_grad():
                self.mean -= 0.01 * self.mean.grad
            self.mean.grad = None
        return {"own_loss": 0.0}


@register_generator("raises")
class Raises(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        raise RuntimeError("the plugin's own bug")


@register_generator("returns_nan")
class ReturnsNaN(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        return {"own_loss": float("nan")}


@register_generator("samples_nan")
class SamplesNaN(_Trainable):
    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        images = super().sample(n, rng=rng)
        return images * float("nan") if int(self.attacks) else images


@register_generator("wrong_shape")
class WrongShape(_Trainable):
    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        images = super().sample(n, rng=rng)
        return images[:, :1] if int(self.attacks) else images


@register_generator("wrong_range")
class WrongRange(_Trainable):
    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        images = super().sample(n, rng=rng)
        return images * 255 if int(self.attacks) else images


@register_generator("loops")
class Loops(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        while True:
            pass


@register_generator("loops_in_native_code")
class LoopsInNativeCode(_Trainable):
    """No signal reaches it: the interpreter has nothing to say until it is done, in thousands of years."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        return {"own_loss": float(sum(range(10**18)))}


@register_generator("hogs")
class Hogs(_Trainable):
    """Takes ever more memory, a gigabyte at a time."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        taken = []
        while len(taken) < 100:
            taken.append(torch.empty(250_000_000))  # not filled: that would take a busy machine long
        return {"own_loss": 0.0}


@register_generator("prints")
class Prints(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        print("a line of the plugin's own")
        return super().train_step(batch, rng=rng, extra_loss=extra_loss)


@register_generator("seeds_globally")
class SeedsGlobally(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        torch.manual_seed(0)
        return super().train_step(batch, rng=rng, extra_loss=extra_loss)


@register_generator("draws_globally")
class DrawsGlobally(_Trainable):
    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        images = super().sample(n, rng=rng)
        return (images + 0.01 * torch.from_numpy(np.random.rand(n, 1, 1, 1))).clamp(0, 1).float()


@register_generator("elsewhere")
class Elsewhere(_Trainable):
    """Leaves its images on another device, after an attack."""

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        images = super().sample(n, rng=rng)
        return images.to("meta") if int(self.attacks) else images


@register_generator("mixes_devices")
class MixesDevices(_Trainable):
    """Adds tensors of two devices."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        reals = batch.images
        return {"own_loss": (self.mean.to("meta") + reals).mean().item()}


@register_generator("segfaults")
class Segfaults(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        ctypes.string_at(0)
        return {"own_loss": 0.0}


@register_generator("exits")
class Exits(_Trainable):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        raise SystemExit(3)


@register_generator("tampers")
class Tampers(_Trainable):
    """Writes to the frozen detector through the loss that it was handed."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        assert extra_loss is not None
        measured = super().train_step(batch, rng=rng, extra_loss=extra_loss)
        held = vars(extra_loss).values()
        targets = [
            player for found in held if isinstance(found, list) for player in found if isinstance(player, nn.Module)
        ]
        assert targets
        for target in targets:
            for parameter in target.parameters():
                with torch.no_grad():
                    parameter.add_(1)
        return measured


@register_generator("only_trains")
class OnlyTrains(_Trainable):
    """Takes no notice of whom it was set against."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        return super().train_step(batch, rng=rng)


@register_generator("same_pictures")
class SamePictures(Generator):
    """A handful of pictures, over and over, whatever is asked for."""

    resolution = 16

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        few = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        return few[torch.arange(n) % 8]


class _AttacksAside(_Trainable):
    """Hands extra_loss something that its own weights are not behind."""

    def shown(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        measured = super().train_step(batch, rng=rng)
        if extra_loss is not None:
            measured["extra_loss"] = extra_loss(self.shown(self.sample(4, rng=rng))).item()
        return measured


@register_generator("attacks_the_detached")
class AttacksTheDetached(_AttacksAside):
    def shown(self, images: Tensor) -> Tensor:
        return images.detach()


@register_generator("drops_the_extra_loss")
class DropsTheExtraLoss(_AttacksAside):
    def shown(self, images: Tensor) -> Tensor:
        return images.requires_grad_()


@register_generator("never_steps")
class NeverSteps(_Trainable):
    """Has the gradient, and does nothing with it."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        assert extra_loss is not None
        extra_loss(torch.sigmoid(self.mean).expand(4, -1, -1, -1)).backward()
        self.mean.grad = None
        return {"own_loss": 0.0}


@register_detector("sees_without_gradient")
class SeesWithoutGradient(Detector):
    """Knows the toys' fakes by their smoothness, all of them and for certain."""

    def score(self, images: Tensor) -> Tensor:
        steps = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3)).detach()
        return torch.sigmoid((0.04 - steps) * 200)


@register_detector("unmoved_by_training")
class UnmovedByTraining(Detector):
    """Trains, and is the same afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.weight * images.mean((1, 2, 3)))

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        return {"loss": 0.0}


@register_detector("scores_nan")
class ScoresNaN(Detector):
    def score(self, images: Tensor) -> Tensor:
        return torch.full((len(images),), float("nan"))


@register_detector("fixed_brightness")
class FixedBrightness(Detector):
    """Cannot be trained: calls bright images fake."""

    def score(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))


class _BadPatches(PatchDetector):
    """Judges images sanely; what is wrong shows only when it is asked for patches."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])

    def score(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))


@register_detector("patches_nan")
class PatchesNaN(_BadPatches):
    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 4, 4), float("nan"))


@register_detector("patches_flat")
class PatchesFlat(_BadPatches):
    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 16)


@register_detector("patches_by_batch")
class PatchesByBatch(_BadPatches):
    """Leaves out a column where a batch is odd: each batch is right by itself."""

    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 4, 4 - len(images) % 2), 0.5)


@register_detector("patches_out_of_memory")
class PatchesOutOfMemory(_BadPatches):
    def patch_scores(self, images: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")


@register_detector("patches_of_numpy")
class PatchesOfNumpy(_BadPatches):
    """Not bad at all: its field and its side are numpy's integers."""

    receptive_field = ReceptiveField(size=np.int64(4), stride=np.int64(4))  # type: ignore[arg-type]
    side = np.int64(16)  # type: ignore[assignment]

    def patch_scores(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images.mean(1), 4)


@register_detector("patches_out_of_range")
class PatchesOutOfRange(_BadPatches):
    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 4, 4), 1.5)


@register_detector("patches_off_the_image")
class PatchesOffTheImage(_BadPatches):
    """By its receptive field, its fifth patch begins where the image ends."""

    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 4, 5)


@register_detector("patches_raise")
class PatchesRaise(_BadPatches):
    def patch_scores(self, images: Tensor) -> Tensor:
        raise RuntimeError("the plugin's own bug")
