"""A page of images, captions and axes, laid out in inches.

Each axes of matplotlib costs some ten milliseconds, and a layout engine draws every text several times to find room for
it. A picture of a match holds twenty images: on one axes, with all sizes known, it takes a third of the time.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from fakeoff.protocols.drawing.inks import INK
from fakeoff.protocols.drawing.maps import DPI

LINE = 0.17
"""The height of a line of the title, in inches."""

_HALF = 128
_TITLE_TOP = 0.06


def title_inches(title: str) -> float:
    """How much room the title above everything needs, with what sets it apart from what follows."""
    return _TITLE_TOP + LINE * (title.count("\n") + 1) + 0.05


class Sheet:
    """A figure, all of whose coordinates are inches from its upper left corner.

    Args:
        width: In inches.
        height: In inches.
        title: Above everything, on the left; in lines.
    """

    def __init__(self, width: float, height: float, *, title: str = "") -> None:
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        self._width, self._height = width, height
        if title:
            self.figure.suptitle(title, fontsize=10, x=0.01, y=1 - _TITLE_TOP / height, ha="left", va="top")

    def axes(self, left: float, top: float, width: float, height: float, **given: Any) -> Axes:
        """New axes of their own, for bars and the like.

        Args:
            left: Of their frame, in inches from the left, as the following.
            top: From above.
            width: Of their frame.
            height: Likewise.
            given: What else matplotlib is told: ``sharex``.
        """
        across, down = self._width, self._height
        place = (left / across, 1 - (top + height) / down, width / across, height / down)
        return self.figure.add_axes(place, **given)

    @cached_property
    def _page(self) -> Axes:
        """Where images and texts are: its coordinates are inches."""
        page = self.figure.add_axes((0, 0, 1, 1), xlim=(0, self._width), ylim=(self._height, 0), autoscale_on=False)
        page.set_axis_off()
        return page

    def image(
        self,
        values: npt.NDArray[Any],
        *,
        left: float,
        top: float,
        width: float,
        height: float,
        frame: bool = False,
        **given: Any,
    ) -> None:
        """Shows an image.

        Args:
            values: uint8 ``(h, w, 3)``, or ``(h, w)`` for a colour map.
            left: In inches, as the following.
            top: From above.
            width: Of what is shown.
            height: Likewise.
            frame: Whether a thin line goes around it.
            given: What else matplotlib is told: ``cmap``, ``vmin``, ``interpolation``.
        """
        given = {"interpolation": "nearest", **given}
        extent = (left, left + width, top + height, top)
        self._page.imshow(values, extent=extent, aspect="auto", **given)
        if frame:
            self.frame(left=left, top=top, width=width, height=height, colour=INK, thickness=0.8)

    def outline(self, mask: npt.NDArray[np.uint8], *, left: float, top: float, width: float, height: float) -> None:
        """Draws a line around what a mask marks by half or more, over an image of the same extent.

        It is black within white: nothing below it is both.

        Args:
            mask: uint8 ``(h, w)``, from 0 to 255.
            left: Of the image, in inches, as the following.
            top: From above.
            width: Of the image.
            height: Likewise.
        """
        inside = np.pad(mask >= _HALF, 1).astype(float)  # so that a line is closed at the border, too
        down, across = height / mask.shape[0], width / mask.shape[1]
        extent = (left - across, left + width + across, top + height + down, top - down)
        if inside.any():
            line = self._page.contour(inside, levels=[0.5], extent=extent, origin="upper", colors=[INK], linewidths=1.0)
            line.set_path_effects([withStroke(linewidth=2.4, foreground="white")])

    def frame(self, *, left: float, top: float, width: float, height: float, colour: str, thickness: float) -> None:
        """Draws a rectangle; the thickness is in points."""
        box = Rectangle((left, top), width, height, fill=False, edgecolor=colour, linewidth=thickness)
        self._page.add_patch(box)

    def text(self, text: str, *, x: float, y: float, size: float = 8, ha: str = "left", va: str = "top") -> None:
        """Writes; the size is in points, ``ha`` and ``va`` say which point of the text lies there."""
        self._page.text(x, y, text, fontsize=size, ha=ha, va=va, color=INK)

    def upright(self, text: str, *, x: float, y: float, size: float = 8) -> None:
        """Writes from below upwards, its middle there."""
        self._page.text(x, y, text, fontsize=size, ha="center", va="center", rotation=90, color=INK)

    def scale(
        self,
        low: float,
        high: float,
        *,
        cmap: str | Colormap,
        left: float,
        top: float,
        width: float,
        height: float,
        unit: str,
    ) -> None:
        """An upright scale of a colour map, with its ends and its middle.

        Args:
            low: The value at the lower end.
            high: The value at the upper end.
            cmap: The colour map.
            left: In inches, as the following.
            top: From above.
            width: Of the scale without its figures.
            height: Of the scale.
            unit: What its values are.
        """
        ramp = np.linspace(1, 0, 128)[:, None]
        self.image(ramp, left=left, top=top, width=width, height=height, frame=True, cmap=cmap, vmin=0, vmax=1)
        for share in (0.0, 0.5, 1.0):
            value = low + share * (high - low)
            self.text(f"{value:.2f}", x=left + width + 0.05, y=top + (1 - share) * height, size=7, va="center")
        self.upright(unit, x=left + width + 0.46, y=top + height / 2, size=7)


__all__ = ["LINE", "Sheet", "title_inches"]
