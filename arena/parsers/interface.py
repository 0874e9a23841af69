"""What a face parser is: it says which part of a face every pixel belongs to, and may give landmarks.

Parsers are no players. They stand on the ground, where the protocols ask them *where* a fake gave itself away and a
face swap asks them where a face is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

PARTS = (
    "background",
    "hair",
    "skin",
    "brow",
    "eye",
    "ear",
    "nose",
    "mouth",
    "neck",
    "clothes",
    "hat",
)
"""The parts of a picture of a face: the paper's eleven clusters (section 4.2). A label is an index into them."""

BACKGROUND = PARTS.index("background")

LANDMARKS: Mapping[str, int] = {
    "oval": 36,
    "right_brow": 10,
    "left_brow": 10,
    "right_eye": 16,
    "left_eye": 16,
    "nose": 18,
    "outer_lips": 20,
    "inner_lips": 20,
}
"""Groups of landmarks and how many points each has, in the order in which they are given.

Right and left are the person's own. Ovals, eyes and lips are closed contours; the points of a group follow its
outline. They are the points of the same names in the MediaPipe face mesh (468 points).
"""


class FaceParser(nn.Module):
    """Labels every pixel of a picture of a face.

    A plugin's parameters are the keyword arguments of its ``__init__``, typed and with defaults. With a parameter
    ``weights`` it takes a file, as players do. It works where its weights lie: images are handed to it there.

    :class:`fakeoff.arena.parsers.contract.ParserContract` holds a parser to all of this.

    Attributes:
        parts: Those of :data:`PARTS` that it can tell; the others never occur.
    """

    parts: ClassVar[tuple[str, ...]] = PARTS

    def label(self, images: Tensor) -> Tensor:
        """Labels pixels, each image by itself, without changing the parser.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            uint8 ``(n, h, w)``: indices into :data:`PARTS`.
        """
        raise NotImplementedError

    def landmarks(self, images: Tensor) -> Tensor:
        """Finds the points of :data:`LANDMARKS`; the capability *landmarks*.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n, 146, 2)``: x and y in pixels, where the centre of the first pixel is at 0.5; points may lie
            outside the image.
        """
        raise NotImplementedError


_CAPABILITIES = {"landmarks": "landmarks"}


def capabilities(parser: type[FaceParser]) -> tuple[str, ...]:
    """What a parser class can do beyond labelling: ``landmarks``."""
    return tuple(
        word for method, word in _CAPABILITIES.items() if getattr(parser, method) is not getattr(FaceParser, method)
    )
