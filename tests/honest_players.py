"""Players that look like cheats and are none: a plugin file.

The generators make faces of the training people's eigenfaces, with two traces on them: bars, as strong as a latent and
a weight say, and a fine chequerboard that neither reaches.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.reals import Split, open_source
from fakeoff.detectors import Batch, Detector
from fakeoff.detectors import register as register_detector
from fakeoff.generators import ExtraLoss, Generator, Plan
from fakeoff.generators import register as register_generator

SIDE = 32
FACES = 32  # eigenfaces


@cache
def photographs(split: Split, side: int = SIDE) -> Tensor:
    """The embedded photographs of a split, ``(n, 1, side, side)``, grey in [0, 1]."""
    return to_tensor(open_source("orl").load(split, resolution=side, colour="grey"))[:, :1]


def waves(side: int, period: int) -> Tensor:
    """A chequerboard of ones and minus ones, ``(1, side, side)``."""
    place = torch.arange(side) // (period // 2)
    return ((place[:, None] + place) % 2 * 2.0 - 1)[None]


def trace(images: Tensor, period: int) -> Tensor:
    """How much of a chequerboard is in images, ``(n,)``."""
    return (images.mean(1) * waves(images.shape[-1], period).to(images.device)).mean((1, 2))


class Eigenfaces(Generator):
    """Faces of the normal distribution that the training faces have, as wide as that or less."""

    breadth = 1.0

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution, self.latent_dim = resolution, FACES + 1
        flat = photographs("train", resolution).flatten(1)
        _, sizes, directions = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
        self.register_buffer("mean", flat.mean(0))
        self.register_buffer("faces", (sizes[:FACES, None] * directions[:FACES]) / len(flat) ** 0.5)
        self.bars = nn.Parameter(torch.tensor(0.06))
        self._optimiser = torch.optim.Adam([self.bars], lr=0.01)

    mean: Tensor
    faces: Tensor

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.bars], lr=plan.rate or 0.01)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        side = self.resolution
        faces = (self.mean + self.breadth * z[:, :FACES] @ self.faces).reshape(-1, 1, side, side)
        bars = (self.bars + 0.02 * z[:, FACES, None, None, None]) * waves(side, 8)
        return (faces + bars + 0.02 * waves(side, 2)).expand(-1, 3, -1, -1).clamp(0, 1)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        fakes = self.decode(self.latents(len(batch.images), rng=rng), rng=rng)
        loss = F.mse_loss(fakes.mean(0), batch.images.mean(0))
        measured = {"loss": loss.item()}
        if extra_loss is not None:
            loss = loss + extra_loss(fakes)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return measured


@register_generator("honest_faces")
class HonestFaces(Eigenfaces):
    """As various as the photographs."""


@register_generator("honest_narrow")
class HonestNarrow(Eigenfaces):
    """Of little variety, and its own all the same."""

    breadth = 0.5


@register_detector("honest_batchnorm")
class HonestBatchNorm(Detector):
    """Batch normalisation, in the company of a batch while it learns and alone when it judges."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
        nn.init.zeros_(self.layers[1].weight)
        nn.init.zeros_(self.layers[1].bias)
        self._optimiser = torch.optim.Adam(self.parameters(), lr=0.1)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.parameters(), lr=plan.rate or 0.1)

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self._logit(images))

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        loss = F.binary_cross_entropy_with_logits(self._logit(batch.images), batch.labels.float())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}

    def _logit(self, images: Tensor) -> Tensor:
        return self.layers(torch.stack([trace(images, period) for period in (8, 2)], 1))[:, 0]


class Measures(Detector):
    """Cannot be trained: fake is whatever holds enough of a trace."""

    period: int
    threshold: float
    slope: float

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.logit(images))

    def logit(self, images: Tensor) -> Tensor:
        """How much of the trace is in images, ``(n,)``."""
        return self.slope * (trace(images, self.period) - self.threshold)


@register_detector("honest_plain")
class HonestPlain(Measures):
    """Looks at the bars, and can be talked out of it by anybody."""

    period, threshold, slope = 8, 0.02, 150.0


@register_detector("honest_robust")
class HonestRobust(Measures):
    """Looks at what no latent and no weight reaches: really hard to fool, with a gradient that says so."""

    period, threshold, slope = 2, 0.01, 400.0
