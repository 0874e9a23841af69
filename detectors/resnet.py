"""ResNet-18 cut after layer1: patches of 43 pixels.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; truncated as in the paper's section 3.1.
"""

from __future__ import annotations

from torch import nn

from fakeoff.arena.seeds import sealed
from fakeoff.detectors.decision import DecisionParameter
from fakeoff.detectors.receptive_field import ReceptiveField
from fakeoff.detectors.truncated import TruncatedNetwork


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
        with sealed("import", "torchvision"):  # here: it imports half of a compiler, which takes two seconds
            from torchvision.models import resnet18

        whole = resnet18(weights=None)
        backbone = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool, whole.layer1)
        super().__init__(backbone, features=64, learning_rate=learning_rate, init_seed=init_seed, decision=decision)
