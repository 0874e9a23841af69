from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fakeoff.arena.images import Pixels
from fakeoff.leaderboard.plots.plots import before_and_after, duel_chart, payoff_matrix, to_pixels
from fakeoff.leaderboard.scoreboard import Scoreboard

Whole = Callable[[dict[str, Any]], Scoreboard]


def _scoreboard(
    generators: tuple[str, ...], detectors: tuple[str, ...], rounds: int, *, confidence: float = 0.95
) -> dict[str, Any]:
    cells = []
    for generator, g_round, detector, d_round in itertools.product(
        generators, range(rounds + 1), detectors, range(rounds + 1)
    ):
        is_target = g_round > 0 and d_round == g_round - 1 and detector == detectors[0]
        value = 0.5 if is_target else 0.97
        figures = {"accuracy": value, "accuracy_ci": [value - 0.05, value], "ap": value, "ap_ci": [value, value + 0.02]}
        cells.append(
            {
                "generator": generator,
                "generator_round": g_round,
                "detector": detector,
                "detector_round": d_round,
                "is_target": is_target,
                **figures,
            }
        )
    return {"round": rounds, "config": {"score": {"confidence": confidence}}, "cells": cells}


SIZES = {
    "one match": (("pgan",), ("xception_block1",), 0),
    "the default": (("pgan",), ("xception_block1", "resnet18_layer1"), 2),
    "long names": (("mobile_stylegan_ffhq", "pgan_pretrained"), ("xception_block1", "resnet18_layer1"), 3),
}


@pytest.mark.parametrize("size", SIZES)
def test_the_matrix_has_a_cell_for_each_match_and_a_frame_for_each_target(size: str, whole: Whole) -> None:
    generators, detectors, rounds = SIZES[size]
    figure = payoff_matrix(whole(_scoreboard(*SIZES[size])))
    axes = figure.axes[0]
    versions = rounds + 1
    assert len(axes.texts) == len(generators) * len(detectors) * versions**2
    assert len(_frames(figure)) == len(generators) * rounds
    assert axes.images[0].get_array().shape == (len(detectors) * versions, len(generators) * versions)
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns == sorted(f"{name}@{round_}" for name in generators for round_ in range(versions))


def test_a_cell_lies_where_its_versions_cross(whole: Whole) -> None:
    scoreboard = _scoreboard(("pgan",), ("a", "b"), 1)
    for cell in scoreboard["cells"]:
        if (cell["generator_round"], cell["detector"], cell["detector_round"]) == (1, "b", 0):
            cell |= {"accuracy": 0.62, "ap": 0.71}
    axes = payoff_matrix(whole(scoreboard)).axes[0]
    column = [label.get_text() for label in axes.get_xticklabels()].index("pgan@1")
    row = [label.get_text() for label in axes.get_yticklabels()].index("b@0")
    assert axes.images[0].get_array()[row, column] == 0.62
    [text] = [text.get_text() for text in axes.texts if text.get_position() == (column, row)]
    assert text == "62%\nAP 0.71"
    [frame] = _frames(payoff_matrix(whole(scoreboard)))
    assert (round(frame.get_x() + 0.47), round(frame.get_y() + 0.45)) == (1, 0)  # pgan@1 against a@0


def test_the_scale_of_the_matrix_begins_at_the_lowest_cell(whole: Whole) -> None:
    scoreboard = _scoreboard(("pgan",), ("a", "b"), 1)
    assert payoff_matrix(whole(scoreboard)).axes[0].images[0].get_clim() == (0.5, 1.0)
    scoreboard["cells"][0]["accuracy"] = 0.41
    figure = payoff_matrix(whole(scoreboard))
    assert figure.axes[0].images[0].get_clim() == (0.4, 1.0)
    told = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert (told[0], told[-1]) == ("40%\nfakes pass", "100%\ncaught")


@pytest.mark.parametrize(
    ("draw", "size"),
    [*((payoff_matrix, size) for size in SIZES), (duel_chart, "the default"), (duel_chart, "long names")],
)
def test_no_text_is_cut_off_or_runs_into_its_neighbour(
    draw: Any, size: str, check_texts: Callable[[Figure], None], whole: Whole
) -> None:
    scoreboard = _scoreboard(*SIZES[size])
    check_texts(draw(whole(scoreboard)))


def test_a_duel_is_three_bars_for_each_metric(whole: Whole) -> None:
    figure = duel_chart(whole(_scoreboard(("pgan",), ("a", "b"), 2, confidence=0.9)))
    accuracy, ap = figure.axes
    for axes in (accuracy, ap):
        heights = [bar.get_height() for container in axes.containers for bar in getattr(container, "patches", [])]
        # Before and retrained of both attacks are 0.97, the frozen target after them 0.5.
        assert sorted(heights) == [0.5, 0.5, 0.97, 0.97, 0.97, 0.97]
    assert [label.get_text() for label in ap.get_xticklabels()] == ["pgan@1\nagainst a@0", "pgan@2\nagainst a@1"]
    assert "90% bootstrap intervals" in figure.get_suptitle()


def test_a_retrained_detector_that_forfeited_leaves_its_bar_out(whole: Whole) -> None:
    scoreboard = _scoreboard(("pgan",), ("a",), 1)
    scoreboard["cells"] = [cell for cell in scoreboard["cells"] if cell["detector_round"] == 0]
    accuracy, _ = duel_chart(whole(scoreboard)).axes
    heights = [bar.get_height() for container in accuracy.containers for bar in getattr(container, "patches", [])]
    assert heights == [0.97, 0.5]
    assert to_pixels(duel_chart(whole(scoreboard))).std() > 20


def test_faces_stand_under_their_captions_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"pgan@{i}, finetuned", rng.integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)) for i in range(3)]
    figure = before_and_after(rows)
    [axes] = figure.axes
    assert [text.get_text() for text in axes.texts] == [caption for caption, _ in rows]
    for drawn, text, (_, images) in zip(axes.images, axes.texts, rows, strict=True):
        left, _, _, top = drawn.get_extent()
        assert text.get_position()[0] == pytest.approx(left)
        assert 0 < top - text.get_position()[1] < 0.1
        sheet: Pixels = np.asarray(drawn.get_array())
        assert np.array_equal(sheet[:, :16], images[0])
        assert np.array_equal(sheet[:, -16:], images[-1])
    pixels = to_pixels(figure)
    assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
    # Every row has its share of the picture, in full colour.
    for part in np.array_split(pixels, 3):
        assert part.std() > 40


def _frames(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and not patch.get_fill()]
