"""Pictures of where in the face the fight is: histograms of parts (Figs. 4, 6 and 7 of the paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.plots.sheet import Sheet, title_inches
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.drawing.inks import BEFORE, CAUGHT, FAKE, INK, PASSED, REAL
from fakeoff.protocols.looking.figures import PartsOfSide
from fakeoff.protocols.measures.looks import LookRow, ShiftRow

_WIDTH = 10.5  # inches, as all that follow
_LEFT, _RIGHT = 0.55, 0.1
_CAPTION, _BARS, _NAMES = 0.52, 2.05, 0.36
_LEGEND = 0.36


def part_histograms(scoreboard: Scoreboard, cells: Sequence[LookRow]) -> Figure:
    """Draws on which parts the most predictive patches of reals and of fakes lie, a row for each match.

    Args:
        scoreboard: For the confidence.
        cells: Of the scoreboard's ``parts``; at least one.
    """
    figure, rows = _rows(
        len(cells),
        title="Which part of the face gives an image away: where its most predictive patch lies\n"
        f"share of held-out images, with {_confidence(scoreboard)} bootstrap intervals",
    )
    parts = _shown(
        shares for cell in cells for side in (cell.real, cell.fake) for shares in (side.parts, side.random_parts)
    )
    for axes, cell in zip(rows, cells, strict=True):
        sides = (
            (cell.real, "real photographs", REAL),
            (cell.fake, "fakes", FAKE),
        )
        for offset, (side, label, colour) in zip((-0.2, 0.2), sides, strict=True):
            _bars(axes, parts, side.parts, side.parts_ci, offset=offset, width=0.38, colour=colour, label=label)
            _ticks(axes, parts, side.random_parts, offset=offset, width=0.38)
        _finish(axes, parts)
        axes.set_title(
            f"{cell.detector}@{cell.detector_round} looking at {cell.generator}@{cell.generator_round}\n"
            + f"{_counted(cell.real, 'real')}, {_counted(cell.fake, 'fake')}",
            loc="left",
            fontsize=10,
        )
    _legend(figure, rows[0], "a random patch of the same images")
    return figure


def shift_histograms(scoreboard: Scoreboard, shifts: Sequence[ShiftRow]) -> Figure:
    """Draws how attacks moved the fight over the face, a row for each generator and detector (Fig. 6).

    Args:
        scoreboard: For the confidence.
        shifts: Of the scoreboard's ``part_shifts``; at least one.
    """
    figure, rows = _rows(
        len(shifts),
        title="Where fakes give themselves away before and after the attack: part of their most predictive patch\n"
        f"share of held-out fakes, with {_confidence(scoreboard)} bootstrap intervals",
    )
    parts = _shown(shares for e in shifts for shares in (e.before, e.frozen, e.retrained, e.random))
    for axes, entry in zip(rows, shifts, strict=True):
        round_, detector = entry.generator_round, entry.detector
        old, new = f"{entry.generator}@{round_ - 1}", f"{entry.generator}@{round_}"
        first, second = f"{detector}@{entry.detector_round}", f"{detector}@{entry.detector_round + 1}"
        sides = (
            (entry.before, entry.before_ci, BEFORE, "frozen detector, fakes before the attack"),
            (entry.frozen, entry.frozen_ci, PASSED, "the same frozen detector, fakes after"),
            (entry.retrained, entry.retrained_ci, CAUGHT, "retrained detector, fakes after"),
        )
        for offset, (shares, intervals, colour, label) in zip((-0.27, 0.0, 0.27), sides, strict=True):
            _bars(axes, parts, shares, intervals, offset=offset, width=0.25, colour=colour, label=label)
        _ticks(axes, parts, entry.random, offset=0.0, width=0.8)
        _finish(axes, parts)
        shift = entry.shift
        verdict = "more than chance" if shift.exceeds_null else "no more than chance"
        target = "the attack's frozen target" if entry.is_target else "not the attack's target"
        axes.set_title(
            f"{first} on {old}, then {second} on {new} ({target})\n"
            f"shift {shift.tv:.0%} of the fakes: {verdict} (chance gives up to {shift.tv_null:.0%}; "
            f"random halves of the same fakes differ by up to {shift.tv_halves:.0%})",
            loc="left",
            fontsize=9,
        )
    _legend(figure, rows[0], "a random patch")
    return figure


def _counted(side: PartsOfSide, truth: str) -> str:
    tied = f" ({side.ties} with equal patches, one drawn)" if side.ties else ""
    people = f" of {side.people} people" if side.people is not None else ""
    return f"{side.n} {truth}s{people}{tied}"


def _rows(n: int, *, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with a title and room for a legend below; sizes are known, so no layout engine has to try them."""
    above, row = title_inches(title), _CAPTION + _BARS + _NAMES
    page = Sheet(_WIDTH, above + n * row + _LEGEND, title=title)
    tops = [above + index * row + _CAPTION for index in range(n)]
    return page.figure, [page.axes(_LEFT, top, _WIDTH - _LEFT - _RIGHT, _BARS) for top in tops]


def _shown(distributions: Iterable[Mapping[str, float]]) -> list[str]:
    """The parts that occur anywhere: a parser that knows no hats gets no empty column."""
    listed = list(distributions)
    return [part for part in PARTS if any(distribution.get(part) for distribution in listed)]


def _bars(
    axes: Axes,
    parts: Sequence[str],
    shares: Mapping[str, float],
    intervals: Mapping[str, Sequence[float]],
    *,
    offset: float,
    width: float,
    colour: str,
    label: str,
) -> None:
    xs = np.arange(len(parts)) + offset
    values = np.array([shares[part] for part in parts])
    # A percentile interval can leave out the value itself by a rounding.
    low, high = (np.array([intervals[part][end] for part in parts]) for end in (0, 1))
    errors = np.stack([np.maximum(0, values - low), np.maximum(0, high - values)])
    axes.bar(xs, values, width=width, color=colour, label=label)
    axes.errorbar(xs, values, yerr=errors, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5)


def _ticks(axes: Axes, parts: Sequence[str], shares: Mapping[str, float], *, offset: float, width: float) -> None:
    """What a random patch gives, as a white-edged line across the bars."""
    xs = np.arange(len(parts)) + offset
    values = [shares[part] for part in parts]
    for colour, thickness in (("white", 3.2), (INK, 1.6)):
        axes.hlines(
            values, xs - width / 2, xs + width / 2, colors=colour, linewidth=thickness, linestyles="-", zorder=3
        )


def _finish(axes: Axes, parts: Sequence[str]) -> None:
    axes.set_xticks(range(len(parts)), parts)
    axes.set_xlim(-0.6, len(parts) - 0.4)
    axes.set_ylim(0, max(0.25, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _legend(figure: Figure, axes: Axes, baseline: str) -> None:
    from matplotlib.lines import Line2D

    handles, labels = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], color=INK, linewidth=1.6))
    figure.legend(handles, [*labels, baseline], loc="lower center", ncols=len(handles), fontsize=8, frameon=False)


def _confidence(scoreboard: Scoreboard) -> str:
    return f"{100 * scoreboard.confidence:g}%"
