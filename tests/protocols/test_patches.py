from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.parsers import PARTS
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.protocols.rules import referee
from fakeoff.protocols.score.patches import (
    align,
    assign_parts,
    distribution,
    most_predictive,
    normalise,
    random_patches,
    resize_labels,
    sees_whole_image,
    windows,
)

Array = npt.NDArray[Any]

SIDE, SQUARE = 64, 6

CHAINS: dict[str, list[tuple[int, int, int]]] = {
    "padded": [(3, 2, 1)],
    "odd offset": [(5, 3, 0)],
    "padded on one layer alone": [(3, 2, 0), (3, 1, 0), (3, 2, 1)],
    "a chain": [(7, 2, 3), (3, 2, 1), (3, 1, 1)],
    "over-padded": [(5, 2, 4), (3, 2, 2)],
}

FIELDS = st.builds(
    ReceptiveField, size=st.integers(1, 12), stride=st.integers(1, 6), offset=st.integers(-8, 8)
)  # fmt: skip
LABELS = len(PARTS)


class Brightness(PatchDetector):
    """A patch is as fake as it is bright: averages of the geometry that was asked for."""

    def __init__(self, chain: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.receptive_field = ReceptiveField.of(chain)
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 1, kernel, stride, pad, bias=False) for kernel, stride, pad in chain)
        )
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.constant_(layer.weight, 1 / layer.weight.numel())

    def patch_scores(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images.mean(1, keepdim=True))
        return scores[:, 0]


def one_fake_square() -> tuple[Tensor, Array]:
    """Dark images, each with one bright square well inside, and the squares' centres in pixels; ``(n, 2)``."""
    places = [(top, left) for top in range(22, 37, 2) for left in range(22, 37, 5)]
    images = torch.zeros(len(places), 3, SIDE, SIDE)
    for image, (top, left) in zip(images, places, strict=True):
        image[:, top : top + SQUARE, left : left + SQUARE] = 1
    return images, np.array(places) + (SQUARE - 1) / 2


def centroids(heatmaps: Array) -> Array:
    """The mean pixel of each heatmap; ``(n, 2)``."""
    weights = heatmaps / heatmaps.sum(axis=(1, 2), keepdims=True)
    pixels = np.arange(SIDE)
    return np.stack([weights.sum(axis=2) @ pixels, weights.sum(axis=1) @ pixels], axis=-1)


def resized(scores: Array) -> Array:
    """What heatmaps are usually drawn as: the grid stretched to the image."""
    grid = torch.from_numpy(scores)[:, None]
    return F.interpolate(grid, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0].numpy()


@pytest.mark.parametrize("chain", CHAINS)
def test_an_aligned_heatmap_lies_on_the_fake_square_where_a_resized_one_does_not(chain: str) -> None:
    detector = Brightness(CHAINS[chain])
    images, truth = one_fake_square()
    scores = referee.judge_patches(detector, images).numpy()
    heatmaps = align(scores, detector.receptive_field, size=(SIDE, SIDE))
    assert heatmaps.dtype == np.float32
    assert heatmaps.shape == (len(images), SIDE, SIDE)
    away = np.linalg.norm(centroids(heatmaps) - truth, axis=1)
    away_resized = np.linalg.norm(centroids(resized(scores)) - truth, axis=1)
    assert away.max() < 0.15 * detector.receptive_field.stride
    assert away.mean() < away_resized.mean() / 2
    # The peak too: no further than from one patch to the next.
    peaks = np.stack(np.unravel_index(heatmaps.reshape(len(images), -1).argmax(axis=1), (SIDE, SIDE)), axis=-1)
    field = detector.receptive_field
    reach = max(field.stride, (field.size - SQUARE) / 2 + field.stride / 2)
    assert np.abs(peaks - truth).max() <= reach


def test_where_the_patches_divide_the_image_evenly_stretching_is_the_same() -> None:
    detector = Brightness([(4, 2, 1), (2, 2, 0)])
    scores = detector.patch_scores(torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    scores = scores.detach().numpy()
    heatmaps = align(scores, detector.receptive_field, size=(SIDE, SIDE))
    assert heatmaps == pytest.approx(resized(scores), abs=1e-6)


@pytest.mark.parametrize("chain", CHAINS)
def test_the_most_predictive_patch_sees_the_fake_square(chain: str) -> None:
    detector = Brightness(CHAINS[chain])
    images, truth = one_fake_square()
    scores = referee.judge_patches(detector, images).numpy()
    units, _ = most_predictive(scores, truth="fake", rng=np.random.default_rng(0))
    boxes = windows(units, detector.receptive_field, size=(SIDE, SIDE))
    for box, centre in zip(boxes, truth, strict=True):
        seen = np.zeros((SIDE, SIDE), dtype=bool)
        seen[box[0] : box[2], box[1] : box[3]] = True
        low = np.floor(centre - (SQUARE - 1) / 2).astype(int)
        square = seen[low[0] : low[0] + SQUARE, low[1] : low[1] + SQUARE]
        assert square.sum() >= min(SQUARE, detector.receptive_field.size) ** 2 * 0.6
    # For a real image it is the other way round: the darkest patch, which sees none of it.
    units, _ = most_predictive(scores, truth="real", rng=np.random.default_rng(0))
    assert scores[np.arange(len(scores)), units[:, 0], units[:, 1]].max() == 0


@given(field=FIELDS, grid=st.tuples(st.integers(1, 6), st.integers(1, 6)), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_aligned_scores_stay_between_the_patches_scores_and_a_flat_map_stays_flat(
    field: ReceptiveField, grid: tuple[int, int], seed: int
) -> None:
    scores = np.random.default_rng(seed).random((2, *grid)).astype(np.float32)
    aligned = align(scores, field, size=(23, 17))
    assert aligned.shape == (2, 23, 17)
    for one, over in zip(scores, aligned, strict=True):
        assert one.min() - 1e-6 <= over.min() <= over.max() <= one.max() + 1e-6
    assert align(np.full((1, *grid), 0.3), field, size=(23, 17)) == pytest.approx(0.3)


@given(
    field=FIELDS,
    grid=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    slopes=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
)
@settings(max_examples=100, deadline=None)
def test_a_ramp_over_patch_centres_is_a_ramp_over_pixels_and_flat_beyond_the_outermost(
    field: ReceptiveField, grid: tuple[int, int], slopes: tuple[int, int]
) -> None:
    centres = [np.array([sum(field.pixels(unit)) - 1 for unit in range(side)]) / 2 for side in grid]
    scores = slopes[0] * centres[0][:, None] + slopes[1] * centres[1]
    rows, columns = (np.clip(np.arange(side), c[0], c[-1]) for side, c in zip((23, 17), centres, strict=True))
    expected = slopes[0] * rows[:, None] + slopes[1] * columns
    assert align(scores[None], field, size=(23, 17))[0] == pytest.approx(expected, abs=1e-4)


def test_each_image_is_aligned_by_itself() -> None:
    scores = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    field = ReceptiveField.of([(5, 3, 0)])
    together = align(scores, field, size=(16, 16))
    assert np.array_equal(together[1:2], align(scores[1:2], field, size=(16, 16)))


@pytest.mark.parametrize("side", [2, 3, 4, 8])
def test_labels_are_shown_by_the_nearest_pixel_whatever_the_side(side: int) -> None:
    labels = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    nearest = [min(3, int((at + 0.5) * 4 / side)) for at in range(side)]
    np.testing.assert_array_equal(resize_labels(labels, side), labels[:, nearest][:, :, nearest])
    assert resize_labels(labels, None) is labels


def test_windows_end_at_the_borders() -> None:
    field = ReceptiveField(size=5, stride=3, offset=-2)
    units = np.array([[0, 0], [0, 3], [1, 1], [3, 2]])
    assert windows(units, field, size=(10, 9)).tolist() == [[0, 0, 3, 3], [0, 7, 3, 9], [1, 1, 6, 6], [7, 4, 10, 9]]
    # Any number of axes before the last one.
    assert windows(units.reshape(2, 2, 2), field, size=(10, 9)).shape == (2, 2, 4)


@given(field=FIELDS, row=st.integers(0, 9), column=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_a_window_is_the_pixels_of_the_field_that_are_on_the_image(
    field: ReceptiveField, row: int, column: int
) -> None:
    [[top, left, bottom, right]] = windows(np.array([[row, column]]), field, size=(20, 30)).tolist()
    for unit, side, low, high in ((row, 20, top, bottom), (column, 30, left, right)):
        first, last = field.pixels(unit)
        assert [pixel for pixel in range(first, last) if 0 <= pixel < side] == list(range(low, high))


@pytest.mark.parametrize(
    ("chain", "side", "whole"),
    [([(3, 2, 1)], 16, False), ([(16, 1, 0)], 16, True), ([(31, 8, 15)], 24, False), ([(31, 15, 15)], 16, True)],
)
def test_a_field_larger_than_the_image_sees_all_of_it_only_from_everywhere(
    chain: list[tuple[int, int, int]], side: int, whole: bool
) -> None:
    detector = Brightness(chain)
    grid = tuple(detector.patch_scores(torch.zeros(1, 3, side, side)).shape[1:])
    assert sees_whole_image(detector.receptive_field, grid=grid, size=(side, side)) is whole


def test_one_side_that_is_not_seen_whole_is_enough() -> None:
    field = ReceptiveField(size=10, stride=1, offset=0)
    assert sees_whole_image(field, grid=(1, 1), size=(10, 10))
    assert not sees_whole_image(field, grid=(1, 1), size=(10, 11))
    assert not sees_whole_image(field, grid=(1, 1), size=(11, 10))


@given(
    seed=st.integers(0, 10_000),
    parts=st.integers(1, LABELS),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=100, deadline=None)
def test_a_patch_is_of_the_part_that_it_holds_the_largest_share_of(
    seed: int, parts: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(parts, size=(2, *size), dtype=np.uint8)
    ends = [np.sort(rng.integers(side + 1, size=(2, 6, 2)), axis=-1) for side in size]
    boxes = np.stack([ends[0][..., 0], ends[1][..., 0], ends[0][..., 1], ends[1][..., 1]], axis=-1)
    found = assign_parts(labels, boxes)
    assert found.dtype == np.uint8
    assert found.tolist() == [[_part(label, box) for box in of] for label, of in zip(labels, boxes, strict=True)]


def test_padding_is_left_out_of_a_patch() -> None:
    labels = np.zeros((1, 8, 8), dtype=np.uint8)
    labels[0, :2, :2] = PARTS.index("hair")
    field = ReceptiveField(size=6, stride=2, offset=-4)
    # The first patch sees 2x2 pixels, all of the hair; the next 4x4, all of it as well, and background.
    boxes = windows(np.array([[[0, 0], [1, 1], [4, 4]]]), field, size=(8, 8))
    assert [PARTS[part] for part in assign_parts(labels, boxes)[0]] == ["hair", "hair", "background"]


def test_small_parts_win_over_large_ones_and_of_equal_shares_the_larger_one() -> None:
    labels = np.full((1, 8, 8), PARTS.index("skin"), dtype=np.uint8)
    labels[0, 3, 3] = PARTS.index("eye")
    whole, around_the_eye = [0, 0, 8, 8], [2, 2, 5, 5]
    assert [PARTS[part] for part in assign_parts(labels, np.array([[whole, around_the_eye]]))[0]] == ["skin", "eye"]


def test_a_part_that_is_not_in_the_image_is_never_found() -> None:
    labels = np.full((1, 4, 4), PARTS.index("hat"), dtype=np.uint8)
    boxes = windows(np.array([[[0, 0], [1, 1]]]), ReceptiveField(size=2, stride=2), size=(4, 4))
    assert assign_parts(labels, boxes).tolist() == [[PARTS.index("hat")] * 2]


@given(counts=st.lists(st.integers(0, 9), min_size=LABELS, max_size=LABELS).filter(any))
@settings(max_examples=50, deadline=None)
def test_a_distribution_counts_every_part(counts: list[int]) -> None:
    parts = np.repeat(np.arange(LABELS, dtype=np.uint8), counts)
    shares = distribution(np.random.default_rng(0).permutation(parts))
    assert shares.tolist() == pytest.approx([count / sum(counts) for count in counts])


def test_no_patch_has_no_part() -> None:
    assert distribution(np.empty((0, 3), dtype=np.uint8)).tolist() == [0.0] * LABELS


@given(seed=st.integers(0, 999), grid=st.tuples(st.integers(1, 5), st.integers(1, 5)))
@settings(max_examples=50, deadline=None)
def test_no_patch_is_surer_of_the_truth_than_the_most_predictive_one(seed: int, grid: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 4, size=(7, *grid)) / 3).astype(np.float32)
    for truth, certainty in (("fake", scores), ("real", 1 - scores)):
        units, drawn = most_predictive(scores, truth=truth, rng=rng)  # type: ignore[arg-type]
        best = certainty.max(axis=(1, 2))
        assert np.array_equal(certainty[np.arange(7), units[:, 0], units[:, 1]], best)
        assert drawn == sum(int((image == top).sum() > 1) for image, top in zip(certainty, best, strict=True))


@pytest.mark.parametrize(("truth", "saturated"), [("fake", 1.0), ("real", 0.0)])
def test_of_saturated_patches_each_is_drawn_as_often_and_again_from_the_same_seed(truth: Any, saturated: float) -> None:
    scores = np.full((6000, 3, 5), 0.5, dtype=np.float32)
    corners = [(0, 0), (0, 4), (1, 3), (2, 0), (2, 4)]
    for row, column in corners:
        scores[:, row, column] = saturated
    units, drawn = most_predictive(scores, truth=truth, rng=np.random.default_rng(0))
    assert drawn == 6000
    counts = {corner: int((units == corner).all(axis=1).sum()) for corner in corners}
    assert sum(counts.values()) == 6000
    # Chi-square with 4 degrees of freedom stays below 18.5 in 999 of 1000 draws.
    assert sum((count - 1200) ** 2 / 1200 for count in counts.values()) < 18.5
    again, other = (most_predictive(scores, truth=truth, rng=np.random.default_rng(seed))[0] for seed in (0, 1))
    assert np.array_equal(units, again)
    assert not np.array_equal(units, other)


def test_patches_that_differ_in_their_last_digit_are_no_tie() -> None:
    scores = np.full((1, 2, 2), np.float32(0.9))
    scores[0, 1, 0] = np.nextafter(np.float32(0.9), np.float32(1))
    assert most_predictive(scores, truth="fake", rng=np.random.default_rng(0))[0].tolist() == [[1, 0]]
    scores[0, 1, 0] = np.nextafter(np.float32(0.9), np.float32(0))
    assert most_predictive(scores, truth="real", rng=np.random.default_rng(0))[0].tolist() == [[1, 0]]


def test_random_patches_are_uniform_over_the_grid_and_seeded() -> None:
    draw: Callable[[int], Array] = lambda seed: random_patches(  # noqa: E731
        300, draws=40, grid=(3, 4), rng=np.random.default_rng(seed)
    )
    found = draw(0)
    assert found.shape == (300, 40, 2)
    counts = np.zeros((3, 4))
    np.add.at(counts, (found[..., 0], found[..., 1]), 1)  # out of range would raise
    assert (found >= 0).all()
    # Chi-square with 11 degrees of freedom stays below 31.3 in 999 of 1000 draws.
    assert ((counts - 1000) ** 2 / 1000).sum() < 31.3
    assert np.array_equal(found, draw(0))
    assert not np.array_equal(found, draw(1))
    # Not the same patches for every image.
    assert len({image.tobytes() for image in found}) == 300


def test_every_heatmap_is_stretched_by_itself_and_a_flat_one_is_in_the_middle() -> None:
    heatmaps = np.array([[[0.2, 0.4], [0.3, 0.2]], [[0.0, 0.1], [0.05, 0.025]], [[0.7, 0.7], [0.7, 0.7]]])
    found = normalise(heatmaps)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[[0, 1], [0.5, 0]], [[0, 1], [0.5, 0.25]], [[0.5, 0.5], [0.5, 0.5]]]))


def _part(labels: Array, box: Array) -> int:
    """The slow way: by counting, in fractions."""
    top, left, bottom, right = box
    inside = [0] * LABELS
    for row in range(top, bottom):
        for column in range(left, right):
            inside[labels[row, column]] += 1
    shares = [
        (Fraction(inside[part], max(1, int((labels == part).sum()))), inside[part], -part) for part in range(LABELS)
    ]
    return -max(shares)[2]
