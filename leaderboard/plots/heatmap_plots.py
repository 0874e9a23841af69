"""Pictures of what a patch detector sees: heatmaps over images, as in Fig. 3 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from fakeoff.arena.images import Pixels, grid, to_arena
from fakeoff.arena.jobs import Result
from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.looking.figures import LookFigures
from fakeoff.protocols.score.patches import Indices, Truth, align, normalise, windows

_DPI = 120
_PER_ROW = 6
_GAP = 2  # pixels between images
_COLOURS = "RdBu"  # the paper's: real is red, fake is blue
_SHARE_OF_HEATMAP = 0.65  # the rest is the image in grey, to tell where one is
_PATCH = "#ffd33d"

Heatmaps = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """Images with what a detector sees in them.

    Attributes:
        caption: What they have in common.
        pixels: uint8 ``(n, h, w, 3)``.
        heatmaps: float32 ``(n, h, w)``: P(fake), aligned with the images.
        boxes: int64 ``(n, 4)``: the most predictive patch of each: top, left, bottom, right.
        labels: Of each image; may be empty.
    """

    caption: str
    pixels: Pixels
    heatmaps: Heatmaps
    boxes: Indices
    labels: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Average:
    """The mean heatmap of the easiest images: P(correct class).

    Attributes:
        caption: Of which images.
        heatmap: float32 ``(h, w)``, each image normalised before averaging or not.
        unit: What its values are.
    """

    caption: str
    heatmap: Heatmaps
    unit: str


def exhibits(look: Result, *, truth: Truth, pixels: Pixels) -> list[Exhibit]:
    """The easiest and the hardest images of one side of a match.

    Args:
        look: What :func:`fakeoff.protocols.looking.look.look` returned.
        truth: Which side it looked at.
        pixels: The test pool, uint8 ``(n, h, w, 3)``.
    """
    figures = look.figures(LookFigures)
    field, pixels = figures.receptive_field, _as_shown(pixels, figures)
    size = (pixels.shape[1], pixels.shape[2])
    nouns = {"real": "reals", "fake": "fakes"}
    shown = []
    for ease, meaning in (("easiest", "surest"), ("hardest", "least sure")):
        chosen = look.arrays[ease][:_PER_ROW]
        parts = look.arrays["parts"][chosen]
        shown.append(
            Exhibit(
                caption=f"{ease} {nouns[truth]} (the detector is {meaning} that they are {truth})",
                pixels=pixels[chosen],
                heatmaps=align(look.arrays[f"{ease}_scores"][:_PER_ROW], field, size=size),
                boxes=windows(look.arrays["units"][chosen], field, size=size),
                labels=[PARTS[part] for part in parts] if figures.has_parts else [],
            )
        )
    return shown


def _as_shown(pixels: Pixels, figures: LookFigures) -> Pixels:
    """Images at the size at which the detector was shown them."""
    return pixels if figures.side is None else to_arena(pixels, resolution=figures.side)


def averages(look: Result, *, truth: Truth, size: tuple[int, int]) -> list[Average]:
    """The mean heatmaps of one side: of normalised heatmaps, as the paper draws them, and of raw ones."""
    figures = look.figures(LookFigures)
    field, size = figures.receptive_field, size if figures.side is None else (figures.side, figures.side)
    caption = f"mean of the {figures.averaged_over} easiest {truth}s"
    return [
        Average(caption=f"{caption},\n{scale}", heatmap=align(look.arrays[name][None], field, size=size)[0], unit=unit)
        for scale, name, unit in (
            ("each normalised", "normalised_average", "share of an image's range"),
            ("raw scale", "average", "P(correct class)"),
        )
    ]


def match_heatmaps(title: str, looks: Mapping[Truth, Result], pools: Mapping[Truth, Pixels]) -> Figure:
    """Draws the easiest and hardest fakes and reals of a match, and the mean heatmaps.

    Args:
        title: Who looks at whom.
        looks: What :func:`fakeoff.protocols.looking.look.look` returned, by side.
        pools: The test pools, uint8 ``(n, h, w, 3)``.
    """
    figure = Figure(figsize=(13.0, 10.6), dpi=_DPI, layout="constrained")
    upper, key, lower = figure.subfigures(3, 1, squeeze=False, height_ratios=(7.4, 0.5, 2.4))[:, 0]
    blocks = upper.subfigures(2, 2, wspace=0.02)
    sides: tuple[Truth, Truth] = ("fake", "real")
    for row, truth in zip(blocks, sides, strict=True):
        for block, exhibit in zip(row, exhibits(looks[truth], truth=truth, pixels=pools[truth]), strict=True):
            _draw(block, exhibit)
    size = (pools["fake"].shape[1], pools["fake"].shape[2])
    means = [average for truth in sides for average in averages(looks[truth], truth=truth, size=size)]
    for axes, average in zip(lower.subplots(1, 4), means, strict=True):
        picture = axes.imshow(average.heatmap, cmap="viridis")
        axes.set_axis_off()
        axes.set_title(average.caption, fontsize=8)
        bar = lower.colorbar(picture, ax=axes, shrink=0.8, label=average.unit)
        bar.ax.tick_params(labelsize=7)
        bar.ax.yaxis.label.set_size(7)
    figure.suptitle(
        f"{title}\nyellow: the most predictive patch and its part; normalised: each image's own range; "
        "raw: P(fake) from 0 to 1",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    _key(key)
    return figure


def picture_heatmaps(title: str, exhibit: Exhibit) -> Figure:
    """Draws any number of pictures, six a row, each above its normalised and its raw heatmap."""
    rows = -(-len(exhibit.pixels) // _PER_ROW)
    columns = min(_PER_ROW, len(exhibit.pixels))
    figure = Figure(figsize=(max(6.5, 1.9 * columns + 1.4), 1.1 + 5.9 * rows), dpi=_DPI, layout="constrained")
    *blocks, key = figure.subfigures(rows + 1, 1, squeeze=False, height_ratios=(*[5.9] * rows, 0.5))[:, 0]
    for index, block in enumerate(blocks):
        part = slice(index * _PER_ROW, (index + 1) * _PER_ROW)
        _draw(
            block,
            Exhibit(
                caption=exhibit.caption if index == 0 else "",
                pixels=exhibit.pixels[part],
                heatmaps=exhibit.heatmaps[part],
                boxes=exhibit.boxes[part],
                labels=exhibit.labels[part],
            ),
            columns=columns,
        )
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    _key(key)
    return figure


def _draw(block: SubFigure, exhibit: Exhibit, *, columns: int = _PER_ROW) -> None:
    """Three strips: the images with their patches, the normalised heatmaps, the raw ones."""
    upper, middle, lower = block.subplots(3, 1)
    _, height, width, _ = exhibit.pixels.shape
    upper.imshow(grid(exhibit.pixels, columns=columns), interpolation="nearest")
    for index, (top, left, bottom, right) in enumerate(exhibit.boxes.tolist()):
        start = index * (width + _GAP)
        box = Rectangle(
            (start + left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=_PATCH, linewidth=1.2
        )
        upper.add_patch(box)
    for index, label in enumerate(exhibit.labels):
        upper.text(index * (width + _GAP) + width / 2, height + 1, label, ha="center", va="top", fontsize=7)
    upper.set_title(exhibit.caption, loc="left", fontsize=8)
    for axes, name, heatmaps in (
        (middle, "normalised", normalise(exhibit.heatmaps)),
        (lower, "raw", exhibit.heatmaps),
    ):
        axes.imshow(grid(_overlay(exhibit.pixels, heatmaps), columns=columns), interpolation="nearest")
        axes.set_ylabel(name, fontsize=8)
    for axes in (upper, middle, lower):
        _bare(axes)


def _overlay(pixels: Pixels, heatmaps: Heatmaps) -> Pixels:
    colours = mpl.colormaps[_COLOURS](heatmaps)[..., :3]
    grey = pixels.mean(axis=-1, keepdims=True) / 255
    mixed = _SHARE_OF_HEATMAP * colours + (1 - _SHARE_OF_HEATMAP) * grey
    return np.asarray((mixed * 255).round(), dtype=np.uint8)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _key(block: SubFigure) -> None:
    """What the heatmaps' colours mean."""
    axes = block.subplots()
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=_COLOURS, aspect="auto")
    axes.set_xticks([0, 255], ["real", "fake"], fontsize=8)
    axes.set_yticks([])
    axes.set_box_aspect(0.05)
