"""What the paper's patch detectors share: a backbone cut short, and a 1x1 head.

Chai et al., "What makes fake images detectable?", ECCV 2020, section 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors.decision import Decision
from fakeoff.detectors.interface import PatchDetector
from fakeoff.detectors.trained import TrainedNetwork, initialise


class TruncatedNetwork(TrainedNetwork, PatchDetector):
    """A backbone cut after an early block, with a 1x1 convolution to the logits of real and fake.

    Adam with a constant rate, cross entropy on every patch (Eq. 1), Xavier initialisation with gain 0.02, no
    pretraining.

    Args:
        backbone: ``(n, 3, h, w)`` in [-1, 1] to ``(n, features, h', w')``.
        features: The backbone's output channels.
        learning_rate: Adam's.
        init_seed: Of the initial weights; None leaves them as they are.
        decision: What is pooled to an image's score: ``after_softmax`` (Eq. 2), ``before_softmax`` or ``vote``.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        features: int,
        learning_rate: float,
        init_seed: int | None,
        decision: Decision = "after_softmax",
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.decision = decision
        self.backbone = backbone
        self.head = nn.Conv2d(features, 2, 1)
        if init_seed is not None:
            initialise(self, seed=init_seed)

    def patch_logits(self, images: Tensor) -> Tensor:
        """Judges patches before the softmax; float32 ``(n, 2, h', w')``, real and fake."""
        logits: Tensor = self.head(self.backbone(self.centred(images)))
        return logits.float()

    def centred(self, images: Tensor) -> Tensor:
        """Images as the backbone sees them: by default from [0, 1] to [-1, 1]."""
        return images * 2 - 1

    def patch_scores(self, images: Tensor) -> Tensor:
        return self.patch_logits(images).softmax(1)[:, 1]

    def evasion_loss(self, images: Tensor) -> Tensor:
        # From the logits: its gradient does not vanish where a score is nearly 1.
        logits = self.patch_logits(images)
        return F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))

    def training_loss(self, images: Tensor, is_fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self.patch_logits(images)
        truth = is_fake.long().view(-1, 1, 1).expand(len(images), *logits.shape[-2:])
        return F.cross_entropy(logits, truth), {"patch_accuracy": logits.argmax(1) == truth}
