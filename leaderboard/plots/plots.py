"""Pictures of a tournament: the payoff matrix, the duels, and faces before and after an attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fakeoff.arena.images import Pixels, grid
from fakeoff.leaderboard.plots.sheet import Sheet, title_inches
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.duels import find_duels
from fakeoff.protocols.drawing.inks import BEFORE, CAUGHT, INK, PASSED
from fakeoff.protocols.drawing.maps import PASSED_TO_CAUGHT, explain, lower_end

_CHARACTER_INCHES = 0.088  # of a label in 10 points
_FACES_INCHES = 11.0
_TITLE_INCHES = 7.0  # what the payoff matrix's title needs
_BARS_INCHES = 2.15
_SCALE_INCHES = 1.25  # beside the payoff matrix, with its words
_CAPTION_INCHES = 0.3


def payoff_matrix(scoreboard: Scoreboard) -> Figure:
    """Draws every detector version (rows) against every generator version (columns).

    Colour is accuracy at 0.5, from 50% (every fake passes), or from the lowest that there is, to 100%; each cell also
    says AP. A black frame marks the frozen target of that attack.
    """
    cells = scoreboard.cells
    columns = sorted({(cell.generator, cell.generator_round) for cell in cells})
    rows = sorted({(cell.detector, cell.detector_round) for cell in cells})
    accuracy = np.full((len(rows), len(columns)), np.nan)
    column_names, row_names = ([f"{name}@{round_}" for name, round_ in versions] for versions in (columns, rows))
    column_inches = max(1.0, _CHARACTER_INCHES * max(map(len, column_names)) + 0.15)
    title = (
        f"Who catches whom, after round {scoreboard.round}: accuracy at 0.5 and AP on held-out images\n"
        "50%: every fake passes; less: reals are called fake, too; framed: the attack's frozen target"
    )
    above, left = title_inches(title), _CHARACTER_INCHES * max(map(len, row_names)) + 0.45
    across, down = max(column_inches * len(columns), _TITLE_INCHES - left - _SCALE_INCHES), max(1.6, 0.55 * len(rows))
    page = Sheet(left + across + _SCALE_INCHES, above + down + 0.65, title=title)
    axes = page.axes(left, above, across, down)
    for cell in cells:
        row = rows.index((cell.detector, cell.detector_round))
        column = columns.index((cell.generator, cell.generator_round))
        accuracy[row, column] = cell.accuracy
        axes.text(
            column,
            row,
            f"{cell.accuracy:.0%}\nAP {cell.ap:.2f}",
            ha="center",
            va="center",
            fontsize=9,
            color=INK,
        )
        if cell.is_target:
            axes.add_patch(_frame(column, row))
    low = lower_end(accuracy.flat, at_most=0.5)
    picture = axes.imshow(accuracy, cmap=PASSED_TO_CAUGHT, vmin=low, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(columns)), column_names)
    axes.set_yticks(range(len(rows)), row_names)
    axes.set_xlabel("generator version")
    axes.set_ylabel("detector version")
    beside = page.axes(left + across + 0.15, above, 0.14, down)
    explain(page.figure, picture, label="accuracy", percent=True, within=beside)
    return page.figure


def duel_chart(scoreboard: Scoreboard) -> Figure:
    """Draws each attack as three bars a metric: the frozen target before, after, and its retrained successor."""
    duels = find_duels(scoreboard)
    names = [(f"{d.generator}@{d.generator_round}", f"against {d.detector}@{d.detector_round}") for d in duels]
    duel_inches = max(2.4, _CHARACTER_INCHES * max(len(name) for pair in names for name in pair) + 0.2)
    confidence = 100 * scoreboard.confidence
    title = f"Every attack, on held-out images ({confidence:g}% bootstrap intervals; dotted: chance)"
    above, across = title_inches(title), max(7.3, duel_inches * len(duels))
    page = Sheet(across + 0.75, above + 2 * _BARS_INCHES + 1.05, title=title)
    upper = page.axes(0.65, above, across, _BARS_INCHES)
    lower = page.axes(0.65, above + _BARS_INCHES + 0.15, across, _BARS_INCHES, sharex=upper)
    upper.tick_params(labelbottom=False)
    sides = (
        ("before", "frozen detector, before the attack", BEFORE),
        ("after", "the same frozen detector, after", PASSED),
        ("retrained", "retrained detector, after", CAUGHT),
    )
    for axes, metric, name in ((upper, "accuracy", "accuracy at 0.5"), (lower, "ap", "average precision")):
        for offset, (side, label, colour) in zip((-0.27, 0.0, 0.27), sides, strict=True):
            found = [(index, duel.sides[side]) for index, duel in enumerate(duels) if side in duel.sides]
            xs = [index + offset for index, _ in found]
            cells = [cell for _, cell in found]
            values = [cell.value(metric) for cell in cells]
            # A percentile interval can leave out the value itself by a rounding.
            errors = [
                [max(0.0, v - c.interval(metric)[0]) for v, c in zip(values, cells, strict=True)],
                [max(0.0, c.interval(metric)[1] - v) for v, c in zip(values, cells, strict=True)],
            ]
            bars = axes.bar(xs, values, width=0.25, color=colour, label=label, yerr=errors, capsize=2, ecolor=INK)
            texts = [f"{v:.0%}" if metric == "accuracy" else f"{v:.2f}" for v in values]
            axes.bar_label(bars, texts, label_type="edge", padding=3, color=INK, fontsize=8)
        axes.axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(0, 1.18)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
        axes.set_ylabel(name)
        axes.spines[["top", "right"]].set_visible(False)
    lower.set_xticks(range(len(duels)), ["\n".join(pair) for pair in names])
    lower.set_xlim(-0.55, len(duels) - 0.45)
    page.figure.legend(*upper.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8, frameon=False)
    return page.figure


def before_and_after(rows: Sequence[tuple[str, Pixels]]) -> Figure:
    """Draws rows of faces of the same latents, each with a caption.

    Args:
        rows: Caption and uint8 ``(n, h, w, 3)``.
    """
    sheets = [grid(images, columns=len(images)) for _, images in rows]
    heights = [_FACES_INCHES * sheet.shape[0] / sheet.shape[1] for sheet in sheets]
    page = Sheet(_FACES_INCHES + 0.1, sum(heights) + _CAPTION_INCHES * len(rows) + 0.05)
    top = 0.0
    for (caption, _), sheet, height in zip(rows, sheets, heights, strict=True):
        page.text(caption, x=0.05, y=top + _CAPTION_INCHES - 0.07, size=10, va="bottom")
        page.image(sheet, left=0.05, top=top + _CAPTION_INCHES, width=_FACES_INCHES, height=height)
        top += _CAPTION_INCHES + height
    return page.figure


def to_pixels(figure: Figure) -> Pixels:
    """Renders a figure; uint8 ``(height, width, 3)``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a plot that is only saved needs no canvas

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor=INK, linewidth=2.2)
