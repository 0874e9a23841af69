"""Soft masks of outlines: inside of a closed polygon, growing from its edge inwards."""

from __future__ import annotations

import torch
from torch import Tensor

_AT_A_TIME = 2


def pixel_centres(size: tuple[int, int], *, device: torch.device | None = None) -> Tensor:
    """The centres of all pixels of an image, row by row.

    Args:
        size: Height and width.
        device: Where they are wanted.

    Returns:
        float32 ``(h * w, 2)``: x and y in pixels; that of the first is (0.5, 0.5).
    """
    y, x = torch.meshgrid(*(torch.arange(side, device=device) + 0.5 for side in size), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def polygon_mask(points: Tensor, size: tuple[int, int], *, feather: Tensor | float = 0.0) -> Tensor:
    """Masks of what lies inside of closed outlines.

    Args:
        points: float32 ``(n, k, 2)``: x and y in pixels, along the outline.
        size: Height and width of the masks.
        feather: Over how many pixels a mask grows from 0 at the outline to 1 inside of it; one number, or ``(n,)``.
            With 0 a mask is hard: 1 where a pixel's centre is inside.

    Returns:
        float32 ``(n, 1, h, w)`` in [0, 1]; outside of the outline 0 exactly.
    """
    widths = torch.as_tensor(feather, dtype=points.dtype, device=points.device).expand(len(points))
    with torch.no_grad():
        masks = [_mask(*some, size) for some in zip(points.split(_AT_A_TIME), widths.split(_AT_A_TIME), strict=True)]
    return torch.cat(masks) if masks else points.new_zeros(0, 1, *size)


def _mask(points: Tensor, widths: Tensor, size: tuple[int, int]) -> Tensor:
    pixels = pixel_centres(size, device=points.device)[None, :, None]
    start, end = points[:, None], points.roll(-1, 1)[:, None]
    along = end - start
    offset = pixels - start
    # Even-odd rule: how many edges a ray to the right crosses.
    crosses = (start[..., 1] > pixels[..., 1]) != (end[..., 1] > pixels[..., 1])
    rise = torch.where(along[..., 1] == 0, 1.0, along[..., 1])
    right_of = offset[..., 0] < along[..., 0] * offset[..., 1] / rise
    inside = (crosses & right_of).sum(-1) % 2 == 1
    if not (widths > 0).any():
        return inside.to(points.dtype).reshape(-1, 1, *size)
    share = ((offset * along).sum(-1) / along.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    distance = (offset - share[..., None] * along).square().sum(-1).amin(-1).sqrt()
    soft = smooth_step(distance / widths[:, None].clamp(min=1e-6))
    return (inside * torch.where(widths[:, None] > 0, soft, 1.0)).reshape(-1, 1, *size)


def smooth_step(values: Tensor) -> Tensor:
    """From 0 at 0 to 1 at 1, flat at both ends."""
    values = values.clamp(0, 1)
    return values * values * (3 - 2 * values)


__all__ = ["pixel_centres", "polygon_mask", "smooth_step"]
