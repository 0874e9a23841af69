"""What manipulations of faces are made of: landmarks, a mesh, a warp, masks, colours and blending."""

from fakeoff.generators.manipulation.blending import blend, match_colour, poisson_blend, recolour
from fakeoff.generators.manipulation.faces import GROUPS, FaceFinder, Faces
from fakeoff.generators.manipulation.masks import polygon_mask
from fakeoff.generators.manipulation.mesh import align, mean_face, move, triangles, with_ring
from fakeoff.generators.manipulation.regions import (
    face_mask,
    face_outline,
    face_width,
    lower_face_mask,
    mouth_mask,
    uncovered,
)
from fakeoff.generators.manipulation.warp import lookup, sample_at, warp

__all__ = [
    "GROUPS",
    "FaceFinder",
    "Faces",
    "align",
    "blend",
    "face_mask",
    "face_outline",
    "face_width",
    "lookup",
    "lower_face_mask",
    "match_colour",
    "mean_face",
    "mouth_mask",
    "move",
    "poisson_blend",
    "polygon_mask",
    "recolour",
    "sample_at",
    "triangles",
    "uncovered",
    "warp",
    "with_ring",
]
