"""DCGAN with published weights: a generator that comes without its critic, and attacks all the same.

Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
ICLR 2016. The weights are those of the ``gan-face-generate`` 1.1.1 wheel (Chien Liu, MIT), trained on the
rendered faces of DigiFace-1M (Bae et al., WACV 2023).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators import Batch, ExtraLoss, Generator, Plan

_RESOLUTION = 64
_LATENT_DIM = 100
_FEATURES = 64
_SLOPE = 0.2
_SAMPLE_BATCH = 64
_LUMA = (0.299, 0.587, 0.114)


class DCGAN(Generator):
    """A DCGAN of 64 pixels in colour.

    Only its generator was published. Its first attack therefore starts from a critic that knows nothing, and what
    such a critic asks for turns the faces into mud within 60 steps. Three things keep them: beside the other losses
    the critic's say is small and grows from nothing, the images of an attack are held near those that the same
    latents gave before it, and BatchNorm keeps the statistics that the generator came with.

    Args:
        generator_lr: Adam's learning rate of the generator.
        critic_lr: Adam's learning rate of the critic.
        critic_weight: Of the critic's say in the generator's loss, once it is warm.
        warm_up_steps: Steps that the critic trains, over all attacks, until its say is full.
        anchor_weight: Of the mean absolute difference from the images before this attack.
        weights: A checkpoint as published, or a state of this player; ``""`` leaves the network as it is built.
        init_seed: Of the initial weights; with published weights, of the critic's alone.
    """

    latent_dim = _LATENT_DIM

    def __init__(
        self,
        *,
        generator_lr: float = 1e-4,
        critic_lr: float = 1e-4,
        critic_weight: float = 0.02,
        warm_up_steps: int = 100,
        anchor_weight: float = 10.0,
        weights: str = "asset:dcgan-digiface",
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        del weights  # the arena loads them into the state dict
        self.resolution = _RESOLUTION
        self.learning_rates = (generator_lr, critic_lr)
        self.critic_weight, self.warm_up_steps, self.anchor_weight = critic_weight, warm_up_steps, anchor_weight
        self.generator, self.critic = _generator(), _critic()
        _draw_weights(self, rng=torch.Generator().manual_seed(init_seed))
        self.register_buffer("critic_steps", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_pre_hook(_take_published)  # type: ignore[no-untyped-call]
        self._session: _Session | None = None

    critic_steps: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        # Drawn on the CPU: the same faces on every device.
        z = torch.randn(n, self.latent_dim, generator=rng)
        with torch.no_grad():
            return torch.cat([self.decode(chunk).clamp(0, 1) for chunk in z.split(_SAMPLE_BATCH)])

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return self._images(self.generator, z)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        # What is finetuned is then what is sampled, and a batch of 16 does not overwrite 30,000 batches' statistics.
        self.generator.eval()
        return self

    def start(self, plan: Plan) -> None:
        self._session = _Session.start(self, self.learning_rates if plan.rate is None else (plan.rate, plan.rate))

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        reals = batch.images
        if self._session is None:
            self._session = _Session.start(self, self.learning_rates)
        session = self._session
        z = torch.randn(len(reals), self.latent_dim, generator=rng)
        fakes = self.decode(z)
        # Grey reals mean a grey arena, where colour is nothing that the critic should look at.
        seen = _luminance(fakes) if _is_grey(reals) else fakes

        real_value, fake_value = self.critic(reals * 2 - 1), self.critic(seen.detach() * 2 - 1)
        critic_loss = F.softplus(-real_value).mean() + F.softplus(fake_value).mean()
        session.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()
        session.critic_optimiser.step()
        self.critic_steps += 1

        with torch.no_grad():
            before = self._images(session.anchor, z)
        anchor_loss = (fakes - before).abs().mean()
        self.critic.requires_grad_(False)
        own_loss = F.softplus(-self.critic(seen * 2 - 1)).mean()
        self.critic.requires_grad_(True)
        critics_say = self.critic_weight * min(1.0, int(self.critic_steps) / max(1, self.warm_up_steps))
        loss = critics_say * own_loss + self.anchor_weight * anchor_loss
        measured = {
            "generator_loss": own_loss.item(),
            "critic_loss": critic_loss.item(),
            "critic_gap": (real_value.mean() - fake_value.mean()).item(),
            "critics_say": critics_say,
            "anchor_loss": anchor_loss.item(),
        }
        if extra_loss is not None:
            extra = extra_loss(fakes)
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        session.generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        session.generator_optimiser.step()
        return measured

    @staticmethod
    def _images(generator: nn.Module, z: Tensor) -> Tensor:
        weight = next(generator.parameters())
        images: Tensor = generator(z.to(weight.device)[:, :, None, None])  # (n, 100, 1, 1) to (n, 3, 64, 64)
        return (images.float() + 1) / 2


@dataclass(frozen=True, kw_only=True)
class _Session:
    """What one attack needs beside the state dict."""

    generator_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    anchor: nn.Module

    @classmethod
    def start(cls, player: DCGAN, rates: tuple[float, float]) -> _Session:
        generator_lr, critic_lr = rates
        return cls(
            generator_optimiser=_adam(player.generator, generator_lr),
            critic_optimiser=_adam(player.critic, critic_lr),
            anchor=copy.deepcopy(player.generator).requires_grad_(False),
        )


def _generator() -> nn.Sequential:
    """Latents ``(n, 100, 1, 1)`` to images in [-1, 1]: 4, 8, 16, 32, 64 pixels."""
    layers: list[nn.Module] = []
    inputs = _LATENT_DIM
    for step, outputs in enumerate((8 * _FEATURES, 4 * _FEATURES, 2 * _FEATURES, _FEATURES)):
        stride, padding = (2, 1) if step else (1, 0)
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.ConvTranspose2d(inputs, 3, 4, 2, 1, bias=False), nn.Tanh())


def _critic() -> nn.Sequential:
    """Images in [-1, 1] to one realness value each, the mirror of the generator.

    Without BatchNorm: it would tell reals from fakes by the company that they come in.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (_FEATURES, 2 * _FEATURES, 4 * _FEATURES, 8 * _FEATURES):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1, 4), nn.Flatten(0))


def _draw_weights(module: nn.Module, *, rng: torch.Generator) -> None:
    """He initialisation: the signal keeps its size although BatchNorm does not look at the batch."""
    for layer in module.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            # Each pixel is made of one latent, or of 2 x 2 pixels of the layer before.
            nn.init.normal_(layer.weight, 0.0, (2 / layer.in_channels) ** 0.5 / layer.stride[0], generator=rng)
        elif isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, _SLOPE, generator=rng)
            nn.init.zeros_(cast("Tensor", layer.bias))


def _take_published(player: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Maps the published checkpoint to this player's names; its critic stays as it was built."""
    published = state.pop("netG_state_dict", None)
    if published is None:
        return
    state |= {name: value for name, value in player.state_dict().items() if not name.startswith("generator.")}
    state |= {name.replace("main.", "generator.", 1): value for name, value in published.items()}


def _adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
    # beta1 = 0.5 (section 4 of Radford et al.).
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.999))


def _is_grey(images: Tensor) -> bool:
    return bool((images[:, :1] == images[:, 1:]).all())


def _luminance(images: Tensor) -> Tensor:
    weights = images.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)


__all__ = ["DCGAN"]
