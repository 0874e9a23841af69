"""Pictures of reprojections: photographs beside what a generator makes of them, and how near it comes step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.arena.images import Pixels
from fakeoff.protocols.drawing.inks import INK, LINES, QUIET
from fakeoff.protocols.drawing.maps import DPI
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.figures import draw_table
from fakeoff.protocols.generalize.trials import Trials
from fakeoff.protocols.reproject.reprojections import MARK, Reprojection
from fakeoff.protocols.reproject.rows import mean_of

_PEOPLE = 8
_AMPLIFIED = 2

_SCALE = (("distance_same", "another photograph\nof the same person"), ("distance_other", "another\nperson"))

_STARTS = {
    "own encoder": "start: the generator's\nown encoding",
    "trained encoder": "start: what an encoder\nsays of the photograph",
    "mean latent": "start: the image of\nthe mean latent",
}


def draw_reprojections(bench: Bench, one: Reprojection) -> Figure:
    """Draws photographs of test, a person a column: the photograph, the start, the way, the end, and what is missing.

    Args:
        bench: Where the photographs are.
        one: The generator's reprojections.
    """
    result, photographs = one.results["test"], bench.pixels(one.reals["test"])
    arrays = result.arrays
    shown = _first_of_each(arrays["test_target_person"])
    decided = one.on_val
    early = int(result.record["early"])
    steps = [("start", _STARTS[decided.start])]
    if decided.steps:
        steps += [
            ("early", f"after {early} step{'s' * (early != 1)}"),
            ("end", f"after {decided.steps} steps:\nthe reprojection"),
        ]
    rows = 2 + len(steps)
    figure = Figure(figsize=(2.2 + 1.12 * len(shown), 1.0 + 1.32 * rows), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, len(shown), squeeze=False)
    _draw_row(panels[0], photographs[shown], "real photograph,\nof test")
    for row, (name, words) in zip(panels[1:], steps, strict=False):
        under = [f"{value:.2f}" for value in arrays[f"distance_{name}"][shown]]
        _draw_row(row, arrays[name][shown], words, under)
    end = arrays[steps[-1][0]][shown]
    _draw_row(
        panels[-1],
        _difference(photographs[shown], end),
        f"what {one.of.player}\ncould not make\n(difference, x{_AMPLIFIED})",
    )
    figure.suptitle(_title(one), fontsize=9, x=0.01, ha="left", color=INK)
    return figure


def draw_explained(trials: Trials) -> Figure:
    """The table of average precision, with what stands behind the names of reprojections.

    Args:
        trials: What was played.
    """
    figure = draw_table(trials)
    words = f"NAME{MARK}: what generator NAME makes of the real photographs, its reprojections"
    figure.axes[0].text(0.1, 0.73, words, fontsize=8, color=QUIET, va="center")
    return figure


def draw_quality(found: Sequence[Reprojection]) -> Figure:
    """Draws how near reprojections of val come, step by step, one panel for each distance that was used.

    Args:
        found: At least one.
    """
    names = list(dict.fromkeys(one.distance.name for one in found))
    figure = Figure(figsize=(7.4, 0.6 + 3.9 * len(names)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for name, axes in zip(names, panels, strict=True):
        _draw_curves(axes, [one for one in found if one.distance.name == name], name)
    figure.suptitle(
        "How near do generators come to real photographs? Mean distance while the latent of each is sought\n"
        "Photographs of val; ring: as many steps are taken for train and test",
        fontsize=9,
        x=0.01,
        ha="left",
        color=INK,
    )
    return figure


def _draw_curves(axes: Axes, found: Sequence[Reprojection], name: str) -> None:
    for one, colour in zip(found, LINES * len(found), strict=False):
        curve = one.on_val.curve
        steps, distances = [look.steps for look in curve], [look.distance for look in curve]
        way = "gives them back as they are" if one.on_val.is_exact else f"started by: {one.on_val.start}"
        label = f"{one.of.player}, {way}"
        axes.plot(steps, distances, "-o", color=colour, markersize=3, linewidth=1.4, label=label)
        place = steps.index(one.on_val.steps)
        axes.plot(
            [steps[place]], [distances[place]], "o", markersize=10, markerfacecolor="none", markeredgecolor=colour
        )
    # Of the first: at another resolution they are not quite the same.
    arrays = found[0].results["val"].arrays
    for values, words in _SCALE:
        if (mean := mean_of(arrays[values])) is not None:
            axes.axhline(mean, color=QUIET, linestyle=":", linewidth=1)
            beside = axes.get_yaxis_transform()
            axes.text(1.01, mean, words, fontsize=7.5, color=QUIET, ha="left", va="center", transform=beside)
    axes.set_xlabel("steps of the search", fontsize=9)
    axes.set_ylabel(f"{name} to the photograph, 0 is identical", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)


def _draw_row(row: npt.NDArray[np.object_], pixels: Pixels, words: str, under: Sequence[str] = ()) -> None:
    for column, (axes, image) in enumerate(zip(row, pixels, strict=True)):
        axes.imshow(image, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if under:
            axes.set_xlabel(under[column], fontsize=8, color=QUIET, labelpad=2)
    row[0].set_ylabel(words, fontsize=8, rotation=0, ha="right", va="center", labelpad=6)


def _difference(photographs: Pixels, made: Pixels) -> Pixels:
    """Photographs less images, around grey: brighter where the photograph is."""
    apart = photographs.astype(np.int16) - made.astype(np.int16)
    brighter: Pixels = np.clip(128 + _AMPLIFIED * apart, 0, 255).astype(np.uint8)
    return brighter


def _first_of_each(persons: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """The place of the first photograph of each of eight people."""
    _, first = np.unique(persons, return_index=True)
    places: npt.NDArray[np.int64] = np.sort(first)[:_PEOPLE].astype(np.int64)
    return places


def _title(one: Reprojection) -> str:
    arrays, name = one.results["test"].arrays, one.distance.name
    same, other = mean_of(arrays["distance_same"]), mean_of(arrays["distance_other"])
    scale = [
        f"{value:.2f} {words}"
        for value, words in ((same, "to another photograph of the same person"), (other, "to another person"))
        if value is not None
    ]
    lines = [
        f"What {one.of.player} makes of real photographs of test: the latent whose image is closest is sought for each",
        f"Below each image: {name} to the photograph, 0 is identical; on average it is {', '.join(scale)}",
    ]
    if one.instead:
        lines.append(f"({name}, because {one.instead})")
    return "\n".join(lines)


__all__ = ["draw_explained", "draw_quality", "draw_reprojections"]
