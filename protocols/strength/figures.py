"""Pictures of strength: curves over budgets and over image cost, half-lives, transfer, and what lies between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.arena.images.postprocessing import chain_heading
from fakeoff.protocols.drawing.inks import GREY, INK, LINES, PATCHES, PATCHES_OR_WHOLE, QUIET, WHOLE
from fakeoff.protocols.drawing.maps import DPI, PASSED_TO_CAUGHT, explain, hold_all, lower_end
from fakeoff.protocols.generalize.trials import Sight
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.score.replicates import told_over
from fakeoff.protocols.strength.half_life import HalfLife
from fakeoff.protocols.strength.shots import Range

if TYPE_CHECKING:
    from fakeoff.protocols.strength.tables import Curve


def draw_curves(curves: Sequence[Curve], found: Range, *, over_costs: bool, level: float) -> Figure:
    """Average precision over the budget of one kind of attack, or over image cost with all kinds beside each other.

    Args:
        curves: At least one; over a budget, of one kind.
        found: For what intervals are over.
        over_costs: Over image cost.
        level: Where a detector counts as broken.
    """
    shown = list(curves)
    generators = list(dict.fromkeys(curve.generator for curve in shown))
    columns = min(2, len(generators))
    rows = -(-len(generators) // columns)
    figure = Figure(figsize=(max(8.5, 6.2 * columns), 4.3 * rows + 0.7), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    detectors = list(dict.fromkeys(curve.detector for curve in shown))
    for generator, axes in zip(generators, grid, strict=False):
        mine = [curve for curve in shown if curve.generator == generator]
        _draw_panel(axes, mine, found, detectors, over_costs=over_costs, level=level)
        axes.set_title(f"fakes of {generator}", loc="left", fontsize=9)
    hold_all(figure.axes[: len(generators)], at_most=0.25)
    for axes in list(figure.axes)[len(generators) :]:
        axes.set_axis_off()
    figure.supylabel("average precision of the attacked detector", fontsize=9)
    budget = "steps of finetuning" if shown[0].attack == "finetuning" else "levels that pixels were moved by"
    what = "what attacks cost the images" if over_costs else budget
    both = "; solid: finetuned generator, dashed: pixels moved" if len({c.attack for c in shown}) > 1 else ""
    figure.suptitle(
        f"How much attack a detector stands: average precision over {what}\n"
        f"{_caption(found, intervals=not over_costs)}; dotted: half-life at AP {level:g}{both}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def draw_robustness(
    places: Mapping[Curve, HalfLife], sights: Mapping[str, Sight], *, side: int, level: float, found: Range
) -> Figure:
    """Half-lives over the receptive field; one that was not reached within the largest budget ends in an arrow."""
    generators = list(dict.fromkeys(curve.generator for curve in places))
    figure = Figure(figsize=(max(7.5, 5 * len(generators)), 4.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, max(1, len(generators)), squeeze=False, sharey=True)[0]
    for generator, axes in zip(generators, panels, strict=False):
        crowd: dict[float, int] = {}
        for curve, half_life in places.items():
            if curve.generator != generator or curve.detector not in sights:
                continue
            sight = sights[curve.detector]
            whole = sight.pixels is None
            along = math.log2(sight.across(side)) + (0.5 if whole else 0.0)
            crowd[along] = crowd.get(along, -1) + 1
            _draw_half_life(axes, along + 0.14 * crowd[along], half_life, curve.detector, whole=whole)
        _name_fields(axes, [sights[c.detector] for c in places if c.detector in sights], side=side)
        axes.set_title(f"fakes of {generator}", loc="left", fontsize=9)
        furthest = max(half_life.furthest for half_life in places.values())
        lowest = min(half_life.low for half_life in places.values())
        linear = max(1.0, lowest / 2)  # below it there is nothing but those who were broken at once
        axes.set_yscale("symlog", linthresh=linear, linscale=0.4)
        axes.set_ylim(0, furthest * 14)  # room for names
        axes.set_yticks(
            [0, *[tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if linear <= tick <= furthest]]
        )
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel(f"steps of finetuning until AP falls below {level:g}", fontsize=9)
    figure.suptitle(
        f"Do smaller receptive fields stand more attack?\n{_caption(found)}\n{PATCHES_OR_WHOLE}; arrow: not broken",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def draw_transfer(rows: Sequence[Row], found: Range) -> Figure:
    """A matrix for each generator: fakes finetuned against whom (rows), judged by whom (columns)."""
    generators = list(dict.fromkeys(str(row["generator"]) for row in rows))
    judges = list(dict.fromkeys(str(row["judged by"]) for row in rows))
    against = list(dict.fromkeys(str(row["finetuned against"]) for row in rows))
    width = 3.1 + (0.85 * len(judges) + 0.6) * len(generators)
    figure = Figure(figsize=(max(8, width), 1.9 + 0.42 * len(against) + 0.9), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(generators), squeeze=False, sharey=True)[0]
    low = lower_end((float(row["AP"] or 0) for row in rows), at_most=0.3)
    for generator, axes in zip(generators, panels, strict=True):
        values = np.full((len(against), len(judges)), np.nan)
        for row in rows:
            if row["generator"] == generator:
                values[against.index(str(row["finetuned against"])), judges.index(str(row["judged by"]))] = row["AP"]
        picture = axes.imshow(values, cmap=PASSED_TO_CAUGHT, vmin=low, vmax=1, aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            if not np.isnan(value):
                own = against[i] == judges[j]
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color=INK,
                          weight="bold" if own else "normal")  # fmt: skip
        axes.set_xticks(range(len(judges)), judges, rotation=35, ha="right", fontsize=8)
        axes.set_yticks(range(len(against)), [f"against {name}" for name in against], fontsize=8)
        axes.set_title(f"fakes of {generator}, judged by", loc="left", fontsize=9)
        axes.spines[:].set_visible(False)
    explain(figure, picture, label="average precision", beside=panels.tolist())
    figure.suptitle(
        f"Whom else do attacks fool? Average precision after the longest finetuning; bold: the detector that was "
        f"attacked\n{_caption(found, intervals=False)}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def draw_through(rows: Sequence[Row], found: Range) -> Figure:
    """What is left of attacks behind JPEG and the like: a panel for each chain, a line for each detector and attack."""
    chains = list(dict.fromkeys(str(row["between"]) for row in rows))
    names = list(dict.fromkeys((str(row["generator"]), str(row["detector"])) for row in rows))
    kinds = list(dict.fromkeys((str(row["attack"]), bool(row["led through it"])) for row in rows))
    height = 1.5 + 0.2 * len(names) * (len(kinds) + 1)
    figure = Figure(figsize=(max(8.0, 3.4 + 3.6 * len(chains)), max(3.2, height)), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(chains), squeeze=False, sharey=True, sharex=True)[0]
    marks = {kind: LINES[index % len(LINES)] for index, kind in enumerate(kinds)}
    ticks: dict[float, str] = {}
    for chain, axes in zip(chains, panels, strict=True):
        for place, name in enumerate(names):
            for index, kind in enumerate(kinds):
                down = place * (len(kinds) + 1) + index
                for row in rows:
                    if (row["between"], row["generator"], row["detector"]) != (chain, *name):
                        continue
                    if (row["attack"], row["led through it"]) == kind:
                        _draw_change(axes, row, down, marks[kind])
            ticks[place * (len(kinds) + 1) + (len(kinds) - 1) / 2] = f"{name[1]}\non {name[0]}"
        axes.axvline(0.5, color=INK, linestyle=":", linewidth=0.9)
        axes.set_title(f"behind {chain_heading(chain)}", loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    hold_all(panels, at_most=0.28, across=True)
    panels[0].set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    panels[0].invert_yaxis()
    for (attack, led), colour in marks.items():
        panels[-1].plot([], [], "o", color=colour, label=f"{attack}, led through it" if led else attack)
    figure.legend(loc="outside lower center", ncols=min(3, len(kinds)), fontsize=8, frameon=False)
    figure.suptitle(
        "What is left of an attack on the way to a user: average precision,\nhollow with nothing between, filled "
        f"behind it; dotted: chance\n{_caption(found)}",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    return figure


def _draw_panel(
    axes: Axes, curves: Sequence[Curve], found: Range, detectors: Sequence[str], *, over_costs: bool, level: float
) -> None:
    ends: dict[str, tuple[float, float, str]] = {}
    for curve in curves:
        colour = LINES[detectors.index(curve.detector) % len(LINES)]
        of = [found.estimate(draws) for draws in curve.ap]
        # Budgets double from one to the next; over costs a curve goes the way of its budgets, back where one cost less.
        along = np.array(curve.costs) if over_costs else np.arange(len(of))
        finetuned = curve.attack == "finetuning" or not over_costs
        if not over_costs:
            axes.fill_between(along, [one.low for one in of], [one.high for one in of], color=colour, alpha=0.07, lw=0)
        heights = [one.value for one in of]
        # Half-lives lie on straight lines between budgets, which are bent on an axis of growing steps.
        fine = np.linspace(0, len(of) - 1, 40 * (len(of) - 1) + 1)
        line = (np.interp(fine, range(len(of)), values) for values in (along, heights))
        axes.plot(*line, "-" if finetuned else "--", color=colour, linewidth=1.4)
        axes.plot(along, heights, "o" if finetuned else "s", color=colour, markersize=3.5)
        if curve.detector not in ends or finetuned:
            ends[curve.detector] = (along[-1], of[-1].value, colour)
    _name_ends(axes, ends)
    axes.axhline(level, color=INK, linestyle=":", linewidth=1)
    axes.axhline(0.5, color=GREY, linewidth=1)
    if over_costs:
        axes.set_xscale("symlog", linthresh=0.002)
        axes.set_xlim(left=0)
        furthest = max(max(curve.costs) for curve in curves)
        ticks = [tick for tick in (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if tick <= 1.1 * furthest]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(
            "mean absolute difference to the unattacked images, of 1 (steps grow along the axis)", fontsize=8
        )
    else:
        budgets = curves[0].budgets
        axes.set_xticks(range(len(budgets)), [f"{budget:g}" for budget in budgets])
        what = "steps of finetuning" if curves[0].attack == "finetuning" else "how far a pixel may go, in levels of 255"
        axes.set_xlabel(what, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _name_ends(axes: Axes, ends: Mapping[str, tuple[float, float, str]]) -> None:
    """Names lines at the right edge, one below the other where they would overlap."""
    free = 2.0
    for name, (along, height, colour) in sorted(ends.items(), key=lambda end: -end[1][1]):
        free = min(height, free - 0.042)
        axes.annotate(
            name, (along, height), xytext=(1.03, free), textcoords=axes.get_yaxis_transform(), fontsize=7.5,
            color=colour, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.5},
        )  # fmt: skip


def _draw_half_life(axes: Axes, along: float, half_life: HalfLife, name: str, *, whole: bool) -> None:
    colour = WHOLE if whole else PATCHES
    top = half_life.furthest * 1.25
    value, low, high = (min(end, top) for end in (half_life.value, half_life.low, half_life.high))
    axes.plot([along, along], [low, high], color=colour, linewidth=1.4, alpha=0.7)
    axes.plot([along], [value], "s" if whole else "o", color=colour, markersize=5)
    if math.isinf(half_life.high):
        axes.plot([along], [top], "^", color=colour, markersize=5, alpha=0.7)
    axes.annotate(
        name, (along, max(high, 1)), xytext=(0, 5), textcoords="offset points", rotation=90, fontsize=7, ha="center",
        va="bottom", color=QUIET,
    )  # fmt: skip


def _name_fields(axes: Axes, sights: Sequence[Sight], *, side: int) -> None:
    fields = sorted({sight.across(side) for sight in sights if sight.pixels is not None})
    at = [math.log2(field) for field in fields]
    names = [f"{field} px" if field < side else "all, by\npatches" for field in fields]
    if any(sight.pixels is None for sight in sights):
        at.append(math.log2(side) + 0.5)
        names.append("whole\nimage")
    axes.set_xticks(at, names, fontsize=8)


def _draw_change(axes: Axes, row: Row, down: float, colour: str) -> None:
    before, after = (float(row[name] or 0) for name in ("AP, nothing between", "AP"))
    low, high = (float(row[name] or 0) for name in ("AP from", "AP to"))
    axes.plot([low, high], [down, down], color=colour, linewidth=1, alpha=0.5)
    axes.plot([before, after], [down, down], color=colour, linewidth=2.2, alpha=0.35)
    axes.plot([before], [down], "o", color=colour, markersize=5, markerfacecolor="white")
    axes.plot([after], [down], "o", color=colour, markersize=5)


def _caption(found: Range, *, intervals: bool = True) -> str:
    over = told_over(found.people, len({shot.seed for shot in found.shots}))
    return f"{found.confidence:.0%} intervals over {over}" if intervals else over


__all__ = ["draw_curves", "draw_robustness", "draw_through", "draw_transfer"]
