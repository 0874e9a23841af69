"""Xception cut after block 1 to 5: patches of 19, 43, 91, 187 and 283 pixels.

Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, Fig. 5; truncated as in
the paper's section 3.1.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from fakeoff.detectors.decision import DecisionParameter
from fakeoff.detectors.receptive_field import ReceptiveField
from fakeoff.detectors.truncated import TruncatedNetwork

# (output channels, separable convolutions, stride) of the entry flow's three blocks and the first of the middle.
_BLOCKS = ((128, 2, 2), (256, 2, 2), (728, 2, 2), (728, 3, 1), (728, 3, 1))
_STEM_CHANNELS = 64


class _SeparableConv2d(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )


class _Block(nn.Module):
    """Separable convolutions, and a skip path around them."""

    def __init__(self, inputs: int, outputs: int, *, convolutions: int, stride: int, starts_with_relu: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = inputs
        for index in range(convolutions):
            if index > 0 or starts_with_relu:
                # In place but for the first, whose input the skip path reads as well.
                layers.append(nn.ReLU(inplace=index > 0))
            layers += [_SeparableConv2d(channels, outputs), nn.BatchNorm2d(outputs)]
            channels = outputs
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
        layers: list[nn.Module] = [
            nn.Conv2d(3, 32, 3, 2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, _STEM_CHANNELS, 3, bias=False),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.ReLU(inplace=True),
        ]
        field = ReceptiveField.of([(3, 2, 0), (3, 1, 0)])
        channels = _STEM_CHANNELS
        for index, (outputs, convolutions, stride) in enumerate(_BLOCKS[:block]):
            layers.append(
                _Block(channels, outputs, convolutions=convolutions, stride=stride, starts_with_relu=index > 0)
            )
            channels = outputs
            for _ in range(convolutions):
                field = field.through(kernel=3, padding=1)
            if stride > 1:
                field = field.through(kernel=3, stride=stride, padding=1)
        super().__init__(
            nn.Sequential(*layers),
            features=channels,
            learning_rate=learning_rate,
            init_seed=init_seed,
            decision=decision,
        )
        self.receptive_field = field
