"""A fixed triangulation of the face: which landmarks are neighbours, whoever it is and whatever the expression.

Its triangles are the Delaunay triangulation of the mean face, so that every face has the same ones and a warp from one
to another is piecewise affine. Around the landmarks lies a ring of as many points as the oval has: what a warp may
move outside of the face.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import torch
from scipy.spatial import Delaunay
from torch import Tensor

from fakeoff.arena.parsers import LANDMARKS

_MEAN_FACE = Path(__file__).with_name("mean-face.json")
_RING = 1.35

N_LANDMARKS = sum(LANDMARKS.values())
"""How many landmarks a face has."""


@functools.cache
def mean_face() -> Tensor:
    """The mean shape of the landmarks of ORL's 28 training people, both halves alike.

    Returns:
        float32 ``(146, 2)``: x and y in pixels of an image of one pixel; see ``scripts/mean_face.py``.
    """
    return torch.tensor(json.loads(_MEAN_FACE.read_text()), dtype=torch.float32)


def with_ring(points: Tensor, *, scale: float = _RING) -> Tensor:
    """Adds the ring around a face: its oval, enlarged about the oval's middle.

    Args:
        points: float32 ``(n, 146, 2)``.
        scale: By how much.

    Returns:
        float32 ``(n, 182, 2)``: the mesh's points.
    """
    oval = points[:, : LANDMARKS["oval"]]
    middle = oval.mean(1, keepdim=True)
    return torch.cat([points, middle + scale * (oval - middle)], 1)


@functools.cache
def triangles() -> Tensor:
    """The triangles of the mesh.

    Returns:
        int64 ``(t, 3)``: places among the 182 points of :func:`with_ring`.
    """
    return torch.from_numpy(Delaunay(with_ring(mean_face()[None])[0].double().numpy()).simplices).long()


def align(points: Tensor, to: Tensor) -> Tensor:
    """The similarity (turn, size, place) that brings shapes nearest to others, in least squares.

    Umeyama 1991 in two dimensions, where it is one complex division.

    Args:
        points: float32 ``(n, k, 2)``.
        to: float32 ``(n, k, 2)``, or ``(k, 2)`` for all.

    Returns:
        float32 ``(n, 2, 3)``: for :func:`move`.
    """
    middle, other = points.mean(-2, keepdim=True), to.mean(-2, keepdim=True)
    x, y = (points - middle).unbind(-1)
    u, v = (to - other).unbind(-1)
    size = (x * x + y * y).sum(-1).clamp(min=1e-12)
    cos, sin = (x * u + y * v).sum(-1) / size, (x * v - y * u).sum(-1) / size
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return torch.cat([turn, (other - middle @ turn.mT).mT], -1)


def move(points: Tensor, by: Tensor) -> Tensor:
    """Moves points by affine maps.

    Args:
        points: float32 ``(n, k, 2)``.
        by: float32 ``(n, 2, 3)``.
    """
    return points @ by[..., :2].mT + by[..., 2:].mT


__all__ = ["N_LANDMARKS", "align", "mean_face", "move", "triangles", "with_ring"]
