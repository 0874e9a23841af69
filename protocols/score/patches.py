"""Patches: where on an image they lie, which one gives an image away, and which part of the face it covers.

Chai et al., "What makes fake images detectable?", ECCV 2020, section 4.2 and Figs. 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.arena.parsers import PARTS
from fakeoff.detectors import PatchDetector, ReceptiveField

Floats: TypeAlias = npt.NDArray[np.floating]
Indices: TypeAlias = npt.NDArray[np.int64]
Labels: TypeAlias = npt.NDArray[np.uint8]
Truth: TypeAlias = Literal["real", "fake"]
TRUTHS: tuple[Truth, Truth] = ("real", "fake")


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Whose scores of patches they are.

    Attributes:
        receptive_field: The detector's.
        side: Pixels a side at which it was shown the images, which the receptive field counts; None is the pool's.
    """

    receptive_field: ReceptiveField
    side: int | None

    @classmethod
    def of(cls, detector: PatchDetector) -> Self:
        """What a detector says of its patches, in Python's own integers."""
        field, side = detector.receptive_field, detector.side
        plain = ReceptiveField(size=int(field.size), stride=int(field.stride), offset=int(field.offset))
        return cls(receptive_field=plain, side=None if side is None else int(side))


def windows(units: Indices, field: ReceptiveField, *, size: tuple[int, int]) -> Indices:
    """The pixels of an image that units see; padding is left out.

    Args:
        units: ``(..., 2)``: row and column in the detector's output.
        field: The detector's.
        size: Height and width of the image in pixels.

    Returns:
        int64 ``(..., 4)``: top, left, and the bottom and right that are just outside.
    """
    first = field.offset + units * field.stride
    limits = np.array(size)
    inside = [np.clip(edge, 0, limits) for edge in (first, first + field.size)]
    return np.concatenate(inside, axis=-1)


def sees_whole_image(field: ReceptiveField, *, grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether every unit of a grid sees all of an image, so that no patch is of any one part."""
    corners = np.array([[0, 0], [grid[0] - 1, grid[1] - 1]])
    return bool((windows(corners, field, size=size) == [0, 0, *size]).all())


def most_predictive(scores: Floats, *, truth: Truth, rng: np.random.Generator) -> tuple[Indices, int]:
    """Finds in each image the patch with the highest probability of the image's true class.

    Probabilities saturate: where several patches share the highest, one of them is drawn, or the first (a corner, and
    so mostly background) would always win.

    Args:
        scores: float32 ``(n, h', w')``: P(fake) of each patch.
        truth: What the images are.
        rng: For ties.

    Returns:
        int64 ``(n, 2)``, row and column of the patch, and in how many images it was drawn from several.
    """
    n, _, columns = scores.shape
    flat = scores.reshape(n, -1) if truth == "fake" else -scores.reshape(n, -1)
    best = flat == flat.max(axis=1, keepdims=True)
    drawn = best.argmax(axis=1)
    tied = np.flatnonzero(best.sum(axis=1) > 1)
    for image in tied:
        drawn[image] = rng.choice(np.flatnonzero(best[image]))
    return np.stack(np.divmod(drawn, columns), axis=-1), len(tied)


def random_patches(n: int, *, draws: int, grid: tuple[int, int], rng: np.random.Generator) -> Indices:
    """Draws patches of every image, each as likely as the others; int64 ``(n, draws, 2)``."""
    return np.stack([rng.integers(side, size=(n, draws)) for side in grid], axis=-1)


def resize_labels(labels: Labels, side: int | None) -> Labels:
    """Labels of images as a detector is shown them, by the nearest pixel.

    Args:
        labels: uint8 ``(n, h, w)``.
        side: Pixels a side; None leaves them as they are.
    """
    if side is None:
        return labels
    rows, columns = (((np.arange(side) + 0.5) * length / side).astype(np.int64) for length in labels.shape[1:])
    return labels[:, rows][:, :, columns]


def assign_parts(labels: Labels, boxes: Indices) -> Labels:
    """Says which part of the face each patch is of.

    For each part, its pixels in the patch as a share of its pixels in the whole image; the part with the largest
    share. This favours small parts, which random patches show as well. Of equal shares (a patch that covers two
    parts whole) the part with more pixels in the patch wins.

    Args:
        labels: uint8 ``(n, h, w)``: indices into :data:`fakeoff.arena.parsers.PARTS`.
        boxes: int64 ``(n, k, 4)``: what :func:`windows` returned.

    Returns:
        uint8 ``(n, k)``: indices into the parts.
    """
    n, height, width = labels.shape
    assigned = np.empty(boxes.shape[:2], dtype=np.uint8)
    for image in range(n):
        table = np.zeros((len(PARTS), height + 1, width + 1), dtype=np.int32)
        masks = labels[image] == np.arange(len(PARTS))[:, None, None]
        np.cumsum(np.cumsum(masks, axis=1), axis=2, out=table[:, 1:, 1:])
        top, left, bottom, right = boxes[image].T
        inside = table[:, bottom, right] - table[:, top, right] - table[:, bottom, left] + table[:, top, left]
        whole = table[:, -1:, -1:].reshape(-1, 1)
        share = inside / np.maximum(whole, 1)
        ties = share == share.max(axis=0)
        assigned[image] = np.where(ties, inside, -1).argmax(axis=0)
    return assigned


def distribution(parts: Labels) -> npt.NDArray[np.float64]:
    """The share of each part among assigned patches; float64 ``(11,)``."""
    counts = np.bincount(parts.reshape(-1), minlength=len(PARTS))
    return np.asarray(counts / max(1, counts.sum()))


def align(scores: Floats, field: ReceptiveField, *, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Lays patch scores over the image that they judge.

    A patch's score stands at the centre of its receptive field, padding included; between centres it is
    interpolated, beyond the outermost it stays. Stretching the grid to the image instead shifts it wherever the
    field's offset is not that of an even division.

    Args:
        scores: float ``(n, h', w')``.
        field: The detector's.
        size: Height and width of the image in pixels.

    Returns:
        float32 ``(n, h, w)``.
    """
    aligned = np.asarray(scores, dtype=np.float64)
    for axis, side in ((1, size[0]), (2, size[1])):
        units = aligned.shape[axis]
        # In units, where the centre of each pixel lies between the centres of the fields.
        position = (np.arange(side) - field.offset - (field.size - 1) / 2) / field.stride
        position = np.clip(position, 0, units - 1)
        below = np.minimum(np.floor(position).astype(np.int64), max(0, units - 2))
        weight = (position - below).reshape([-1 if a == axis else 1 for a in range(3)])
        above = np.minimum(below + 1, units - 1)
        aligned = aligned.take(below, axis) * (1 - weight) + aligned.take(above, axis) * weight
    return aligned.astype(np.float32)


def normalise(heatmaps: Floats) -> npt.NDArray[np.float32]:
    """Stretches each heatmap to [0, 1], as the paper draws them (Fig. 3); a constant one becomes 0.5."""
    low, high = (bound(heatmaps, axis=(-2, -1), keepdims=True) for bound in (np.min, np.max))
    spread = high - low
    return np.where(spread > 0, (heatmaps - low) / np.where(spread > 0, spread, 1), 0.5).astype(np.float32)
