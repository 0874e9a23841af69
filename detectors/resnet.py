"""ResNet-18, whole; and cut after layer1, with patches of 43 pixels.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; truncated as in the paper's section 3.1.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from fakeoff.arena.seeds import sealed
from fakeoff.detectors.decision import DecisionParameter
from fakeoff.detectors.receptive_field import ReceptiveField
from fakeoff.detectors.trained import initialise, without_weights
from fakeoff.detectors.truncated import TruncatedNetwork
from fakeoff.detectors.whole import WholeNetwork


class TruncatedResNet18(TruncatedNetwork):
    """ResNet-18 cut after layer1.

    Args:
        learning_rate: Adam's.
        init_seed: Of the initial weights.
        decision: What is pooled to an image's score: the patches' ``after_softmax`` (the paper's), their logits
            ``before_softmax``, or their ``vote``.
    """

    # conv1, maxpool, then two basic blocks of two convolutions: (kernel, stride, padding)
    receptive_field = ReceptiveField.of([(7, 2, 3), (3, 2, 1), *[(3, 1, 1)] * 4])

    def __init__(
        self, *, learning_rate: float = 1e-3, init_seed: int = 0, decision: DecisionParameter = "after_softmax"
    ) -> None:
        whole = _resnet18(classes=1000)
        backbone = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool, whole.layer1)
        super().__init__(backbone, features=64, learning_rate=learning_rate, init_seed=init_seed, decision=decision)


class ResNet18(WholeNetwork):
    """ResNet-18, whole: a rival of the paper's patch detectors.

    It judges images of any size; one of less than 32 pixels a side is less than a step of its last map.

    Args:
        learning_rate: Adam's.
        init_seed: Of the initial weights.
    """

    def __init__(self, *, learning_rate: float = 1e-3, init_seed: int = 0) -> None:
        super().__init__(without_weights(lambda: _resnet18(classes=2)), learning_rate=learning_rate)
        initialise(self, seed=init_seed)


def _resnet18(*, classes: int) -> Any:
    with sealed("import", "torchvision"):  # here: it imports half of a compiler, which takes two seconds
        from torchvision.models import resnet18

    return resnet18(weights=None, num_classes=classes)
