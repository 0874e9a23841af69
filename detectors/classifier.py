"""Any classifier of torchvision or timm as a detector of whole images, by its name.

``--detectors torchvision:efficientnet_b0,timm:convnext_tiny``
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

import torch
from pydantic import Field

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.seeds import global_draws
from fakeoff.detectors.architectures import (
    Library,
    TimmArchitecture,
    TorchvisionArchitecture,
    build_network,
    least_side_of,
    normalisation_of,
    own_side,
)
from fakeoff.detectors.pretrained import Channels, Deviations, normalise_by, other_head, take_published
from fakeoff.detectors.whole import WholeNetwork

_NETWORK = "network."

Side: TypeAlias = Annotated[int, Field(ge=0)]
"""Pixels; 0 leaves it to the images and the architecture."""


class Classifier(WholeNetwork):
    """A library's classifier with two classes, real and fake.

    Args:
        architecture: Its name in the library.
        learning_rate: Adam's.
        side: Height and width in pixels that images are resized to; 0 is as they are, or what the architecture is made
            for, where it takes one size alone.
        mean: Of each channel in [0, 1], taken off; empty is what ``weights`` are used to, or 0.5.
        std: Of each channel, divided by; likewise.
        init_seed: Of the initial weights, which are drawn as the library does.
    """

    library: ClassVar[Library]
    """Whose classifiers they are."""

    def __init__(
        self,
        *,
        architecture: str,
        learning_rate: float,
        side: Side,
        mean: Channels,
        std: Deviations,
        init_seed: int,
    ) -> None:
        name = f"{self.library}:{architecture}"
        super().__init__(build_network(name, seed=init_seed, side=side), learning_rate=learning_rate)
        self.side = side or own_side(name) or None
        self.least_side = least_side_of(name)
        normalise_by(self, mean=mean, std=std)
        given = [key for key, values in (("mean", mean), ("std", std)) if values]
        take_published(self, prefix=_NETWORK, published=normalisation_of(name), given=given, is_whole=True)

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        name = f"{cls.library}:{parameters['architecture']}"
        if parameters["side"] and own_side(name):  # not every size can be built
            build_network(name, seed=0, side=parameters["side"])

    @classmethod
    def left_out(cls, weights: Path, parameters: Mapping[str, Any]) -> str:
        network = build_network(f"{cls.library}:{parameters['architecture']}", seed=0, side=parameters["side"])
        return other_head(network, weights)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        with global_draws(rng):  # dropout and stochastic depth know no other
            return super().train_step(batch, rng=rng)


class TorchvisionClassifier(Classifier):
    """Any classifier of torchvision's with two classes, real and fake.

    It learns from scratch, or from published weights of the architecture. Nothing is ever downloaded.

    Args:
        architecture: Its name, as ``torchvision.models.list_models`` lists it.
        learning_rate: Adam's.
        side: Height and width in pixels that images are resized to; 0 is as they are, or what the architecture is made
            for, where it takes one size alone.
        weights: A file to start from (``.pth``, ``.safetensors``), or none (``""``): torchvision's of this
            architecture. Of a head for other than two classes nothing is taken: it begins anew.
        mean: Of each channel in [0, 1], taken off; empty is ImageNet's with ``weights``, else 0.5.
        std: Of each channel, divided by; likewise.
        init_seed: Of the initial weights that no file brings, which are drawn as torchvision does.
    """

    library = "torchvision"

    def __init__(
        self,
        *,
        architecture: TorchvisionArchitecture,
        learning_rate: float = 1e-3,
        side: Side = 0,
        weights: str | None = "",
        mean: Channels = (),
        std: Deviations = (),
        init_seed: int = 0,
    ) -> None:
        del weights  # the arena loads them into the state dict
        super().__init__(
            architecture=architecture,
            learning_rate=learning_rate,
            side=side,
            mean=mean,
            std=std,
            init_seed=init_seed,
        )


class TimmClassifier(Classifier):
    """Any classifier of timm's with two classes, real and fake. It needs ``pip install 'fakeoff[timm]'``.

    It learns from scratch, or from published weights of the architecture. Nothing is ever downloaded.

    Args:
        architecture: Its name, as ``timm.list_models`` lists it.
        learning_rate: Adam's.
        side: Height and width in pixels that images are resized to; 0 is as they are, or what the architecture is made
            for, where it takes one size alone.
        weights: A file to start from (``.pth``, ``.safetensors``), or none (``""``): timm's of this architecture.
            Of a head for other than two classes nothing is taken: it begins anew.
        mean: Of each channel in [0, 1], taken off; empty is timm's for the architecture with ``weights``, else 0.5.
        std: Of each channel, divided by; likewise.
        init_seed: Of the initial weights that no file brings, which are drawn as timm does.
    """

    library = "timm"

    def __init__(
        self,
        *,
        architecture: TimmArchitecture,
        learning_rate: float = 1e-3,
        side: Side = 0,
        weights: str | None = "",
        mean: Channels = (),
        std: Deviations = (),
        init_seed: int = 0,
    ) -> None:
        del weights  # the arena loads them into the state dict
        super().__init__(
            architecture=architecture,
            learning_rate=learning_rate,
            side=side,
            mean=mean,
            std=std,
            init_seed=init_seed,
        )


__all__ = ["Classifier", "TimmClassifier", "TorchvisionClassifier"]
