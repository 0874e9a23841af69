"""Every colour of pictures, tables and the report, and what it means.

Two codes, and neither lends its hues to anything else. What an image is, or is taken for: orange is fake and blue is
real, two of Okabe and Ito's colours (Color Universal Design, 2008), which the colour-blind tell apart. What came of it:
purple where fakes pass, green where they are caught. Who sees no red or no green sees but one pair of hues, and the two
codes agree there: fakes that pass look like what is real. No chart uses both. The paper draws real red and fake blue;
here the louder hue is the fake.

Nothing here imports matplotlib, so that the terminal can use it; maps of these colours are in
:mod:`fakeoff.protocols.drawing.maps`.
"""

from __future__ import annotations

from collections.abc import Sequence

INK = "#1b1f24"
"""Text, frames, and the one line of a chart that has but one."""

QUIET = "#6e7781"
"""What is beside the point: captions, chance."""

PALE = "#afb8c1"
"""What is only there to compare with."""

GREY = "#d0d7de"
"""Lines that guide the eye."""

FAKE = "#d55e00"
"""A fake, or what is taken for one."""

REAL = "#0072b2"
"""A real photograph, or what is taken for one."""

REAL_OR_FAKE = "blue: real; orange: fake"
"""What to write beside the two."""

PASSED = "#9a5fb0"
"""Fakes pass: a detector is fooled."""

CAUGHT = "#1f8a43"
"""Fakes are caught: a detector holds."""

BEFORE = "#57606a"
"""How it was before an attack."""

LINES = ("#8c6d31", "#cc79a7", INK, "#e69f00", "#56b4e9", "#882255", "#332288", "#009e73")
"""Of players and other things that have names, in the order of a legend: the rest of Okabe and Ito's, three more. The
green is the last: most charts do without it."""

PATCHES, WHOLE = LINES[0], INK
"""Detectors that judge patches, and those that judge whole images; their marks differ too."""

PATCHES_OR_WHOLE = "brown dots: patch detectors; black squares: whole images"
"""What to write beside the two."""

PATCH = "#ffd33d"
"""The frame of the most predictive patch."""

PAPER = "#f2f2f0"
"""The middle of a light map, between two hues."""

_NIGHT = "#33353a"
_STRONGEST, _STRONGEST_AT_NIGHT = 0.62, 0.5  # text on it can still be read


def mix(ink: str, ground: str, share: float) -> str:
    """A colour between two: so much of the ink, the rest the ground.

    Args:
        ink: As ``#rrggbb``.
        ground: Likewise.
        share: From 0 to 1.
    """
    parts = zip(_parts(ink), _parts(ground), strict=True)
    return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in parts)


def levels(count: int, *, dark: bool = False) -> Sequence[str]:
    """Backgrounds of cells with text, from where fakes pass to where they are caught.

    Args:
        count: How many, at least two.
        dark: On a dark page.
    """
    ground, strongest = (_NIGHT, _STRONGEST_AT_NIGHT) if dark else (PAPER, _STRONGEST)
    along = [2 * index / (count - 1) - 1 for index in range(count)]
    return [mix(CAUGHT if at > 0 else PASSED, ground, strongest * abs(at)) for at in along]


def _parts(colour: str) -> Sequence[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


__all__ = [
    "BEFORE",
    "CAUGHT",
    "FAKE",
    "GREY",
    "INK",
    "LINES",
    "PALE",
    "PAPER",
    "PASSED",
    "PATCH",
    "PATCHES",
    "PATCHES_OR_WHOLE",
    "QUIET",
    "REAL",
    "REAL_OR_FAKE",
    "WHOLE",
    "levels",
    "mix",
]
