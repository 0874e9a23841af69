"""What pictures go through on their way from who made them to who judges them: JPEG, blur, resizing.

Each operation is written as text, such as ``jpeg:75``, and several as a chain: ``resize:0.5+jpeg:75``. Both sides of a
match pass through the same chain, and an attack can be led through it: forwards to the same bytes, backwards by an
estimate of the gradient (the straight-through estimator; Athalye, Carlini and Wagner, "Obfuscated gradients", ICML
2018, call it BPDA).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.images.pipeline import Pixels, to_tensor

Name: TypeAlias = Literal["jpeg", "blur", "resize"]

_BOUNDS: Mapping[Name, tuple[float, float, str]] = {
    "jpeg": (1, 100, "a quality from 1 to 100"),
    "blur": (0.1, 10, "a standard deviation from 0.1 to 10 pixels"),
    "resize": (0.1, 4, "a factor from 0.1 to 4, there and back again"),
}
_TOGETHER = "+"
_IN_WORDS: Mapping[Name, str] = {
    "jpeg": "JPEG of quality {:g}",
    "blur": "a blur of {:g} pixels",
    "resize": "a resize to {:g} and back",
}
_AS_HEADINGS: Mapping[Name, str] = {"jpeg": "JPEG {:g}", "blur": "blur {:g} px", "resize": "resize to {:.0%}"}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Something that is done to a picture.

    Attributes:
        name: ``jpeg``, ``blur`` or ``resize``.
        amount: JPEG's quality; a Gaussian's standard deviation in pixels; the factor by which a picture is resized
            before it is resized back.
    """

    name: Name
    amount: float

    @property
    def words(self) -> str:
        """It in words: ``a resize to 0.5 and back``."""
        return _IN_WORDS[self.name].format(self.amount)

    @property
    def heading(self) -> str:
        """It in two or three words, above a column: ``resize to 50%``."""
        return _AS_HEADINGS[self.name].format(self.amount)


def parse_operations(text: str) -> tuple[Operation, ...]:
    """Reads a chain of operations, such as ``resize:0.5+jpeg:75``; none of ``""``.

    Args:
        text: As people write it.

    Raises:
        ValueError: It is no such chain.

    Example:
        >>> [operation.name for operation in parse_operations("resize:0.5+jpeg:75")]
        ['resize', 'jpeg']
    """
    return tuple(_parse(part.strip()) for part in text.split(_TOGETHER)) if text.strip() else ()


def chain_heading(text: str) -> str:
    """A chain of operations above a column, or in a legend.

    Args:
        text: As it is written; what is no chain, as a file from elsewhere may name one, stays as it is.

    Example:
        >>> chain_heading("resize:0.5+jpeg:75")
        'resize to 50%, JPEG 75'
    """
    try:
        return ", ".join(operation.heading for operation in parse_operations(text))
    except ValueError:
        return text


def postprocess(pixels: Pixels, operations: Sequence[Operation]) -> Pixels:
    """Passes images through a chain.

    Args:
        pixels: uint8 ``(n, h, w, 3)``, RGB.
        operations: In order.

    Returns:
        uint8 ``(n, h, w, 3)``, RGB.
    """
    for operation in operations:
        apply = _APPLIED[operation.name]
        pixels = np.stack([apply(image, operation.amount) for image in pixels])
    return pixels


def postprocess_through(images: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Passes images through a chain, with a gradient: what :func:`postprocess` makes of them, bit by bit.

    Backwards a blur and a resizing are PyTorch's, and JPEG, which has no useful gradient of its own, lets it pass.

    Args:
        images: float32 ``(n, 3, h, w)`` of 8-bit levels in [0, 1].
        operations: In order.

    Returns:
        float32 ``(n, 3, h, w)`` in [0, 1].
    """
    for operation in operations:
        levels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        exact = to_tensor(postprocess(np.ascontiguousarray(levels), [operation])).to(images)
        smooth = _SMOOTH[operation.name](images, operation.amount)
        images = smooth + (exact - smooth).detach()
    return images


def _parse(text: str) -> Operation:
    name, _, amount = text.partition(":")
    for known in get_args(Name):
        if name == known:
            low, high, words = _BOUNDS[known]
            try:
                value = float(amount)
            except ValueError:
                value = -1.0
            if not low <= value <= high or (known == "jpeg" and value != int(value)):
                raise ValueError(f"'{text}' is no {known}: write {known}:N, with {words}")
            return Operation(name=known, amount=value)
    raise ValueError(f"'{text}' is nothing that is done to pictures; write jpeg:75, blur:1 or resize:0.5, joined by +")


def _jpeg(image: Pixels, quality: float) -> Pixels:
    kept = io.BytesIO()
    Image.fromarray(image).save(kept, format="JPEG", quality=int(quality))
    return np.asarray(Image.open(kept).convert("RGB"))


def _blur(image: Pixels, sigma: float) -> Pixels:
    # Pillow's GaussianBlur is made of boxes: below one pixel it is another blur than its radius says (see findings/).
    blurred = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest")
    levels: Pixels = np.clip(np.rint(blurred), 0, 255).astype(np.uint8)
    return levels


def _resize(image: Pixels, factor: float) -> Pixels:
    shown = Image.fromarray(image)
    small = (max(1, round(shown.width * factor)), max(1, round(shown.height * factor)))
    return np.asarray(shown.resize(small, Image.Resampling.BICUBIC).resize(shown.size, Image.Resampling.BICUBIC))


def _smooth_blur(images: Tensor, sigma: float) -> Tensor:
    reach = max(1, int(4 * sigma + 0.5))
    line = torch.exp(-(torch.arange(-reach, reach + 1, device=images.device) ** 2) / (2 * sigma**2)).to(images.dtype)
    line = line / line.sum()
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, line.view(1, 1, 1, -1).expand(3, 1, 1, -1), groups=3)
    return F.conv2d(across, line.view(1, 1, -1, 1).expand(3, 1, -1, 1), groups=3)


def _smooth_resize(images: Tensor, factor: float) -> Tensor:
    size = (images.shape[-2], images.shape[-1])
    small = tuple(max(1, round(side * factor)) for side in size)
    shrunk = F.interpolate(images, size=small, mode="bicubic", antialias=True, align_corners=False)
    return F.interpolate(shrunk, size=size, mode="bicubic", antialias=True, align_corners=False)


_APPLIED: Mapping[Name, Callable[[Pixels, float], Pixels]] = {"jpeg": _jpeg, "blur": _blur, "resize": _resize}
_SMOOTH: Mapping[Name, Callable[[Tensor, float], Tensor]] = {
    "jpeg": lambda images, _: images,
    "blur": _smooth_blur,
    "resize": _smooth_resize,
}

__all__ = ["Operation", "parse_operations", "postprocess", "postprocess_through"]
