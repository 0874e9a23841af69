"""From a picture of any size to what a detector is shown: views of the arena's resolution."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image, UnidentifiedImageError

from fakeoff.arena import images
from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.decoding import decode_image
from fakeoff.arena.images.kinds import HEAD_BYTES, examine, examine_head, unidentified
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import generator_resolution, into_arena

Framing: TypeAlias = Literal["crop", "whole", "tiles"]
"""How a picture is brought to the arena's resolution.

- ``crop``: the middle square, resized as the tournament's reals were: what its detectors are trained on.
- ``whole``: all of it, squeezed into a square, and resized likewise.
- ``tiles``: at its own scale, cut into squares of the arena's resolution that do not overlap, laid out around the
  middle; a margin narrower than a tile is left out. A picture smaller than one tile is cropped instead.
"""

_READ_AT_ONCE = 1 << 24  # bytes; of a larger file the decoder reads what it needs

FRAMINGS: tuple[Framing, ...] = get_args(Framing)


@dataclass(frozen=True, kw_only=True)
class Views:
    """What a detector is shown of one picture.

    Attributes:
        width: Of the picture in pixels, upright.
        height: Likewise.
        how: What was done.
        pixels: uint8 ``(n, h, w, 3)`` at the arena's resolution, row by row.
        columns: How many of them lie side by side.
    """

    width: int
    height: int
    how: Framing
    pixels: Pixels
    columns: int = 1


def frame(image: Image.Image, *, framing: Framing, record: TournamentRecord) -> Views:
    """Brings a picture to the arena's resolution.

    Args:
        image: In mode ``L`` or ``RGB``, upright.
        framing: How.
        record: The tournament.
    """
    side = record.config.arena.resolution
    size = {"width": image.width, "height": image.height}
    if framing == "tiles" and min(image.size) >= side:
        pixels, columns = _tiles(np.asarray(_coloured(image, record).convert("RGB"), dtype=np.uint8), side)
        return Views(how="tiles", pixels=pixels, columns=columns, **size)
    if framing == "whole":
        return Views(how="whole", pixels=_squeeze(image, record)[None], **size)
    return Views(how="crop", pixels=into_arena(image, record)[None], **size)


def open_picture(name: str) -> Image.Image:
    """Reads one picture file; it is treated as hostile. Whoever starts threads silences Pillow's warnings.

    Args:
        name: Its path.

    Returns:
        In mode ``L`` or ``RGB``, upright; of an animation the first frame.

    Raises:
        DataError: Why it cannot be judged, in one line that does not name it.
    """
    try:
        about = os.stat(name)  # noqa: PTH116 - a path object for each of many pictures takes as long as the question
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "no such file" if missing else f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise DataError(reason) from error
    if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
        raise DataError("a folder" if stat.S_ISDIR(about.st_mode) else "not a file")
    if not about.st_size:
        raise DataError("an empty file")
    if about.st_size > _READ_AT_ONCE:
        if unfit := examine(name):
            raise DataError(unfit.reason)
        return _decode(Path(name), name)
    try:
        # At once: a decoder asks for a few bytes at a time, and each question lets another thread in between.
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - likewise
            content = file.read(_READ_AT_ONCE)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    if unfit := examine_head(name, content[:HEAD_BYTES]):
        raise DataError(unfit.reason)
    return _decode(io.BytesIO(content), name)


def _decode(file: Path | BinaryIO, name: str) -> Image.Image:
    try:
        return decode_image(file)
    except UnidentifiedImageError as error:
        raise DataError(unidentified(name).reason) from error


def _coloured(image: Image.Image, record: TournamentRecord) -> Image.Image:
    """In grey where the arena is grey, as reals are."""
    return image.convert("L" if record.data["colour"] == "grey" else "RGB")


def _squeeze(image: Image.Image, record: TournamentRecord) -> Pixels:
    between = generator_resolution(record)
    small = _coloured(image, record).resize((between, between), Image.Resampling.LANCZOS).convert("RGB")
    pixels = np.asarray(small, dtype=np.uint8)
    return np.asarray(images.to_arena(pixels[None], resolution=record.config.arena.resolution)[0])


def _tiles(pixels: Pixels, side: int) -> tuple[Pixels, int]:
    """uint8 ``(n, side, side, 3)`` of ``(h, w, 3)``, and the number of columns."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    top, left = (pixels.shape[0] - rows * side) // 2, (pixels.shape[1] - columns * side) // 2
    inside = pixels[top : top + rows * side, left : left + columns * side]
    tiles = inside.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    return np.ascontiguousarray(tiles), columns


__all__ = ["FRAMINGS", "Framing", "Views", "frame", "open_picture"]
