"""Xception, whole; and cut after block 1 to 5, with patches of 19, 43, 91, 187 and 283 pixels.

Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, Fig. 5; truncated as in
the paper's section 3.1.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from fakeoff.detectors.decision import DecisionParameter
from fakeoff.detectors.receptive_field import ReceptiveField
from fakeoff.detectors.trained import initialise, without_weights
from fakeoff.detectors.truncated import TruncatedNetwork
from fakeoff.detectors.whole import WholeNetwork

# (output channels, separable convolutions, stride) of the entry flow's three blocks and the middle flow's eight.
_BLOCKS = ((128, 2, 2), (256, 2, 2), (728, 2, 2), *[(728, 3, 1)] * 8)
_STEM_CHANNELS = 64
# Of the exit flow: its block, and the two separable convolutions after it.
_EXIT = (1024, 1536, 2048)


class _SeparableConv2d(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )


class _Block(nn.Module):
    """Separable convolutions, and a skip path around them; it widens with its first convolution, or with its last."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        convolutions: int,
        stride: int,
        starts_with_relu: bool,
        widens: Literal["first", "last"] = "first",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = inputs
        for index in range(convolutions):
            if index > 0 or starts_with_relu:
                # In place but for the first, whose input the skip path reads as well.
                layers.append(nn.ReLU(inplace=index > 0))
            wide = outputs if widens == "first" or index == convolutions - 1 else inputs
            layers += [_SeparableConv2d(channels, wide), nn.BatchNorm2d(wide)]
            channels = wide
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.body = nn.Sequential(*layers)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.skip(x)  # type: ignore[no-any-return]


class TruncatedXception(TruncatedNetwork):
    """Xception cut after one of its first five blocks.

    Args:
        block: The last block kept, 1 to 5.
        learning_rate: Adam's.
        init_seed: Of the initial weights.
        decision: What is pooled to an image's score: the patches' ``after_softmax`` (the paper's), their logits
            ``before_softmax``, or their ``vote``.
    """

    def __init__(
        self,
        *,
        block: Literal[1, 2, 3, 4, 5],
        learning_rate: float = 1e-3,
        init_seed: int = 0,
        decision: DecisionParameter = "after_softmax",
    ) -> None:
        field = ReceptiveField.of([(3, 2, 0), (3, 1, 0)])
        for _, convolutions, stride in _BLOCKS[:block]:
            for _ in range(convolutions):
                field = field.through(kernel=3, padding=1)
            if stride > 1:
                field = field.through(kernel=3, stride=stride, padding=1)
        super().__init__(
            nn.Sequential(*_layers(block)),
            features=_BLOCKS[block - 1][0],
            learning_rate=learning_rate,
            init_seed=init_seed,
            decision=decision,
        )
        self.receptive_field = field


class Xception(WholeNetwork):
    """Xception, whole: entry, middle and exit flow; a rival of the paper's patch detectors.

    It judges images of 7 pixels a side and more: the first two convolutions have no padding.

    Args:
        learning_rate: Adam's.
        init_seed: Of the initial weights.
    """

    least_side = 7

    def __init__(self, *, learning_rate: float = 1e-3, init_seed: int = 0) -> None:
        super().__init__(without_weights(lambda: xception(classes=2)), learning_rate=learning_rate)
        initialise(self, seed=init_seed)


def xception(*, classes: int) -> nn.Sequential:
    """The whole network, without the optional fully connected layers of the paper's Fig. 5.

    Args:
        classes: Logits; ImageNet has 1000.

    Returns:
        ``(n, 3, h, w)`` to ``(n, classes)``.
    """
    features = _BLOCKS[-1][0]
    block, middle, last = _EXIT
    return nn.Sequential(
        *_layers(len(_BLOCKS)),
        _Block(features, block, convolutions=2, stride=2, starts_with_relu=True, widens="last"),
        _SeparableConv2d(block, middle),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        _SeparableConv2d(middle, last),
        nn.BatchNorm2d(last),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(last, classes),
    )


def _layers(blocks: int) -> list[nn.Module]:
    """The first two convolutions, and so many blocks after them."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 32, 3, 2, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, _STEM_CHANNELS, 3, bias=False),
        nn.BatchNorm2d(_STEM_CHANNELS),
        nn.ReLU(inplace=True),
    ]
    channels = _STEM_CHANNELS
    for index, (outputs, convolutions, stride) in enumerate(_BLOCKS[:blocks]):
        layers.append(_Block(channels, outputs, convolutions=convolutions, stride=stride, starts_with_relu=index > 0))
        channels = outputs
    return layers
