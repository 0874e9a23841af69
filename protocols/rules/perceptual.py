"""How different two images look, differentiably: what latents are sought and held to.

A distance is known by its name, which is part of a job's payload and of what tables say.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DistanceName: TypeAlias = Literal["pyramid"]

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


__all__ = ["DistanceName", "PerceptualDistance", "PyramidDistance"]
