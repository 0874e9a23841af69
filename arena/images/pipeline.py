"""The one pipeline that every image goes through, real or fake.

Section 3.2 and Fig. 2 of the paper: a difference in preprocessing alone makes fakes perfectly
detectable, so reals pass through the generator's own transform (crop, resize to its resolution), and
both sides are then quantised to 8 bits, resized with Lanczos to the arena's resolution and kept
lossless.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor  # takes longer to import than an audit of a folder, which needs none

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8 ``(n, h, w, 3)``, RGB: images at rest."""

Masks: TypeAlias = npt.NDArray[np.uint8]
"""uint8 ``(n, h, w)``, from 0 to 255: how much of each pixel a manipulation changed."""

Colour: TypeAlias = Literal["grey", "rgb"]

# ITU-R 601 luma, the weights that Pillow's convert("L") uses.
LUMA = (0.299, 0.587, 0.114)


def crop_square(image: Image.Image) -> Image.Image:
    """Returns the largest centred square of an image."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def generator_transform(image: Image.Image, *, resolution: int, colour: Colour) -> Pixels:
    """Passes a real photograph through a generator's data loading: crop, resize, quantise.

    Args:
        image: Any Pillow image in mode ``L`` or ``RGB``.
        resolution: The generator's resolution in pixels.
        colour: ``"grey"`` passes the image through luminance.

    Returns:
        uint8 ``(resolution, resolution, 3)``.
    """
    square = crop_square(image.convert("L" if colour == "grey" else "RGB"))
    small = square.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(small.convert("RGB"), dtype=np.uint8)


def to_arena(pixels: Pixels, *, resolution: int) -> Pixels:
    """Resizes quantised images with Lanczos to the arena's resolution; the same for real and fake.

    Args:
        pixels: uint8 ``(n, h, w, 3)``.
        resolution: The arena's resolution in pixels.

    Returns:
        uint8 ``(n, resolution, resolution, 3)``.
    """
    if pixels.shape[1:3] == (resolution, resolution):
        return pixels
    size = (resolution, resolution)
    return np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.LANCZOS)) for p in pixels])


def masks_to_arena(masks: Tensor, *, resolution: int) -> Masks:
    """Quantises masks and lays them over what :func:`to_arena` makes of their images.

    The same geometry with a filter that does not overshoot: around an edge Lanczos would say of pixels far from it that
    they were changed.

    Args:
        masks: float ``(n, 1, h, w)`` in [0, 1].
        resolution: The arena's resolution in pixels.

    Returns:
        uint8 ``(n, resolution, resolution)``: 255 where all was changed.
    """
    import torch

    levels = np.ascontiguousarray((masks[:, 0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
    if levels.shape[1:] == (resolution, resolution):
        return levels
    size = (resolution, resolution)
    return np.stack([np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR)) for mask in levels])


def luminance(images: Tensor) -> Tensor:
    """Returns the luma of RGB images on all three channels; float ``(n, 3, h, w)``."""
    import torch

    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def quantise(images: Tensor, *, colour: Colour) -> Pixels:
    """Quantises a generator's output to 8 bits.

    Args:
        images: float ``(n, 3, h, w)``, RGB in [0, 1]; values outside are clamped.
        colour: ``"grey"`` passes the images through luminance *before* quantisation, or a detector
            would only read the generator's faint chroma.

    Returns:
        uint8 ``(n, h, w, 3)``.
    """
    import torch

    if colour == "grey":
        images = luminance(images)
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def as_seen(images: Tensor, *, resolution: int, colour: Colour) -> Tensor:
    """The pipeline for fakes, differentiable: what an attack optimises through.

    Quantisation passes the gradient straight through. Lanczos is PyTorch's where there is one (on a CPU, in newer
    releases): the same pixels as Pillow's but for a level here and there. Elsewhere antialiased bicubic, its nearest
    neighbour, stands in for it: about one level off in the mean. Both only where the two resolutions differ.

    Args:
        images: float ``(n, 3, h, w)``, RGB in [0, 1].
        resolution: The arena's resolution in pixels.
        colour: The arena's colour.

    Returns:
        float ``(n, 3, resolution, resolution)`` in [0, 1].
    """
    if colour == "grey":
        images = luminance(images)
    images = _quantised(images.float().clamp(0, 1))
    if images.shape[-2:] != (resolution, resolution):
        images = _quantised(resized(images, resolution))
    return images


def resized(images: Tensor, side: int) -> Tensor:
    """Resizes images by Lanczos where PyTorch has it, else by antialiased bicubic; differentiable.

    Args:
        images: float ``(n, 3, h, w)`` in [0, 1].
        side: Height and width that are wanted, in pixels.

    Returns:
        float ``(n, 3, side, side)`` in [0, 1].
    """
    from torch.nn import functional as F

    mode = "lanczos" if images.device.type == "cpu" and _has_lanczos() else "bicubic"
    return F.interpolate(images, size=(side, side), mode=mode, antialias=True, align_corners=False).clamp(0, 1)


def _quantised(images: Tensor) -> Tensor:
    return images + ((images * 255).round() / 255 - images).detach()


@functools.cache
def _has_lanczos() -> bool:
    import torch
    from torch.nn import functional as F

    try:
        F.interpolate(torch.zeros(1, 1, 2, 2), size=(1, 1), mode="lanczos", antialias=True, align_corners=False)
    except (NotImplementedError, ValueError, RuntimeError):
        return False
    return True


def to_tensor(pixels: Pixels) -> Tensor:
    """Turns images at rest into what players see: float32 ``(n, 3, h, w)`` in [0, 1]."""
    import torch

    return torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).to(torch.float32).div_(255)


def save_png(pixels: Pixels, folder: Path, *, prefix: str) -> list[Path]:
    """Writes images as PNG files ``PREFIX-00000.png``, without metadata, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{prefix}-{index:05d}.png" for index in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path, format="PNG")
    return paths


def grid(pixels: Pixels, *, columns: int) -> Pixels:
    """Lays images out row by row on white, two pixels apart; uint8 ``(height, width, 3)``."""
    n, h, w, _ = pixels.shape
    rows = -(-n // columns)
    gap = 2
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, 3), 255, dtype=np.uint8)
    for index, image in enumerate(pixels):
        top, left = (index // columns) * (h + gap), (index % columns) * (w + gap)
        sheet[top : top + h, left : left + w] = image
    return sheet
