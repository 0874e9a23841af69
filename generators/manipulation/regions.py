"""Which pixels of a photograph a manipulation changes: soft masks made of landmarks and parts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.parsers import PARTS
from fakeoff.generators.manipulation.faces import GROUPS, Faces
from fakeoff.generators.manipulation.masks import polygon_mask, smooth_step
from fakeoff.generators.manipulation.mesh import mean_face

_FEATHER, _HAIR = 0.12, 0.05
_BROW_TO_TOP = 0.5
_TIP = 0.3  # of a nose's height
_OPEN = 0.08
"""Height of what is between the lips, over its width, up to which a mouth is closed; at twice that it is open."""
_COVERS = torch.tensor([PARTS.index(part) for part in ("hair", "hat", "background", "clothes")], dtype=torch.uint8)


def face_width(points: Tensor) -> Tensor:
    """How wide faces are: the square root of the area of their oval's box, in pixels.

    Args:
        points: float32 ``(n, 146, 2)``.

    Returns:
        float32 ``(n,)``.
    """
    oval = points[:, GROUPS["oval"]]
    return (oval.amax(1) - oval.amin(1)).prod(-1).clamp(min=1).sqrt()


def face_outline(points: Tensor) -> Tensor:
    """The outline of what is swapped: the oval, lowered to half way between the brows and its top.

    The upper half of a forehead is mostly hair, and a fringe would be cut in two.

    Args:
        points: float32 ``(n, 146, 2)``.

    Returns:
        float32 ``(n, 36, 2)``.
    """
    oval = points[:, GROUPS["oval"]]
    brows = torch.cat([points[:, GROUPS[f"{side}_brow"]] for side in ("right", "left")], 1).mean(1, keepdim=True)
    eyes = torch.cat([points[:, GROUPS[f"{side}_eye"]] for side in ("right", "left")], 1).mean(1, keepdim=True)
    up = F.normalize(brows - eyes, dim=-1, eps=1e-3)
    height = ((oval - brows) * up).sum(-1, keepdim=True)
    return oval - up * height.clamp(min=0) * (1 - _BROW_TO_TOP)


def face_mask(faces: Faces, *, feather: float = _FEATHER) -> Tensor:
    """Masks of faces, without what hangs over them.

    Args:
        faces: Of the photographs that are changed.
        feather: Over what share of the face's width they grow from 0 to 1.

    Returns:
        float32 ``(n, 1, h, w)`` in [0, 1], 0 outside of the face.
    """
    size = (faces.parts.shape[-2], faces.parts.shape[-1])
    width = face_width(faces.points)
    return polygon_mask(face_outline(faces.points), size, feather=feather * width) * uncovered(faces)


def lower_face_mask(points: Tensor, size: tuple[int, int], *, feather: float = _FEATHER) -> Tensor:
    """Masks of the lower face: mouth, chin and cheeks, from the tip of the nose to the oval's edge.

    Args:
        points: float32 ``(n, 146, 2)``.
        size: Height and width.
        feather: Over what share of the face's width they grow from 0 to 1.

    Returns:
        float32 ``(n, 1, h, w)`` in [0, 1].
    """
    nose, oval = mean_face()[GROUPS["nose"], 1], mean_face()[GROUPS["oval"], 1]
    lower = (oval > nose.max() - _TIP * (nose.max() - nose.min())).nonzero().squeeze(1)
    gap = int(lower.diff().argmax()) + 1 if (lower.diff() > 1).any() else 0
    outline = points[:, GROUPS["oval"]][:, lower.roll(-gap)]
    return polygon_mask(outline, size, feather=feather * face_width(points))


def uncovered(faces: Faces) -> Tensor:
    """Where no hair, hat, background or clothes lie, falling to 0 softly at their edge; float32 ``(n, 1, h, w)``."""
    covers = torch.isin(faces.parts, _COVERS.to(faces.parts.device)).float()[:, None]
    reach = 2 * max(1, round(_HAIR * min(covers.shape[-2:]) / 2)) + 1
    near = F.avg_pool2d(covers, reach, stride=1, padding=reach // 2, count_include_pad=False)
    return smooth_step(1 - 2 * near)


def mouth_mask(points: Tensor, size: tuple[int, int], *, feather: Tensor | float = 0.0) -> Tensor:
    """Masks of what lies between the lips; nothing of a mouth that is closed.

    Args:
        points: float32 ``(n, 146, 2)``.
        size: Height and width.
        feather: In pixels, one number or ``(n,)``.

    Returns:
        float32 ``(n, 1, h, w)`` in [0, 1].
    """
    inner = points[:, GROUPS["inner_lips"]]
    width, height = (inner.amax(1) - inner.amin(1)).unbind(-1)
    is_open = smooth_step(height / width.clamp(min=1) / _OPEN - 1)
    return polygon_mask(inner, size, feather=feather) * is_open[:, None, None, None]


__all__ = ["face_mask", "face_outline", "face_width", "lower_face_mask", "mouth_mask", "uncovered"]
