"""Where the face is in each frame of a video: a cascade finds it, landmarks say how far it reaches.

The cascade is that of local binary patterns (Liao et al., ICB 2007) which ships with scikit-image; the landmarks are
the face parser's, which wants a face that fills its picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fakeoff.arena.parsers import LANDMARKS, FaceParser
from fakeoff.arena.seeds import sealed

_DETECTED_AT = 480  # pixels of the shorter side
_SMALLEST_FACE = 0.1  # of it
_AROUND = 1.7  # times a box of the cascade, which ends at the brows and the chin
_PARSED_AT = 128
_OVERLAP = 0.2

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square of a frame, in its pixels.

    Attributes:
        left: Its first column.
        top: Its first row.
        side: Height and width.
    """

    left: int
    top: int
    side: int

    def of(self, frame: Frame) -> Frame:
        """What it shows of a frame ``(h, w)`` or ``(h, w, 3)``."""
        return frame[self.top : self.top + self.side, self.left : self.left + self.side]


@dataclass(frozen=True, kw_only=True)
class _Box:
    x: float
    y: float
    side: float

    def overlap(self, other: _Box) -> float:
        """Intersection over union."""
        wide = min(self.x + self.side, other.x + other.side) - max(self.x, other.x)
        high = min(self.y + self.side, other.y + other.side) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, high)
        return shared / (self.side**2 + other.side**2 - shared)


class FaceCropper:
    """Finds the face that a video is about.

    Args:
        parser: With landmarks.
        margin: The side of a crop, in heights (or widths, whichever is more) of the face's oval.

    """

    def __init__(self, parser: FaceParser, *, margin: float) -> None:
        self._parser, self._margin = parser, margin
        with sealed("import", "scikit-image"):  # an audit of a folder's videos looks for no faces
            from skimage.data import lbp_frontal_face_cascade_filename
            from skimage.feature import Cascade
        self._cascade: Any = Cascade(lbp_frontal_face_cascade_filename())

    def crops(self, frames: Sequence[Frame]) -> list[Crop | None]:
        """A square around the face of each frame; None where none is found.

        Of several faces it is that which is largest anywhere in the video, followed from frame to frame. Between two
        frames in which it is found, it is looked for where it should have been.

        Args:
            frames: uint8 ``(h, w, 3)``, RGB, all of one size.
        """
        return [
            None if box is None else self._around(frame, box)
            for frame, box in zip(frames, _follow([self._detect(frame) for frame in frames]), strict=True)
        ]

    def _detect(self, frame: Frame) -> list[_Box]:
        scale = min(1.0, _DETECTED_AT / min(frame.shape[:2]))
        height, width = (round(side * scale) for side in frame.shape[:2])
        small = np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))
        least = max(24, round(_SMALLEST_FACE * min(height, width)))
        if min(height, width) < least:
            return []
        found = self._cascade.detect_multi_scale(
            img=small, scale_factor=1.1, step_ratio=1, min_size=(least, least), max_size=(height, width)
        )
        return [_Box(x=box["c"] / scale, y=box["r"] / scale, side=box["width"] / scale) for box in found]

    def _around(self, frame: Frame, box: _Box) -> Crop | None:
        """The crop by the landmarks of what is in a box; None where they are not those of a face there."""
        seen = _square(box.x + box.side / 2, box.y + box.side / 2, _AROUND * box.side, frame)
        for _ in range(2):  # the second time from where the first found it
            oval = self._oval(frame, seen)
            low, high = oval.min(0), oval.max(0)
            (x, y), size = (low + high) / 2, float((high - low).max())
            seen = _square(x, y, _AROUND * size / 1.4, frame)
        inside = box.x <= x <= box.x + box.side and box.y <= y <= box.y + box.side
        if not inside or not 0.6 <= size / box.side <= 2:
            return None
        return _square(x, y, self._margin * size, frame)

    def _oval(self, frame: Frame, crop: Crop) -> npt.NDArray[np.float64]:
        picture = Image.fromarray(crop.of(frame)).resize((_PARSED_AT, _PARSED_AT), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            points = self._parser.landmarks(pixels)[0, : LANDMARKS["oval"]].double().numpy()
        placed: npt.NDArray[np.float64] = points * crop.side / _PARSED_AT + (crop.left, crop.top)
        return placed


def _follow(detected: Sequence[Sequence[_Box]]) -> list[_Box | None]:
    """The largest face, followed both ways; between two frames that have it, where it would have been."""
    chosen: list[_Box | None] = [None] * len(detected)
    with_faces = [place for place, boxes in enumerate(detected) if boxes]
    if not with_faces:
        return chosen
    first = max(with_faces, key=lambda place: max(box.side for box in detected[place]))
    chosen[first] = max(detected[first], key=lambda box: box.side)
    for places in (range(first + 1, len(detected)), range(first - 1, -1, -1)):
        last = chosen[first]
        for place in places:
            assert last is not None
            near = max(detected[place], key=last.overlap, default=None)
            if near is not None and last.overlap(near) >= _OVERLAP:
                chosen[place] = last = near
    found = [place for place, box in enumerate(chosen) if box is not None]
    for before, after in itertools.pairwise(found):
        for place in range(before + 1, after):
            one, other = chosen[before], chosen[after]
            assert one is not None
            assert other is not None
            share = (place - before) / (after - before)
            mixed = [a + share * (b - a) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)]
            chosen[place] = _Box(x=mixed[0], y=mixed[1], side=mixed[2])
    return chosen


def _square(x: float, y: float, side: float, frame: Frame) -> Crop:
    """A square around a point, moved into the frame and no larger than it."""
    height, width = frame.shape[:2]
    whole = max(1, min(round(side), height, width))
    left = min(max(0, round(x - whole / 2)), width - whole)
    top = min(max(0, round(y - whole / 2)), height - whole)
    return Crop(left=left, top=top, side=whole)
