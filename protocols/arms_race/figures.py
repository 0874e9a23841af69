"""Pictures of arms races: how average precision falls and recovers, and what is left of old rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from fakeoff.protocols.arms_race.races import Cell, Races, Rules
from fakeoff.protocols.drawing.inks import GREY, INK, LINES
from fakeoff.protocols.drawing.maps import DPI, PASSED_TO_CAUGHT, explain, hold_all, lower_end
from fakeoff.protocols.score.replicates import told_over


def draw_races(found: Races) -> Figure:
    """Average precision over the rounds, a panel for each race and generator: attacked, retrained, attacked, ...

    Args:
        found: Everything.
    """
    generators = list(dict.fromkeys(name for name, _ in found.pairs))
    panels = [(rules, generator) for generator in generators for rules in found.rules]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(8.5, 6.4 * columns), 3.5 * rows + 0.8), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True).flat
    for (rules, generator), axes in zip(panels, grid, strict=False):
        _draw_race(axes, found, rules, generator)
        axes.set_title(f"fakes of {generator}; {rules.words}", loc="left", fontsize=9)
    hold_all(figure.axes[: len(panels)], at_most=0.25)
    for axes in list(figure.axes)[len(panels) :]:
        axes.set_axis_off()
    figure.supylabel("average precision", fontsize=9)
    figure.suptitle(
        "An arms race: each attack takes a frozen detector down (hollow), and retraining brings it back (filled)\n"
        f"{_caption(found)}; ring: the detector that was attacked",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def draw_forgetting(found: Races) -> Figure:
    """Every detector version at the fakes of every round, a matrix for each race and pair.

    Args:
        found: Everything.
    """
    columns, rows = len(found.rules), len(found.pairs)
    side = 0.52 * (found.rounds + 1)
    figure = Figure(
        figsize=(max(7.5, max(side + 1.2, 3.3) * columns + 0.9), (side + 0.95) * rows + 0.9),
        dpi=DPI,
        layout="constrained",
    )
    panels = figure.subplots(rows, columns, squeeze=False)
    matrices = {(rules, pair): _matrix(found, rules, *pair) for pair in found.pairs for rules in found.rules}
    low = lower_end((value for matrix in matrices.values() for value in matrix.flat), at_most=0.3)
    for row, (generator, detector) in zip(panels, found.pairs, strict=True):
        for axes, rules in zip(row, found.rules, strict=True):
            picture = _draw_matrix(axes, matrices[rules, (generator, detector)], low=low)
            axes.set_title(f"{detector}\n{rules.words}", loc="left", fontsize=7.5)
        row[0].set_ylabel(f"{generator} after round", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("detector after round", fontsize=8)
    explain(figure, picture, label="average precision", beside=panels.ravel().tolist())
    figure.suptitle(
        "Is what was learnt forgotten? Average precision of every detector version at the fakes of every round\n"
        f"below the diagonal newer fakes, above it older ones; means over {_caption(found, intervals=False)}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _draw_race(axes: Axes, found: Races, rules: Rules, generator: str) -> None:
    detectors = [detector for name, detector in found.pairs if name == generator]
    ends: list[tuple[float, str, str]] = []
    for index, detector in enumerate(detectors):
        colour = LINES[index % len(LINES)]
        along, of, hollow, rings = [], [], [], []
        for round_ in range(found.rounds + 1):
            own = Cell(rules=rules, generator=generator, made=round_, detector=detector, trained=round_)
            for cell, place in ((replace(own, trained=round_ - 1), round_ - 0.5), (own, float(round_))):
                draws = found.ap(cell)
                if draws is not None:
                    along.append(place)
                    of.append(found.share(draws))
                    hollow.append(place % 1 > 0)
                    rings.append(found.was_target(cell))
        if not of:
            continue
        heights = [one.value for one in of]
        axes.fill_between(along, [one.low for one in of], [one.high for one in of], color=colour, alpha=0.1, lw=0)
        axes.plot(along, heights, color=colour, linewidth=1.2)
        for place, height, is_hollow, ring in zip(along, heights, hollow, rings, strict=True):
            axes.plot(
                [place], [height], "o", color=colour, markersize=4.5, markerfacecolor="white" if is_hollow else colour
            )
            if ring:
                axes.plot(
                    [place], [height], "o", color=INK, markersize=8.5, markerfacecolor="none", markeredgewidth=0.8
                )
        ends.append((heights[-1], detector, colour))
    free = 2.0
    for height, name, colour in sorted(ends, reverse=True):
        free = min(height, free - 0.055)
        axes.annotate(name, (1.02, free), xycoords=axes.get_yaxis_transform(), fontsize=7.5, color=colour, va="center")
    axes.axhline(0.5, color=GREY, linewidth=1)
    axes.set_xticks(range(found.rounds + 1), [f"round {round_}" for round_ in range(found.rounds + 1)], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _matrix(found: Races, rules: Rules, generator: str, detector: str) -> npt.NDArray[np.float64]:
    """Average precision of every detector version (columns) at the fakes of every round (rows); NaN: not played."""
    side = found.rounds + 1
    values = np.full((side, side), np.nan)
    for made, trained in np.ndindex(side, side):
        draws = found.ap(Cell(rules=rules, generator=generator, made=made, detector=detector, trained=trained))
        if draws is not None:
            values[made, trained] = draws[:, 0].mean()
    return values


def _draw_matrix(axes: Axes, values: npt.NDArray[np.float64], *, low: float) -> AxesImage:
    side = len(values)
    picture = axes.imshow(values, cmap=PASSED_TO_CAUGHT, vmin=low, vmax=1)
    for (made, trained), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(trained, made, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=7.5, color=INK,
                      weight="bold" if made == trained else "normal")  # fmt: skip
    axes.set_xticks(range(side))
    axes.set_yticks(range(side))
    axes.tick_params(labelsize=7.5)
    axes.spines[:].set_visible(False)
    return picture


def _caption(found: Races, *, intervals: bool = True) -> str:
    over = told_over(found.people, found.seeds)
    return f"{found.confidence:.0%} intervals over {over}" if intervals else over


__all__ = ["draw_forgetting", "draw_races"]
