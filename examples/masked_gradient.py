"""Detectors that an attack along their gradient does not move, and that are no safer for it.

    fakeoff run examples/masked_gradient.toml --plugin examples/masked_gradient.py

Both are the patch detector `resnet18_layer1`. One shows its network images whose brightness is rounded, which it calls
a defence: what flows back is the gradient of a ripple. The other gives scores and no gradient at all. A search of the
generator's latents, which asks for scores alone, fools both.
"""

import torch
from torch import Tensor

from fakeoff.detectors import register
from fakeoff.detectors.resnet import TruncatedResNet18

_LEVELS = 64
_RIPPLE = 1e-4


@register("stepped_resnet18_layer1")
class SteppedResNet18(TruncatedResNet18):
    """`resnet18_layer1` of images in 64 steps of brightness, with a ripple that is too small to see.

    Args:
        learning_rate: Adam's.
        init_seed: Of the initial weights.
    """

    def patch_logits(self, images: Tensor) -> Tensor:
        stepped = (images * _LEVELS).round() / _LEVELS  # its gradient is zero
        return super().patch_logits(stepped + _RIPPLE * torch.sin(images * 500))


@register("black_box_resnet18_layer1")
class BlackBoxResNet18(TruncatedResNet18):
    """`resnet18_layer1` behind a counter: it hands out scores.

    Args:
        learning_rate: Adam's.
        init_seed: Of the initial weights.
    """

    differentiable = False
