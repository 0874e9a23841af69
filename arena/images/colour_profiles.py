"""Embedded ICC profiles: what a file says its numbers mean, brought to sRGB.

Profiles are converted by LittleCMS (:mod:`PIL.ImageCms`). They come with files of strangers, so they are bounded in
size, and one that cannot be used is left out with a reason: the numbers are then taken for sRGB, as without it.
"""

from __future__ import annotations

import functools
import io
import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

_MOST_BYTES = 4 * 2**20
"""Of a profile: one of a printing press with fine tables has 3 MB."""

_SAME_LEVELS = 3
"""A profile that moves no colour further is sRGB by another name: makers round its tables differently."""

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_LONGEST_NAME = 48


@dataclass(frozen=True, kw_only=True)
class InSRGB:
    """An image whose numbers are sRGB's.

    Attributes:
        image: In mode ``L`` or ``RGB``.
        said: What was done about the profile: nothing (empty; there is none, or it is sRGB's), its name where colours
            were converted, or ``ignored: REASON``.
    """

    image: Image.Image
    said: str


@dataclass(frozen=True, kw_only=True)
class _Conversion:
    """What a profile does to images of one mode: nothing, a table for grey, or a transform."""

    said: str = ""
    levels: tuple[int, ...] = ()
    transform: ImageCms.ImageCmsTransform | None = None


def to_srgb(image: Image.Image, profile: bytes | None) -> InSRGB:
    """Brings an image to sRGB by its embedded profile, with the perceptual intent.

    What is sRGB already comes back as it is, to the byte. A grey image stays grey. Ink without a profile that can be
    used becomes light by Pillow's plain formula.

    Args:
        image: In mode ``L``, ``RGB`` or ``CMYK``, 8 bits a channel.
        profile: As it lies in the file; it is treated as hostile.
    """
    conversion = _conversion(profile, image.mode) if profile else _Conversion()
    if conversion.levels:
        return InSRGB(image=image.point(conversion.levels), said=conversion.said)
    if conversion.transform is not None:
        converted = ImageCms.applyTransform(image, conversion.transform)
        if converted is None:  # only where it is asked to work in place
            raise AssertionError("a transform gave no image")
        return InSRGB(image=converted, said=conversion.said)
    return InSRGB(image=image.convert("RGB") if image.mode == "CMYK" else image, said=conversion.said)


@functools.lru_cache(maxsize=8)
def _conversion(profile: bytes, mode: str) -> _Conversion:
    if len(profile) > _MOST_BYTES:
        return _ignored(f"larger than {_MOST_BYTES // 2**20} MiB")
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space, kind = opened.profile.xcolor_space.strip(), opened.profile.device_class.strip()
        if space != _SPACES[mode]:
            return _ignored(f"it is one of {_printable(space)}, and the image is {_SPACES[mode]}")
        if kind in ("link", "abst", "nmcl"):
            return _ignored("it is none of a picture")
        transform = ImageCms.buildTransform(
            opened, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
        said = _printable(opened.profile.profile_description or "") or "without a name"
        probe = _probe(mode)
        seen = ImageCms.applyTransform(probe, transform)
    except Exception:  # LittleCMS' errors, and whatever its wrapper makes of a damaged name
        return _ignored("it is damaged")
    if seen is None:
        return _ignored("it is damaged")
    if mode == "L":
        seen = seen.convert("L")
    if mode != "CMYK" and np.abs(np.asarray(seen, dtype=int) - np.asarray(probe, dtype=int)).max() <= _SAME_LEVELS:
        return _Conversion()
    if mode == "L":
        return _Conversion(said=said, levels=tuple(np.asarray(seen).ravel().tolist()))
    return _Conversion(said=said, transform=transform)


def _probe(mode: str) -> Image.Image:
    """Colours from everywhere: every grey, or a lattice of 17 levels a channel."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if mode == "CMYK":
        return Image.new("CMYK", (1, 1))
    lattice = np.array(list(itertools.product(range(0, 256, 15), repeat=3)), dtype=np.uint8)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return Image.fromarray(np.concatenate([lattice, greys])[None])


def _ignored(reason: str) -> _Conversion:
    return _Conversion(said=f"ignored: {reason}")


def _printable(text: str) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:_LONGEST_NAME]


__all__ = ["InSRGB", "to_srgb"]
