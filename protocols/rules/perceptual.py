"""How different two images look, differentiably: what latents are sought and held to.

A distance is known by its name and, where a network judges, by the sha256 of its weights: both are part of a job's
payload, and the name of what tables say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import assets
from fakeoff.protocols.rules import lpips

DistanceName: TypeAlias = Literal["pyramid", "lpips", "lpips_vgg"]

_BACKBONES: Mapping[DistanceName, str] = {"lpips": "alexnet", "lpips_vgg": "vgg16"}

_COARSEST = 8


class PerceptualDistance(nn.Module):
    """A distance between images, image by image; 0 is identical.

    Attributes:
        name: What it is called in payloads and tables.
    """

    name: DistanceName

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Compares images.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
            others: Likewise.

        Returns:
            float32 ``(n,)``, at least 0.
        """
        raise NotImplementedError


class PyramidDistance(PerceptualDistance):
    """The mean absolute difference of the levels of Laplacian pyramids, coarse ones weighted as fine ones.

    The Lap1 loss of Bojanowski et al., "Optimizing the latent space of generative networks", ICML 2018, with each
    level's mean in place of its weighted sum, so that it is comparable between resolutions. No network judges here.

    Example:
        >>> grey = torch.full((2, 3, 32, 32), 0.5)
        >>> PyramidDistance()(grey, grey).tolist()
        [0.0, 0.0]
    """

    name: DistanceName = "pyramid"

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        rest = images - others
        differences = []
        while min(rest.shape[-2:]) >= 2 * _COARSEST:
            small = F.avg_pool2d(rest, 2)
            back = F.interpolate(small, size=rest.shape[-2:], mode="bilinear", align_corners=False)
            differences.append((rest - back).abs().mean((1, 2, 3)))
            rest = small
        differences.append(rest.abs().mean((1, 2, 3)))
        return torch.stack(differences).mean(0)


class LpipsDistance(PerceptualDistance):
    """LPIPS 0.1: how differently a network that learned ImageNet sees two images.

    Args:
        network: :class:`fakeoff.protocols.rules.lpips.LpipsNetwork`.
        name: ``lpips`` of AlexNet, ``lpips_vgg`` of VGG16.
    """

    def __init__(self, network: lpips.LpipsNetwork, *, name: DistanceName = "lpips") -> None:
        super().__init__()
        self.network, self.name = network, name

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        compared: Tensor = self.network(images, others)
        return compared


@dataclass(frozen=True, kw_only=True)
class ChosenDistance:
    """A distance as a payload has it.

    Attributes:
        name: Its name.
        sha256: Of the asset that its weights come in; empty where there are none.
    """

    name: DistanceName
    sha256: str = ""

    def open(self) -> PerceptualDistance:
        """The distance, frozen, on the CPU.

        Raises:
            AssetError: Its asset is not pulled on this machine, or damaged.
            JobFailed: This version of Fakeoff knows another asset of that name.
        """
        if self.name not in _BACKBONES:
            return PyramidDistance()
        pinned = assets.find_asset(lpips.ASSET).sha256
        if self.sha256 != pinned:
            raise JobFailed(
                f"was to use the distance '{self.name}' of the weights {self.sha256[:12]}, and here they are "
                f"{pinned[:12]}: driver and workers need one version of Fakeoff"
            )
        return LpipsDistance(lpips.read_network(_BACKBONES[self.name]), name=self.name).eval()


def choose_distance(wanted: DistanceName, *, side: int) -> tuple[ChosenDistance, str]:
    """The distance that is wanted, or the pyramid where it cannot be had.

    Args:
        wanted: Its name.
        side: Pixels a side of the images.

    Returns:
        The distance, and why it is another one; that is empty where it is the one that was wanted.
    """
    pyramid = ChosenDistance(name="pyramid")
    if wanted not in _BACKBONES:
        return pyramid, ""
    asset, least = assets.find_asset(lpips.ASSET), lpips.BACKBONES[_BACKBONES[wanted]].least
    if side < least:
        return pyramid, f"{wanted} needs images of {least} pixels"
    if (state := assets.state(asset)) != "pulled":
        return pyramid, f"the asset '{asset.name}' is {state}; run: fakeoff assets pull {asset.name}"
    return ChosenDistance(name=wanted, sha256=asset.sha256), ""


__all__ = [
    "ChosenDistance",
    "DistanceName",
    "LpipsDistance",
    "PerceptualDistance",
    "PyramidDistance",
    "choose_distance",
]
