"""MobileStyleGAN: a StyleGAN2 distilled into separable convolutions and wavelets.

Belousov, "MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis", 2021
(arXiv 2104.04767). The networks and weights are the published ones; no critic was published with them, nor the teacher.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.images.pipeline import luminance
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.gan.augment import augment
from fakeoff.generators.gan.training import adam, follow, start_from_average, without_current
from fakeoff.generators.interface import ExtraLoss, Generator
from fakeoff.generators.mobilestylegan.networks import Mapping, Synthesis, draw_weights
from fakeoff.generators.mobilestylegan.published import from_published, is_published
from fakeoff.generators.stylegan2.layers import draw_weights as draw_weights_of_critic
from fakeoff.generators.stylegan2.networks import Critic, widths

# As of the other adversarial players: in a short finetuning an average may not look back further than this.
_EMA_RAMP = 0.05
_LOSS: gan_losses.Loss = "non_saturating"


class MobileStyleGAN(Generator):
    """A MobileStyleGAN, whose published networks make faces of 1024 pixels.

    Its images at lower resolutions are means of those pixels; all layers take part in them. What an attack finetunes is
    the synthesis network: the mapping network is the teacher's and rests, as in the paper. Noise is constant and part
    of the weights, so an image is decided by its latent alone.

    Its own objective is the paper's as far as it can be had: an adversarial loss, against a critic that starts from
    nothing and whose say therefore grows from nothing; and in an attack, distillation, where the teacher is the player
    as it was before the attack.

    Args:
        resolution: Height and width of the images in pixels: ``side``, or a half of it, a quarter and so on.
        side: Of the images that the networks were made for; the published ones 1024.
        latent_dim: Length of z and of w; the published networks have 512.
        mapping_layers: Fully connected layers from z to w; the published networks have 8.
        features: Feature maps at side ``s`` are ``min(features / s, most_features)``; the published have 32768.
        most_features: See ``features``; the published networks have 512.
        truncation: w are drawn towards the mean of w by this factor: 1 leaves them, 0 makes the mean face. The
            published package has 0.5.
        critic_features: Likewise of the critic, a StyleGAN2's of ``resolution`` pixels.
        most_critic_features: See ``critic_features``.
        critic_weight: Of the critic's say in the generator's loss, once it is warm.
        warm_up_images: Over which the critic's say grows, in all attacks together.
        teacher_weight: In an attack, of the mean absolute difference, in [0, 1], from what the same latents gave before
            it; 0 leaves it out.
        penalty_weight: Of R1; StyleGAN2's code suggests 0.0002 * resolution^2 / batch.
        penalty_every: Steps from one R1 penalty to the next, which is weighted up to make up for it.
        augmentation: Differentiable augmentation of what the critic sees.
        generator_lr: Adam's learning rate of the synthesis network.
        critic_lr: Adam's learning rate of the critic.
        attack_lr: Adam's learning rate of both in an attack.
        ema_images: Half-life of the moving average of weights, in images.
        weights: Those of an asset (``asset:mobilestylegan-july``, ``asset:mobilestylegan-april``), a ``.safetensors``
            file of this player, or none (``""``).
        init_seed: Of the initial weights; with published weights, of the critic's alone.
    """

    def __init__(
        self,
        *,
        resolution: int = 128,
        side: int = 1024,
        latent_dim: int = 512,
        mapping_layers: int = 8,
        features: int = 32_768,
        most_features: int = 512,
        truncation: float = 0.7,
        critic_features: int = 4096,
        most_critic_features: int = 256,
        critic_weight: float = 0.1,
        warm_up_images: int = 1000,
        teacher_weight: float = 10.0,
        penalty_weight: float = 0.2,
        penalty_every: int = 16,
        augmentation: bool = True,
        generator_lr: float = 5e-4,
        critic_lr: float = 1e-3,
        attack_lr: float = 5e-4,
        ema_images: float = 10_000.0,
        weights: str | None = "asset:mobilestylegan-july",
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if side not in (32, 64, 128, 256, 512, 1024):
            raise ValueError(f"side {side} is not a power of two from 32 to 1024")
        if resolution not in (16, 32, 64, 128, 256, 512, 1024) or resolution > side:
            raise ValueError(f"resolution {resolution} is not a power of two from 16 to {side}, the networks' own side")
        if not 0 <= truncation <= 1:
            raise ValueError(f"truncation {truncation} is not from 0 to 1")
        if min(latent_dim, mapping_layers, penalty_every) < 1:
            raise ValueError("latent_dim, mapping_layers and penalty_every are at least 1")
        counts = widths(side // 2, features=features, most=most_features)
        if odd := [count for count in counts.values() if count % 4]:
            raise ValueError(
                f"features {features} and most_features {most_features} make {odd[0]} feature maps at a side; "
                "a wavelet transform takes four at a time"
            )
        del weights  # the arena loads them into the state dict
        self.resolution = resolution
        self.latent_dim = latent_dim
        self.truncation = truncation
        self.critic_weight, self.warm_up_images, self.teacher_weight = critic_weight, warm_up_images, teacher_weight
        self.penalty_weight, self.penalty_every = penalty_weight, penalty_every
        self.augmentation = augmentation
        self.learning_rates, self.attack_lr = (generator_lr, critic_lr), attack_lr
        self.ema_images = ema_images
        rng = torch.Generator().manual_seed(init_seed)
        self.mapping = Mapping(latent_dim, layers=mapping_layers).requires_grad_(False)
        self.synthesis = Synthesis(latent_dim, features=counts)
        self.critic = Critic(
            features=widths(resolution, features=critic_features, most=most_critic_features), channels=3
        )
        draw_weights(self.mapping, self.synthesis, rng=rng)
        draw_weights_of_critic(self.critic, rng=rng)
        self.average = copy.deepcopy(self.synthesis).requires_grad_(False)
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]
        self._session: _Session | None = None

    images_seen: Tensor

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._images(self.average, self.mapping.truncate(self.mapping(z), self.truncation))

    def start(self, plan: Plan) -> None:
        attacks = plan.purpose == "attack"
        rates = (self.attack_lr, self.attack_lr) if attacks else self.learning_rates
        self._session = self._start_session(
            rates if plan.rate is None else (plan.rate, plan.rate), taught=attacks and self.teacher_weight > 0
        )

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        if self._session is None:
            self._session = self._start_session(self.learning_rates, taught=False)
        session, reals = self._session, batch.images
        with torch.no_grad():
            # Truncated as samples are: what the detector is shown is what is finetuned.
            w = self.mapping.truncate(self.mapping(self.latents(len(reals), rng=rng)), self.truncation)
        fakes = self._images(self.synthesis, w)
        # Grey reals mean a grey arena, where colour is nothing that the critic should look at.
        seen = luminance(fakes) if bool((reals[:, :1] == reals[:, 1:]).all()) else fakes

        critic = self._train_critic(reals, seen.detach(), rng=rng, session=session)
        self.images_seen += len(reals)
        say = self.critic_weight * min(1.0, int(self.images_seen) / max(1, self.warm_up_images))
        self.critic.requires_grad_(False)
        own = gan_losses.generator_loss(_LOSS, self.critic(self._shown(seen, rng)))
        loss = say * own
        measured = {"generator_loss": own.item(), "critics_say": say, **critic}
        if session.teacher is not None:
            with torch.no_grad():
                taught = self._images(session.teacher, w)
            distance = (fakes - taught).abs().mean()
            measured["teacher_loss"] = distance.item()
            loss = loss + self.teacher_weight * distance
        if extra_loss is not None:
            extra = extra_loss(fakes)
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        session.generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        session.generator_optimiser.step()
        self.critic.requires_grad_(True)

        session.images += len(reals)
        session.steps += 1
        half_life = min(self.ema_images, session.images * _EMA_RAMP)
        follow(self.average, self.synthesis, images=len(reals), half_life=half_life)
        return measured

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in less than half of its size: without the weights that the average stands for, in float16."""
        return without_current(self.state_dict(), current="synthesis.")

    def _images(self, synthesis: Synthesis, w: Tensor) -> Tensor:
        images: Tensor = synthesis(w, resolution=self.resolution)
        return (images + 1) / 2

    def _train_critic(
        self, reals: Tensor, fakes: Tensor, *, rng: torch.Generator, session: _Session
    ) -> dict[str, float]:
        real, fake = self._shown(reals, rng), self._shown(fakes, rng)
        real_value, fake_value = self.critic(real), self.critic(fake)
        loss = gan_losses.critic_loss(_LOSS, real_value, fake_value)
        measured = {"critic_loss": loss.item(), "critic_gap": (real_value.mean() - fake_value.mean()).item()}
        if session.steps % self.penalty_every == 0:
            # A gradient of a gradient loses too much in bfloat16.
            with torch.autocast(real.device.type, enabled=False):
                penalty = gan_losses.r1_penalty(self.critic, real)
            loss = loss + penalty * self.penalty_weight * self.penalty_every
            measured["critic_penalty"] = penalty.item()
        session.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        session.critic_optimiser.step()
        return measured

    def _shown(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Images in [0, 1] as the critic is shown them."""
        images = images * 2 - 1
        return augment(images, rng=rng) if self.augmentation else images

    def _start_session(self, rates: tuple[float, float], *, taught: bool) -> _Session:
        # A version is its averaged weights, so that is where training goes on from.
        if int(self.images_seen):
            self.synthesis.load_state_dict(self.average.state_dict())
        return _Session(
            generator_optimiser=adam(self.synthesis, rates[0]),
            critic_optimiser=adam(self.critic, rates[1]),
            teacher=copy.deepcopy(self.average) if taught else None,
        )


@dataclass(kw_only=True)
class _Session:
    """What one training has, and no state keeps."""

    generator_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    teacher: Synthesis | None
    images: int = 0
    steps: int = 0


def _complete(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Takes published constants, and fills in current weights where a file ships only their average."""
    assert isinstance(module, MobileStyleGAN)
    if is_published(state):
        found = from_published(state, module.mapping, module.synthesis)
        current = {name: value for name, value in found.items() if name.startswith("synthesis.")}
        average = {name.replace("synthesis.", "average.", 1): value for name, value in current.items()}
        state.clear()
        state |= module.state_dict() | found | average
        return
    start_from_average(state, current="synthesis.")


__all__ = ["MobileStyleGAN"]
