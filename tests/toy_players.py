"""Players that play a whole tournament in seconds: a plugin file, entered as a user's would be."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import Batch, PatchDetector, ReceptiveField
from fakeoff.detectors import register as register_detector
from fakeoff.generators import ExtraLoss, Generator, Plan
from fakeoff.generators import register as register_generator


@register_generator("toy_generator")
class ToyGenerator(Generator):
    """Noise around a learned mean face; it learns the mean of the reals."""

    def __init__(self, *, resolution: int = 16, generator_lr: float = 0.05, noise: float = 0.05) -> None:
        super().__init__()
        self.resolution = resolution
        self.noise = noise
        self.mean = nn.Parameter(torch.zeros(3, resolution, resolution))
        self.generator_lr = generator_lr
        self._optimiser = torch.optim.Adam([self.mean], lr=generator_lr)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.mean], lr=plan.rate or self.generator_lr)

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            return self._make(n, rng).clamp(0, 1)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        reals = batch.images
        fakes = self._make(len(reals), rng)
        loss = F.mse_loss(fakes.mean(0), reals.mean(0))
        measured = {"own_loss": loss.item()}
        if extra_loss is not None:
            extra = extra_loss(fakes)
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return measured

    def _make(self, n: int, rng: torch.Generator) -> Tensor:
        noise = torch.randn(n, 3, self.resolution, self.resolution, generator=rng).to(self.mean.device)
        return torch.sigmoid(self.mean + self.noise * noise)


@register_generator("toy_fixed_generator")
class ToyFixedGenerator(Generator):
    """Uniform noise; it cannot be finetuned."""

    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return torch.rand(n, 3, self.resolution, self.resolution, generator=rng)


@register_detector("toy_detector")
class ToyDetector(PatchDetector):
    """One convolution."""

    receptive_field = ReceptiveField.of([(3, 2, 1)])

    def __init__(self, *, learning_rate: float = 0.05, init_seed: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
        rng = torch.Generator().manual_seed(init_seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=rng)
        self.learning_rate = learning_rate
        self._optimiser = torch.optim.Adam(self.parameters(), lr=learning_rate)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.parameters(), lr=plan.rate or self.learning_rate)

    def patch_logits(self, images: Tensor) -> Tensor:
        return self.layers(images).float()  # type: ignore[no-any-return]

    def patch_scores(self, images: Tensor) -> Tensor:
        return self.patch_logits(images).softmax(1)[:, 1]

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        images, is_fake = batch.images, batch.labels
        logits = self.patch_logits(images).mean((2, 3))
        loss = F.cross_entropy(logits, is_fake.long())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}


@register_detector("toy_brightness")
class ToyBrightness(PatchDetector):
    """Cannot be trained: a patch of 4 x 4 pixels is as fake as it is bright."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])

    def patch_scores(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images.mean(1), 4)


@register_detector("toy_wide_detector")
class ToyWideDetector(PatchDetector):
    """Cannot be trained: each of its four patches sees an image of 16 pixels whole."""

    receptive_field = ReceptiveField(size=34, stride=1, offset=-17)

    def patch_scores(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None, None].expand(-1, 2, 2)
