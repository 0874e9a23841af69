"""Progressive GAN: the paper's main generator, and its attacker.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018:
equalised learning rate, pixel norm, minibatch standard deviation, fade-in growing, a moving average of the
generator's weights. Added for small data: differentiable augmentation and a non-saturating loss with R1.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fakeoff.arena.players.checkpoints import FACTS, flatten
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.gan.growing import GrowingGenerator
from fakeoff.generators.gan.training import take_over
from fakeoff.generators.gan_zoo import from_gan_zoo, is_gan_zoo, settings
from fakeoff.generators.pgan_networks import Critic, Synthesis, draw_weights, widths

_SAMPLE_BATCH = 64


class ProgressiveGAN(GrowingGenerator):
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

    current = "synthesis"
    critic: Critic
    average: Synthesis

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
        if loss not in ("non_saturating", "wgan_gp"):
            raise ValueError(f"unknown loss '{loss}'; give 'non_saturating' or 'wgan_gp'")
        del weights  # the arena loads them into the state dict
        super().__init__(
            resolution=resolution,
            channels=channels,
            latent_dim=latent_dim,
            loss=loss,
            penalty_weight=penalty_weight,
            penalty_every=1 if loss == "wgan_gp" else penalty_every,
            augmentation=augmentation,
            learning_rates=(generator_lr, critic_lr),
            attack_lr=attack_lr,
            ema_images=ema_images,
            fade_images=fade_images,
            stable_images=stable_images,
        )
        rng = torch.Generator().manual_seed(init_seed)
        counts = widths(resolution, base=features, most=most_features)
        self.synthesis = Synthesis(latent_dim=latent_dim, features=counts, channels=channels)
        self.critic = Critic(features=counts, channels=channels)
        draw_weights(self.synthesis, rng=rng)
        draw_weights(self.critic, rng=rng)
        self.average = copy.deepcopy(self.synthesis).requires_grad_(False)
        self.register_load_state_dict_pre_hook(_take_gan_zoo)  # type: ignore[no-untyped-call]

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        z = self._latents(n, rng)
        with torch.no_grad():
            return torch.cat([self.decode(chunk).clamp(0, 1) for chunk in z.split(_SAMPLE_BATCH)])

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._to_rgb(self.average(z, level=self.level).float())

    def _fakes_to_train(self, n: int, rng: torch.Generator) -> Tensor:
        fakes: Tensor = self.synthesis(self._latents(n, rng), level=self.level)
        return fakes.float()

    def _growing(self) -> list[tuple[nn.Module, nn.ModuleList, nn.ModuleList]]:
        return [
            (self.synthesis, self.synthesis.to_image, self.synthesis.blocks),
            (self.critic, self.critic.from_image, self.critic.blocks),
        ]

    def _latents(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=rng).to(self.grown.device)


def _take_gan_zoo(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """Renames and rescales the zoo's weights, and fills in what they lack."""
    flatten(state)
    if not is_gan_zoo(state):
        return
    take_over(module, state, from_gan_zoo(state, metadata.get(FACTS, {})), errors, settings=settings)


__all__ = ["ProgressiveGAN"]
