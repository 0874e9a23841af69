"""The space of a face's texture: every face in the shape of the mean face, so that a pixel is the same place of each.

What a network learns there it need not learn for each pose. The texture's square is the mean face's box, a little
enlarged.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.generators.manipulation.faces import GROUPS
from fakeoff.generators.manipulation.masks import pixel_centres, polygon_mask
from fakeoff.generators.manipulation.mesh import mean_face, triangles, with_ring
from fakeoff.generators.manipulation.warp import barycentric, lookup, sample_at, triangle_of

_BOX = 1.12


@functools.cache
def texture_shape(side: int) -> Tensor:
    """Where the mesh's points lie in a texture.

    Args:
        side: Height and width of the texture, in pixels.

    Returns:
        float32 ``(182, 2)``: x and y in pixels; the ring lies beyond the square in part.
    """
    face = mean_face()
    low, high = face.amin(0), face.amax(0)
    scale = side / (_BOX * (high - low).amax())
    return with_ring(((face - (low + high) / 2) * scale + side / 2)[None])[0]


def unwrap(images: Tensor, points: Tensor, side: int) -> Tensor:
    """Draws faces as textures.

    Args:
        images: float32 ``(n, c, h, w)``.
        points: float32 ``(n, 146, 2)``: their landmarks, x and y in pixels.
        side: Height and width of the textures, in pixels.

    Returns:
        float32 ``(n, c, side, side)``; bilinear, and beyond the image its border.
    """
    corners, weights = (each.to(points.device) for each in _places(side))
    shapes = with_ring(points)
    places = (weights[..., None] * shapes[:, corners]).sum(-2)
    return sample_at(images, places.reshape(len(images), side, side, 2))


def texture_places(points: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """Where in its texture each pixel of a face lies, for :func:`draw_texture`.

    Args:
        points: float32 ``(n, 146, 2)``: landmarks, x and y in pixels.
        size: Height and width of the image.
        side: Height and width of the texture, in pixels.

    Returns:
        float32 ``(n, h, w, 2)``: x and y in pixels of the texture; where the mesh is not, nothing that
        means anything.
    """
    shapes = with_ring(points)
    return lookup(texture_shape(side).to(points).expand_as(shapes), shapes, size)


def draw_texture(textures: Tensor, places: Tensor) -> Tensor:
    """Draws textures in the shapes of faces.

    Args:
        textures: float32 ``(n, c, side, side)``, or one for all.
        places: float32 ``(n, h, w, 2)``, of :func:`texture_places`.

    Returns:
        float32 ``(n, c, h, w)``; beyond the texture its border.
    """
    return sample_at(textures.expand(len(places), -1, -1, -1), places)


def of_others(textures: Tensor, partners: Tensor) -> Tensor:
    """The textures of other photographs of the same people; of who has no other, the mirror image of the own.

    Args:
        textures: float32 ``(n, c, side, side)``.
        partners: int64 ``(n,)``: places of the others; the own place where there is none.
    """
    alone = partners == torch.arange(len(partners), device=partners.device)
    return torch.where(alone[:, None, None, None], textures.flip(-1), textures[partners])


@functools.cache
def texture_regions(side: int) -> dict[str, Tensor]:
    """Which pixels of a texture show what; float32 ``(1, 1, side, side)`` in [0, 1] each."""
    points = texture_shape(side)[None]

    def region(name: str, *, larger: float = 1.0) -> Tensor:
        outline = points[:, GROUPS[name]]
        middle = outline.mean(1, keepdim=True)
        return polygon_mask(middle + larger * (outline - middle), (side, side))

    eyes = torch.maximum(region("right_eye", larger=1.6), region("left_eye", larger=1.6))
    return {"face": region("oval"), "eyes": eyes, "mouth": region("outer_lips", larger=1.3)}


@functools.cache
def _places(side: int) -> tuple[Tensor, Tensor]:
    """Of each pixel of a texture the triangle's corners ``(p, 3)``, and its coordinates in it ``(p, 3)``."""
    shape, pixels, corners = texture_shape(side), pixel_centres((side, side)), triangles()
    chosen, _ = triangle_of(shape[corners], pixels)
    return corners[chosen], barycentric(shape[corners[chosen]], pixels)


def relit(faces: Tensor, *, strength: float, rng: torch.Generator) -> Tensor:
    """Puts faces into other light: brighter or darker, with more or less contrast, and from a side.

    Args:
        faces: float32 ``(n, 1, h, w)`` in [0, 1].
        strength: Standard deviation of the logarithm of how much brighter.
        rng: A CPU generator, the only source of randomness.

    Returns:
        float32 ``(n, 1, h, w)`` in [0, 1].
    """
    n, (height, width) = len(faces), faces.shape[-2:]
    gain, bias, right, down = (torch.randn(4, n, 1, 1, 1, generator=rng) * strength).to(faces.device)
    x = torch.linspace(-1, 1, width, device=faces.device)
    y = torch.linspace(-1, 1, height, device=faces.device)[:, None]
    lit: Tensor = faces * (gain + right * x + down * y).exp() + bias / 2
    return lit.clamp(0, 1)


def toned(images: Tensor, *, strength: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """How another camera would have exposed photographs: a factor and an offset of the grey values of each.

    Args:
        images: float32 ``(n, 1, h, w)`` in [0, 1]; only their number and device count.
        strength: Standard deviation of the logarithm of the contrast, and of the offset.
        rng: A CPU generator, the only source of randomness.

    Returns:
        float32 ``(n, 1, 1, 1)`` each: ``images * contrast + offset`` is the other photograph, before it is clipped.
    """
    contrast, offset = (torch.randn(2, len(images), 1, 1, 1, generator=rng) * strength).to(images.device)
    contrast = contrast.exp()
    return contrast, offset + (1 - contrast) / 2


def placed_anew(maps: Tensor, *, smallest: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draws images smaller, elsewhere in the frame and some of them mirrored, as other photographs show faces.

    Args:
        maps: float32 ``(n, c, h, w)``: what goes together, one channel beside the other.
        smallest: The smallest scale, in (0, 1]; scales are uniform in their logarithm, up to 1.
        rng: A CPU generator, the only source of randomness.

    Returns:
        The maps likewise, with their border beyond the old frame; float32 ``(n, 1, h, w)``, 1 where the old frame is
        and 0 beyond; and bool ``(n,)``: which are mirrored.
    """
    n, size = len(maps), maps.shape[-2:]
    scale = smallest ** torch.rand(n, generator=rng)
    shift = (torch.rand(n, 2, generator=rng) * 2 - 1) * (1 / scale - 1)[:, None]
    mirrored = torch.rand(n, generator=rng) < 0.5
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.where(mirrored, -1 / scale, 1 / scale)
    theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = shift
    # Twice as fine, then averaged: what is drawn at half its size must not alias.
    fine = [n, 1, size[0] * 2, size[1] * 2]
    grid = F.affine_grid(theta.to(maps.device), fine, align_corners=False)
    drawn = F.avg_pool2d(F.grid_sample(maps, grid, padding_mode="border", align_corners=False), 2)
    inside = (grid.abs().amax(-1) <= 1).float()[:, None]
    return drawn, F.avg_pool2d(inside, 2), mirrored.to(maps.device)


def warped(images: Tensor, *, strength: float, rng: torch.Generator, knots: int = 5) -> Tensor:
    """Bends images smoothly and at random: what autoencoders of face swaps are trained on.

    Args:
        images: float32 ``(n, c, h, w)``.
        strength: Standard deviation of how far a knot moves, as a share of the side.
        rng: A CPU generator, the only source of randomness.
        knots: That move, each way; what lies between goes with them.

    Returns:
        float32 ``(n, c, h, w)``.
    """
    n, side = len(images), images.shape[-1]
    moved = torch.randn(n, 2, knots, knots, generator=rng).to(images.device) * strength * side
    offsets = F.interpolate(moved, images.shape[-2:], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    pixels = pixel_centres((images.shape[-2], side), device=images.device)
    return sample_at(images, pixels.reshape(1, *images.shape[-2:], 2) + offsets)


__all__ = [
    "draw_texture",
    "of_others",
    "placed_anew",
    "relit",
    "texture_places",
    "texture_regions",
    "texture_shape",
    "toned",
    "unwrap",
    "warped",
]
