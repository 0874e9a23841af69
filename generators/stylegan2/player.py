"""StyleGAN2: styles that modulate convolutions.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020: modulated and demodulated
convolutions, a skip generator, a residual critic, lazy R1 and path-length regularisation, moving averages of weights
and of w. Added for small data: differentiable augmentation.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.checkpoints import FACTS
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.gan.augment import augment
from fakeoff.generators.gan.training import adam, follow, restore, start_from_average, without_current
from fakeoff.generators.interface import ExtraLoss, Generator
from fakeoff.generators.stylegan2.layers import draw_weights
from fakeoff.generators.stylegan2.networks import Critic, Network, Noise, widths
from fakeoff.generators.stylegan2.path_length import path_lengths, path_penalty
from fakeoff.generators.stylegan2.published import from_published, is_published, settings
from fakeoff.generators.stylegan2.rosinality import from_rosinality, is_rosinality

# The moving average may not look back further than this share of what the current training has seen, or a
# short finetuning would hardly show in the images (the published code's ramp-up).
_EMA_RAMP = 0.05
_PIXELS_AT_A_TIME = 64 * 128 * 128
_MOST_AT_A_TIME = 64
_LOSS: gan_losses.Loss = "non_saturating"


class StyleGAN2(Generator):
    """A StyleGAN2 of any power-of-two resolution from 16 to 1024 pixels.

    The published network of 1024 pixels (config F) is ``resolution = 1024, channels = 3, latent_dim = 512,
    mapping_layers = 8, features = 32768, most_features = 512``; its weights load as NVIDIA publishes them.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        latent_dim: Length of z and of w; the published networks have 512.
        mapping_layers: Fully connected layers from z to w; the published networks have 8.
        features: Feature maps at side ``s`` are ``min(features / s, most_features)``; the published network of 1024
            pixels has 32768, that of 256 half of it.
        most_features: See ``features``; the published networks have 512.
        truncation: Samples' w are drawn towards the mean of w by this factor: 1 leaves them, 0 makes the mean face.
        noise: Maps that each layer adds to samples: ``random`` anew for each image, ``constant`` the same for all, or
            ``none``. Training draws random ones, unless there are none at all.
        style_mixing: Share of the fakes in training that are made of two latents.
        penalty_weight: Of R1; the published code suggests 0.0002 * resolution^2 / batch.
        penalty_every: Steps from one R1 penalty to the next, which is weighted up to make up for it.
        path_weight: Of path-length regularisation; 0 leaves it out.
        path_every: Steps from one path-length regularisation to the next, likewise.
        augmentation: Differentiable augmentation for small data.
        generator_lr: Adam's learning rate of the generator; the mapping network's is a hundredth of it.
        critic_lr: Adam's learning rate of the critic.
        attack_lr: Adam's learning rate of both in an attack.
        ema_images: Half-life of the moving average of weights, in images.
        weights: Pretrained weights: a file of the player's, a ``.pkl`` of NVIDIA's ``stylegan2-ada-pytorch``, a ``.pt``
            of rosinality's ``stylegan2-pytorch``, any of these as ``.safetensors``, or none (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: Literal[1, 3] = 1,
        latent_dim: int = 128,
        mapping_layers: int = 4,
        features: int = 1024,
        most_features: int = 128,
        truncation: float = 1.0,
        noise: Literal["random", "constant", "none"] = "random",
        style_mixing: float = 0.9,
        penalty_weight: float = 0.1,
        penalty_every: int = 16,
        path_weight: float = 2.0,
        path_every: int = 8,
        augmentation: bool = True,
        generator_lr: float = 2e-3,
        critic_lr: float = 2e-3,
        attack_lr: float = 1e-3,
        ema_images: float = 10_000.0,
        weights: str | None = None,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if resolution not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"resolution {resolution} is not a power of two from 16 to 1024")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; give 1 (grey) or 3 (colour)")
        if noise not in ("random", "constant", "none"):
            raise ValueError(f"unknown noise '{noise}'; give 'random', 'constant' or 'none'")
        if not (0 <= truncation <= 1 and 0 <= style_mixing <= 1):
            raise ValueError(f"truncation {truncation} and style_mixing {style_mixing} are from 0 to 1")
        if min(latent_dim, mapping_layers, penalty_every, path_every) < 1:
            raise ValueError("latent_dim, mapping_layers, penalty_every and path_every are at least 1")
        del weights  # the arena loads them into the state dict
        self.resolution = resolution
        self.channels = channels
        self.latent_dim = latent_dim
        self.truncation = truncation
        self.noise = noise
        self.style_mixing = style_mixing
        self.penalty_weight, self.penalty_every = penalty_weight, penalty_every
        self.path_weight, self.path_every = path_weight, path_every
        self.augmentation = augmentation
        self.learning_rates, self.attack_lr = (generator_lr, critic_lr), attack_lr
        self.ema_images = ema_images
        rng = torch.Generator().manual_seed(init_seed)
        counts = widths(resolution, features=features, most=most_features)
        self.generator = Network(latent_dim, mapping_layers=mapping_layers, features=counts, channels=channels)
        self.critic = Critic(features=counts, channels=channels)
        draw_weights(self.generator, rng=rng)
        draw_weights(self.critic, rng=rng)
        if noise == "none":
            for conv in self.generator.synthesis.convs:
                conv.noise_strength.requires_grad_(False)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("path_length", torch.zeros(()))
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]
        self._optimisers: tuple[torch.optim.Adam, torch.optim.Adam] | None = None
        self._session_images = 0
        self._session_steps = 0

    images_seen: Tensor
    path_length: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        z = self.latents(n, rng=rng)
        with torch.no_grad():
            return self.decode(z, rng=rng).clamp(0, 1)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        made = []
        at_a_time = max(1, min(_MOST_AT_A_TIME, _PIXELS_AT_A_TIME // self.resolution**2))
        for part in z.split(at_a_time):
            ws = self.average.styles(part, psi=self.truncation)
            made.append(self.average.synthesis(ws, noise=self._noise_of_samples(len(part), rng)))
        return self._to_rgb(torch.cat(made))

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
        real = self._of_reals(batch.images)

        # The same fakes serve both: the critic learns them first, then the generator follows the new critic.
        fake, ws = self._fakes(len(real), rng)
        self.generator.mapping.follow(ws[:, 0])
        critic = self._train_critic(real, fake.detach(), rng=rng, optimiser=critic_optimiser)

        self.critic.requires_grad_(False)
        loss = gan_losses.generator_loss(_LOSS, self.critic(self._augment(fake, rng)))
        measured = {"generator_loss": loss.item(), **critic}
        if extra_loss is not None:
            extra = extra_loss(self._to_rgb(fake))
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        if self.path_weight and self._session_steps % self.path_every == 0:
            penalty = self._path_penalty(len(real), rng)
            measured["path_penalty"] = penalty.item()
            loss = loss + penalty * self.path_weight * self.path_every
        generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        generator_optimiser.step()
        self.critic.requires_grad_(True)

        self.images_seen += len(real)
        self._session_images += len(real)
        self._session_steps += 1
        self._update_average(len(real))
        return measured

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in a third of its size: without the weights that the average stands for, in float16."""
        return without_current(self.state_dict(), current="generator.")

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
        networks = (self.generator, self.critic)
        generator, critic = (adam(network, rate) for network, rate in zip(networks, self.learning_rates, strict=True))
        self._optimisers = (generator, critic)
        restore(self._optimisers, state["optimisers"], self.learning_rates)
        self._session_images, self._session_steps = state["session"]

    def _fakes(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Fakes with their gradient, float32 ``(n, channels, side, side)`` in [-1, 1], and their styles."""
        z, other = self.latents(n, rng=rng), self.latents(n, rng=rng)
        ws = self.generator.mixed_styles(z, other, self.style_mixing, rng=rng)
        synthesis = self.generator.synthesis
        noise = None if self.noise == "none" else synthesis.draw_noise(n, rng=rng)
        return synthesis(ws, noise=noise), ws

    def _train_critic(
        self, real: Tensor, fake: Tensor, *, rng: torch.Generator, optimiser: torch.optim.Adam
    ) -> dict[str, float]:
        real, fake = self._augment(real, rng), self._augment(fake, rng)
        real_value, fake_value = self.critic(real), self.critic(fake)
        loss = gan_losses.critic_loss(_LOSS, real_value, fake_value)
        measured = {"critic_loss": loss.item(), "critic_gap": (real_value.mean() - fake_value.mean()).item()}
        if self._session_steps % self.penalty_every == 0:
            # A gradient of a gradient loses too much in bfloat16.
            with torch.autocast(real.device.type, enabled=False):
                penalty = gan_losses.r1_penalty(self.critic, real)
            loss = loss + penalty * self.penalty_weight * self.penalty_every
            measured["critic_penalty"] = penalty.item()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return measured

    def _path_penalty(self, n: int, rng: torch.Generator) -> Tensor:
        # Half a batch is enough (appendix B), and float32 for the same reason as in R1.
        with torch.autocast(self.path_length.device.type, enabled=False):
            fake, ws = self._fakes(max(1, n // 2), rng)
            return path_penalty(path_lengths(fake, ws, rng=rng), self.path_length)

    def _noise_of_samples(self, n: int, rng: torch.Generator | None) -> Noise:
        synthesis = self.average.synthesis
        if self.noise == "constant":
            return synthesis.constant_noise()
        if self.noise == "none" or rng is None:
            return None
        return synthesis.draw_noise(n, rng=rng)

    def _start_session(self, rates: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        # A version is its averaged weights, so that is where training goes on from.
        if int(self.images_seen):
            self.generator.load_state_dict(self.average.state_dict())
        # Regularisation is part of a step and not a step of its own: appendix B's correction of Adam for lazy
        # regularisation is not needed.
        return adam(self.generator, rates[0]), adam(self.critic, rates[1])

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        half_life = min(self.ema_images, self._session_images * _EMA_RAMP)
        follow(self.average, self.generator, images=images, half_life=half_life)
        self.average.mapping.w_avg.copy_(self.generator.mapping.w_avg)

    def _augment(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return augment(images, rng=rng) if self.augmentation else images

    def _of_reals(self, reals: Tensor) -> Tensor:
        images = reals.mean(1, keepdim=True) if self.channels == 1 else reals
        return images * 2 - 1

    def _to_rgb(self, images: Tensor) -> Tensor:
        return ((images + 1) / 2).expand(-1, 3, -1, -1)


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
    if is_rosinality(state):
        renamed = from_rosinality(state)
    elif is_published(state):
        renamed = from_published(state, metadata.get(FACTS))
    else:
        start_from_average(state, current="generator.")
        return
    own = cast("StyleGAN2", module)
    if (theirs := settings(renamed)) != (ours := settings(own.state_dict())):
        differ = ", ".join(f"{name} = {value}" for name, value in theirs.items() if value != ours.get(name))
        errors.append(f"the file's network has {differ}: give these parameters.")
    networks = ["average.", "generator.", *(["critic."] if any(name.startswith("critic.") for name in renamed) else [])]
    has_maps = any(name.endswith("noise_const") for name in renamed)
    # Only what such files do not have; a name that is missing else is an error.
    kept = {
        name: value
        for name, value in module.state_dict().items()
        if not name.startswith(tuple(networks)) or (name.endswith("noise_const") and not has_maps)
    }
    state.clear()
    state |= kept | renamed


__all__ = ["StyleGAN2"]
