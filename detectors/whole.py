"""What the paper's rivals share: networks that judge an image as a whole.

Chai et al., "What makes fake images detectable?", ECCV 2020, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors.trained import TrainedNetwork

_CENTRED = (0.5, 0.5, 0.5)


class WholeNetwork(TrainedNetwork):
    """A network from an image to the logits of real and fake, or to the one logit of fake.

    Adam with a constant rate and cross entropy; of one logit, binary cross entropy.

    Args:
        network: ``(n, 3, h, w)``, normalised, to ``(n, 2)`` or ``(n, 1)``.
        learning_rate: Adam's.
        mean: Of each channel in [0, 1]; taken off. By default the network sees [-1, 1].
        std: Of each channel; divided by.
    """

    least_side: int = 1
    """Height and width in pixels that an image must have for the network to come to a result."""

    def __init__(
        self,
        network: nn.Module,
        *,
        learning_rate: float,
        mean: Sequence[float] = _CENTRED,
        std: Sequence[float] = _CENTRED,
    ) -> None:
        super().__init__(learning_rate=learning_rate)
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def logits(self, images: Tensor) -> Tensor:
        """Judges images before the last non-linearity.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n,)``: the logarithm of the odds of fake, whose sigmoid is P(fake).

        Raises:
            ValueError: An image is smaller than :attr:`least_side`.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.least_side:
            raise ValueError(f"it judges images of {self.least_side} pixels a side or more, not of {height} x {width}")
        out: Tensor = self.network((images - self.mean) / self.std).float()
        # The softmax of two logits is the sigmoid of their difference.
        return out[:, 0] if out.shape[1] == 1 else out[:, 1] - out[:, 0]

    def score(self, images: Tensor) -> Tensor:
        return self.logits(images).sigmoid()

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The cross entropy against *real*, from the logits: its gradient does not vanish where a score is nearly 1."""
        return F.softplus(self.logits(images)).mean()

    def training_loss(self, images: Tensor, is_fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self.logits(images)
        return self.objective(logits, is_fake.float()), {"accuracy": (logits >= 0) == is_fake}

    def objective(self, logits: Tensor, truth: Tensor) -> Tensor:
        """How far judgements are from the truth: the mean cross entropy.

        Args:
            logits: float32 ``(n,)``, as :meth:`logits` returns them.
            truth: float32 ``(n,)``: 1 is fake, 0 is real.

        Returns:
            A scalar.
        """
        return F.binary_cross_entropy_with_logits(logits, truth)


__all__ = ["WholeNetwork"]
