"""Pictures of what a patch detector sees: heatmaps over images, as in Fig. 3 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from fakeoff.arena.images import Masks, Pixels, grid, to_arena
from fakeoff.arena.jobs import Result
from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.plots.sheet import LINE, Sheet, title_inches
from fakeoff.protocols.drawing.inks import PATCH, REAL_OR_FAKE
from fakeoff.protocols.drawing.maps import LITTLE_TO_MUCH, REAL_TO_FAKE
from fakeoff.protocols.looking.figures import LookFigures
from fakeoff.protocols.score.patches import Indices, Truth, align, normalise, resize_labels, windows

_PER_ROW = 6
_GAP = 2  # pixels between images
_MATCH_WIDTH = 13.0  # inches, as all that follow
_RIGHT = 0.1  # a margin
_GUTTER = 0.1  # between two exhibits side by side
_BETWEEN = 0.1  # and below each
_LEFT = 0.3  # of a strip: its name
_CAPTION = 0.22
_LABELS = 0.22
_GAP_INCHES = 0.05
_KEY_HEIGHT = 0.6
_MEANS_HEIGHT = 2.5
_SHARE_OF_HEATMAP = 0.65  # the rest is the image in grey, to tell where one is

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
        masks: uint8 ``(n, h, w)``: what was changed of each, from 0 to 255; None where nobody says.
    """

    caption: str
    pixels: Pixels
    heatmaps: Heatmaps
    boxes: Indices
    labels: Sequence[str]
    masks: Masks | None = None


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


def exhibits(look: Result, *, truth: Truth, pixels: Pixels, masks: Masks | None = None) -> list[Exhibit]:
    """The easiest and the hardest images of one side of a match.

    Args:
        look: What :func:`fakeoff.protocols.looking.look.look` returned.
        truth: Which side it looked at.
        pixels: The test pool, uint8 ``(n, h, w, 3)``.
        masks: What was changed of its images, uint8 ``(n, h, w)``.
    """
    figures = look.figures(LookFigures)
    masks = None if masks is None else resize_labels(masks, figures.side)
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
                masks=None if masks is None else masks[chosen],
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


def match_heatmaps(
    title: str, looks: Mapping[Truth, Result], pools: Mapping[Truth, Pixels], *, masks: Masks | None = None
) -> Figure:
    """Draws the easiest and hardest fakes and reals of a match, and the mean heatmaps.

    Args:
        title: Who looks at whom.
        looks: What :func:`fakeoff.protocols.looking.look.look` returned, by side.
        pools: The test pools, uint8 ``(n, h, w, 3)``.
        masks: What a manipulator changed of the fakes, uint8 ``(n, h, w)``, from 0 to 255; it is outlined.
    """
    title += (
        f"\n{REAL_OR_FAKE} to the detector; yellow frame: the most predictive patch and its part"
        "\nnormalised: each image's own range; raw: P(fake) from 0 to 1"
    )
    if masks is not None:
        title += "\nblack and white line: around what the manipulation changed"
    sides: tuple[Truth, Truth] = ("fake", "real")
    changed: Mapping[Truth, Masks | None] = {"fake": masks, "real": None}
    rows = [exhibits(looks[truth], truth=truth, pixels=pools[truth], masks=changed[truth]) for truth in sides]
    block = _Block(width=(_MATCH_WIDTH - _GUTTER - _RIGHT) / 2, columns=_PER_ROW, pixels=pools["fake"].shape[1:3])
    top = title_inches(title)
    below = top + len(rows) * (block.height + _BETWEEN)
    sheet = Sheet(_MATCH_WIDTH, below + _KEY_HEIGHT + _MEANS_HEIGHT, title=title)
    for row, shown in enumerate(rows):
        for column, exhibit in enumerate(shown):
            left, upper = column * (block.width + _GUTTER), top + row * (block.height + _BETWEEN)
            block.draw(sheet, exhibit, left=left, top=upper)
    size = (pools["fake"].shape[1], pools["fake"].shape[2])
    means = [average for truth in sides for average in averages(looks[truth], truth=truth, size=size)]
    for index, average in enumerate(means):
        _draw_average(sheet, average, left=index * _MATCH_WIDTH / len(means), top=below + _KEY_HEIGHT)
    _key(sheet, width=_MATCH_WIDTH, top=below)
    return sheet.figure


def picture_heatmaps(title: str, exhibit: Exhibit) -> Figure:
    """Draws any number of pictures, six a row, each above its normalised and its raw heatmap."""
    rows = -(-len(exhibit.pixels) // _PER_ROW)
    columns = min(_PER_ROW, len(exhibit.pixels))
    width = max(6.5, 1.9 * columns + 1.4)
    block = _Block(width=_LEFT + 1.9 * columns, columns=columns, pixels=exhibit.pixels.shape[1:3])
    top = title_inches(title)
    below = top + rows * (block.height + _BETWEEN)
    sheet = Sheet(width, below + _KEY_HEIGHT, title=title)
    for index in range(rows):
        part = slice(index * _PER_ROW, (index + 1) * _PER_ROW)
        shown = Exhibit(
            caption=exhibit.caption if index == 0 else "",
            pixels=exhibit.pixels[part],
            heatmaps=exhibit.heatmaps[part],
            boxes=exhibit.boxes[part],
            labels=exhibit.labels[part],
            masks=None if exhibit.masks is None else exhibit.masks[part],
        )
        block.draw(sheet, shown, left=(width - block.width) / 2, top=top + index * (block.height + _BETWEEN))
    _key(sheet, width=width, top=below)
    return sheet.figure


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Three strips: the images with their patches, the normalised heatmaps, the raw ones; sizes are in inches.

    Attributes:
        width: With the strips' names on the left.
        columns: Images a row.
        pixels: Of an image: its height and its width.
    """

    width: float
    columns: int
    pixels: tuple[int, ...]

    @property
    def _pixel(self) -> float:
        return (self.width - _LEFT) / (self.columns * (self.pixels[1] + _GAP) - _GAP)

    @property
    def _strip(self) -> float:
        return self.pixels[0] * self._pixel

    @property
    def height(self) -> float:
        return _CAPTION + 3 * self._strip + _LABELS + _GAP_INCHES

    def draw(self, sheet: Sheet, exhibit: Exhibit, *, left: float, top: float) -> None:
        """Draws an exhibit with its upper left corner there."""
        left, width = left + _LEFT, self.width - _LEFT
        first = top + _CAPTION
        second = first + self._strip + _LABELS
        third = second + self._strip + _GAP_INCHES
        sheet.text(exhibit.caption, x=left, y=top, size=8)
        wide, inches = self.pixels[1], self._pixel
        for start, name, pixels in (
            (first, "", exhibit.pixels),
            (second, "normalised", _overlay(exhibit.pixels, normalise(exhibit.heatmaps))),
            (third, "raw", _overlay(exhibit.pixels, exhibit.heatmaps)),
        ):
            strip = grid(pixels, columns=self.columns)
            sheet.image(strip, left=left, top=start, width=width, height=self._strip)
            sheet.upright(name, x=left - 0.12, y=start + self._strip / 2, size=8)
        for index, mask in enumerate([] if exhibit.masks is None else exhibit.masks):
            for start in (first, second, third):
                sheet.outline(
                    mask,
                    left=left + index * (wide + _GAP) * inches,
                    top=start,
                    width=wide * inches,
                    height=self._strip,
                )
        for index, (upper, before, lower, behind) in enumerate(exhibit.boxes.tolist()):
            sheet.frame(
                left=left + (index * (wide + _GAP) + before) * inches,
                top=first + upper * inches,
                width=(behind - before) * inches,
                height=(lower - upper) * inches,
                colour=PATCH,
                thickness=1.2,
            )
        for index, label in enumerate(exhibit.labels):
            middle = left + (index * (wide + _GAP) + wide / 2) * inches
            sheet.text(label, x=middle, y=first + self._strip + 0.03, size=7, ha="center")


def _draw_average(sheet: Sheet, average: Average, *, left: float, top: float) -> None:
    upper, side = top + _CAPTION + LINE, _MEANS_HEIGHT - _CAPTION - LINE - 0.1
    low, high = float(average.heatmap.min()), float(average.heatmap.max())
    sheet.image(average.heatmap, left=left + 0.3, top=upper, width=side, height=side, cmap=LITTLE_TO_MUCH)
    sheet.text(average.caption, x=left + 0.3 + side / 2, y=upper - 0.06, size=8, ha="center", va="bottom")
    sheet.scale(
        low,
        high,
        cmap=LITTLE_TO_MUCH,
        left=left + 0.3 + side + 0.1,
        top=upper + 0.15,
        width=0.09,
        height=side - 0.3,
        unit=average.unit,
    )


def _overlay(pixels: Pixels, heatmaps: Heatmaps) -> Pixels:
    colours = REAL_TO_FAKE(heatmaps)[..., :3]
    grey = pixels.mean(axis=-1, keepdims=True) / 255
    mixed = _SHARE_OF_HEATMAP * colours + (1 - _SHARE_OF_HEATMAP) * grey
    return np.asarray((mixed * 255).round(), dtype=np.uint8)


def _key(sheet: Sheet, *, width: float, top: float) -> None:
    """What the heatmaps' colours mean: P(fake) from 0 to 1, or over an image's own range."""
    across = min(4.0, width - 1.0)
    left = (width - across) / 2
    ramp = np.linspace(0, 1, 256)[None]
    sheet.image(ramp, left=left, top=top + 0.05, width=across, height=0.18, frame=True, cmap=REAL_TO_FAKE)
    for share, meaning in ((0.0, "real"), (0.5, "undecided"), (1.0, "fake")):
        sheet.text(meaning, x=left + share * across, y=top + 0.28, size=8, ha="center")
