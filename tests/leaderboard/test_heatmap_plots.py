from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.typed import as_record
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.leaderboard.plots.heatmap_plots import Exhibit, averages, exhibits, match_heatmaps, picture_heatmaps
from fakeoff.leaderboard.plots.plots import to_pixels
from fakeoff.protocols.looking.look import look
from fakeoff.protocols.rules import referee
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.patches import TRUTHS, Patches, Truth

Array = npt.NDArray[Any]

SIDE, GAP = 16, 2
FIELD = ReceptiveField.of([(4, 4, 0)])


def _exhibit(n: int = 3, *, label: str = "0.97 fake, hair", **over: Any) -> Exhibit:
    rng = np.random.default_rng(n)
    first = rng.integers(0, SIDE - 4, (n, 2))
    given = {
        "caption": "pictures of mine",
        "pixels": rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8),
        "heatmaps": rng.random((n, SIDE, SIDE), dtype=np.float32),
        "boxes": np.concatenate([first, first + 4], axis=1),
        "labels": [label] * n,
    }
    return Exhibit(**{**given, **over})


def _strips(figure: Figure, block: int = 0) -> list[Array]:
    """The images, the normalised and the raw heatmaps of a block of pictures."""
    return [np.asarray(image.get_array()) for image in _images(figure)[3 * block : 3 * block + 3]]


def _images(figure: Figure) -> list[AxesImage]:
    """All that are on the sheet, in the order in which they were drawn."""
    [axes] = figure.axes
    return list(axes.images)


def _within(image: AxesImage, x: float, y: float) -> tuple[float, float]:
    """A place on the sheet in pixels of an image: across and down."""
    left, right, bottom, top = image.get_extent()
    height, width = np.asarray(image.get_array()).shape[:2]
    return (x - left) / (right - left) * width, (y - top) / (bottom - top) * height


def _one(strip: Array, index: int) -> Array:
    start = index * (SIDE + GAP)
    return strip[:, start : start + SIDE].astype(int)


def _boxes(figure: Figure, block: int = 0) -> list[tuple[float, float, float, float]]:
    """Top, left, bottom, right of the frames over a block's images, in pixels of the strip."""
    strip = _images(figure)[3 * block]
    height, width = np.asarray(strip.get_array()).shape[:2]
    found = []
    for frame in figure.axes[0].patches:
        assert isinstance(frame, Rectangle)
        left, top = _within(strip, frame.get_x(), frame.get_y())
        right, bottom = _within(strip, frame.get_x() + frame.get_width(), frame.get_y() + frame.get_height())
        if left >= -0.01 and right <= width + 0.01 and top >= -0.01 and bottom <= height + 0.01:
            found.append(tuple(round(value, 6) + 0.0 for value in (top, left, bottom, right)))
    return found  # type: ignore[return-value]


def _labels(figure: Figure, block: int = 0) -> dict[str, float]:
    """What stands right under a block's images: where its middle is, in pixels of the strip."""
    upper, middle, _ = _images(figure)[3 * block : 3 * block + 3]
    found = {}
    for text in figure.axes[0].texts:
        x, y = text.get_position()
        if (
            upper.get_extent()[2] <= y < middle.get_extent()[3]
            and text.get_ha() == "center"
            and not text.get_rotation()
        ):
            found[text.get_text()] = _within(upper, x, y)[0]
    return found


def _told(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_images_stand_side_by_side_pixel_by_pixel_on_white() -> None:
    exhibit = _exhibit(3)
    [images, _, _] = _strips(picture_heatmaps("title", exhibit))
    assert images.shape == (SIDE, 3 * SIDE + 2 * GAP, 3)
    for index in range(3):
        assert np.array_equal(_one(images, index), exhibit.pixels[index])
    assert (images[:, SIDE : SIDE + GAP] == 255).all()


@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_what_is_fake_is_orange_and_what_is_real_is_blue_whatever_lies_below(brightness: int) -> None:
    heatmaps = np.stack([np.full((SIDE, SIDE), value, np.float32) for value in (1.0, 0.0, 0.5)])
    exhibit = _exhibit(3, pixels=np.full((3, SIDE, SIDE, 3), brightness, np.uint8), heatmaps=heatmaps)
    [_, normalised, raw] = _strips(picture_heatmaps("title", exhibit))
    fake, real, undecided = (_one(raw, index) for index in range(3))
    assert (fake[..., 0] > fake[..., 2] + 40).all()
    assert (real[..., 2] > real[..., 0] + 40).all()
    assert np.ptp(undecided, axis=-1).max() < 5
    # A flat heatmap has no range of its own.
    for index in range(3):
        assert np.ptp(_one(normalised, index), axis=-1).max() < 5


def test_each_normalised_heatmap_uses_all_colours_and_raw_ones_keep_their_scale() -> None:
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32)[None, :].repeat(SIDE, 0)
    heatmaps = np.stack([0.5 + 0.1 * ramp, ramp])
    exhibit = _exhibit(2, pixels=np.full((2, SIDE, SIDE, 3), 128, np.uint8), heatmaps=heatmaps)
    [_, normalised, raw] = _strips(picture_heatmaps("title", exhibit))
    assert np.array_equal(_one(normalised, 0), _one(normalised, 1))
    assert np.array_equal(_one(normalised, 1), _one(raw, 1))
    assert _one(normalised, 0)[:, 0, 2].mean() > _one(normalised, 0)[:, 0, 0].mean() + 40  # real on the left
    assert np.ptp(_one(raw, 0)[:, 0]) < 10  # undecided there


def test_the_image_shows_through_its_heatmap() -> None:
    pixels = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    pixels[:, : SIDE // 2] = 255
    exhibit = _exhibit(1, pixels=pixels, heatmaps=np.ones((1, SIDE, SIDE), np.float32))
    raw = _one(_strips(picture_heatmaps("title", exhibit))[2], 0)
    assert (raw[0, 0] > raw[-1, 0] + 50).all()


def test_a_line_goes_around_what_was_changed_in_all_three_strips() -> None:
    masks = np.zeros((3, SIDE, SIDE), np.uint8)
    masks[0, 4:9, 2:6] = 255
    masks[1, :, 10:] = 200  # to the border
    masks[2] = 127  # nowhere by half
    figure = picture_heatmaps("title", _exhibit(3, masks=masks))
    lines = [path.vertices for drawn in figure.axes[0].collections for path in drawn.get_paths() if len(path.vertices)]
    assert len(lines) == 2 * 3  # in each of the strips, around two of the three
    step = SIDE + GAP
    for strip, image in enumerate(_images(figure)[:3]):
        for index, (top, left, bottom, right) in enumerate([(4, 2, 9, 6), (0, 10, SIDE, SIDE)]):
            places = np.array([_within(image, x, y) for x, y in lines[index * 3 + strip]])
            assert places.min(axis=0) == pytest.approx([index * step + left, top], abs=0.51)
            assert places.max(axis=0) == pytest.approx([index * step + right, bottom], abs=0.51)
    assert not picture_heatmaps("title", _exhibit(3)).axes[0].collections


def test_a_frame_lies_where_the_most_predictive_patch_does() -> None:
    boxes = np.array([[0, 0, 4, 4], [12, 8, 16, 12], [3, 5, 9, 16]])
    figure = picture_heatmaps("title", _exhibit(3, boxes=boxes))
    step = SIDE + GAP
    assert _boxes(figure) == [(0, 0, 4, 4), (12, step + 8, 16, step + 12), (3, 2 * step + 5, 9, 2 * step + 16)]
    # Only over the images themselves; another goes around the key.
    assert len(figure.axes[0].patches) == 3 + 1


def test_a_frame_is_yellow_in_the_rendered_picture_around_its_patch() -> None:
    grey = np.full((1, SIDE, SIDE, 3), 100, np.uint8)
    figure = picture_heatmaps("title", _exhibit(1, pixels=grey, boxes=np.array([[0, 8, 8, 16]])))
    pixels = to_pixels(figure).astype(int)
    yellow = (pixels[..., 0] > 220) & (pixels[..., 1] > 180) & (pixels[..., 2] < 120)
    rows, columns = np.nonzero(yellow)
    # The upper right quarter of the image.
    extent = _images(figure)[0].get_window_extent(FigureCanvasAgg(figure).get_renderer())
    bottom = pixels.shape[0] - (extent.y0 + extent.y1) / 2
    assert columns.min() > (extent.x0 + extent.x1) / 2 - 4
    assert rows.max() < bottom + 4
    assert (rows.min(), columns.max()) == pytest.approx((pixels.shape[0] - extent.y1, extent.x1), abs=4)


def test_labels_stand_under_their_images() -> None:
    figure = picture_heatmaps("who looks", _exhibit(2, labels=["0.10 real, eye", "0.90 fake, hair"]))
    expected = {"0.10 real, eye": SIDE / 2, "0.90 fake, hair": SIDE + GAP + SIDE / 2}
    assert _labels(figure) == pytest.approx(expected)
    assert figure.get_suptitle() == "who looks"
    upright = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts if text.get_rotation() == 90}
    for name, image in zip(("normalised", "raw"), _images(figure)[1:3], strict=True):
        _, _, bottom, top = image.get_extent()
        assert upright[name] == pytest.approx((bottom + top) / 2)
    assert _told(figure)[-3:] == ["real", "undecided", "fake"]


def test_more_than_six_pictures_are_in_rows_of_the_same_width() -> None:
    exhibit = _exhibit(13, labels=[f"picture {index}" for index in range(13)])
    figure = picture_heatmaps("title", exhibit)
    assert len(_images(figure)) == 3 * 3 + 1
    widths = {_strips(figure, block)[0].shape[1] for block in range(3)}
    assert widths == {6 * (SIDE + GAP) - GAP}
    assert np.array_equal(_one(_strips(figure, 1)[0], 2), exhibit.pixels[8])
    assert np.array_equal(_one(_strips(figure, 2)[0], 0), exhibit.pixels[12])
    assert (_strips(figure, 2)[0][:, SIDE:] == 255).all()
    assert [len(_labels(figure, block)) for block in range(3)] == [6, 6, 1]
    assert _told(figure).count(exhibit.caption) == 1
    assert _boxes(figure, 2) == [tuple(exhibit.boxes[12].tolist())]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 8])
def test_no_text_is_cut_off_or_runs_into_its_neighbour(n: int) -> None:
    title = "resnet18_layer1_pretrained@12: P(fake) of each picture, fake above 0.50"
    _check_texts(picture_heatmaps(title, _exhibit(n, label="1.00 fake, background")))


# -- of a match ---------------------------------------------------------------------------------------------------


def _looked(n: int, *, detector: str = "toy_brightness") -> tuple[dict[Truth, Result], dict[Truth, Array]]:
    """What the job makes of random pools, and the pools."""
    rng = np.random.default_rng(n)
    real, fake = rng.integers(0, 256, (2, n, SIDE, SIDE, 3), dtype=np.uint8)
    # Images of very different brightness: easy and hard ones.
    fake = (fake * np.linspace(0.2, 1, n)[rng.permutation(n), None, None, None]).astype(np.uint8)
    pools: dict[Truth, Array] = {"real": real, "fake": fake}
    found: dict[Truth, Result] = {}
    judge = referee.build_detector({"plugin": detector, "parameters": {}, "fingerprint": {}})
    assert isinstance(judge, PatchDetector)
    said = Patches(receptive_field=judge.receptive_field, side=judge.side)
    for truth, pixels in pools.items():
        labels = rng.integers(0, len(PARTS), (n, SIDE, SIDE), dtype=np.uint8)
        scores = referee.judge_patches(judge, Pool(pixels)).numpy()
        inputs = {
            "patches": Result(record=as_record(said), arrays={"patches": scores}),
            "labels": Result(record={}, arrays={"labels": labels}),
        }
        given = Context(
            key=truth,
            payload={"truth": truth, "draws": 2, "resamples": 100, "confidence": 0.95},
            places={},
            inputs=inputs,
            report=lambda done, total, note="": None,
        )
        found[truth] = look(given)
    return found, pools


def _patch_scores(pixels: Array) -> Array:
    return pixels.reshape(len(pixels), 4, 4, 4, 4, 3).mean(axis=(2, 4, 5)) / 255


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_easiest_and_the_hardest_of_a_side_are_shown_with_their_patch_and_part(toys: Path, truth: Truth) -> None:
    looks, pools = _looked(20)
    found, pixels = looks[truth], pools[truth]
    scores = _patch_scores(pixels)
    means = scores.mean(axis=(1, 2))
    order = np.argsort(-means if truth == "fake" else means)
    easiest, hardest = exhibits(found, truth=truth, pixels=pixels)
    for exhibit, chosen in ((easiest, order[:6]), (hardest, order[::-1][:6])):
        assert np.array_equal(exhibit.pixels, pixels[chosen])
        assert exhibit.heatmaps == pytest.approx(patches.align(scores[chosen], FIELD, size=(SIDE, SIDE)), abs=1e-5)
        best = scores[chosen].reshape(6, -1)
        units = (best.argmax(axis=1) if truth == "fake" else best.argmin(axis=1)).tolist()
        corners = [(unit // 4 * 4, unit % 4 * 4) for unit in units]
        assert exhibit.boxes.tolist() == [[top, left, top + 4, left + 4] for top, left in corners]
        assert list(exhibit.labels) == [PARTS[part] for part in found.arrays["parts"][chosen]]
    assert "easiest" in easiest.caption
    assert "least sure" in hardest.caption
    assert all(truth in exhibit.caption for exhibit in (easiest, hardest))


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_mean_heatmap_is_of_the_correct_class(toys: Path, truth: Truth) -> None:
    looks, pools = _looked(20)
    scores = _patch_scores(pools[truth])
    sure = scores if truth == "fake" else 1 - scores
    easiest = sure[np.argsort(-sure.mean(axis=(1, 2)))[:10]]
    normalised, raw = averages(looks[truth], truth=truth, size=(SIDE, SIDE))
    expected = patches.align(easiest.mean(axis=0)[None], FIELD, size=(SIDE, SIDE))[0]
    assert raw.heatmap == pytest.approx(expected, abs=1e-4)
    expected = patches.align(patches.normalise(easiest).mean(axis=0)[None], FIELD, size=(SIDE, SIDE))[0]
    assert normalised.heatmap == pytest.approx(expected, abs=1e-4)
    assert f"mean of the 10 easiest {truth}s" in raw.caption
    assert "raw scale" in raw.caption
    assert "each normalised" in normalised.caption
    # A normalised heatmap is no probability.
    assert (normalised.unit, raw.unit) == ("share of an image's range", "P(correct class)")


def test_a_match_shows_both_sides_and_four_means(toys: Path) -> None:
    looks, pools = _looked(20)
    figure = match_heatmaps("toy@1 looking at pgan@2", looks, pools)
    assert figure.get_suptitle().startswith("toy@1 looking at pgan@2\n")
    told = _told(figure)
    captions = [text.partition(" (")[0] for text in told if "est " in text and " (the detector" in text]
    assert captions == ["easiest fakes", "hardest fakes", "easiest reals", "hardest reals"]
    sides: tuple[Truth, Truth] = ("fake", "real")
    # Each block holds its own side's pictures.
    images = _images(figure)
    shown = [exhibit for truth in sides for exhibit in exhibits(looks[truth], truth=truth, pixels=pools[truth])]
    for block, exhibit in enumerate(shown):
        assert np.array_equal(_one(_strips(figure, block)[0], 0), exhibit.pixels[0])
        assert len(_boxes(figure, block)) == 6
    # The means, each with its scale; then the key.
    means = [average for truth in sides for average in averages(looks[truth], truth=truth, size=(SIDE, SIDE))]
    drawn = images[12::2][:4]
    for image, average in zip(drawn, means, strict=True):
        assert np.array_equal(np.asarray(image.get_array()), average.heatmap)
        left, right, _, top = image.get_extent()
        [caption] = [text for text in figure.axes[0].texts if text.get_text() == average.caption]
        x, y = caption.get_position()
        assert left < x < right
        assert y < top
        values = (average.heatmap.min(), (average.heatmap.min() + average.heatmap.max()) / 2, average.heatmap.max())
        where = told.index(average.caption)
        assert told[where + 1 : where + 5] == [*(f"{value:.2f}" for value in values), average.unit]
    _check_texts(figure)


@pytest.mark.parametrize("n", [1, 3])
def test_a_match_of_few_images_is_drawn(toys: Path, n: int) -> None:
    looks, pools = _looked(n)
    figure = match_heatmaps("few", looks, pools)
    assert to_pixels(figure).std() > 10
    assert len(exhibits(looks["fake"], truth="fake", pixels=pools["fake"])[0].pixels) == n


def test_where_every_patch_sees_everything_no_part_is_named(toys: Path) -> None:
    looks, pools = _looked(8, detector="toy_wide_detector")
    for truth in TRUTHS:
        for exhibit in exhibits(looks[truth], truth=truth, pixels=pools[truth]):
            assert list(exhibit.labels) == []
            assert exhibit.boxes.tolist() == [[0, 0, SIDE, SIDE]] * 6
    assert to_pixels(match_heatmaps("wide", looks, pools)).std() > 10


def _check_texts(figure: Figure) -> None:
    pixels = to_pixels(figure)
    assert pixels.std() > 10, "blank"
    renderer = FigureCanvasAgg(figure).get_renderer()
    height, width = pixels.shape[:2]
    shown = [*figure.axes[0].texts, figure._suptitle]  # type: ignore[attr-defined]
    boxes = {text: text.get_window_extent(renderer) for text in shown if text.get_text()}
    for text, box in boxes.items():
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"'{text.get_text()}' is cut off"
    for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
        assert not first.overlaps(second), f"'{one.get_text()}' and '{other.get_text()}' overlap"
    # And no image lies over a text.
    for image in _images(figure):
        extent = image.get_window_extent(renderer)
        for text, box in boxes.items():
            assert not extent.overlaps(box), f"'{text.get_text()}' lies on an image"
