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
    polygon_mask,
    sample_at,
    warp,
    with_ring,
)
from fakeoff.generators.manipulation.expression import like_lips, reenact, same_person
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
        strength: Annotated[float, Field(gt=0, le=3)] = 2.0,
    ) -> None:
        super().__init__(resolution=resolution)
        self.strength = strength

    def change(self, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        alike = same_person(reals, faces.found)
        wanted = reenact(faces, alike, sources, targets, strength=self.strength)
        points = wanted.points
        own, was = reals.images[targets], with_ring(faces.points[targets])
        to = torch.cat([points, was[:, points.shape[1] :]], 1)  # the ring stays where it is
        size = (own.shape[-2], own.shape[-1])
        places = lookup(was, to, size)
        drawn = sample_at(own, places)
        mouths = like_lips(wanted, alike[targets])
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


def _larger(outline: Tensor, scale: float) -> Tensor:
    middle = outline.mean(1, keepdim=True)
    return middle + scale * (outline - middle)


__all__ = ["Face2Face"]
