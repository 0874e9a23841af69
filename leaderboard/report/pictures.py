"""Pictures that lie in the page itself, and how many bytes of them there may be."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from fakeoff.arena.images import Pixels
from fakeoff.leaderboard.plots.plots import to_pixels

BUDGET = 3_500_000
"""Bytes of all pictures; a page of less than 5 MB can be sent by mail."""

_QUALITY = 82  # of WebP; text in plots is still sharp
_FACE_QUALITY = 90
_WIDEST = 16_383  # pixels, of WebP


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in the page.

    Attributes:
        source: A data URI.
        width: In pixels.
        height: Likewise.
        alt: What it shows, for who does not see it.
        caption: Below it; may be empty.
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str = ""


class Album:
    """Takes pictures in until there are too many bytes of them.

    Args:
        budget: In bytes, of all pictures as they stand in the page.

    Attributes:
        left_out: What was not taken in, in words.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.left_out: list[str] = []
        self._left = budget

    def draw(self, make: Callable[[], Figure], *, alt: str, caption: str = "") -> Picture | None:
        """Takes in a figure; None where there is no room. It is drawn only where there may be."""
        if self._left <= 0:
            self.left_out.append(alt)
            return None
        return self.take(to_pixels(make()), alt=alt, caption=caption)

    def open(self, path: Path, *, alt: str, caption: str = "") -> Picture | None:
        """Takes in a picture file; None where there is no room, or it cannot be read."""
        try:
            with Image.open(path) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError):
            self.left_out.append(f"{alt} (the file cannot be read)")
            return None
        return self.take(pixels, alt=alt, caption=caption)

    def take(self, pixels: Pixels, *, alt: str, caption: str = "", quality: int = _QUALITY) -> Picture | None:
        """Takes in an image, uint8 ``(h, w, 3)``; None where there is no room."""
        source = data_uri(pixels, quality=quality)
        if len(source) > self._left:
            self.left_out.append(alt)
            return None
        self._left -= len(source)
        height, width = pixels.shape[:2]
        return Picture(source=source, width=width, height=height, alt=alt, caption=caption)

    def take_face(self, pixels: Pixels, *, alt: str) -> Picture | None:
        """Takes in a face, with less loss than a drawing."""
        return self.take(pixels, alt=alt, quality=_FACE_QUALITY)


def data_uri(pixels: Pixels, *, quality: int = _QUALITY) -> str:
    """An image as WebP, or as PNG where it is too large for that, in a data URI.

    Args:
        pixels: uint8 ``(h, w, 3)``.
        quality: From 0 to 100.
    """
    kind = "webp" if max(pixels.shape[:2]) <= _WIDEST else "png"
    written = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if kind == "webp":
        image.save(written, format="WEBP", quality=quality, method=4)
    else:
        image.save(written, format="PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode()}"


__all__ = ["BUDGET", "Album", "Picture", "data_uri"]
