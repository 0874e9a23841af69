"""StyleGAN: styles that scale and shift normed features.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019: a mapping network,
adaptive instance normalisation, noise in every layer, mixed styles, truncation, filtered changes of resolution, and a
critic that grows with the generator. Added for small data: differentiable augmentation.
"""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn

from fakeoff.generators.gan.growing import GrowingGenerator
from fakeoff.generators.pgan_networks import Critic
from fakeoff.generators.pgan_networks import draw_weights as draw_critic
from fakeoff.generators.stylegan.layers import BlurredCriticBlock
from fakeoff.generators.stylegan.networks import Network, Noise, Synthesis, draw_weights
from fakeoff.generators.styles import at_a_time, widths


class StyleGAN(GrowingGenerator):
    """A StyleGAN of any power-of-two resolution from 16 to 1024 pixels.

    The published network of 1024 pixels is ``resolution = 1024, channels = 3, latent_dim = 512, mapping_layers = 8,
    features = 16384, most_features = 512``.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        latent_dim: Length of z and of w; the published network has 512.
        mapping_layers: Fully connected layers from z to w; the published network has 8.
        features: Feature maps at side ``s`` are ``min(features / s, most_features)``; the published network has 16384.
        most_features: See ``features``; the published network has 512.
        truncation: Samples' w are drawn towards the mean of w by this factor: 1 leaves them, 0 makes the mean face.
        truncated_side: The largest resolution that is truncated, in pixels a side.
        noise: Maps that each layer adds: ``random`` anew for each image, or ``none``, in training too.
        style_mixing: Share of the fakes in training that are made of two latents.
        penalty_weight: Of R1; the paper has 10 at 1024 pixels.
        penalty_every: Steps from one R1 penalty to the next, which is weighted up to make up for it; the paper has 1.
        augmentation: Differentiable augmentation for small data.
        generator_lr: Adam's learning rate of the generator; the mapping network's is a hundredth of it.
        critic_lr: Adam's learning rate of the critic.
        attack_lr: Adam's learning rate of both in an attack.
        ema_images: Half-life of the moving average of weights, in images.
        first_side: Pixels a side that training begins with; ``resolution`` does not grow at all.
        fade_images: Images over which a level is faded in.
        stable_images: Images for which a level is trained before the next one is faded in.
        weights: Pretrained weights: a name that ships (``stylegan-orl-64``), a ``.safetensors`` file, or none (``""``).
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
        truncated_side: int = 32,
        noise: Literal["random", "none"] = "random",
        style_mixing: float = 0.9,
        penalty_weight: float = 0.1,
        penalty_every: int = 16,
        augmentation: bool = True,
        generator_lr: float = 2e-3,
        critic_lr: float = 2e-3,
        attack_lr: float = 1e-3,
        ema_images: float = 10_000.0,
        first_side: int = 8,
        fade_images: int = 10_000,
        stable_images: int = 10_000,
        weights: str | None = "stylegan-orl-64",
        init_seed: int = 0,
    ) -> None:
        if noise not in ("random", "none"):
            raise ValueError(f"unknown noise '{noise}'; give 'random' or 'none'")
        if not (0 <= truncation <= 1 and 0 <= style_mixing <= 1):
            raise ValueError(f"truncation {truncation} and style_mixing {style_mixing} are from 0 to 1")
        if min(latent_dim, mapping_layers, penalty_every) < 1:
            raise ValueError("latent_dim, mapping_layers and penalty_every are at least 1")
        if first_side not in [2**power for power in range(2, 11)] or first_side > resolution:
            raise ValueError(f"first_side {first_side} is not a power of two from 4 to the resolution, {resolution}")
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
            first_level=int(math.log2(first_side)) - 2,
            fade_images=fade_images,
            stable_images=stable_images,
        )
        self.truncation, self.truncated_side = truncation, truncated_side
        self.noise = noise
        self.style_mixing = style_mixing
        rng = torch.Generator().manual_seed(init_seed)
        counts = widths(resolution, features=features, most=most_features)
        self.generator = Network(latent_dim, mapping_layers=mapping_layers, features=counts, channels=channels)
        self.critic = Critic(features=list(counts.values()), channels=channels, block=BlurredCriticBlock)
        draw_weights(self.generator, rng=rng)
        draw_critic(self.critic, rng=rng)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self._ask_for_gradients()

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self.synthesise(self.map_latents(z), rng=rng)

    def map_latents(self, z: Tensor) -> Tensor:
        # In the parts that are decoded together: products of another size round differently.
        return torch.cat([self.average.mapping(part) for part in z.split(at_a_time(self.resolution))])

    def synthesise(self, w: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        made, level = [], self.level
        for part in w.split(at_a_time(self.resolution)):
            ws = self.average.spread(part, level=level, psi=self.truncation, truncated_side=self.truncated_side)
            noise = self._noise(self.average.synthesis, len(part), rng)
            made.append(self.average.synthesis(ws, noise=noise, level=level))
        return self._to_rgb(torch.cat(made))

    def _fakes_to_train(self, n: int, rng: torch.Generator) -> Tensor:
        level, synthesis = self.level, self.generator.synthesis
        z, other = self.latents(n, rng=rng), self.latents(n, rng=rng)
        ws = self.generator.mixed_styles(z, other, self.style_mixing, level=level, rng=rng)
        self.generator.mapping.follow(ws[:, 0])
        fakes: Tensor = synthesis(ws, noise=self._noise(synthesis, n, rng), level=level)
        return fakes

    def _noise(self, synthesis: Synthesis, n: int, rng: torch.Generator | None) -> Noise:
        if rng is None or self.noise == "none":
            return None
        return synthesis.draw_noise(n, level=self.level, rng=rng)

    def _growing(self) -> list[tuple[nn.Module, nn.ModuleList, nn.ModuleList]]:
        synthesis = self.generator.synthesis
        return [
            (self.generator, synthesis.to_image, synthesis.blocks),
            (self.critic, self.critic.from_image, self.critic.blocks),
        ]

    def _ask_for_gradients(self) -> None:
        super()._ask_for_gradients()
        if self.noise == "none":
            for layer in self.generator.synthesis.layers(self.level):
                layer.noise_strength.requires_grad_(False)

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        super()._update_average(images)
        self.average.mapping.w_avg.copy_(self.generator.mapping.w_avg)


__all__ = ["StyleGAN"]
