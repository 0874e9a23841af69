"""What the paper's patch detectors share: a backbone cut short, a 1x1 head, and how they are trained.

Chai et al., "What makes fake images detectable?", ECCV 2020, section 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Plan
from fakeoff.detectors.decision import Decision
from fakeoff.detectors.interface import PatchDetector

_XAVIER_GAIN = 0.02


class TruncatedNetwork(PatchDetector):
    """A backbone cut after an early block, with a 1x1 convolution to the logits of real and fake.

    Adam with a constant rate, cross entropy on every patch (Eq. 1), Xavier initialisation with gain 0.02, no
    pretraining.

    Args:
        backbone: ``(n, 3, h, w)`` in [-1, 1] to ``(n, features, h', w')``.
        features: The backbone's output channels.
        learning_rate: Adam's.
        init_seed: Of the initial weights.
        decision: What is pooled to an image's score: ``after_softmax`` (Eq. 2), ``before_softmax`` or ``vote``.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        features: int,
        learning_rate: float,
        init_seed: int,
        decision: Decision = "after_softmax",
    ) -> None:
        super().__init__()
        self.decision = decision
        self.backbone = backbone
        self.head = nn.Conv2d(features, 2, 1)
        self.learning_rate = learning_rate
        self._optimiser: torch.optim.Adam | None = None
        _initialise(self, rng=torch.Generator().manual_seed(init_seed))

    def patch_logits(self, images: Tensor) -> Tensor:
        """Judges patches before the softmax; float32 ``(n, 2, h', w')``, real and fake."""
        logits: Tensor = self.head(self.backbone(images * 2 - 1))
        return logits.float()

    def patch_scores(self, images: Tensor) -> Tensor:
        return self.patch_logits(images).softmax(1)[:, 1]

    def evasion_loss(self, images: Tensor) -> Tensor:
        # From the logits: its gradient does not vanish where a score is nearly 1.
        logits = self.patch_logits(images)
        return F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.parameters(), lr=plan.rate or self.learning_rate)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        images, is_fake = batch.images, batch.labels
        if self._optimiser is None:
            self._optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        # Horizontal flips, the paper's only augmentation.
        flip = (torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5).to(images.device)
        logits = self.patch_logits(torch.where(flip, images.flip(-1), images))
        truth = is_fake.to(images.device).long().view(-1, 1, 1).expand(len(images), *logits.shape[-2:])
        loss = F.cross_entropy(logits, truth)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item(), "patch_accuracy": (logits.argmax(1) == truth).float().mean().item()}


def _initialise(module: nn.Module, *, rng: torch.Generator) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight, gain=_XAVIER_GAIN, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, _XAVIER_GAIN, generator=rng)
            nn.init.zeros_(layer.bias)
