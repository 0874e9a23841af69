"""The traces of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fakeoff.protocols.forensics import format_traces, interpolation, jpeg_grid
from fakeoff.protocols.forensics.jpeg_grid import Phase
from fakeoff.protocols.forensics.pixels import luma
from fakeoff.protocols.forensics.recompression import Recompressed
from fakeoff.protocols.forensics.report import SIDES
from fakeoff.protocols.forensics.sides import SMALLEST_SIDE, AuditedImage, by_shape, by_side, green, grouped

_SEARCHED_AT_MOST = 48


# What content alone reaches. Below it the probe sees nothing, or a generator's smoother faces would count as format.
_CONTENT_SCORE = 4.5


_CONTENT_GAPS = 0.01


_FEWEST_OF_A_SIZE = 4


@dataclass(frozen=True, kw_only=True)
class _History:
    """What an image's coefficients say of JPEG, at the phase that says most.

    Attributes:
        phase: Where the grid begins.
        score: In standard deviations.
        quality: The one that fits best.
        qualities: Those whose tables fit.
    """

    phase: Phase
    score: float
    quality: int
    qualities: frozenset[int]

    @property
    def carried(self) -> bool:
        return self.score > jpeg_grid.JPEG_SCORE

    @property
    def suspected(self) -> Phase | None:
        """The phase if JPEG may have been there: enough for what JPEG would explain not to be said of another."""
        return self.phase if self.score > _CONTENT_SCORE else None


def measure(images: Sequence[AuditedImage]) -> None:
    """Adds the pixels' traces."""
    for image in images:
        image.categories["colours"] = format_traces.colours(image.pixels)
    images = [image for image in images if min(image.size) >= SMALLEST_SIDE]
    histories = _measure_jpeg(images)
    # A resize depends on the size of the whole image; the other traces can be looked for where crops are of one shape.
    for size, same_size in grouped(images, lambda image: image.size).items():
        _measure_interpolation(same_size, [histories[image.name].suspected for image in same_size], height=size[0])
    for same_shape in by_shape(images):
        phases = [histories[image.name].suspected for image in same_shape]
        for image, gaps in zip(same_shape, format_traces.histogram_gaps(green(same_shape), phases=phases), strict=True):
            image.measures["histogram gaps"] = max(float(gaps) - _CONTENT_GAPS, 0.0)
            image.categories["histogram"] = "missing levels" if gaps > format_traces.HISTOGRAM_GAPS else "complete"


def _measure_jpeg(images: Sequence[AuditedImage]) -> dict[str, _History]:
    # The phases are looked for on each side, but every image is measured on each of them: the sides are treated alike.
    phases = {(0, 0)} | {
        jpeg_grid.find_grid_phase([luma(image.pixels) for image in searched])
        for side in SIDES
        for searched in _searched_for_grids(image for image in images if image.side == side)
    }
    histories: dict[str, _History] = {}
    for same_shape in by_shape(images):
        crops = np.stack([luma(image.pixels) for image in same_shape])
        grids = [(phase, jpeg_grid.jpeg_grid(crops, phase=phase)) for phase in sorted(phases)]
        for index, image in enumerate(same_shape):
            phase, grid = max(grids, key=lambda entry: entry[1].score[index])
            histories[image.name] = _History(
                phase=phase,
                score=float(grid.score[index]),
                quality=int(grid.quality[index]),
                qualities=frozenset(jpeg_grid.QUALITIES[grid.explained[index]].tolist()),
            )
    # A smooth picture's few coefficients fit several tables. Of those that any picture is best explained by, such a
    # picture is given the one that explains most pictures, of both sides: or the sides would differ by how sure one
    # can be.
    carried = [history for history in histories.values() if history.carried]
    fitting = Counter(quality for history in carried for quality in history.qualities)
    usual = sorted({history.quality for history in carried}, key=lambda quality: (-fitting[quality], quality))
    for image in images:
        history = histories[image.name]
        image.measures["JPEG grid"] = float(np.clip(history.score - _CONTENT_SCORE, 0, _CONTENT_SCORE))
        image.categories["JPEG history"] = _history_name(history, usual) if history.carried else "none"
    return histories


def _history_name(history: _History, usual: Sequence[int]) -> str:
    quality = next((quality for quality in usual if quality in history.qualities), history.quality)
    where = "" if history.phase == (0, 0) else ", its grid beginning at row {}, column {}".format(*history.phase)
    return f"JPEG of quality {_quality_range(quality)}{where}"  # in ranges: an estimate may be off by one or two


def _searched_for_grids(images: Iterable[AuditedImage]) -> Iterator[list[AuditedImage]]:
    """Images of one shape, which may have a history in common; those of rare shapes together."""
    rest: list[AuditedImage] = []
    for same_shape in by_shape(images):
        if len(same_shape) >= _FEWEST_OF_A_SIZE:
            yield same_shape
        else:
            rest += same_shape
    if rest:
        yield rest


def _quality_range(quality: int) -> str:
    low = next(edge for edge in (98, 93, 85, 70, 0) if quality >= edge)
    return {98: "98 to 100", 93: "93 to 97", 85: "85 to 92", 70: "70 to 84", 0: "below 70"}[low]


def _measure_interpolation(images: Sequence[AuditedImage], phases: Sequence[Phase | None], *, height: int) -> None:
    candidates = set()
    pixels = green(images)
    for side in by_side(images):
        if len(side) >= _FEWEST_OF_A_SIZE:
            sample = side[np.linspace(0, len(side) - 1, min(_SEARCHED_AT_MOST, len(side))).astype(int)]
            recompressed = Recompressed(pixels[sample], [phases[index] for index in sample])
            candidates.add(interpolation.find_interpolation(pixels[sample], height=height, recompressed=recompressed))
    recompressed = Recompressed(pixels, phases)
    fits = [
        (found, interpolation.fit_interpolation(pixels, found, height=height, recompressed=recompressed))
        for found in candidates
        if found is not None
    ]
    fits.sort(key=lambda entry: (entry[0].source, entry[0].kernel))
    for index, image in enumerate(images):
        image.categories["interpolation"] = "none"
        image.measures["interpolation"] = 0.0
        for found, fit in fits:
            if fit.carried[index] and fit.contrast[index] > image.measures["interpolation"]:
                image.measures["interpolation"] = min(float(fit.contrast[index]), 2.0)
                image.categories["interpolation"] = f"enlarged from {found.source} to {height} rows, {found.kernel}"
