"""Expressions: how far brows, eyes and mouth of a face are from where they are at rest.

All shapes here lie in the frame of the mean face: turn, size and place are taken away by the points that no expression
moves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.generators.manipulation.faces import GROUPS
from fakeoff.generators.manipulation.mesh import N_LANDMARKS, align, mean_face

_RIGID = torch.cat([torch.arange(N_LANDMARKS)[GROUPS[name]] for name in ("nose", "right_eye", "left_eye")])
_LIPS = slice(GROUPS["outer_lips"].start, GROUPS["inner_lips"].stop)
_EYES = {"right_eye": "right_brow", "left_eye": "left_brow"}
_JAW = 0.8


def shape_frames(points: Tensor) -> Tensor:
    """What brings faces into the frame of the mean face, by their eyes and nose; for :func:`move`.

    Args:
        points: float32 ``(n, 146, 2)``.

    Returns:
        float32 ``(n, 2, 3)``.
    """
    return align(points[:, _RIGID], mean_face().to(points)[_RIGID])


def neutral_shapes(shapes: Tensor, alike: Tensor) -> Tensor:
    """Faces at rest: the mean of all shapes of a person, drawn towards the mean face where there are few.

    Of k photographs, the mean face counts as one more.

    Args:
        shapes: float32 ``(n, 146, 2)``, in the mean face's frame.
        alike: bool ``(n, n)``: which show the same person.

    Returns:
        float32 ``(n, 146, 2)``.
    """
    weights = alike.to(shapes.dtype)
    total = torch.einsum("ij,jkc->ikc", weights, shapes) + mean_face().to(shapes)
    return total / (weights.sum(1)[:, None, None] + 1)


def anchored(shapes: Tensor) -> Tensor:
    """Shapes with each feature by itself: eyes about their middle, brows about their eye's, lips about the upper lip's.

    So neither a turned head nor where on its face somebody has the mouth is taken for an expression.

    Args:
        shapes: float32 ``(n, 146, 2)``, or differences of such.

    Returns:
        float32 ``(n, 146, 2)``; 0 for oval and nose, which have no expression of their own.
    """
    moved = torch.zeros_like(shapes)
    for eye, brow in _EYES.items():
        middle = shapes[:, GROUPS[eye]].mean(1, keepdim=True)
        moved[:, GROUPS[eye]] = shapes[:, GROUPS[eye]] - middle
        brows = shapes[:, GROUPS[brow]] - middle
        # Only up and down: sideways a brow goes with the head.
        across = brows[..., :1].mean(1, keepdim=True)
        moved[:, GROUPS[brow]] = torch.cat([brows[..., :1] - across, brows[..., 1:]], -1)
    upper = _upper_lip(shapes)
    moved[:, _LIPS] = shapes[:, _LIPS] - upper
    return moved


def expression_of(shapes: Tensor, rest: Tensor) -> Tensor:
    """How far each point is from where it is at rest; the chin goes with the lower lip.

    Args:
        shapes: float32 ``(n, 146, 2)``, in the mean face's frame.
        rest: Likewise: of the same persons.

    Returns:
        float32 ``(n, 146, 2)``.
    """
    moved = anchored(shapes - rest)
    lips, oval = mean_face().to(shapes)[_LIPS], mean_face().to(shapes)[GROUPS["oval"]]
    lower = lips[:, 1] > lips[:, 1].mean()
    dropped = moved[:, _LIPS][:, lower, 1].mean(1)
    share = ((oval[:, 1] - lips[:, 1].mean()) / (oval[:, 1].max() - lips[:, 1].mean())).clamp(0, 1)
    moved[:, GROUPS["oval"], 1] = _JAW * share * dropped[:, None]
    return moved


def _upper_lip(shapes: Tensor) -> Tensor:
    """The middle of the upper half of the lips."""
    lips = mean_face()[GROUPS["outer_lips"]]
    upper = (lips[:, 1] <= lips[:, 1].mean()).to(shapes.device)
    return shapes[:, GROUPS["outer_lips"]][:, upper].mean(1, keepdim=True)


__all__ = ["anchored", "expression_of", "neutral_shapes", "shape_frames"]
