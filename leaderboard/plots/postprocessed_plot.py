"""What is left of detectors behind what images go through on their way."""

from __future__ import annotations

from matplotlib.figure import Figure

from fakeoff.arena.images.postprocessing import chain_heading
from fakeoff.leaderboard.plots.sheet import Sheet, title_inches
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.drawing.inks import INK, LINES
from fakeoff.protocols.score.intervals import Interval

_CHARACTER_INCHES = 0.088  # of a label in 10 points
_ACROSS = 4.6
_LINE_INCHES = 0.2
_BETWEEN = 0.6  # detectors, in lines
_LEGEND_INCHES = 0.3
_AS_THEY_ARE = "as they are"
_COLOURS = tuple(ink for ink in LINES if ink != INK)  # which is for images as they are
_MARKERS = "osD^v<>"


def postprocessed_plot(scoreboard: Scoreboard) -> Figure:
    """Draws each detector's mean AUC as images are, and behind each chain, with their intervals.

    Args:
        scoreboard: One with a detector that was scored behind a chain.
    """
    rows = [row for row in scoreboard.detectors if row.postprocessed]
    chains = (_AS_THEY_ARE, *scoreboard.chains)
    names = [f"{row.player}@{row.round}" for row in rows]
    title = (
        f"Detectors behind what images go through, after round {scoreboard.round}: mean AUC\n"
        "over all generator versions, on held-out images (dotted: chance)"
    )
    above, left = title_inches(title), _CHARACTER_INCHES * max(map(len, names)) + 0.25
    step = len(chains) + _BETWEEN
    down = _LINE_INCHES * step * len(rows)
    page = Sheet(left + _ACROSS + 0.35, above + down + 0.5 + _LEGEND_INCHES, title=title)
    axes = page.axes(left, above, _ACROSS, down)
    lowest = 0.5
    for place, chain in enumerate(chains):
        figures: list[tuple[float, float, Interval]] = []
        for at, row in enumerate(rows):
            line = at * step + place
            if chain == _AS_THEY_ARE:
                figures.append((line, row.mean_auc, row.mean_auc_ci or (row.mean_auc, row.mean_auc)))
            elif chain in row.postprocessed:
                one = row.postprocessed[chain]
                figures.append((line, one.mean_auc, one.mean_auc_ci))
        colour = INK if chain == _AS_THEY_ARE else _COLOURS[(place - 1) % len(_COLOURS)]
        for line, _, (low, high) in figures:
            axes.plot([low, high], [line, line], color=colour, linewidth=1.2, clip_on=False)
            lowest = min(lowest, low)
        axes.plot(
            [value for _, value, _ in figures],
            [line for line, _, _ in figures],
            color=colour,
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=5,
            linestyle="none",
            label=chain_heading(chain),
            clip_on=False,
        )
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlim(max(0.0, lowest - 0.05), 1.0)
    axes.set_ylim(step * len(rows) - (1 + _BETWEEN) / 2, -(1 + _BETWEEN) / 2)
    axes.set_yticks([at * step + (len(chains) - 1) / 2 for at in range(len(rows))], names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("mean AUC", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    handles = axes.get_legend_handles_labels()
    page.figure.legend(*handles, loc="lower center", ncols=len(chains), fontsize=8, frameon=False)
    return page.figure


__all__ = ["postprocessed_plot"]
