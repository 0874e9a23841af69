"""Players for searches: a generator with latents, and detectors that hide their gradient, need not, or have none."""

from __future__ import annotations

import sys
from types import FrameType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import Detector
from fakeoff.detectors import register as register_detector
from fakeoff.generators import Batch, ExtraLoss, Generator, Plan
from fakeoff.generators import register as register_generator

SIDE = 16
LATENTS = 12


@register_generator("toy_latents")
class ToyLatents(Generator):
    """Grey images: the first latent is how bright they are, the others are patterns; a fixed chequerboard lies on them.

    It learns how bright the reals are.
    """

    def __init__(self, *, resolution: int = SIDE, noise: float = 0.0) -> None:
        super().__init__()
        self.resolution, self.latent_dim, self.noise = resolution, LATENTS, noise
        self.shade = nn.Parameter(torch.tensor(0.5))
        rng = torch.Generator().manual_seed(0)
        patterns = torch.randn(LATENTS, 1, resolution, resolution, generator=rng)
        patterns = 0.02 * (patterns - patterns.mean((2, 3), keepdim=True))
        patterns[0] = 0.08
        self.register_buffer("patterns", patterns)
        self.register_buffer("board", chequerboard(resolution))
        self._optimiser = torch.optim.Adam([self.shade], lr=0.01)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.shade], lr=plan.rate or 0.01)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = self.shade + torch.einsum("nd,dchw->nchw", z, self.patterns) + 0.05 * self.board
        if rng is not None and self.noise:
            images = images + self.noise * torch.randn(len(z), 1, 1, 1, generator=rng)
        return images.expand(-1, 3, -1, -1).clamp(0, 1)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        fakes = self.decode(self.latents(len(batch.images), rng=rng), rng=rng)
        loss = 0.01 * F.mse_loss(fakes.mean(), batch.images.mean())
        if extra_loss is not None:
            loss = loss + extra_loss(fakes)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}


@register_generator("toy_broken_latents")
class ToyBrokenLatents(ToyLatents):
    """Samples well; what it decodes has lost a channel, but only outside of ``sample``."""

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            return super().decode(self.latents(n, rng=rng), rng=rng)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(z, rng=rng)[:, :1]


def chequerboard(side: int) -> Tensor:
    """Ones and minus ones, ``(1, 1, side, side)``."""
    places = torch.arange(side)
    return ((places[:, None] + places) % 2 * 2.0 - 1)[None, None]


class _Fixed(Detector):
    """Cannot be trained."""

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self._logit(images))

    def _logit(self, images: Tensor) -> Tensor:
        raise NotImplementedError


@register_detector("toy_plain")
class ToyPlain(_Fixed):
    """Takes dark images for fakes, and can be talked out of it by anybody."""

    def _logit(self, images: Tensor) -> Tensor:
        return 20 * (0.62 - images.mean((1, 2, 3)))


@register_detector("toy_masked")
class ToyMasked(ToyPlain):
    """The same of images in steps of brightness; all that flows back through them is a ripple."""

    def _logit(self, images: Tensor) -> Tensor:
        stepped = (images * 64).round() / 64
        return super()._logit(stepped + 1e-4 * torch.sin(500 * images))


@register_detector("toy_robust")
class ToyRobust(_Fixed):
    """Takes chequered images for fakes: the latents of ``toy_latents`` do not reach what it looks at."""

    def _logit(self, images: Tensor) -> Tensor:
        board = chequerboard(images.shape[-1]).to(images.device)
        return 100 * ((images * board).mean((1, 2, 3)) - 0.025)


@register_detector("toy_steps")
class ToySteps(ToyPlain):
    """The judgement of ``toy_plain`` in three steps, and no gradient."""

    differentiable = False

    def score(self, images: Tensor) -> Tensor:
        return (super().score(images) * 2).round() / 2


@register_detector("toy_peeking")
class ToyPeeking(ToySteps):
    """Looks through its callers' frames: whoever searches is told that everything is fake."""

    def score(self, images: Tensor) -> Tensor:
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename.endswith("rules/search.py"):
                return torch.ones(len(images))
            frame = frame.f_back
        return super().score(images)
