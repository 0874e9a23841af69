"""BiSeNet: a face parser for everybody's own weights, in all eleven parts.

Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018, with ResNet-18 as
the context path. As in the public face parser that was trained on CelebAMask-HQ (``79999_iter.pth`` of
zllrunning/face-parsing.PyTorch), the features of ResNet's layer2 stand in for the spatial path; modules are
called as in that checkpoint, so that it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

from fakeoff.arena.errors import PluginError
from fakeoff.arena.parsers.interface import PARTS, FaceParser

# The checkpoint's classes in their order, under CelebAMask-HQ's names, and the part that each belongs to.
CLASSES = (
    ("background", "background"),
    ("skin", "skin"),
    ("l_brow", "brow"),
    ("r_brow", "brow"),
    ("l_eye", "eye"),
    ("r_eye", "eye"),
    ("eye_g", "eye"),  # glasses
    ("l_ear", "ear"),
    ("r_ear", "ear"),
    ("ear_r", "ear"),  # earrings
    ("nose", "nose"),
    ("mouth", "mouth"),
    ("u_lip", "mouth"),
    ("l_lip", "mouth"),
    ("neck", "neck"),
    ("neck_l", "neck"),  # necklace
    ("cloth", "clothes"),
    ("hair", "hair"),
    ("hat", "hat"),
)
"""Names of CelebAMask-HQ and our parts, by the index of the logit."""

# Of ImageNet, in RGB.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SMALLEST_SIDE_PIXELS = 32


class BiSeNet(FaceParser):
    """Labels eleven parts with weights that the user brings.

    An image is resized (bilinear, antialiased) so that its longer side is ``working``; the logits are resized back
    before the most likely class is taken. Images pass one by one, so that none depends on its neighbours.

    Args:
        weights: A ``.pth`` checkpoint or ``.safetensors`` file with the names and shapes of
            ``79999_iter.pth``. There is no default: without them it refuses to label.
        working: The longer side of what the network sees, in pixels. The public weights were trained at 512.
    """

    def __init__(self, *, weights: str = "", working: int = 512) -> None:
        super().__init__()
        if working < _SMALLEST_SIDE_PIXELS:
            raise ValueError(f"working is {working}; give {_SMALLEST_SIDE_PIXELS} pixels at least")
        del weights  # the arena loads them into the state dict
        self.working = working
        # What is drawn here is never used, so it must not move anybody else's randomness.
        with torch.random.fork_rng(devices=[]):
            self.cp = _ContextPath()
            self.ffm = _FeatureFusion(256, 256)
            self.conv_out = _Head(256, 256)
            # Only trained with; here because the checkpoint has them.
            self.conv_out16 = _Head(128, 64)
            self.conv_out32 = _Head(128, 64)
        # Not in the state dict: the checkpoint has none of them.
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        parts = torch.tensor([PARTS.index(part) for _, part in CLASSES], dtype=torch.uint8)
        self.register_buffer("part_of_class", parts, persistent=False)
        self._loaded = False
        self.requires_grad_(False)
        self.eval()

    mean: Tensor
    std: Tensor
    part_of_class: Tensor

    def train(self, mode: bool = True) -> BiSeNet:
        """Stays in evaluation mode: batch statistics would make labels depend on the batch."""
        del mode
        return super().train(False)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As any module's; it labels from then on."""
        result = super().load_state_dict(state_dict, strict, assign)
        self._loaded = True
        return result

    def forward(self, images: Tensor) -> Tensor:
        """Judges pixels.

        Args:
            images: float32 ``(n, 3, h, w)``, normalised with ImageNet's mean and standard deviation.

        Returns:
            float32 ``(n, 19, h, w)``: logits of :data:`CLASSES`.
        """
        spatial, context = self.cp(images)
        logits = self.conv_out(self.ffm(spatial, context))
        # Corners aligned, as it was trained.
        return F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=True)

    def label(self, images: Tensor) -> Tensor:
        """See :meth:`FaceParser.label`.

        Raises:
            PluginError: It was given no weights.
        """
        if not self._loaded:
            raise PluginError("parser 'bisenet' comes without weights; give it a file: parameters = { weights = FILE }")
        labels = images.new_empty((len(images), *images.shape[-2:]), dtype=torch.uint8)
        with torch.no_grad():
            for index in range(len(images)):
                labels[index] = self._label(images[index : index + 1])[0]
        return labels

    def _label(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        scale = self.working / max(height, width)
        seen = _resize(
            image, max(_SMALLEST_SIDE_PIXELS, round(height * scale)), max(_SMALLEST_SIDE_PIXELS, round(width * scale))
        )
        logits = self((seen - self.mean) / self.std)
        return self.part_of_class[_resize(logits, height, width).argmax(1)]


def _resize(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bilinear", antialias=True, align_corners=False)


class _ConvBlock(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _AttentionRefinement(nn.Module):
    """Weighs channels by what the whole image holds (section 3.2, Fig. 2b)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _ConvBlock(inputs, outputs, 3)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv(x)
        attention: Tensor = self.bn_atten(self.conv_atten(features.mean((2, 3), keepdim=True)))
        return features * attention.sigmoid()


class _ContextPath(nn.Module):
    """ResNet-18 with its two deepest stages refined and brought up to an eighth of the image's size."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = resnet18(weights=None)
        # The checkpoint has no classifier.
        del self.resnet.fc, self.resnet.avgpool
        self.arm16 = _AttentionRefinement(256, 128)
        self.arm32 = _AttentionRefinement(512, 128)
        self.conv_head32 = _ConvBlock(128, 128, 3)
        self.conv_head16 = _ConvBlock(128, 128, 3)
        self.conv_avg = _ConvBlock(512, 128, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns ResNet's features and the context, both ``(n, 128, h / 8, w / 8)``."""
        net = self.resnet
        eighth = net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(images))))))
        sixteenth = net.layer3(eighth)
        deepest = net.layer4(sixteenth)
        everywhere = self.conv_avg(deepest.mean((2, 3), keepdim=True))
        context = self.arm32(deepest) + everywhere
        context = self.conv_head32(F.interpolate(context, size=sixteenth.shape[-2:], mode="nearest"))
        context = self.arm16(sixteenth) + context
        return eighth, self.conv_head16(F.interpolate(context, size=eighth.shape[-2:], mode="nearest"))


class _FeatureFusion(nn.Module):
    """Joins what the two paths saw, and adds the channels that matter once more (section 3.3, Fig. 2c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convblk = _ConvBlock(inputs, outputs, 1)
        self.conv1 = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        features: Tensor = self.convblk(torch.cat([spatial, context], 1))
        attention: Tensor = self.conv2(F.relu(self.conv1(features.mean((2, 3), keepdim=True))))
        return features + features * attention.sigmoid()


class _Head(nn.Module):
    """From features to the logits of the classes."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.conv = _ConvBlock(inputs, hidden, 3)
        self.conv_out = nn.Conv2d(hidden, len(CLASSES), 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))  # type: ignore[no-any-return]


__all__ = ["CLASSES", "BiSeNet"]
