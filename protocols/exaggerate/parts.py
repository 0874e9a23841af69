"""Parts: where on the face a shift changes images, beside random shifts of its length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fakeoff.arena.images import Pixels
from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.exaggerate.means import Draws, Floats, Mean, Resamples
from fakeoff.protocols.score.patches import Labels

_SMALLEST = 0.005
"""Of all pixels: of a part that is smaller, one pixel or two would be told."""


@dataclass(frozen=True, kw_only=True)
class PartChange:
    """How much a part of the face changes, relative to the whole image: 1 is as much as the image on the mean.

    Attributes:
        part: Which.
        images: On how many it is.
        area: Its share of all pixels.
        change: Its mean absolute change over that of whole images.
        random: The same of random shifts.
        less_random: The difference.
        holds: Whether it differs from random shifts: its interval, of all parts at once, has no 0 in it.
    """

    part: str
    images: int
    area: float
    change: Mean
    random: Mean
    less_random: Mean
    holds: bool


def measure_changes(
    before: Pixels, after: Pixels, random: Sequence[Pixels], labels: Labels, *, resamples: Resamples
) -> list[PartChange]:
    """Compares the parts of the face by how much they change, the most changed first.

    Pixels of all images count together, so that an image on which a part is small counts less for it. Parts that have
    less than half a percent of them are left out.

    Args:
        before: uint8 ``(n, h, w, 3)``: the images as they were.
        after: Likewise, shifted.
        random: Likewise, by each of the random shifts.
        labels: uint8 ``(n, h, w)`` of the images as they were: indices into :data:`fakeoff.arena.parsers.PARTS`.
        resamples: Of latents and random directions.
    """
    shifted = _change(before, after)
    by_chance = [_change(before, pixels) for pixels in random]
    whole = resamples.mean(shifted.mean(axis=(1, 2)))
    whole_random = resamples.random_mean(np.stack([change.mean(axis=(1, 2)) for change in by_chance]))
    measured: list[tuple[str, Floats, Draws, Draws]] = []
    for index, part in enumerate(PARTS):
        inside = labels == index
        area = inside.mean(axis=(1, 2))
        if area.mean() < _SMALLEST or not shifted.any():
            continue
        mine = resamples.mean((shifted * inside).mean(axis=(1, 2)))
        chance = resamples.random_mean(np.stack([(change * inside).mean(axis=(1, 2)) for change in by_chance]))
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample may have no image with that part
            share = np.where(resamples.mean(area) > 0, resamples.mean(area), np.nan)
            measured.append((part, area, mine / share / whole, chance / share / whole_random))
    found = []
    for part, area, change, chance in measured:
        apart = resamples.interval(change - chance, at_once=len(measured))
        found.append(
            PartChange(
                part=part,
                images=int((area > 0).sum()),
                area=float(area.mean()),
                change=resamples.interval(change),
                random=resamples.interval(chance),
                less_random=resamples.interval(change - chance),
                holds=not apart.low <= 0 <= apart.high,
            )
        )
    return sorted(found, key=lambda each: -each.change.value)


def _change(before: Pixels, after: Pixels) -> Floats:
    """The mean absolute difference of the channels of each pixel, in [0, 1]; float32 ``(n, h, w)``."""
    return np.asarray(np.abs(after.astype(np.int16) - before).mean(axis=-1, dtype=np.float32) / 255)


__all__ = ["PartChange", "measure_changes"]
