"""An encoder for generators that have none: it tells the latents of a generator's own samples, and sees no photograph.

It gives the search for a photograph's latent a start (Bau et al., "Seeing what a GAN cannot generate", ICCV 2019,
section 3.2, where an encoder is trained on samples, too).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena import compute, images
from fakeoff.arena.images import Colour
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.arena.seeds import global_draws
from fakeoff.arena.typed import as_record
from fakeoff.protocols.rules import referee

VERSION = 1

_SIDE = 64
_COARSEST = 4
_FEWEST_CHANNELS, _MOST_CHANNELS = 32, 256
_RATE = 1e-3
_HELD_OUT = 256
_REPORT_EVERY = 20


@dataclass(frozen=True, kw_only=True)
class EncoderArguments:
    """What the training of an encoder is told.

    Attributes:
        generator: Whose latents it is to tell.
        steps: Batches of fresh samples, from 1.
        batch: Samples in each.
        colour: The arena's.
        version: Of this code.
    """

    generator: Identity
    steps: int
    batch: int
    colour: Colour
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """What it comes to.

    Attributes:
        explained: The share of the latents' variance that it tells of samples that it did not learn; 0 is no better
            than their mean.
    """

    explained: float


class LatentEncoder(nn.Module):
    """Halves images until 4 pixels are left, with twice the channels each time, and tells the latent from that.

    Args:
        resolution: Pixels a side of the generator's images; what is larger than 64 is made smaller.
        latent_dim: Length of a latent.
    """

    def __init__(self, resolution: int, latent_dim: int) -> None:
        super().__init__()
        self.side = min(resolution, _SIDE)
        side, channels, last = self.side, _FEWEST_CHANNELS, 3
        layers: list[nn.Module] = []
        while side > _COARSEST:
            layers += [nn.Conv2d(last, channels, 3, stride=2, padding=1), nn.GroupNorm(8, channels), nn.LeakyReLU(0.2)]
            side, last, channels = (side + 1) // 2, channels, min(2 * channels, _MOST_CHANNELS)
        self.features = nn.Sequential(*layers)
        self.latent = nn.Linear(last * side * side, latent_dim)

    def forward(self, seen: Tensor) -> Tensor:
        """Tells latents.

        Args:
            seen: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].

        Returns:
            float32 ``(n, latent_dim)``.
        """
        if seen.shape[-1] != self.side:
            seen = F.interpolate(seen, size=(self.side, self.side), mode="area")
        told: Tensor = self.latent(self.features(seen * 2 - 1).flatten(1))
        return told


def train_latent_encoder(context: Context) -> Result:
    """Trains an encoder on a generator version's samples, each of which it sees once.

    Payload: :class:`EncoderArguments`. Inputs: ``version``.

    Returns:
        Record: :class:`TrainedEncoder`. Arrays: the encoder's state.
    """
    arguments = context.arguments(EncoderArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=context.device)
    generator.eval().requires_grad_(False)
    rng = context.rng("samples")

    def draw(n: int) -> tuple[Tensor, Tensor]:
        """Samples as they lie in pools, and their latents."""
        with torch.no_grad():
            z = referee.latents(generator, n, rng=rng)
            pixels = images.quantise(referee.decode(generator, z, rng=rng), colour=arguments.colour)
        return compute.image_layout(compute.move(images.to_tensor(pixels), context.device)), z

    with global_draws(context.rng("initial weights")):
        encoder = LatentEncoder(generator.resolution, generator.latent_dim)
    encoder = compute.channels_last(encoder.to(context.device))
    optimiser = torch.optim.Adam(encoder.parameters(), lr=_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, arguments.steps)
    for step in range(1, arguments.steps + 1):
        seen, z = draw(arguments.batch)
        loss = F.mse_loss(encoder(seen), z)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % _REPORT_EVERY == 0:
            context.report(step, arguments.steps, f"latents' squared error {loss.item():.3f}")
    seen, z = draw(_HELD_OUT)
    with torch.no_grad():
        explained = 1 - F.mse_loss(encoder.eval()(seen), z).item() / max(z.var(0).mean().item(), 1e-12)
    return Result(record=as_record(TrainedEncoder(explained=explained)), arrays=state_arrays(encoder))


__all__ = ["EncoderArguments", "LatentEncoder", "TrainedEncoder", "train_latent_encoder"]
