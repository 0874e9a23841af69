"""What the authors' training code computes at every step beside the loss."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracies(logits: Tensor, is_fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three accuracies of a batch: of patches, of the patches' votes, of the mean patch.

    Args:
        logits: float32 ``(n, 2, h', w')``, real and fake.
        is_fake: bool ``(n,)``.

    Returns:
        Scalars in [0, 1].
    """
    with torch.no_grad():
        found = logits.argmax(1)
        of_patches = (found == is_fake.long().view(-1, 1, 1)).float().mean()
        of_votes = (torch.mode(found.flatten(1))[0] == is_fake).float().mean()
        of_mean = (logits.softmax(1).mean((2, 3)).argmax(1) == is_fake).float().mean()
    return of_patches, of_votes, of_mean
