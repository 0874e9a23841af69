"""Reenacts faces by graphics: brows, eyes and mouth of the target move as the source's do. It does not learn.

After Face2Face (Thies et al., CVPR 2016) as FaceForensics++ plays it: the target keeps its identity and takes the
source's expression, and what is seen between its lips comes from other pictures of the same person. See
docs/generators.md for what is different here.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fakeoff.arena.images.batch import Batch
from fakeoff.generators.manipulation import (
    GROUPS,
    Faces,
    blend,
    face_mask,
    face_width,
    lookup,
    match_colour,
    move,
    polygon_mask,
    sample_at,
    warp,
    with_ring,
)
from fakeoff.generators.manipulation.expression import anchored, expression_of, neutral_shapes, shape_frames
from fakeoff.generators.manipulation.masks import pixel_centres, smooth_step
from fakeoff.generators.manipulation.player import SMALLEST, FaceManipulator

_LIPS_LARGER, _LIPS_FEATHER = 1.25, 0.08
_FACE_LARGER, _FACE_FEATHER = 1.2, 0.12
_MOVED = 0.25


class Face2Face(FaceManipulator):
    """Gives the target the source's expression; the person stays.

    Of both persons the other photographs of the same split say how the face is at rest. The mouth is drawn from the one
    of the target person's photographs whose lips are most like the wanted ones. Where there are no others
    (:meth:`manipulate`), the face at rest is half way to the mean face, and the mouth is the target's own.

    Args:
        resolution: Height and width in pixels.
        strength: How much of the expression is transferred: 1 is as landmarks show it, which are drawn towards the
            mean face and show half of what moved.
    """

    def __init__(
        self,
        *,
        resolution: Annotated[int, Field(ge=SMALLEST)] = 64,
        strength: Annotated[float, Field(gt=0, le=3)] = 1.5,
    ) -> None:
        super().__init__(resolution=resolution)
        self.strength = strength

    def change(self, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        frames = shape_frames(faces.points)
        shapes = move(faces.points, frames)
        alike = _same_person(reals, faces.found)
        rest = neutral_shapes(shapes, alike)
        expressions = expression_of(shapes, rest)
        wanted = shapes[targets] + self.strength * (expressions[sources] - expressions[targets])
        points = _back(wanted, frames[targets])
        own, was = reals.images[targets], with_ring(faces.points[targets])
        to = torch.cat([points, was[:, points.shape[1] :]], 1)  # the ring stays where it is
        size = (own.shape[-2], own.shape[-1])
        places = lookup(was, to, size)
        drawn = sample_at(own, places)
        mouths = _like_lips(wanted, shapes, alike[targets])
        width = face_width(points)
        lips = _larger(points[:, GROUPS["outer_lips"]], _LIPS_LARGER)
        around = polygon_mask(lips, size, feather=_LIPS_FEATHER * width) * (mouths != targets)[:, None, None, None]
        mouth = warp(reals.images[mouths], with_ring(faces.points[mouths]), with_ring(points))
        drawn = blend(match_colour(mouth, drawn, face_mask(faces[targets])), drawn, around)
        mask = torch.maximum(around, _moved(places, faces.points[targets], width))
        return Batch(images=blend(drawn, own, mask), mask=mask)


def _moved(places: Tensor, points: Tensor, width: Tensor) -> Tensor:
    """Masks of what moved, within and a little around the face."""
    size = (places.shape[1], places.shape[2])
    distance = (places - pixel_centres(size, device=places.device).reshape(*size, 2)).norm(dim=-1)
    inside = polygon_mask(_larger(points[:, GROUPS["oval"]], _FACE_LARGER), size, feather=_FACE_FEATHER * width)
    return inside * smooth_step(distance[:, None] / _MOVED)


def _same_person(reals: Batch, found: Tensor) -> Tensor:
    """Which photographs may be used with which: of the same person and split, with a face; bool ``(n, n)``."""
    alone = torch.eye(len(reals), dtype=torch.bool, device=found.device)
    if reals.person is None or reals.split is None:
        return alone
    person, split = reals.person.to(found.device), reals.split.to(found.device)
    return alone | ((person[:, None] == person) & (split[:, None] == split) & found)


def _like_lips(wanted: Tensor, shapes: Tensor, usable: Tensor) -> Tensor:
    """The places of the usable photographs whose lips are most like the wanted ones."""
    lips = slice(GROUPS["outer_lips"].start, GROUPS["inner_lips"].stop)
    difference = anchored(wanted)[:, None, lips] - anchored(shapes)[None, :, lips]
    return difference.square().sum((2, 3)).masked_fill(~usable, torch.inf).argmin(1)


def _back(shapes: Tensor, frames: Tensor) -> Tensor:
    """Undoes :func:`move`."""
    points: Tensor = torch.linalg.solve(frames[..., :2], (shapes - frames[..., 2:].mT).mT)
    return points.mT


def _larger(outline: Tensor, scale: float) -> Tensor:
    middle = outline.mean(1, keepdim=True)
    return middle + scale * (outline - middle)


__all__ = ["Face2Face"]
