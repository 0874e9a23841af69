"""Colour maps of the two codes of :mod:`fakeoff.protocols.drawing.inks`, and scales that hold what they show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from fakeoff.protocols.drawing.inks import FAKE, INK, PAPER, REAL, levels

DPI = 120

_STEP = 0.05

REAL_TO_FAKE = LinearSegmentedColormap.from_list("real to fake", [REAL, PAPER, FAKE])
"""Of P(fake): blue is surely real, orange surely fake, pale in between."""

PASSED_TO_CAUGHT = LinearSegmentedColormap.from_list("passed to caught", list(levels(9)))
"""Of figures of a match: purple where fakes pass, green where they are caught. Dark text can be read on all of it."""

LITTLE_TO_MUCH = LinearSegmentedColormap.from_list("little to much", [PAPER, INK])
"""Of amounts that are neither: the darker, the more."""


def lower_end(values: Iterable[float], *, at_most: float) -> float:
    """Where a scale begins that holds all values: as it usually does, or lower, at a multiple of 0.05.

    Args:
        values: Those that are shown; what is not a number does not count.
        at_most: Where it begins if all are above.
    """
    lowest = min((value for value in values if not math.isnan(value)), default=at_most)
    return at_most if lowest >= at_most else round(math.floor(lowest / _STEP + 1e-9) * _STEP, 2)


def hold_all(panels: Iterable[Axes], *, at_most: float, across: bool = False) -> None:
    """Has an axis of figures up to 1 begin low enough for all that is drawn, the same in all panels.

    Args:
        panels: Those that share the axis.
        at_most: Where it begins if all is above.
        across: It is the axis from left to right.
    """
    panels = list(panels)
    low = lower_end((one.dataLim.x0 if across else one.dataLim.y0 for one in panels), at_most=at_most)
    for one in panels:
        (one.set_xlim if across else one.set_ylim)(low, 1.03)


def explain(
    figure: Figure,
    matrix: AxesImage,
    *,
    label: str,
    percent: bool = False,
    beside: Sequence[Axes] | None = None,
    within: Axes | None = None,
) -> None:
    """Draws the scale of a matrix of matches, and says at its ends who wins there.

    Args:
        figure: Where to.
        matrix: Whose scale.
        label: What its values are.
        percent: Whether they are told in percent.
        beside: The panels that it stands beside, and takes its room from.
        within: Axes of its own, instead.
    """
    low, high = matrix.get_clim()
    ticks = [low, *(tick for tick in (0.5, 0.75) if low + 0.1 < tick < high), high]
    bar = figure.colorbar(matrix, ticks=ticks, label=label, ax=beside, cax=within)
    told = [f"{tick:.0%}" if percent else f"{tick:.2f}" for tick in ticks]
    told[0], told[-1] = f"{told[0]}\nfakes pass", f"{told[-1]}\ncaught"
    labels = bar.ax.set_yticklabels(told, fontsize=7.5)
    labels[0].set_verticalalignment("bottom")
    labels[-1].set_verticalalignment("top")


__all__ = ["DPI", "LITTLE_TO_MUCH", "PASSED_TO_CAUGHT", "REAL_TO_FAKE", "explain", "hold_all", "lower_end"]
