"""MobileStyleGAN: a StyleGAN2 distilled into separable convolutions and wavelets.

Belousov, "MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis", 2021
(arXiv 2104.04767). The networks and weights are the published ones; no critic was published with them, nor the teacher.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.images.pipeline import luminance
from fakeoff.arena.players.plan import Plan
from fakeoff.generators.gan.player import AdversarialGenerator
from fakeoff.generators.interface import ExtraLoss
from fakeoff.generators.mobilestylegan.networks import Mapping, Synthesis, draw_weights
from fakeoff.generators.mobilestylegan.published import from_published, is_published
from fakeoff.generators.stylegan2.layers import draw_weights as draw_weights_of_critic
from fakeoff.generators.stylegan2.networks import Critic, widths


class MobileStyleGAN(AdversarialGenerator):
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

    current = "synthesis"
    critic: Critic
    average: Synthesis

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
        attack_lr: float = 1e-4,
        ema_images: float = 10_000.0,
        weights: str | None = "asset:mobilestylegan-july",
        init_seed: int = 0,
    ) -> None:
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
        super().__init__(
            resolution=resolution,
            channels=3,
            latent_dim=latent_dim,
            loss="non_saturating",
            penalty_weight=penalty_weight,
            penalty_every=penalty_every,
            augmentation=augmentation,
            learning_rates=(generator_lr, critic_lr),
            attack_lr=attack_lr,
            ema_images=ema_images,
        )
        self.truncation = truncation
        self.critic_weight, self.warm_up_images, self.teacher_weight = critic_weight, warm_up_images, teacher_weight
        rng = torch.Generator().manual_seed(init_seed)
        self.mapping = Mapping(latent_dim, layers=mapping_layers).requires_grad_(False)
        self.synthesis = Synthesis(latent_dim, features=counts)
        self.critic = Critic(
            features=widths(resolution, features=critic_features, most=most_critic_features), channels=3
        )
        draw_weights(self.mapping, self.synthesis, rng=rng)
        draw_weights_of_critic(self.critic, rng=rng)
        self.average = copy.deepcopy(self.synthesis).requires_grad_(False)
        self.register_load_state_dict_pre_hook(_take_published)  # type: ignore[no-untyped-call]
        self._styles: Tensor | None = None
        # A function, so that no state keeps the network behind it.
        self._teach: Callable[[Tensor], Tensor] | None = None

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self.synthesise(self.map_latents(z), rng=rng)

    def map_latents(self, z: Tensor) -> Tensor:
        w: Tensor = self.mapping(z)
        return w

    def synthesise(self, w: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._to_rgb(self.average(self.mapping.truncate(w, self.truncation), resolution=self.resolution))

    def start(self, plan: Plan) -> None:
        super().start(plan)
        taught = plan.purpose == "attack" and self.teacher_weight > 0
        self._teach = partial(copy.deepcopy(self.average), resolution=self.resolution) if taught else None

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        say = self._critics_say(len(batch.images))
        return {**super().train_step(batch, rng=rng, extra_loss=extra_loss), "critics_say": say}

    def _fakes_to_train(self, n: int, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            # Truncated as samples are: what the detector is shown is what is finetuned.
            self._styles = self._truncated(self.latents(n, rng=rng))
        fakes: Tensor = self.synthesis(self._styles, resolution=self.resolution)
        return fakes

    def _beside(self, reals: Tensor, fakes: Tensor) -> Tensor:
        # Grey reals mean a grey arena, where colour is nothing that the critic should look at.
        return luminance(fakes) if bool((reals[:, :1] == reals[:, 1:]).all()) else fakes

    def _critics_say(self, n: int) -> float:
        return self.critic_weight * min(1.0, (int(self.images_seen) + n) / max(1, self.warm_up_images))

    def _penalties(self, fakes: Tensor, rng: torch.Generator) -> dict[str, tuple[Tensor, float]]:
        if self._teach is None:
            return {}
        assert self._styles is not None
        with torch.no_grad():
            taught = self._teach(self._styles)
        # Of pixels in [0, 1], as everywhere outside of a critic.
        return {"teacher_loss": ((self._to_rgb(fakes) - self._to_rgb(taught)).abs().mean(), self.teacher_weight)}

    def _truncated(self, z: Tensor) -> Tensor:
        return self.mapping.truncate(self.mapping(z), self.truncation)


def _take_published(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Puts published constants in the places of weights; critic and counters stay as they are."""
    assert isinstance(module, MobileStyleGAN)
    if is_published(state):
        found = from_published(state, module.mapping, module.synthesis)
        current = {name: value for name, value in found.items() if name.startswith("synthesis.")}
        average = {name.replace("synthesis.", "average.", 1): value for name, value in current.items()}
        state.clear()
        state |= module.state_dict() | found | average


__all__ = ["MobileStyleGAN"]
