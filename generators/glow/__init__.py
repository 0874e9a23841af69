"""Glow: a generator with a likelihood, and an exact inverse.

Kingma & Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", NeurIPS 2018. Section and equation numbers
below are that paper's. Its attack is likelihood and evasion at once: the extra loss is shown samples, which are
differentiable through the inverse.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan.training import follow, start_from_average, without_current
from fakeoff.generators.glow_networks import Flow
from fakeoff.generators.interface import ExtraLoss, Generator

_SAMPLE_BATCH = 64
_PIXEL_BITS = 8
# Uniform noise over the pixels' range enters the flow with variance 1.
_SPREAD = math.sqrt(12.0)
# The moving average may not look back further than this share of what the current training has seen, or a short
# finetuning would hardly show in the images (the ramp-up of Karras et al., CVPR 2020).
_AVERAGE_RAMP = 0.05
# Of what a training is planned to take, so that a short one is not all warm-up.
_WARMUP_AT_MOST = 0.1


class Glow(Generator):
    """A normalising flow of any power-of-two resolution from 16 to 256 pixels.

    Latents have as many dimensions as the images: ``encode`` is the exact inverse of ``decode``. Grey images are
    encoded from the mean of their three channels.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        levels: How often an image is squeezed and split; the paper's L. 0 goes down to 4 x 4, as published.
        steps: Of the flow at each level; the paper's K.
        width: Channels inside the coupling networks.
        bits: That the model sees of a pixel's 8: 5, as the paper's faces, or 8.
        temperature: Standard deviation of the latents that are sampled (section 5).
        learning_rate: Adam's.
        attack_rate: Adam's in an attack.
        warmup_steps: Over which the rate rises at the start of a training, of which it takes a tenth at most.
        gradient_clip: The largest norm of a step's gradient; a larger one is scaled down to it.
        average_images: Half-life of the moving average of weights, in images.
        weights: Pretrained weights: a name that ships (``glow-orl-64``), a ``.safetensors`` file, or none (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: Literal[1, 3] = 1,
        levels: int = 0,
        steps: int = 8,
        width: int = 64,
        bits: Literal[5, 8] = 5,
        temperature: float = 0.7,
        learning_rate: float = 1e-3,
        attack_rate: float = 3e-4,
        warmup_steps: int = 200,
        gradient_clip: float = 10.0,
        average_images: float = 10_000.0,
        weights: str | None = "glow-orl-64",
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if resolution not in (16, 32, 64, 128, 256):
            raise ValueError(f"resolution {resolution} is not a power of two from 16 to 256")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; give 1 (grey) or 3 (colour)")
        if bits not in (5, 8):
            raise ValueError(f"bits is {bits}; give 5 or 8")
        most_levels = int(math.log2(resolution))
        if not 0 <= levels <= most_levels:
            raise ValueError(f"levels is {levels}; give 1 to {most_levels} at {resolution} pixels, or 0 for the usual")
        if min(steps, width) < 1 or temperature <= 0:
            raise ValueError(f"steps {steps} and width {width} are at least 1, and temperature {temperature} above 0")
        del weights  # the arena loads them into the state dict
        self.resolution = resolution
        self.channels = channels
        self.latent_dim = channels * resolution**2
        self.bits = bits
        self.temperature = temperature
        self.learning_rate, self.attack_rate = learning_rate, attack_rate
        self.warmup_steps, self.gradient_clip = warmup_steps, gradient_clip
        self.average_images = average_images
        self.flow = Flow(
            channels=channels,
            side=resolution,
            levels=levels or most_levels - 2,
            steps=steps,
            width=width,
            rng=torch.Generator().manual_seed(init_seed),
        )
        self.average = copy.deepcopy(self.flow).requires_grad_(False)
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_start_from_average)  # type: ignore[no-untyped-call]
        self._optimiser: torch.optim.Adam | None = None
        self._rate = learning_rate
        self._warmup = self._session_images = self._session_steps = 0

    images_seen: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        z = self.latents(n, rng=rng)
        with torch.no_grad():
            return torch.cat([self.decode(chunk).clamp(0, 1) for chunk in z.split(_SAMPLE_BATCH)])

    def latents(self, n: int, *, rng: torch.Generator) -> Tensor:
        """Draws latents: normal ones with ``temperature`` as their standard deviation.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, latent_dim)``, where the weights lie.
        """
        return super().latents(n, rng=rng) * self.temperature

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._decode(self.average, z)

    def encode(self, images: Tensor) -> Tensor:
        with _full_precision(images):
            z: Tensor = self.average(self._from_images(images))[0]
        return z

    @torch.no_grad()
    def bits_per_dimension(self, images: Tensor, *, rng: torch.Generator) -> Tensor:
        """What images cost to write down with this model: an upper bound that is exact for one draw of the noise.

        Args:
            images: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
            rng: A CPU generator; draws the noise within a pixel's level (section 2, Eq. 2).

        Returns:
            float32 ``(n,)``; of ``bits``, so that ``bits`` itself is what uniform noise costs at least.
        """
        return self._bits_per_dimension(self.average, self._dequantise(images, rng))

    def start(self, plan: Plan) -> None:
        rate = plan.rate if plan.rate is not None else self._rate_for(plan)
        warmup = min(self.warmup_steps, int(plan.steps * _WARMUP_AT_MOST))
        self._optimiser = self._start_session(rate, warmup=warmup)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        if self._optimiser is None:
            self._optimiser = self._start_session(self.learning_rate, warmup=0)
        x = self._dequantise(batch.images, rng)
        if not bool(self.flow.is_started):
            with _full_precision(x):
                self.flow.start_from(x)
            self.average.load_state_dict(self.flow.state_dict())
        loss = self._bits_per_dimension(self.flow, x).mean()
        measured = {"bits_per_dimension": loss.item()}
        if extra_loss is not None:
            # of samples of its own, with the gradient through the inverse
            extra = extra_loss(self._decode(self.flow, self.latents(len(x), rng=rng)))
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.flow.parameters(), self.gradient_clip)
        measured["gradient_norm"] = norm.item()
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * min(1.0, (self._session_steps + 1) / max(1, self._warmup))
        self._optimiser.step()
        self.images_seen += len(x)
        self._session_images += len(x)
        self._session_steps += 1
        self._update_average(len(x))
        return measured

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in a quarter of its size: without the weights that the average stands for, in float16."""
        return without_current(self.state_dict(), current="flow.")

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beyond the state dict: the optimiser, its rate, and the session's counters."""
        if self._optimiser is None:
            self._optimiser = self._start_session(self.learning_rate, warmup=0)
        return {
            "optimiser": self._optimiser.state_dict(),
            "rate": self._rate,
            "session": [self._warmup, self._session_images, self._session_steps],
        }

    def load_training_state(self, state: Mapping[str, Any], *, rate: float | None = None) -> None:
        """Restores what :meth:`training_state` returned; load the state dict first.

        Args:
            state: What it returned.
            rate: A learning rate to go on with in place of the saved one.
        """
        self._rate = state["rate"] if rate is None else rate
        self._optimiser = _adam(self.flow, self._rate)
        self._optimiser.load_state_dict(state["optimiser"])
        self._warmup, self._session_images, self._session_steps = state["session"]

    def _rate_for(self, plan: Plan) -> float:
        return self.attack_rate if plan.purpose == "attack" else self.learning_rate

    def _start_session(self, rate: float, *, warmup: int) -> torch.optim.Adam:
        # A version is its averaged weights, so that is where training goes on from.
        if int(self.images_seen):
            self.flow.load_state_dict(self.average.state_dict())
        self._rate, self._warmup = rate, warmup
        self._session_images = self._session_steps = 0
        return _adam(self.flow, rate)

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        half_life = min(self.average_images, self._session_images * _AVERAGE_RAMP)
        follow(self.average, self.flow, images=images, half_life=half_life)

    def _bits_per_dimension(self, flow: Flow, x: Tensor) -> Tensor:
        """Eq. 2 and 3 in bits, of dequantised images as they enter the flow; ``(n,)``."""
        with _full_precision(x):
            z, log_det = flow(x)
            log_density = log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
        # A level is 2^-bits of the pixels' range, and that range is _SPREAD wide in the flow.
        bits: Tensor = (-log_density / self.latent_dim - math.log(_SPREAD)) / math.log(2) + self.bits
        return bits

    def _decode(self, flow: Flow, z: Tensor) -> Tensor:
        with _full_precision(z):
            images = self._to_images(flow.inverse(z))
        rgb: Tensor = images.expand(-1, 3, -1, -1)
        return rgb

    # Level k of 256 is the interval from k/256 to (k + 1)/256 of the pixels' range, and is shown as its middle: so the
    # mean of a dequantised pixel is the pixel.

    def _from_images(self, images: Tensor) -> Tensor:
        pixels = self._own_channels(images.float())
        return ((pixels * 255 + 0.5) / 256 - 0.5) * _SPREAD

    def _to_images(self, x: Tensor) -> Tensor:
        return ((x / _SPREAD + 0.5) * 256 - 0.5) / 255

    def _dequantise(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Cuts pixels to ``bits`` and spreads each evenly over its level (section 2)."""
        pixels = (self._own_channels(images.float()) * 255).round().clamp(0, 255)
        levels = (pixels / (1 << (_PIXEL_BITS - self.bits))).floor()
        noise = torch.rand(levels.shape, generator=rng).to(levels.device)
        return ((levels + noise) / (1 << self.bits) - 0.5) * _SPREAD

    def _own_channels(self, images: Tensor) -> Tensor:
        return images.mean(1, keepdim=True) if self.channels == 1 else images


def _full_precision(x: Tensor) -> torch.autocast:
    """Float32 for the flow, whatever the arena trains in.

    A coupling is undone by asking its network again about the half that it kept, which comes back with an error of
    float32. In bfloat16 such an error may round to a neighbour that is a hundredth away, and each of dozens of
    couplings passes the difference on: the image that comes back is another one. And a log-determinant, a sum over
    thousands of dimensions, would be exact to a few bits only.
    """
    return torch.autocast(x.device.type, enabled=False)


def _start_from_average(_module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Fills in the current weights where a file ships only their average."""
    start_from_average(state, current="flow.")


def _adam(flow: Flow, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(flow.parameters(), lr=rate)


__all__ = ["Glow"]
