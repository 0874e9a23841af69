"""Fig. 7 of the paper: on which parts of the face manipulations give themselves away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.drawing.inks import BEFORE, FAKE, INK, QUIET
from fakeoff.protocols.drawing.maps import DPI
from fakeoff.protocols.generalize.protocol import together
from fakeoff.protocols.looking.figures import LookFigures

_LEAST = 0.01

ByGenerator = Mapping[str, LookFigures]


def draw_parts(detector: str, looks: Mapping[str, ByGenerator], *, confidence: float) -> Figure:
    """Draws a grid of histograms: a row for each manipulation that was trained on, a column for each that was met.

    Bars are the share of fakes whose most predictive patch lies on a part, black ticks that of random patches of the
    same fakes. The manipulation that was trained on is grey.

    Args:
        detector: Its name.
        looks: What it looked at, by what it was trained on and by what it met; at least one.
        confidence: Of intervals, as a share.
    """
    generators = list(dict.fromkeys(name for of_group in looks.values() for name in of_group))
    shown = [looks[group][name] for group in looks for name in looks[group]]
    parts = [part for part in PARTS if any(max(look.parts[part], look.random_parts[part]) >= _LEAST for look in shown)]
    tallest = max(max(look.parts_ci[part][1], look.random_parts[part]) for look in shown for part in parts)
    rows, columns = len(looks), len(generators)
    width = max(9.0, 1.2 + 2.5 * columns)  # as wide as its title
    figure = Figure(figsize=(width, 1.3 + 1.55 * rows), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True)
    for row, (group, of_group) in zip(panels, looks.items(), strict=True):
        for axes, name in zip(row, generators, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_ylim(0, min(1.0, 1.05 * tallest))
            if name in of_group:
                _bars(axes, of_group[name], parts, colour=BEFORE if name in together(group) else FAKE)
        row[0].set_ylabel(f"trained on\n{group}", fontsize=8)
    for axes, name in zip(panels[0], generators, strict=True):
        axes.set_title(name, fontsize=9, loc="left")
    figure.suptitle(
        f"Where {detector} sees that a face was changed: the part under each fake's most predictive patch\n"
        f"share of fakes, {confidence:.0%} intervals over {_units(shown)}; "
        "black: a random patch; grey: trained on that column",
        fontsize=9,
        x=0.01,
        ha="left",
        color=INK,
    )
    return figure


def _units(looks: Sequence[LookFigures]) -> str:
    counts = {look.people for look in looks}
    people = "/".join(str(count) for count in sorted(count for count in counts if count is not None))
    words = [f"{people} people"] if people else []
    return " or ".join([*words, "fakes"] if None in counts else words)


def _bars(axes: Axes, look: LookFigures, parts: Sequence[str], *, colour: str) -> None:
    places = range(len(parts))
    heights = [look.parts[part] for part in parts]
    low, high = ([look.parts_ci[part][end] for part in parts] for end in (0, 1))
    below = [max(0.0, height - at) for height, at in zip(heights, low, strict=True)]
    above = [max(0.0, at - height) for height, at in zip(heights, high, strict=True)]
    axes.bar(places, heights, color=colour, width=0.72)
    axes.errorbar(places, heights, yerr=[below, above], fmt="none", ecolor=QUIET, elinewidth=0.8)
    axes.hlines([look.random_parts[part] for part in parts], [at - 0.42 for at in places],
                [at + 0.42 for at in places], colors=INK, linewidth=1.3)  # fmt: skip
    axes.set_xticks(list(places), parts, fontsize=7, rotation=90)
    axes.tick_params(axis="y", labelsize=7)


__all__ = ["draw_parts"]
