"""A piecewise affine warp over the mesh of a face, differentiable in the pixels and in both shapes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.generators.manipulation.masks import pixel_centres
from fakeoff.generators.manipulation.mesh import triangles

_AT_A_TIME = 200_000  # what fits a core's cache
_THIN = 1e-6


def warp(images: Tensor, shapes: Tensor, to: Tensor) -> Tensor:
    """Draws faces in other shapes: the content of each triangle of ``shapes`` where ``to`` has that triangle.

    Where ``to`` has no triangle, an image stays as it was. Every shape onto itself gives the image back.

    Args:
        images: float32 ``(n, c, h, w)``.
        shapes: float32 ``(n, 182, 2)``: where the points of the mesh lie in them (:func:`with_ring`), x and y in
            pixels.
        to: Likewise, where they shall lie.

    Returns:
        float32 ``(n, c, h, w)``; bilinear, and beyond the image its border.
    """
    return sample_at(images, lookup(shapes, to, (images.shape[-2], images.shape[-1])))


def sample_at(images: Tensor, places: Tensor) -> Tensor:
    """The values of images at given places, bilinear, and beyond the image those of its border.

    Args:
        images: float32 ``(n, c, h, w)``.
        places: float32 ``(n, h', w', 2)``: x and y in pixels, as of :func:`lookup`.

    Returns:
        float32 ``(n, c, h', w')``.
    """
    sides = places.new_tensor([images.shape[-1], images.shape[-2]])
    return F.grid_sample(images, places / sides * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False)


def lookup(shapes: Tensor, to: Tensor, size: tuple[int, int]) -> Tensor:
    """From where a warp takes each pixel: by its barycentric coordinates in the triangle of ``to`` that it lies in.

    Args:
        shapes: float32 ``(n, 182, 2)``, in pixels.
        to: float32 ``(n, 182, 2)``, in pixels.
        size: Height and width of what is drawn.

    Returns:
        float32 ``(n, h, w, 2)``: x and y in pixels. Any other coordinates in ``shapes``, such as those of a texture,
        come out in their own units, except where ``to`` has no triangle: there it is the pixel itself.
    """
    pixels, corners = pixel_centres(size, device=to.device), triangles().to(to.device)
    found = [_lookup(one, other, pixels, corners) for one, other in zip(shapes, to, strict=True)]
    return torch.stack(found).reshape(len(to), *size, 2) if found else to.new_zeros(0, *size, 2)


def _lookup(shape: Tensor, to: Tensor, pixels: Tensor, corners: Tensor) -> Tensor:
    with torch.no_grad():
        found = [triangle_of(to[corners], some) for some in pixels.split(max(1, _AT_A_TIME // len(corners)))]
        chosen, covered = (torch.cat(part) for part in zip(*found, strict=True))
    # Only the coordinates in the chosen triangle need gradients.
    weights = barycentric(to[corners[chosen]], pixels)
    moved = (weights[..., None] * shape[corners[chosen]]).sum(-2)
    return torch.where(covered[:, None], moved, pixels)


def triangle_of(triangles_: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The triangle that each pixel lies deepest in, int64 ``(p,)``, and whether it lies in any, bool ``(p,)``."""
    depth = barycentric(triangles_[None], pixels[:, None]).amin(-1)
    deepest, chosen = depth.max(-1)
    return chosen, deepest >= -1e-4


def barycentric(triangles_: Tensor, pixels: Tensor) -> Tensor:
    """Coordinates of pixels in triangles ``(..., 3, 2)``: three that sum to 1, none below 0 inside."""
    a, b, c = triangles_.unbind(-2)
    along, across, offset = b - a, c - a, pixels - a
    area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    # No pixel lies in a triangle that has no area; any number but 0 will do.
    area = torch.where(area.abs() < _THIN, torch.full_like(area, -_THIN), area)
    second = (offset[..., 0] * across[..., 1] - offset[..., 1] * across[..., 0]) / area
    third = (along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]) / area
    return torch.stack([1 - second - third, second, third], -1)


__all__ = ["barycentric", "lookup", "sample_at", "triangle_of", "warp"]
