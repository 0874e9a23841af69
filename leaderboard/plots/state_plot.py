"""The state of the game over rounds: what it is worth, and which versions would be played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fakeoff.leaderboard.plots.sheet import Sheet, title_inches
from fakeoff.protocols.drawing.inks import INK, LINES, QUIET
from fakeoff.protocols.measures.state import RoundState
from fakeoff.protocols.record.versions import KINDS, Kind

_LEFT, _RIGHT, _BELOW = 0.75, 0.25, 0.55
_LINE_INCHES, _BARS_INCHES, _BETWEEN = 1.6, 1.9, 0.5
_CHARACTER_INCHES = 0.075  # of a label in a bar
_WIDEST = 18.0  # of many rounds, whose bars have no room for names
_LEGIBLE = 0.075  # a bar of less has no room for its name
_TOLD = 20  # of so many rounds the value is written


def state_plot(states: Sequence[RoundState]) -> Figure:
    """Draws the value over rounds, and both sides' optimal mixtures below it.

    Args:
        states: At least one, in order.
    """
    names = [f"{one.player}@{one.round} 100%" for state in states for kind in KINDS for one in state.mixture(kind)]
    wanted = len(states) * (_CHARACTER_INCHES * max(map(len, names)) + 0.25)
    across = min(max(6.4, wanted), _WIDEST)
    title = (
        "The game of all versions after each round: its value is the AUC that both sides can\n"
        "guarantee where each draws among its versions as well as can be; up is good for detectors"
    )
    above = title_inches(title)
    page = Sheet(_LEFT + across + _RIGHT, above + _LINE_INCHES + 2 * (_BARS_INCHES + _BETWEEN) + _BELOW, title=title)
    line = page.axes(_LEFT, above, across, _LINE_INCHES)
    _draw_value(line, states)
    top = above + _LINE_INCHES + _BETWEEN
    for kind in KINDS[::-1]:
        bars = page.axes(_LEFT, top, across, _BARS_INCHES, sharex=line)
        _draw_mixtures(bars, states, kind=kind, named=wanted <= _WIDEST)
        top += _BARS_INCHES + _BETWEEN
    bars.set_xlabel("after round", fontsize=9)
    return page.figure


def _draw_value(axes: Axes, states: Sequence[RoundState]) -> None:
    rounds, values = [state.round for state in states], [state.value for state in states]
    axes.plot(rounds, values, color=INK, marker="o", markersize=5, linewidth=1.6, clip_on=False, zorder=3)
    for state in states:
        if state.value_ci is not None:
            axes.plot([state.round] * 2, state.value_ci, color=INK, linewidth=1, alpha=0.6, clip_on=False)
    every = -(-len(states) // _TOLD)
    for round_, value in list(zip(rounds, values, strict=True))[::-every]:  # the last one always
        below = value > 0.9
        axes.annotate(
            f"{value:.3f}",
            (round_, value),
            xytext=(7, -7 if below else 7),
            textcoords="offset points",
            ha="left",
            va="top" if below else "bottom",
            fontsize=8,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},  # over the line of chance
        )
    axes.axhline(0.5, color=QUIET, linewidth=0.8, linestyle=":")
    axes.text(
        0.995, 0.51, "chance", transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=7, color=QUIET
    )
    low = min(0.4, *values, *(state.value_ci[0] for state in states if state.value_ci is not None))
    axes.set_ylim(max(0.0, low - 0.1 if low < 0.4 else low), 1.0)
    axes.set_ylabel("value (AUC),\nits interval" if any(one.value_ci for one in states) else "value (AUC)", fontsize=9)
    axes.tick_params(labelbottom=False, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_mixtures(axes: Axes, states: Sequence[RoundState], *, kind: Kind, named: bool) -> None:
    colours = _colours(states, kind)
    for state in states:
        bottom = 0.0
        for one in sorted(state.mixture(kind), key=lambda one: (one.player, one.round)):
            version = (one.player, one.round)
            axes.bar(state.round, one.weight, bottom=bottom, width=0.86, color=colours[version], edgecolor="white")
            if named and one.weight >= _LEGIBLE:
                label = f"{one.player}@{one.round} {one.weight:.0%}"
                middle = bottom + one.weight / 2
                axes.text(state.round, middle, label, ha="center", va="center", fontsize=7.5, color=INK)
            bottom += one.weight
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.set_ylabel("share of games", fontsize=9)
    axes.tick_params(labelsize=8)
    lighter = "" if named else "; older versions are lighter"
    axes.set_title(f"{kind}s that would be played{lighter}", loc="left", fontsize=9)
    if not named:
        _explain_colours(axes, states[-1], colours, kind=kind)
    axes.set_xticks([state.round for state in states][:: -(-len(states) // _TOLD)])
    axes.set_xlim(states[0].round - 0.5, states[-1].round + 0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _explain_colours(axes: Axes, state: RoundState, colours: Mapping[tuple[str, int], Any], *, kind: Kind) -> None:
    """A legend with the newest version of each player, where bars are too narrow for names."""
    newest = sorted(state.newest(kind))
    patches = [Patch(color=colours[one], label=f"{one[0]}@{one[1]}") for one in newest]
    legend = axes.legend(
        handles=patches,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=len(patches),
        fontsize=7,
        frameon=False,
    )
    legend.set_in_layout(False)


def _colours(states: Sequence[RoundState], kind: Kind) -> Mapping[tuple[str, int], Any]:
    """A hue for each player, the stronger the newer the version."""
    versions = [(one.player, one.round) for one in states[-1].versions(kind)]
    players = sorted({player for player, _ in versions})
    hues = [to_rgb(line) for line in LINES]
    newest = max(round_ for _, round_ in versions)
    found = {}
    for player, round_ in versions:
        hue = hues[players.index(player) % len(hues)]
        strength = 0.25 + 0.4 * (round_ + 1) / (newest + 1)
        found[player, round_] = tuple(1 - strength * (1 - part) for part in hue)
    return found


__all__ = ["state_plot"]
