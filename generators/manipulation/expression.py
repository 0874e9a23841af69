"""Expressions: how far brows, eyes and mouth of a face are from where they are at rest.

All shapes here lie in the frame of the mean face: turn, size and place are taken away by the points that no expression
moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fakeoff.arena.images.batch import Batch
from fakeoff.generators.manipulation.faces import GROUPS, Faces
from fakeoff.generators.manipulation.mesh import N_LANDMARKS, align, mean_face, move

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Reenacted:
    """Where the landmarks of targets shall lie.

    Attributes:
        points: float32 ``(k, 146, 2)``: in pixels of each target.
        shapes: float32 ``(k, 146, 2)``: the same in the mean face's frame.
        known: float32 ``(n, 146, 2)``: the shapes of all photographs.
    """

    points: Tensor
    shapes: Tensor
    known: Tensor


def reenact(
    faces: Faces,
    alike: Tensor,
    sources: Tensor,
    targets: Tensor,
    *,
    strength: float,
    groups: Sequence[str] = tuple(GROUPS),
) -> Reenacted:
    """Moves the landmarks of targets as far from where they are at rest as those of sources are.

    Args:
        faces: Of all photographs.
        alike: bool ``(n, n)``: which show the same person and may be used together (:func:`same_person`).
        sources: int64 ``(k,)``: places of those whose expression is wanted.
        targets: int64 ``(k,)``: places of those that are changed.
        strength: 1 transfers an expression as the landmarks show it.
        groups: What moves.
    """
    frames = shape_frames(faces.points)
    shapes = move(faces.points, frames)
    expressions = expression_of(shapes, neutral_shapes(shapes, alike))
    moves = torch.zeros_like(shapes[0])
    for group in groups:
        moves[GROUPS[group]] = strength
    wanted = shapes[targets] + moves * (expressions[sources] - expressions[targets])
    return Reenacted(points=_back(wanted, frames[targets]), shapes=wanted, known=shapes)


def same_person(reals: Batch, found: Tensor) -> Tensor:
    """Which photographs may be used with which: of the same person and split, with a face; bool ``(n, n)``.

    Args:
        reals: Where person or split is not known, each is alone.
        found: bool ``(n,)``: whether there is a face.
    """
    alone = torch.eye(len(reals), dtype=torch.bool, device=found.device)
    if reals.person is None or reals.split is None:
        return alone
    person, split = reals.person.to(found.device), reals.split.to(found.device)
    return alone | ((person[:, None] == person) & (split[:, None] == split) & found)


def like_lips(wanted: Reenacted, usable: Tensor) -> Tensor:
    """The places of the usable photographs whose lips are most like the wanted ones, int64 ``(k,)``.

    Args:
        wanted: What is wanted.
        usable: bool ``(k, n)``, at least one for each.
    """
    difference = anchored(wanted.shapes)[:, None, _LIPS] - anchored(wanted.known)[None, :, _LIPS]
    return difference.square().sum((2, 3)).masked_fill(~usable, torch.inf).argmin(1)


def _back(shapes: Tensor, frames: Tensor) -> Tensor:
    """Undoes :func:`move`."""
    points: Tensor = torch.linalg.solve(frames[..., :2], (shapes - frames[..., 2:].mT).mT)
    return points.mT


def _upper_lip(shapes: Tensor) -> Tensor:
    """The middle of the upper half of the lips."""
    lips = mean_face()[GROUPS["outer_lips"]]
    upper = (lips[:, 1] <= lips[:, 1].mean()).to(shapes.device)
    return shapes[:, GROUPS["outer_lips"]][:, upper].mean(1, keepdim=True)


__all__ = [
    "Reenacted",
    "anchored",
    "expression_of",
    "like_lips",
    "neutral_shapes",
    "reenact",
    "same_person",
    "shape_frames",
]
