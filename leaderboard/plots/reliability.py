"""Reliability diagrams: whether P(fake) is how often a picture is a fake."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from fakeoff.leaderboard.plots.sheet import Sheet, title_inches
from fakeoff.protocols.drawing.inks import FAKE, INK, REAL
from fakeoff.protocols.score.metrics import MatchFigures
from fakeoff.protocols.scoring.figures import BINS, LabelledFigures

_SIDE = 2.7  # inches of a diagram
_COUNTS = 0.8  # of the bars below it
_LEFT, _GAP, _BETWEEN, _BELOW = 0.75, 0.12, 0.75, 0.6
_HEAD = 0.6  # who it is, and how it does
_PER_ROW = 4
_FEWEST = 2  # whose title would not fit above one


def reliability_diagrams(figures: Sequence[LabelledFigures]) -> Figure:
    """Draws the reliability diagram of each detector, and below it how many pictures there are of each P(fake).

    Args:
        figures: At least one.
    """
    first = figures[0].figures
    title = (
        f"Is P(fake) to be believed? {first.n_real} reals and {first.n_fake} fakes, both sides weighing the same\n"
        "on the dotted line it is; above it P(fake) is too low, below it too high; dashed: fake from here on"
    )
    rows, columns = -(-len(figures) // _PER_ROW), min(_PER_ROW, len(figures))
    block = _HEAD + _SIDE + _GAP + _COUNTS + _BELOW
    width = _LEFT + max(columns, _FEWEST) * _SIDE + (max(columns, _FEWEST) - 1) * _BETWEEN + 0.2
    sheet = Sheet(width, title_inches(title) + rows * block, title=title)
    for index, one in enumerate(figures):
        row, column = divmod(index, _PER_ROW)
        _draw(sheet, one, left=_LEFT + column * (_SIDE + _BETWEEN), top=title_inches(title) + row * block)
    return sheet.figure


def _draw(sheet: Sheet, one: LabelledFigures, *, left: float, top: float) -> None:
    figures = one.figures
    sheet.text(one.detector, x=left, y=top + 0.05, size=10)
    sheet.text(
        f"AP {_with_interval(figures, 'ap')}, AUC {_with_interval(figures, 'auc')}\n"
        f"Brier score {figures.brier:.3f}, expected calibration error {figures.ece:.3f}",
        x=left,
        y=top + 0.25,
        size=7,
    )
    upper = sheet.axes(left, top + _HEAD, _SIDE, _SIDE)
    upper.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    upper.plot(
        [each.p_fake for each in one.reliability],
        [each.share_fake for each in one.reliability],
        color=INK,
        marker="o",
        markersize=5,
        linewidth=1.4,
        clip_on=False,
    )
    upper.set_ylim(0, 1)
    upper.set_ylabel("share that is fake", fontsize=8)
    upper.tick_params(labelbottom=False)
    lower = sheet.axes(left, top + _HEAD + _SIDE + _GAP, _SIDE, _COUNTS)
    places = [min(int(each.p_fake * BINS), BINS - 1) for each in one.reliability]
    for shift, colour, name, counts in (
        (0.3, REAL, "real", [each.n_real for each in one.reliability]),
        (0.7, FAKE, "fake", [each.n_fake for each in one.reliability]),
    ):
        lower.bar([(place + shift) / BINS for place in places], counts, width=0.36 / BINS, color=colour, label=name)
    lower.set_ylabel("pictures", fontsize=8)
    lower.set_xlabel("P(fake)", fontsize=8)
    legend = lower.legend(loc="upper center", fontsize=7, ncols=2, framealpha=1, edgecolor="none", borderpad=0.2)
    legend.set_zorder(3)  # over the threshold
    lower.set_ylim(0, 1.35 * max(max(each.n_real, each.n_fake) for each in one.reliability))
    for axes in (upper, lower):
        axes.axvline(one.threshold, color=INK, linewidth=0.9, linestyle="--")
        axes.set_xlim(0, 1)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)


def _with_interval(figures: MatchFigures, metric: str) -> str:
    low, high = figures.interval(metric)
    return f"{figures.value(metric):.3f} ({low:.3f} to {high:.3f})"


__all__ = ["reliability_diagrams"]
