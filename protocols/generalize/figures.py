"""Pictures of generalisation: the table, and average precision over the receptive field."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.protocols.drawing.inks import GREY, INK, PALE, PATCHES, PATCHES_OR_WHOLE, QUIET, WHOLE
from fakeoff.protocols.drawing.maps import DPI, lower_end
from fakeoff.protocols.generalize.trials import Trials
from fakeoff.protocols.score.replicates import Estimate, told_over


def draw_table(trials: Trials) -> Figure:
    """Detectors by generators, one block for each thing that was trained on.

    What was trained on is grey. The best mean of each block, and all that cannot be told apart from it, are bold.

    Args:
        trials: What was played.
    """
    columns = max(len(trials.generators) + 1, 2)
    lines = sum(len(trials.detectors) + 2 for _ in trials.groups)
    width, height = 3.3 + 1.45 * columns, 0.27 * lines + 1.1
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    _write(axes, 0.1, 0.3, "Average precision on fakes of test", size=11)
    _write(axes, 0.1, 0.55, _caption(trials), size=8, colour=QUIET)
    top = 0.95
    for group in trials.groups:
        top = _draw_block(axes, trials, group, top=top, width=width)
    return figure


def draw_receptive_fields(trials: Trials) -> Figure:
    """Mean average precision on unseen generators over what a detector sees at once, one panel for each group.

    Args:
        trials: What was played.
    """
    groups = [group for group in trials.groups if trials.unseen(group)]
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(max(6.5, 4.6 * columns), 4.1 * rows + 0.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for group, axes in zip(groups, panels, strict=False):
        _draw_fields(axes, trials, group)
    for axes in list(figure.axes)[len(groups) :]:
        axes.set_axis_off()
    figure.supylabel("average precision, mean of unseen generators", fontsize=9)
    figure.suptitle(
        f"Do smaller receptive fields generalise to unseen generators?\n{_caption(trials, table=False)}",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    return figure


def _draw_block(axes: Axes, trials: Trials, group: str, *, top: float, width: float) -> float:
    seen, unseen = trials.seen(group), trials.unseen(group)
    places = {name: 3.4 + 1.45 * index for index, name in enumerate((*seen, *unseen))}
    last = 3.4 + 1.45 * len(places)
    _write(axes, 0.1, top, f"trained on {group}", weight="bold")
    for name, place in places.items():
        _write(axes, place, top, name, colour=QUIET if name in seen else INK)
    standings = {standing.detector: standing for standing in trials.standings(group)}
    if standings:
        _write(axes, last, top, "mean of unseen", weight="bold")
    axes.plot([0.1, width - 0.1], [top + 0.14, top + 0.14], color=GREY, linewidth=0.8)
    for detector in trials.detectors:
        top += 0.27
        _write(axes, 0.1, top, detector)
        _write(axes, 2.6, top, trials.sights[detector].words, colour=QUIET)
        for name, place in places.items():
            found = trials.ap(group, detector, name)
            text = "" if found is None else _numbers(found)
            _write(axes, place, top, text, colour=PALE if name in seen else INK)
        if detector in standings:
            ap, best = standings[detector].ap, standings[detector].is_best
            _write(axes, last, top, _numbers(ap), weight="bold" if best else "normal")
    return top + 0.45


def _draw_fields(axes: Axes, trials: Trials, group: str) -> None:
    places: dict[float, int] = {}
    standings = {standing.detector: standing for standing in trials.standings(group)}
    for detector in (name for name in trials.detectors if name in standings):
        sight, ap = trials.sights[detector], standings[detector].ap
        whole = sight.pixels is None
        along = math.log2(sight.across(trials.side)) + (0.35 if whole else 0.0)
        crowd = places[along] = places.get(along, -1) + 1
        along += 0.11 * crowd
        colour = WHOLE if whole else PATCHES
        axes.plot([along, along], [ap.low, ap.high], color=colour, linewidth=1.4, alpha=0.7)
        axes.plot([along] * len(ap.of_seeds), ap.of_seeds, ".", color=colour, markersize=3, alpha=0.5)
        axes.plot([along], [ap.value], "s" if whole else "o", color=colour, markersize=5)
        axes.annotate(
            detector, (along, ap.high), xytext=(0, 3), textcoords="offset points", rotation=90, fontsize=7,
            ha="center", va="bottom", color=QUIET,
        )  # fmt: skip
    axes.axhline(0.5, color=INK, linestyle=":", linewidth=1)
    axes.text(1.01, 0.5, "chance", fontsize=8, ha="left", va="center", transform=axes.get_yaxis_transform())
    ticks = sorted({trials.sights[name].across(trials.side) for name in standings if trials.sights[name].pixels})
    names = [f"{tick} px" if tick < trials.side else "all, by\npatches" for tick in ticks]
    at = [math.log2(tick) for tick in ticks]
    if any(trials.sights[name].pixels is None for name in standings):
        at.append(math.log2(trials.side) + 0.35 + 0.05 * places.get(math.log2(trials.side) + 0.35, 0))
        names.append("whole\nimage")
    axes.set_xticks(at, names, fontsize=8)
    low = lower_end((value for one in standings.values() for value in (one.ap.low, *one.ap.of_seeds)), at_most=0.4)
    axes.set_ylim(low - 0.02, 1.3)
    axes.set_yticks([tick / 10 for tick in range(math.ceil(10 * low), 11)])
    axes.set_title(
        f"trained on {group}, tested on {', '.join(trials.unseen(group))}", fontsize=8, loc="left", wrap=True
    )
    axes.spines[["top", "right"]].set_visible(False)


def _caption(trials: Trials, *, table: bool = True) -> str:
    words = f"{trials.confidence:.0%} intervals over {told_over(trials.people, trials.seeds)}"
    if not table:
        return f"{words}; small dots: seeds.\n{PATCHES_OR_WHOLE.capitalize()}"
    return f"{words}. Grey: trained on. Bold: the best mean, and what cannot be told apart from it"


def _numbers(found: Estimate) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _write(
    axes: Axes, left: float, top: float, text: str, *, size: float = 8.5, colour: str = INK, weight: str = "normal"
) -> None:
    axes.text(left, top, text, fontsize=size, color=colour, weight=weight, va="center")
