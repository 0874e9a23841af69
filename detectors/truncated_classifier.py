"""Any classifier of torchvision or timm, cut after any of its blocks: a patch detector.

As the paper cuts ResNet and Xception (section 3.1). Which pixels a patch sees is computed from the network's graph and
proved by its gradients; where that is not known, or is the whole image, the cut is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.seeds import global_draws, sealed
from fakeoff.detectors.architectures import NetworkName, build_network, cut_after, normalisation_of, own_side
from fakeoff.detectors.decision import DecisionParameter
from fakeoff.detectors.geometry import FeatureMap, UnknownGeometry, proved_map
from fakeoff.detectors.pretrained import Channels, Deviations, normalise_by, take_published
from fakeoff.detectors.truncated import TruncatedNetwork

_CUT = "backbone.network."


class TruncatedClassifier(TruncatedNetwork):
    """Any classifier of torchvision's or timm's, cut after a block: a patch detector.

    Its receptive field is computed from the graph, and held against the network's gradients; a cut whose field is not
    known, or is the whole image, is refused.

    Args:
        network: ``torchvision:ARCHITECTURE`` or ``timm:ARCHITECTURE``.
        after: The block, by its dotted name in the network, such as ``layer1.0``.
        learning_rate: Adam's.
        weights: A file to start from (``.pth``, ``.safetensors``), or none (``""``): the library's of the whole
            network, of which the layers up to the cut are taken.
        mean: Of each channel in [0, 1], taken off; empty is the library's with ``weights``, else 0.5.
        std: Of each channel, divided by; likewise.
        init_seed: Of the initial weights that no file brings, which are drawn as the library does.
        decision: What is pooled to an image's score: the patches' ``after_softmax`` (Eq. 2), their logits
            ``before_softmax``, or their ``vote``.
    """

    def __init__(
        self,
        *,
        network: NetworkName = "torchvision:resnet18",
        after: str = "layer1",
        learning_rate: float = 1e-3,
        weights: str | None = "",
        mean: Channels = (),
        std: Deviations = (),
        init_seed: int = 0,
        decision: DecisionParameter = "after_softmax",
    ) -> None:
        del weights  # the arena loads them into the state dict
        seen = _seen_after(network, after)
        backbone = _Cut(cut_after(build_network(network, seed=init_seed), network, after))
        with sealed("head", network, after, init_seed):
            super().__init__(
                backbone, features=seen.shape[1], learning_rate=learning_rate, init_seed=None, decision=decision
            )
        self.receptive_field = seen.rows
        normalise_by(self, mean=mean, std=std)
        given = [key for key, values in (("mean", mean), ("std", std)) if values]
        take_published(self, prefix=_CUT, published=normalisation_of(network), given=given, is_whole=False)

    mean: Tensor
    std: Tensor

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        _seen_after(parameters["network"], parameters["after"])

    def centred(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        with global_draws(rng):  # dropout and stochastic depth know no other
            return super().train_step(batch, rng=rng)


class _Cut(nn.Module):
    """The one map of a network that was cut."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        (seen,) = self.network(images).values()
        return seen  # type: ignore[no-any-return]


@functools.cache  # a worker builds a player many times, and a proof takes seconds for deep cuts
def _seen_after(network: str, after: str) -> FeatureMap:
    """The map that comes out of a block, proved.

    Raises:
        ValueError: There is no such network or block, or nobody knows what its units see.
    """
    whole = build_network(network, seed=0)
    try:
        return proved_map(cut_after(whole, network, after))
    except UnknownGeometry as error:
        side = own_side(network)
        hint = f"; it is made for images of {side} px" if side else ""
        raise UnknownGeometry(f"{network} after '{after}' is no patch detector: {error}{hint}") from error


__all__ = ["TruncatedClassifier"]
