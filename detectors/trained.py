"""What the networks that ship share: how they are initialised and trained.

Chai et al., "What makes fake images detectable?", ECCV 2020, sections 3.1 and 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Plan
from fakeoff.detectors.interface import Detector

_XAVIER_GAIN = 0.02

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class TrainedNetwork(Detector):
    """A network that is trained by Adam with a constant rate, on images of which half are flipped.

    A network brings its loss; by itself this judges nothing.

    Args:
        learning_rate: Adam's.
    """

    def __init__(self, *, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self._optimiser: torch.optim.Adam | None = None

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.parameters(), lr=plan.rate or self.learning_rate)

    def training_state(self) -> dict[str, Any]:
        return {"optimiser": self._session().state_dict()}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self._session().load_state_dict(state["optimiser"])

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        optimiser = self._session()
        images = self.augment(batch.images, rng=rng)
        loss, shares = self.training_loss(images, batch.labels.to(images.device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return {"loss": loss.item(), **{name: right.float().mean().item() for name, right in shares.items()}}

    def _session(self) -> torch.optim.Adam:
        if self._optimiser is None:
            self._optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        return self._optimiser

    def augment(self, images: Tensor, *, rng: torch.Generator) -> Tensor:
        """Changes images at random before a step; by default half of them are flipped, the paper's only augmentation.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, 3, h', w')`` in [0, 1].
        """
        return flip_some(images, rng=rng)

    def training_loss(self, images: Tensor, is_fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step lowers.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
            is_fake: bool ``(n,)``, where the images are.

        Returns:
            A scalar, and what was judged rightly, bool, by what its share is called in the training curves.
        """
        raise NotImplementedError


def flip_some(images: Tensor, *, rng: torch.Generator) -> Tensor:
    """Flips each image left to right with probability 1/2.

    Args:
        images: ``(n, c, h, w)``.
        rng: A CPU generator, the only source of randomness.
    """
    flip = (torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5).to(images.device)
    return torch.where(flip, images.flip(-1), images)


def without_weights(make: Callable[[], ModuleT]) -> ModuleT:
    """Makes a network whose weights are not drawn yet: for :func:`initialise`, which would draw them a second time.

    Args:
        make: Of convolutions, linear layers and batch normalisations.

    Returns:
        The network on the CPU; what its weights are is undefined.
    """
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu")


def initialise(network: nn.Module, *, seed: int) -> None:
    """Draws initial weights as the paper's code does: Xavier with a gain of 0.02, biases of 0.

    Args:
        network: Its convolutions, linear layers and batch normalisations are written to.
        seed: Of the weights.
    """
    rng = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=_XAVIER_GAIN, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, _XAVIER_GAIN, generator=rng)
            nn.init.zeros_(layer.bias)
            layer.reset_running_stats()


__all__ = ["TrainedNetwork", "flip_some", "initialise", "without_weights"]
