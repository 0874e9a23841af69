"""A picture that is compressed once, however often MLflow writes it."""

from __future__ import annotations

import io
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

from PIL import Image

from fakeoff.arena.images import Pixels

_LEVEL = 1
"""Of PNG: four times as fast as Pillow's own choice, for a twentieth more bytes."""


class Picture(Image.Image):
    """An image that keeps its PNG.

    MLflow writes a picture twice in full size, each time with ``save``; compressing took longer than drawing.

    Args:
        pixels: uint8 ``(height, width, 3)``.
    """

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        height, width, _ = pixels.shape
        self.__setstate__([{}, "RGB", (width, height), None, pixels.tobytes()])
        buffer = io.BytesIO()
        super().save(buffer, "PNG", compress_level=_LEVEL)
        self._png = buffer.getvalue()

    def save(self, fp: str | bytes | PathLike[str] | PathLike[bytes] | IO[bytes], *given: Any, **more: Any) -> None:
        """Writes the kept PNG to a path that ends with ``.png``; anything else as Pillow does."""
        path = "" if hasattr(fp, "write") else fspath(fp)
        if isinstance(path, str) and path.endswith(".png") and not given and not more:
            Path(path).write_bytes(self._png)
        else:
            super().save(fp, *given, **more)


__all__ = ["Picture"]
