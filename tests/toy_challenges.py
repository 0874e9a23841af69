"""Players for challenges: fakes that are too bright, and detectors of that, one of which hides its gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import Detector
from fakeoff.detectors import register as register_detector
from fakeoff.generators import Batch, ExtraLoss, Generator, Plan
from fakeoff.generators import register as register_generator

LATENTS = 12


@register_generator("toy_lamps")
class ToyLamps(Generator):
    """Grey images that are brighter than photographs, chequered; the first latent dims them, the others are patterns.

    Args:
        resolution: Pixels a side.
        dies: Whether its training fails.
    """

    def __init__(self, *, resolution: int = 16, dies: bool = False) -> None:
        super().__init__()
        self.resolution, self.latent_dim, self.dies = resolution, LATENTS, dies
        self.shade = nn.Parameter(torch.tensor(0.65))
        rng = torch.Generator().manual_seed(0)
        patterns = torch.randn(LATENTS, 1, resolution, resolution, generator=rng)
        patterns = 0.02 * (patterns - patterns.mean((2, 3), keepdim=True))
        patterns[0] = 0.06
        self.register_buffer("patterns", patterns)
        self.register_buffer("board", chequerboard(resolution))
        self._optimiser = torch.optim.Adam([self.shade], lr=0.01)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.shade], lr=plan.rate or 0.01)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = self.shade + torch.einsum("nd,dchw->nchw", z, self.patterns) + 0.05 * self.board
        return images.expand(-1, 3, -1, -1).clamp(0, 1)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        if self.dies:
            raise RuntimeError("the lamp is out")
        fakes = self.decode(self.latents(len(batch.images), rng=rng), rng=rng)
        loss = 0.001 * F.mse_loss(fakes.mean(), batch.images.mean())
        if extra_loss is not None:
            loss = loss + extra_loss(fakes)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}


class _Fixed(Detector):
    """Cannot be trained."""

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self._logit(images))

    def _logit(self, images: Tensor) -> Tensor:
        raise NotImplementedError


@register_detector("toy_dazzled")
class ToyDazzled(_Fixed):
    """Takes bright images for fakes: anybody can talk it out of that."""

    def _logit(self, images: Tensor) -> Tensor:
        return 10 * (images.mean((1, 2, 3)) - 0.55)


@register_detector("toy_sunglasses")
class ToySunglasses(ToyDazzled):
    """The same of images in steps of brightness; all that flows back through them is a ripple."""

    def _logit(self, images: Tensor) -> Tensor:
        stepped = (images * 64).round() / 64
        return super()._logit(stepped + 1e-4 * torch.sin(500 * images))


@register_detector("toy_blindfold")
class ToyBlindfold(ToyDazzled):
    """The same, in ten steps: no gradient flows."""

    differentiable = False

    def score(self, images: Tensor) -> Tensor:
        return (super().score(images) * 10).round() / 10


@register_detector("toy_chess")
class ToyChess(_Fixed):
    """Takes chequered images for fakes: neither shade nor latents reach what it looks at."""

    def _logit(self, images: Tensor) -> Tensor:
        return 100 * ((images * chequerboard(images.shape[-1]).to(images.device)).mean((1, 2, 3)) - 0.025)


def chequerboard(side: int) -> Tensor:
    """Ones and minus ones, ``(1, 1, side, side)``."""
    places = torch.arange(side)
    return ((places[:, None] + places) % 2 * 2.0 - 1)[None, None]
