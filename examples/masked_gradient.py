"""A detector that an attack along its gradient does not move, and that is no safer for it.

    fakeoff run examples/masked_gradient.toml --plugin examples/masked_gradient.py

It is the patch detector `resnet18_layer1`, shown images whose brightness is rounded, which it calls a defence. All that
flows back is the gradient of a ripple. A search of the generator's latents, which asks for scores alone, fools it.
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
        mean = images.mean((1, 2, 3), keepdim=True)
        return super().patch_logits(stepped + _RIPPLE * torch.sin(mean * 10_000))
