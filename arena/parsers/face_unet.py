"""A small U-Net that labels faces and finds their landmarks: the parser that ships.

U-Net: Ronneberger et al., MICCAI 2015, https://arxiv.org/abs/1505.04597. Landmarks as the expectation of a heatmap:
Nibali et al. 2018, https://arxiv.org/abs/1801.07372. It learned from MediaPipe's face mesh and person mask (see
``scripts/train_parser.py`` and docs/parts.md), which know no hats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import PluginError
from fakeoff.arena.parsers.interface import LANDMARKS, PARTS, FaceParser

_CHANNELS = (32, 64, 128, 160)
_SMALL, _LARGE = 64, 128
# Half the resolution at the entrance, and three halvings after it.
_MULTIPLE = 16
_BATCH = 64


class FaceUNet(FaceParser):
    """Labels ten parts and gives 146 landmarks.

    It works at 64 pixels a side for pictures up to 64, and at 128 for larger ones; labels are brought back to the
    picture's own size.

    Args:
        weights: The name of weights that ship, or a ``.safetensors`` file.
    """

    parts: ClassVar[tuple[str, ...]] = tuple(part for part in PARTS if part != "hat")

    def __init__(self, *, weights: str = "face-unet") -> None:
        super().__init__()
        del weights  # the arena loads them into the state dict
        self._has_weights = False
        first, second, third, fourth = _CHANNELS
        self.encode = nn.ModuleList(
            [
                nn.Sequential(nn.PixelUnshuffle(2), _layer(12, first), _layer(first, first)),
                nn.Sequential(_layer(first, second, stride=2), _layer(second, second)),
                nn.Sequential(_layer(second, third, stride=2), _layer(third, third)),
                nn.Sequential(_layer(third, fourth, stride=2), _layer(fourth, fourth)),
            ]
        )
        self.decode = nn.ModuleList(
            [
                _layer(fourth + third, third),
                _layer(third + second, second),
                nn.Sequential(_layer(second + first, first), _layer(first, first)),
            ]
        )
        self.label_head = nn.Sequential(nn.Conv2d(first, 4 * len(self.parts), 1), nn.PixelShuffle(2))
        self.landmark_head = nn.Conv2d(first, sum(LANDMARKS.values()), 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Labels and landmarks of images whose sides are multiples of 16.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            Logits ``(n, 10, h, w)``, and landmarks ``(n, 146, 2)`` as shares of the width and the height.
        """
        values = images * 4 - 2
        skipped = []
        for encode in self.encode:
            values = encode(values)
            skipped.append(values)
        skipped.pop()
        for decode in self.decode:
            larger = skipped.pop()
            values = F.interpolate(values, size=larger.shape[-2:], mode="bilinear", align_corners=False)
            values = decode(torch.cat([values, larger], 1))
        return self.label_head(values).float(), _expectation(self.landmark_head(values).float())

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Loads weights; until then there is nothing to label with."""
        result = super().load_state_dict(state_dict, strict, assign)
        self._has_weights = True
        return result

    def label(self, images: Tensor) -> Tensor:
        self._check_weights()
        size = images.shape[-2:]
        # Small logits in batches, large ones one by one: those of 64 images of 1024 px fill 2.7 GB.
        return torch.stack(
            [
                F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
                .argmax(0)
                .to(torch.uint8)
                for part in _working_size(images).split(_BATCH)
                for logits in self(part)[0]
            ]
        )

    def landmarks(self, images: Tensor) -> Tensor:
        self._check_weights()
        height, width = images.shape[-2:]
        shares = torch.cat([self(part)[1] for part in _working_size(images).split(_BATCH)])
        return shares * torch.tensor([width, height], dtype=shares.dtype, device=shares.device)

    def _check_weights(self) -> None:
        if not self._has_weights:
            raise PluginError(
                "parser 'face_unet' was given no weights; leave the parameter out, or give it a file: "
                "parameters = { weights = FILE }"
            )


def _layer(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
    )


def _working_size(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    scale = (_SMALL if max(height, width) <= _SMALL else _LARGE) / max(height, width)
    size = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (height, width)]
    if [height, width] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def _expectation(heatmaps: Tensor) -> Tensor:
    """The mean position under each heatmap's softmax, as shares of the width and the height; ``(n, k, 2)``."""
    n, k, height, width = heatmaps.shape
    weights = heatmaps.reshape(n, k, -1).softmax(-1).reshape(n, k, height, width)
    x = (torch.arange(width, device=heatmaps.device) + 0.5) / width
    y = (torch.arange(height, device=heatmaps.device) + 0.5) / height
    return torch.stack([(weights.sum(2) * x).sum(-1), (weights.sum(3) * y).sum(-1)], -1)
