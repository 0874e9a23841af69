"""What a generator is: the players who make fakes.

Images at every interface are float32, ``(n, 3, h, w)``, RGB in [0, 1]. Randomness is an argument: a
player draws from ``rng`` and never from, or into, global state.

What a generator can do beyond :meth:`Generator.sample` decides what can be played with it. It says so by
overriding the method; nothing has to be declared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from fakeoff.arena.plan import Plan

ExtraLoss: TypeAlias = Callable[[Tensor], Tensor]
"""Images ``(n, 3, h, w)`` in [0, 1] to a scalar, to be added to the generator's own loss."""


class Generator(nn.Module):
    """A maker of fake images.

    A plugin's parameters are the keyword arguments of its ``__init__``, typed and with defaults.

    Everything that decides what :meth:`sample` returns belongs in the state dict: it is all that is kept
    of a version. A player works where its weights lie: images are handed to it there, and what it draws from
    ``rng`` it moves there. Parameters that rest say so with ``requires_grad_(False)``.

    :class:`fakeoff.generators.contract.GeneratorContract` holds a player to all of this.

    Attributes:
        resolution: Height and width of the images in pixels.
    """

    resolution: int

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        """Makes images; the same ones for the same state of ``rng``.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
        """
        raise NotImplementedError

    def start(self, plan: Plan) -> None:
        """Makes ready for a training: optimisers, schedules and averages begin here.

        It is called before the first :meth:`train_step` of every training. A player without it keeps its own learning
        rate, and a configuration that sets one is refused.

        Args:
            plan: What is to come.
        """

    def train_step(
        self, reals: Tensor, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        """Takes one step of the generator's own objective; the capability *trainable*.

        Args:
            reals: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
            rng: A CPU generator, the only source of randomness.
            extra_loss: Added on the generator's side. The attack of Eq. 4 passes
                ``weight * detector.evasion_loss`` here; pretraining passes none.

        Returns:
            What the step measured, by name, for the training curves.
        """
        raise NotImplementedError

    def decode(self, z: Tensor) -> Tensor:
        """Turns latents into images, differentiably; the capability *latent*.

        Args:
            z: float32 ``(n, latent_dim)``.

        Returns:
            float32 ``(n, 3, resolution, resolution)``, RGB, meant to lie in [0, 1]. Of standard normal latents it is
            what :meth:`sample` gives, before that cuts it to [0, 1].
        """
        raise NotImplementedError

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Tensor:
        """Puts the face or the expression of ``sources`` into ``targets``; the capability *manipulator*.

        Args:
            sources: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
            targets: Likewise.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
        """
        raise NotImplementedError


_CAPABILITIES = {"train_step": "trainable", "decode": "latent", "manipulate": "manipulator"}


def capabilities(player: type[Generator]) -> tuple[str, ...]:
    """What a generator class can do beyond sampling: of ``trainable``, ``latent``, ``manipulator``."""
    return tuple(
        word for method, word in _CAPABILITIES.items() if getattr(player, method) is not getattr(Generator, method)
    )
