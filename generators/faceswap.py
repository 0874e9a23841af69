"""Swaps faces by graphics: the landmarks of two photographs, a warp, colours and Poisson blending. It does not learn.

After the FaceSwap of FaceForensics++ (Rössler et al., ICCV 2019, section 3; Kowalski's FaceSwap), which fits a 3D model
to the landmarks of a video; see docs/generators.md for what is different here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fakeoff.arena.images.batch import Batch
from fakeoff.generators.manipulation import (
    Faces,
    blend,
    face_mask,
    face_width,
    match_colour,
    mouth_mask,
    poisson_blend,
    uncovered,
    warp,
    with_ring,
)
from fakeoff.generators.manipulation.player import SMALLEST, FaceManipulator

_MOUTH_FEATHER = 0.03


class FaceSwap(FaceManipulator):
    """Puts the source's face onto the target: its features and skin, in the target's pose, expression and light.

    The target's hair and what hangs over its face stay, and so does what is seen between its lips.

    Args:
        resolution: Height and width in pixels.
        blending: How the face is put in: ``poisson``, without a seam, or ``feathered``, by the mask's share alone.
    """

    def __init__(
        self,
        *,
        resolution: Annotated[int, Field(ge=SMALLEST)] = 64,
        blending: Literal["poisson", "feathered"] = "poisson",
    ) -> None:
        super().__init__(resolution=resolution)
        self.blending = blending

    def change(self, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        given, taken = faces[sources], faces[targets]
        shown = torch.cat([reals.images[sources], uncovered(given)], 1)
        drawn, bare = warp(shown, with_ring(given.points), with_ring(taken.points)).split([3, 1], 1)
        own = reals.images[targets]
        size = (own.shape[-2], own.shape[-1])
        mouth = mouth_mask(taken.points, size, feather=_MOUTH_FEATHER * face_width(taken.points))
        mask = face_mask(taken) * bare * (1 - mouth)
        blended = poisson_blend if self.blending == "poisson" else blend
        return Batch(images=blended(match_colour(drawn, own, mask), own, mask), mask=mask)


__all__ = ["FaceSwap"]
