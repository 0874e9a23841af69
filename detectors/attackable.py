"""Whether an attack could follow a detector: tried by the arena before an attack, and by the contract."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.arena.errors import one_line
from fakeoff.detectors.interface import Detector

ZERO_GRADIENT = "the gradient of its evasion_loss is zero"
"""Of a detector that says that a gradient flows."""


def why_not_attackable(detector: Detector, images: Tensor) -> str:
    """Tries whether an attack could follow a detector: whether a gradient flows from its evasion loss to the images.

    Args:
        detector: As it would stand before an attack: its weights are frozen for the trial.
        images: float32 ``(n, 3, h, w)`` in [0, 1], where its weights lie.

    Returns:
        What stands in the way; empty where nothing does.
    """
    if not detector.differentiable:
        return "it says of itself that it is not differentiable"
    detector.eval()
    asked = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    images = images.detach().clone().requires_grad_()
    try:
        detector.requires_grad_(False)
        loss = detector.evasion_loss(images)
        if not isinstance(loss, Tensor) or loss.ndim:
            return "evasion_loss does not give a scalar tensor"
        if not loss.requires_grad:
            return "no gradient flows from its evasion_loss to the images"
        (gradient,) = torch.autograd.grad(loss, images, allow_unused=True)
    except Exception as error:
        return f"evasion_loss raised {one_line(error)}"
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)
    if gradient is None:
        return "no gradient flows from its evasion_loss to the images"
    if not gradient.isfinite().all():
        return "the gradient of its evasion_loss is not finite"
    return "" if gradient.any() else ZERO_GRADIENT


__all__ = ["ZERO_GRADIENT", "why_not_attackable"]
