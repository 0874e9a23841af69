from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.plots.part_plots import part_histograms, shift_histograms
from fakeoff.leaderboard.plots.plots import to_pixels
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.drawing.inks import FAKE, REAL

Shares = dict[str, float]
Whole = Callable[[dict[str, Any]], Scoreboard]
Draw = Callable[..., Figure]

NO_HATS = tuple(part for part in PARTS if part != "hat")


def _shares(seed: int, *, parts: tuple[str, ...] = NO_HATS) -> Shares:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(parts)))
    return dict.fromkeys(PARTS, 0.0) | dict(zip(parts, drawn.tolist(), strict=True))


def _ci(shares: Shares) -> dict[str, list[float]]:
    return {part: [max(0.0, share - 0.05), min(1.0, share + 0.03)] for part, share in shares.items()}


def _cells(n: int, **over: Any) -> list[dict[str, Any]]:
    cells = []
    for index in range(n):
        sides = {}
        for place, side in enumerate(("real", "fake")):
            shares = _shares(10 * index + place, **over)
            random = _shares(10 * index + 5 + place, **over)
            counted = {"n": 80 * (place + 1), "ties": 0, "averaged_over": 40 * (place + 1)}
            sides[side] = {**counted, "parts": shares, "parts_ci": _ci(shares), "random_parts": random}
        pair = {"generator": "mobile_stylegan_ffhq", "generator_round": index}
        cells.append({**pair, "detector": "xception_block1", "detector_round": index + 1, **sides})
    return cells


def _shifts(n: int) -> list[dict[str, Any]]:
    shifts = []
    for index in range(n):
        sides = {side: _shares(7 * index + place) for place, side in enumerate(("before", "frozen", "retrained"))}
        shifts.append(
            {
                "generator": "pgan_pretrained",
                "generator_round": index + 1,
                "detector": "resnet18_layer1",
                "detector_round": index,
                "is_target": index == 0,
                **sides,
                **{f"{side}_ci": _ci(shares) for side, shares in sides.items()},
                "random": _shares(7 * index + 6),
                "shift": {"tv": 0.31, "tv_null": 0.27, "tv_halves": 0.42, "exceeds_null": index == 0},
            }
        )
    return shifts


@pytest.fixture
def draw_parts(whole: Whole) -> Draw:
    """Histograms of rows of ``parts``."""

    def draw(cells: list[dict[str, Any]], *, confidence: float = 0.9) -> Figure:
        scoreboard = whole({"config": {"score": {"confidence": confidence}}, "parts": cells})
        return part_histograms(scoreboard, scoreboard.parts)

    return draw


@pytest.fixture
def draw_shifts(whole: Whole) -> Draw:
    """Histograms of rows of ``part_shifts``."""

    def draw(shifts: list[dict[str, Any]], *, confidence: float = 0.9) -> Figure:
        scoreboard = whole({"config": {"score": {"confidence": confidence}}, "part_shifts": shifts})
        return shift_histograms(scoreboard, scoreboard.part_shifts)

    return draw


def _bars(axes: Axes) -> dict[str, list[float]]:
    """Heights by the legend's label."""
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    return {str(bar.get_label()): [patch.get_height() for patch in bar.patches] for bar in bars}


def _errors(axes: Axes) -> list[list[tuple[float, float]]]:
    """Ends of the intervals, for each group of bars."""
    found = []
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            [lines] = container.lines[2]
            assert isinstance(lines, LineCollection)
            found.append([(segment[0][1], segment[1][1]) for segment in lines.get_segments()])
    return found


def _ticks(axes: Axes) -> list[list[float]]:
    """Heights of the horizontal lines, for each group."""
    lines = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_zorder() == 3]
    segments = [line.get_segments() for line in lines]
    assert all(segment[0][1] == segment[1][1] for line in segments for segment in line)
    return [[segment[0][1] for segment in line] for line in segments]


def _labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def test_the_bars_the_intervals_and_the_ticks_are_the_records(draw_parts: Draw) -> None:
    cells = _cells(2)
    figure = draw_parts(cells)
    assert len(figure.axes) == 2
    for axes, cell in zip(figure.axes, cells, strict=True):
        assert _labels(axes) == list(NO_HATS)
        real, fake = cell["real"], cell["fake"]
        bars = _bars(axes)
        assert list(bars) == ["real photographs", "fakes"]
        assert bars["real photographs"] == pytest.approx([real["parts"][part] for part in NO_HATS])
        assert bars["fakes"] == pytest.approx([fake["parts"][part] for part in NO_HATS])
        for side, errors in zip((real, fake), _errors(axes), strict=True):
            assert np.array(errors) == pytest.approx(np.array([side["parts_ci"][part] for part in NO_HATS]))
        # Each tick is drawn twice: white below, ink above.
        expected = [[side["random_parts"][part] for part in NO_HATS] for side in (real, real, fake, fake)]
        assert np.array(_ticks(axes)) == pytest.approx(np.array(expected))
        names = f"xception_block1@{cell['detector_round']} looking at mobile_stylegan_ffhq@{cell['generator_round']}"
        assert axes.get_title(loc="left") == f"{names}\n80 reals, 160 fakes"
    assert "90% bootstrap intervals" in figure.get_suptitle()
    [legend] = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["real photographs", "fakes", "a random patch of the same images"]


def test_each_row_says_how_many_images_it_is_of_and_in_how_many_the_patch_was_drawn(draw_parts: Draw) -> None:
    cells = _cells(3)
    cells[1]["real"] |= {"n": 60, "ties": 3}
    cells[2]["fake"] |= {"n": 16, "ties": 16}
    titles = [axes.get_title(loc="left").partition("\n")[2] for axes in draw_parts(cells).axes]
    assert titles == [
        "80 reals, 160 fakes",
        "60 reals (3 with equal patches, one drawn), 160 fakes",
        "80 reals, 16 fakes (16 with equal patches, one drawn)",
    ]


def test_real_is_blue_and_fake_is_orange_as_everywhere(draw_parts: Draw) -> None:
    [axes] = draw_parts(_cells(1)).axes
    colours = [bar.patches[0].get_facecolor() for bar in axes.containers if isinstance(bar, BarContainer)]
    assert [to_hex(colour) for colour in colours] == [REAL, FAKE]


@pytest.mark.parametrize("of", ["parts", "random_parts"])
def test_a_part_has_a_column_where_anybody_found_it(of: str, draw_parts: Draw) -> None:
    cells = _cells(2, parts=("background", "hair", "nose"))
    assert _labels(draw_parts(cells).axes[0]) == ["background", "hair", "nose"]
    cells[1]["real"][of] = {**cells[1]["real"][of], "hat": 0.01}
    # In every row, so that rows can be compared.
    for axes in draw_parts(cells).axes:
        assert _labels(axes) == ["background", "hair", "nose", "hat"]


def test_an_interval_that_leaves_its_share_out_by_a_rounding_is_drawn(draw_parts: Draw) -> None:
    cells = _cells(1)
    cells[0]["fake"]["parts_ci"]["hair"] = [cells[0]["fake"]["parts"]["hair"] + 1e-9] * 2
    assert to_pixels(draw_parts(cells)).std() > 20


def test_a_shift_is_three_bars_for_each_part(draw_shifts: Draw) -> None:
    shifts = _shifts(2)
    figure = draw_shifts(shifts, confidence=0.95)
    for axes, entry in zip(figure.axes, shifts, strict=True):
        bars = _bars(axes)
        names = {
            "before": "frozen detector, fakes before the attack",
            "frozen": "the same frozen detector, fakes after",
            "retrained": "retrained detector, fakes after",
        }
        assert list(bars) == list(names.values())
        for (side, name), errors in zip(names.items(), _errors(axes), strict=True):
            assert bars[name] == pytest.approx([entry[side][part] for part in NO_HATS])
            assert np.array(errors) == pytest.approx(np.array([entry[f"{side}_ci"][part] for part in NO_HATS]))
        for ticks in _ticks(axes):
            assert ticks == pytest.approx([entry["random"][part] for part in NO_HATS])
    assert "95% bootstrap intervals" in figure.get_suptitle()


def test_a_shifts_caption_says_who_how_far_and_whether_that_is_more_than_chance(draw_shifts: Draw) -> None:
    first, second = (axes.get_title(loc="left") for axes in draw_shifts(_shifts(2)).axes)
    assert "resnet18_layer1@0 on pgan_pretrained@0, then resnet18_layer1@1 on pgan_pretrained@1" in first
    assert "(the attack's frozen target)" in first
    assert "shift 31% of the fakes: more than chance (chance gives up to 27%; " in first
    assert "resnet18_layer1@1 on pgan_pretrained@1, then resnet18_layer1@2 on pgan_pretrained@2" in second
    assert "(not the attack's target)" in second
    assert "no more than chance" in second
    assert all("same fakes differ by up to 42%" in caption for caption in (first, second))


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("draw", ["draw_parts", "draw_shifts"])
def test_no_text_is_cut_off_or_runs_into_its_neighbour(
    draw: str, rows: int, check_texts: Callable[[Figure], None], request: pytest.FixtureRequest
) -> None:
    drawn: list[dict[str, Any]] = _cells(rows, parts=PARTS) if draw == "draw_parts" else _shifts(rows)
    check_texts(request.getfixturevalue(draw)(drawn))


def test_a_row_in_which_every_image_has_equal_patches_is_not_cut_off(
    check_texts: Callable[[Figure], None], draw_parts: Draw
) -> None:
    cells = _cells(2)
    for cell, side in itertools.product(cells, ("real", "fake")):
        cell[side] |= {"n": 1000, "ties": 1000}
    check_texts(draw_parts(cells))


def test_no_bar_is_higher_than_its_axis_and_small_shares_are_not_blown_up(draw_parts: Draw) -> None:
    whole = _cells(1)
    whole[0]["fake"]["parts"] = dict.fromkeys(PARTS, 0.0) | {"nose": 1.0}
    whole[0]["fake"]["parts_ci"] = _ci(whole[0]["fake"]["parts"])
    assert draw_parts(whole).axes[0].get_ylim()[1] >= 1
    small = _cells(1)
    for side, of in itertools.product(("real", "fake"), ("parts", "random_parts")):
        small[0][side][of] = dict.fromkeys(PARTS, 1 / len(PARTS))
        small[0][side]["parts_ci"] = _ci(small[0][side]["parts"])
    assert draw_parts(small).axes[0].get_ylim() == (0, 0.25)
