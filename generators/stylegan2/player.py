"""StyleGAN2: styles that modulate convolutions.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020: modulated and demodulated
convolutions, a skip generator, a residual critic, lazy R1 and path-length regularisation, moving averages of weights
and of w. Added for small data: differentiable augmentation.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fakeoff.arena.players.checkpoints import FACTS, flatten
from fakeoff.generators.gan.player import AdversarialGenerator
from fakeoff.generators.gan.training import take_over
from fakeoff.generators.stylegan2.layers import draw_weights
from fakeoff.generators.stylegan2.networks import Critic, Network, Noise, widths
from fakeoff.generators.stylegan2.path_length import path_lengths, path_penalty
from fakeoff.generators.stylegan2.published import from_published, is_published, settings
from fakeoff.generators.stylegan2.rosinality import from_rosinality, is_rosinality
from fakeoff.generators.styles import at_a_time


class StyleGAN2(AdversarialGenerator):
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
        weights: Pretrained weights: a name that ships (``stylegan2-orl-64``), a file of the player's, a ``.pkl`` of
            NVIDIA's ``stylegan2-ada-pytorch``, a ``.pt`` of rosinality's ``stylegan2-pytorch``, any of these as
            ``.safetensors``, or none (``""``).
        init_seed: Of the initial weights.
    """

    current = "generator"
    critic: Critic
    average: Network

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
        weights: str | None = "stylegan2-orl-64",
        init_seed: int = 0,
    ) -> None:
        if noise not in ("random", "constant", "none"):
            raise ValueError(f"unknown noise '{noise}'; give 'random', 'constant' or 'none'")
        if not (0 <= truncation <= 1 and 0 <= style_mixing <= 1):
            raise ValueError(f"truncation {truncation} and style_mixing {style_mixing} are from 0 to 1")
        if min(latent_dim, mapping_layers, penalty_every, path_every) < 1:
            raise ValueError("latent_dim, mapping_layers, penalty_every and path_every are at least 1")
        del weights  # the arena loads them into the state dict
        super().__init__(
            resolution=resolution,
            channels=channels,
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
        self.noise = noise
        self.style_mixing = style_mixing
        self.path_weight, self.path_every = path_weight, path_every
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
        self.register_buffer("path_length", torch.zeros(()))
        self.register_load_state_dict_pre_hook(_take_published)  # type: ignore[no-untyped-call]

    path_length: Tensor

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self.synthesise(self.map_latents(z), rng=rng)

    def map_latents(self, z: Tensor) -> Tensor:
        # In the parts that are decoded together: products of another size round differently.
        return torch.cat([self.average.mapping(part) for part in z.split(at_a_time(self.resolution))])

    def synthesise(self, w: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        made = []
        for part in w.split(at_a_time(self.resolution)):
            ws = self.average.spread(part, psi=self.truncation)
            made.append(self.average.synthesis(ws, noise=self._noise_of_samples(len(part), rng)))
        return self._to_rgb(torch.cat(made))

    def _fakes_to_train(self, n: int, rng: torch.Generator) -> Tensor:
        fake, ws = self._fakes(n, rng)
        self.generator.mapping.follow(ws[:, 0])
        return fake

    def _fakes(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Fakes with their gradient, float32 ``(n, channels, side, side)`` in [-1, 1], and their styles."""
        z, other = self.latents(n, rng=rng), self.latents(n, rng=rng)
        ws = self.generator.mixed_styles(z, other, self.style_mixing, rng=rng)
        synthesis = self.generator.synthesis
        noise = None if self.noise == "none" else synthesis.draw_noise(n, rng=rng)
        return synthesis(ws, noise=noise), ws

    def _penalties(self, fakes: Tensor, rng: torch.Generator) -> dict[str, tuple[Tensor, float]]:
        if not self.path_weight or self._session_steps % self.path_every:
            return {}
        # Regularisation is part of a step and not a step of its own: appendix B's correction of Adam for lazy
        # regularisation is not needed.
        return {"path_penalty": (self._path_penalty(len(fakes), rng), self.path_weight * self.path_every)}

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

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        super()._update_average(images)
        self.average.mapping.w_avg.copy_(self.generator.mapping.w_avg)


def _take_published(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """Renames others' weights, and fills in what they lack."""
    flatten(state)
    if is_rosinality(state):
        renamed = from_rosinality(state)
    elif is_published(state):
        renamed = from_published(state, metadata.get(FACTS))
    else:
        return
    take_over(module, state, renamed, errors, settings=settings, may_lack=("noise_const",))


__all__ = ["StyleGAN2"]
