"""The frame that adversarial generators share: what a step is, what an attack changes, what resumes and what ships.

A player brings its two networks and says how fakes are made and what the critic is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.gan.augment import augment
from fakeoff.generators.gan.training import adam, follow, rates_of, restore, start_from_average, without_current
from fakeoff.generators.interface import ExtraLoss, Generator

# The moving average may not look back further than this share of what the current training has seen, or a
# short finetuning would hardly show in the images (the ramp-up of Karras et al., CVPR 2020).
_EMA_RAMP = 0.05


class AdversarialGenerator(Generator):
    """A generator that learns against a critic, and is shown by the moving average of its weights.

    A player's own ``__init__`` makes the generating network (under the name in :attr:`current`), ``critic`` and
    ``average``, a copy of the first. A state dict with the average alone is completed from it.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        latent_dim: Length of a latent.
        loss: The objective.
        penalty_weight: Of the gradient penalty.
        penalty_every: Steps from one penalty to the next, which is weighted up to make up for it.
        augmentation: Whether the critic sees all images through differentiable augmentation.
        learning_rates: Adam's, of the generator and of the critic.
        attack_lr: Adam's learning rate of both in an attack.
        ema_images: Half-life of the moving average of weights, in images.
    """

    current: ClassVar[str]
    """The attribute that holds the network whose weights are averaged."""

    critic: nn.Module
    average: nn.Module
    images_seen: Tensor

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        loss: gan_losses.Loss,
        penalty_weight: float,
        penalty_every: int,
        augmentation: bool,
        learning_rates: tuple[float, float],
        attack_lr: float,
        ema_images: float,
    ) -> None:
        super().__init__()
        if resolution not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"resolution {resolution} is not a power of two from 16 to 1024")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; give 1 (grey) or 3 (colour)")
        self.resolution = resolution
        self.channels = channels
        self.latent_dim = latent_dim
        self.loss: gan_losses.Loss = loss
        self.penalty_weight, self.penalty_every = penalty_weight, penalty_every
        self.augmentation = augmentation
        self.learning_rates, self.attack_lr = learning_rates, attack_lr
        self.ema_images = ema_images
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]
        self._optimisers: tuple[torch.optim.Adam, torch.optim.Adam] | None = None
        self._session_images = 0
        self._session_steps = 0

    def start(self, plan: Plan) -> None:
        rates = (self.attack_lr, self.attack_lr) if plan.purpose == "attack" else self.learning_rates
        self._optimisers = self._start_session(rates if plan.rate is None else (plan.rate, plan.rate))
        self._session_images = self._session_steps = 0

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        if self._optimisers is None:
            self._optimisers = self._start_session(self.learning_rates)
        generator_optimiser, critic_optimiser = self._optimisers
        self._ask_for_gradients()
        real = self._of_reals(batch.images)

        # The same fakes serve both: the critic learns them first, then the generator follows the new critic.
        fake = self._fakes_to_train(len(real), rng)
        seen = self._beside(real, fake)
        critic = self._train_critic(real, seen.detach(), rng=rng, optimiser=critic_optimiser)

        self.critic.requires_grad_(False)
        loss = gan_losses.generator_loss(self.loss, self._judge(self._augment(seen, rng)))
        measured = {"generator_loss": loss.item(), **critic}
        loss = loss * self._critics_say(len(real))
        if extra_loss is not None:
            extra = extra_loss(self._to_rgb(fake))
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        for name, (penalty, weight) in self._penalties(fake, rng).items():
            measured[name] = penalty.item()
            loss = loss + penalty * weight
        generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        generator_optimiser.step()
        self._ask_for_gradients()

        self.images_seen += len(real)
        self._session_images += len(real)
        self._session_steps += 1
        self._after_step(len(real))
        self._update_average(len(real))
        return measured

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in a third of its size: without the weights that the average stands for, in float16."""
        return without_current(self.state_dict(), current=f"{self.current}.")

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beyond the state dict: optimisers and session counters."""
        if self._optimisers is None:
            self._optimisers = self._start_session(self.learning_rates)
        return {
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "session": [self._session_images, self._session_steps],
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`training_state` returned; load the state dict first.

        Rates are those of the session that was started, or the player's own.
        """
        rates = self.learning_rates if self._optimisers is None else rates_of(self._optimisers)
        self._optimisers = self._optimisers_at(rates)
        restore(self._optimisers, state["optimisers"], rates)
        self._session_images, self._session_steps = state["session"]

    # What a player says of itself.

    def _fakes_to_train(self, n: int, rng: torch.Generator) -> Tensor:
        """Fakes with their gradient, float32 ``(n, channels, side, side)`` in [-1, 1]."""
        raise NotImplementedError

    def _judge(self, images: Tensor) -> Tensor:
        """The critic's values, float32 ``(n,)``, for what :meth:`_fakes_to_train` makes."""
        value: Tensor = self.critic(images)
        return value

    def _of_reals(self, reals: Tensor) -> Tensor:
        """Reals, RGB in [0, 1], as what :meth:`_fakes_to_train` makes."""
        images = reals.mean(1, keepdim=True) if self.channels == 1 else reals
        return images * 2 - 1

    def _to_rgb(self, images: Tensor) -> Tensor:
        """What :meth:`_fakes_to_train` makes as RGB in [0, 1]."""
        return ((images + 1) / 2).expand(-1, 3, -1, -1)

    def _beside(self, reals: Tensor, fakes: Tensor) -> Tensor:
        """The fakes as the critic is shown them beside such reals; both as :meth:`_of_reals` makes them."""
        return fakes

    def _critics_say(self, n: int) -> float:
        """The weight of the critic's opinion in the generator's loss, at a step of so many images."""
        return 1.0

    def _penalties(self, fakes: Tensor, rng: torch.Generator) -> dict[str, tuple[Tensor, float]]:
        """What is added to the generator's loss at the step of these fakes, by name, and its weight."""
        return {}

    def _ask_for_gradients(self) -> None:
        """Wakes what a step trains; the critic rests while the generator learns."""
        self.critic.requires_grad_(True)

    def _after_step(self, images: int) -> None:
        """What else changes with a step of so many images, before the average is moved."""

    # What is the same for all.

    def _train_critic(
        self, real: Tensor, fake: Tensor, *, rng: torch.Generator, optimiser: torch.optim.Adam
    ) -> dict[str, float]:
        real, fake = self._augment(real, rng), self._augment(fake, rng)
        real_value, fake_value = self._judge(real), self._judge(fake)
        loss = gan_losses.critic_loss(self.loss, real_value, fake_value)
        measured = {"critic_loss": loss.item(), "critic_gap": (real_value.mean() - fake_value.mean()).item()}
        if self._session_steps % self.penalty_every == 0:
            # A gradient of a gradient loses too much in bfloat16.
            with torch.autocast(real.device.type, enabled=False):
                if self.loss == "wgan_gp":
                    penalty = gan_losses.gradient_penalty(self._judge, real, fake, rng=rng)
                else:
                    penalty = gan_losses.r1_penalty(self._judge, real)
            loss = loss + penalty * self.penalty_weight * self.penalty_every
            measured["critic_penalty"] = penalty.item()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return measured

    def _augment(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return augment(images, rng=rng) if self.augmentation else images

    def _optimisers_at(self, rates: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        return adam(self.get_submodule(self.current), rates[0]), adam(self.critic, rates[1])

    def _start_session(self, rates: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        # A version is its averaged weights, so that is where training goes on from.
        if int(self.images_seen):
            self.get_submodule(self.current).load_state_dict(self.average.state_dict())
        return self._optimisers_at(rates)

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        half_life = min(self.ema_images, self._session_images * _EMA_RAMP)
        follow(self.average, self.get_submodule(self.current), images=images, half_life=half_life)


def _complete(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Fills in the generator's current weights where a file ships only their average."""
    assert isinstance(module, AdversarialGenerator)
    start_from_average(state, current=f"{module.current}.")


__all__ = ["AdversarialGenerator"]
