"""Progressive GAN: the paper's main generator, and its attacker.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018:
equalised learning rate, pixel norm, minibatch standard deviation, fade-in growing, a moving average of the
generator's weights. Added for small data: differentiable augmentation and a non-saturating loss with R1.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.checkpoints import FACTS
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.gan.augment import augment
from fakeoff.generators.gan.training import adam, follow, restore, start_from_average, without_current
from fakeoff.generators.gan_zoo import from_gan_zoo, is_gan_zoo, settings
from fakeoff.generators.interface import ExtraLoss, Generator
from fakeoff.generators.pgan_networks import Critic, Synthesis, draw_weights, widths

# The moving average may not look back further than this share of what the current training has seen, or a
# short finetuning would hardly show in the images (the ramp-up of Karras et al., CVPR 2020).
_EMA_RAMP = 0.05
_SAMPLE_BATCH = 64


class ProgressiveGAN(Generator):
    """A Progressive GAN of any power-of-two resolution from 16 to 1024 pixels.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        latent_dim: Length of the latent vector.
        features: Feature maps at side ``s`` are ``min(2 * features / s, most_features)``; the published model
            at 1024 pixels has 8192.
        most_features: See ``features``; the published model has 512.
        loss: ``non_saturating`` with R1, or ``wgan_gp`` as in the paper.
        penalty_weight: Of the gradient penalty; 10 is usual for ``wgan_gp``, 1 for R1 at 64 pixels.
        penalty_every: Steps from one R1 penalty to the next, which is weighted up to make up for it.
            ``wgan_gp`` applies its penalty at every step.
        augmentation: Differentiable augmentation for small data.
        generator_lr: Adam's learning rate of the generator.
        critic_lr: Adam's learning rate of the critic.
        attack_lr: Adam's learning rate of both in an attack.
        ema_images: Half-life of the moving average of weights, in images.
        fade_images: Images over which a level is faded in.
        stable_images: Images for which a level is trained before the next one is faded in.
        weights: Pretrained weights: a name that ships (``pgan-orl-64``), a file of the player's, a checkpoint of
            Facebook's ``pytorch_GAN_zoo``, either as ``.safetensors``, or none (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: Literal[1, 3] = 1,
        latent_dim: int = 128,
        features: int = 512,
        most_features: int = 128,
        loss: gan_losses.Loss = "non_saturating",
        penalty_weight: float = 1.0,
        penalty_every: int = 16,
        augmentation: bool = True,
        generator_lr: float = 1e-3,
        critic_lr: float = 1e-3,
        attack_lr: float = 5e-4,
        ema_images: float = 10_000.0,
        fade_images: int = 20_000,
        stable_images: int = 20_000,
        weights: str | None = "pgan-orl-64",
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if resolution not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"resolution {resolution} is not a power of two from 16 to 1024")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; give 1 (grey) or 3 (colour)")
        if loss not in ("non_saturating", "wgan_gp"):
            raise ValueError(f"unknown loss '{loss}'; give 'non_saturating' or 'wgan_gp'")
        del weights  # the arena loads them into the state dict
        self.resolution = resolution
        self.channels = channels
        self.latent_dim = latent_dim
        self.loss: gan_losses.Loss = loss
        self.penalty_weight = penalty_weight
        self.penalty_every = 1 if loss == "wgan_gp" else penalty_every
        self.augmentation = augmentation
        self.learning_rates, self.attack_lr = (generator_lr, critic_lr), attack_lr
        self.ema_images = ema_images
        self.fade_images, self.stable_images = fade_images, stable_images
        rng = torch.Generator().manual_seed(init_seed)
        counts = widths(resolution, base=features, most=most_features)
        self.synthesis = Synthesis(latent_dim=latent_dim, features=counts, channels=channels)
        self.critic = Critic(features=counts, channels=channels)
        draw_weights(self.synthesis, rng=rng)
        draw_weights(self.critic, rng=rng)
        self.average = copy.deepcopy(self.synthesis).requires_grad_(False)
        # The level is state, not schedule: a version stays as grown as it is under any other schedule.
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("images_at_level", torch.zeros((), dtype=torch.int64))
        self.register_buffer("grown", torch.zeros((), dtype=torch.float64))
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]
        self._optimisers: tuple[torch.optim.Adam, torch.optim.Adam] | None = None
        self._session_images = 0
        self._session_steps = 0

    images_seen: Tensor
    images_at_level: Tensor
    grown: Tensor

    @property
    def level(self) -> float:
        """How far the networks have grown: 0 is 4 pixels; fractions are being faded in (section 2)."""
        return float(self.grown)

    def _grow(self, images: int) -> None:
        """Trains a level until it is stable, then fades the next one in."""
        self.images_seen += images
        done = math.floor(self.level)
        if self.level > done:
            self.grown.fill_(min(done + 1.0, self.level + images / max(1, self.fade_images)))
        elif done < int(math.log2(self.resolution)) - 2:
            self.images_at_level += images
            if int(self.images_at_level) >= self.stable_images:
                self.images_at_level.zero_()
                self.grown += min(1.0, images / max(1, self.fade_images))

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        z = self._latents(n, rng)
        with torch.no_grad():
            return torch.cat([self.decode(chunk).clamp(0, 1) for chunk in z.split(_SAMPLE_BATCH)])

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._to_rgb(self.average(z, level=self.level).float())

    def start(self, plan: Plan) -> None:
        rates = (self.attack_lr, self.attack_lr) if plan.purpose == "attack" else self.learning_rates
        self._optimisers = self._start_session(rates if plan.rate is None else (plan.rate, plan.rate))
        self._session_images = self._session_steps = 0

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        reals = batch.images
        if self._optimisers is None:
            self._optimisers = self._start_session(self.learning_rates)
        generator_optimiser, critic_optimiser = self._optimisers
        level = self.level
        self._ask_for_gradients(level)
        real = self._to_level(reals, level)

        # The same fakes serve both: the critic learns them first, then the generator follows the new critic.
        fake = self.synthesis(self._latents(len(reals), rng), level=level).float()
        critic = self._train_critic(real, fake.detach(), level=level, rng=rng, optimiser=critic_optimiser)

        self.critic.requires_grad_(False)
        value = self.critic(self._augment(fake, rng), level=level)
        loss = gan_losses.generator_loss(self.loss, value)
        measured = {"generator_loss": loss.item(), **critic}
        if extra_loss is not None:
            extra = extra_loss(self._to_rgb(fake))
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        generator_optimiser.step()
        self._ask_for_gradients(level)

        self._grow(len(reals))
        self._session_images += len(reals)
        self._session_steps += 1
        self._update_average(len(reals))
        return measured

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in a third of its size: without the weights that the average stands for, in float16."""
        return without_current(self.state_dict(), current="synthesis.")

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beyond the state dict: optimisers and session counters."""
        if self._optimisers is None:
            self._optimisers = self._start_session(self.learning_rates)
        return {
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "session": [self._session_images, self._session_steps],
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restores what :meth:`training_state` returned; load the state dict first."""
        generator_lr, critic_lr = self.learning_rates
        self._optimisers = (adam(self.synthesis, generator_lr), adam(self.critic, critic_lr))
        restore(self._optimisers, state["optimisers"], self.learning_rates)
        self._session_images, self._session_steps = state["session"]

    def _train_critic(
        self, real: Tensor, fake: Tensor, *, level: float, rng: torch.Generator, optimiser: torch.optim.Adam
    ) -> dict[str, float]:
        real, fake = self._augment(real, rng), self._augment(fake, rng)
        real_value, fake_value = self.critic(real, level=level), self.critic(fake, level=level)
        loss = gan_losses.critic_loss(self.loss, real_value, fake_value)
        measured = {"critic_loss": loss.item(), "critic_gap": (real_value.mean() - fake_value.mean()).item()}
        if self._session_steps % self.penalty_every == 0:
            # A gradient of a gradient loses too much in bfloat16.
            with torch.autocast(real.device.type, enabled=False):

                def critic(images: Tensor) -> Tensor:
                    return self.critic(images, level=level)  # type: ignore[no-any-return]

                if self.loss == "wgan_gp":
                    penalty = gan_losses.gradient_penalty(critic, real, fake, rng=rng)
                else:
                    penalty = gan_losses.r1_penalty(critic, real)
            loss = loss + penalty * self.penalty_weight * self.penalty_every
            measured["critic_penalty"] = penalty.item()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return measured

    def _ask_for_gradients(self, level: float) -> None:
        """Lets the layers of other levels rest: they say so, and nobody takes them for forgotten."""
        done, top = math.floor(level), math.ceil(level)
        for network, ends in ((self.synthesis, self.synthesis.to_image), (self.critic, self.critic.from_image)):
            network.requires_grad_(True)
            for index, end in enumerate(ends):
                end.requires_grad_(index in (done, top))
            for index, block in enumerate(network.blocks):
                block.requires_grad_(index < top)

    def _start_session(self, rates: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        # A version is its averaged weights, so that is where training goes on from.
        if int(self.images_seen):
            self.synthesis.load_state_dict(self.average.state_dict())
        return adam(self.synthesis, rates[0]), adam(self.critic, rates[1])

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        half_life = min(self.ema_images, self._session_images * _EMA_RAMP)
        follow(self.average, self.synthesis, images=images, half_life=half_life)

    def _latents(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=rng).to(self.grown.device)

    def _augment(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return augment(images, rng=rng) if self.augmentation else images

    def _to_level(self, reals: Tensor, level: float) -> Tensor:
        images = reals.mean(1, keepdim=True) if self.channels == 1 else reals
        images = images * 2 - 1
        side = 4 * 2 ** math.ceil(level)
        if side < self.resolution:
            images = F.avg_pool2d(images, self.resolution // side)
        fade = level - math.floor(level)
        if fade:
            # The reals fade in as well (appendix A.1).
            coarse = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="nearest")
            images = torch.lerp(coarse, images, fade)
        return images

    def _to_rgb(self, images: Tensor) -> Tensor:
        images = (images + 1) / 2
        if images.shape[-1] < self.resolution:
            images = F.interpolate(images, size=self.resolution, mode="nearest")
        return images.expand(-1, 3, -1, -1)


def _complete(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """Fills in what a file leaves out: current weights where it ships only their average, and what others' lack."""
    if not is_gan_zoo(state):
        start_from_average(state, current="synthesis.")
        return
    renamed = from_gan_zoo(state, metadata.get(FACTS, {}))
    if (theirs := settings(renamed)) != (ours := settings(module.state_dict())):
        differ = ", ".join(f"{name} = {value}" for name, value in theirs.items() if value != ours.get(name))
        errors.append(f"the file's network has {differ}: give these parameters.")
    given = tuple({f"{name.partition('.')[0]}." for name in renamed})
    # Only what such files do not have; a name that is missing else is an error.
    kept = {name: value for name, value in module.state_dict().items() if not name.startswith(given)}
    state.clear()
    state |= kept | renamed


__all__ = ["ProgressiveGAN"]
