"""What the networks of manipulators are made of: convolutions without batch statistics, for grey faces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

_SLOPE = 0.2


class Convolutions(nn.Sequential):
    """Two 3 x 3 convolutions, each with a leaky ReLU; the first may halve height and width.

    Args:
        given: Channels that come in.
        made: Channels that go out.
        stride: 1, or 2 to halve.
    """

    def __init__(self, given: int, made: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(given, made, 3, stride=stride, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(made, made, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
        )


class Pyramid(nn.Module):
    """Features of images at full size, and at each half of it.

    Args:
        given: Channels that come in.
        widths: Channels at each size, from full size down.
    """

    def __init__(self, given: int, widths: Sequence[int]) -> None:
        super().__init__()
        ins = (given, *widths[:-1])
        self.levels = nn.ModuleList(
            Convolutions(wide, width, stride=1 if level == 0 else 2)
            for level, (wide, width) in enumerate(zip(ins, widths, strict=True))
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images ``(n, c, h, w)`` to features ``(n, widths[k], h / 2**k, w / 2**k)``."""
        features = [images]
        for level in self.levels:
            features.append(level(features[-1]))
        return features[1:]


class Ascent(nn.Module):
    """From the smallest features up to one channel at full size, with the features of each size beside (a U-Net).

    Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597; sizes are doubled by bilinear interpolation, which leaves
    no checkerboard.

    Args:
        widths: Channels of the features at each size, from full size down.
        beside: Channels that are laid beside the smallest ones.
    """

    def __init__(self, widths: Sequence[int], *, beside: int = 0) -> None:
        super().__init__()
        self.bottom = Convolutions(widths[-1] + beside, widths[-1])
        self.levels = nn.ModuleList(
            Convolutions(small + large, large) for large, small in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.out = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, features: Sequence[Tensor], beside: Tensor | None = None) -> Tensor:
        """Features of a :class:`Pyramid` to ``(n, 1, h, w)``, of any value."""
        smallest = features[-1]
        x: Tensor = self.bottom(smallest if beside is None else torch.cat([smallest, beside], 1))
        for level, feature in zip(self.levels, reversed(features[:-1]), strict=True):
            x = level(torch.cat([F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False), feature], 1))
        drawn: Tensor = self.out(x)
        return drawn


class PatchCritic(nn.Sequential):
    """Tells drawn faces from photographs patch by patch, 22 pixels each (Isola et al., CVPR 2017, section 3.2.2).

    Spectrally normalised (Miyato et al., ICLR 2018), as it learns from few photographs.

    Args:
        given: Channels that come in.
        width: Channels of its first layer.
        rng: Of the initial weights.
    """

    def __init__(self, given: int, *, width: int, rng: torch.Generator) -> None:
        layers = (
            nn.Conv2d(given, width, 4, stride=2, padding=1),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.Conv2d(2 * width, 1, 4, padding=1),
        )
        for layer in layers:
            initialise(layer, rng=rng)
        super().__init__(layers[0], nn.LeakyReLU(_SLOPE), layers[1], nn.LeakyReLU(_SLOPE), layers[2])
        with torch.random.fork_rng(devices=[]):  # power iteration begins at random vectors
            torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))
            for layer in layers:
                spectral_norm(layer)


@torch.no_grad()
def initialise(network: nn.Module, *, rng: torch.Generator) -> None:
    """Draws the weights of convolutions and linear layers anew (He et al. 2015), and sets biases to 0.

    Args:
        network: Whose.
        rng: A CPU generator, the only source of randomness.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, a=_SLOPE, generator=rng)
            if module.bias is not None:
                module.bias.zero_()


def edge_loss(made: Tensor, wanted: Tensor, weights: Tensor, *, sizes: int = 3) -> Tensor:
    """How far two images are apart in their pixels and in their gradients, at full size and at halves of it.

    Absolute differences alone are least for a blurred face; those of gradients want its edges.

    Args:
        made: float32 ``(n, 1, h, w)``.
        wanted: Likewise.
        weights: float32 ``(n, 1, h, w)`` or ``(1, 1, h, w)``, at least 0: what pixels count.
        sizes: Full size and ``sizes - 1`` halves.

    Returns:
        A scalar, 0 for equal images.
    """
    losses = []
    weights = weights.expand(len(made), -1, -1, -1)
    for _ in range(sizes):
        total = weights.sum().clamp(min=1e-6)
        difference = made - wanted
        losses.append((difference.abs() * weights).sum() / total)
        for axis in (2, 3):
            steps = difference.diff(dim=axis).abs()
            narrow = weights.narrow(axis, 1, weights.shape[axis] - 1)
            losses.append((steps * narrow).sum() / total)
        made, wanted, weights = (F.avg_pool2d(each, 2) for each in (made, wanted, weights))
    return torch.stack(losses).sum() / sizes


__all__ = ["Ascent", "Convolutions", "PatchCritic", "Pyramid", "edge_loss", "initialise"]
