from __future__ import annotations

from typing import Any

import pytest

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.plots.parts import newest_cells, part_points, shifts_of_round


def _shares(**shares: float) -> dict[str, float]:
    return {part: shares.get(part, 0.0) for part in PARTS}


def _cell(generator: str, detector: str, **fake: float) -> dict[str, Any]:
    """A cell between two versions, such as ``pgan@1``."""
    (maker, made), (judge, judged) = generator.split("@"), detector.split("@")
    return {
        "generator": maker,
        "generator_round": int(made),
        "detector": judge,
        "detector_round": int(judged),
        "fake": {"parts": _shares(**fake)},
        "real": {"parts": _shares(hat=1.0)},
    }


def _shift(generator: str, detector: str, tv: float, null: float, *, is_target: bool = False) -> dict[str, Any]:
    return {**_cell(generator, detector), "is_target": is_target, "shift": {"tv": tv, "tv_null": null}}


SCOREBOARD: dict[str, Any] = {
    "parts": [
        _cell("fixed@0", "a@0", hair=1.0),
        _cell("fixed@0", "a@1", hair=0.5, skin=0.5),
        _cell("fixed@0", "b@0", eye=1.0),
        _cell("pgan@0", "a@0", mouth=1.0),
        _cell("pgan@0", "a@1", mouth=1.0),
        _cell("pgan@0", "b@0", mouth=1.0),
        _cell("pgan@1", "a@0", mouth=1.0),
        _cell("pgan@1", "a@1", hair=0.25, nose=0.75),
        _cell("pgan@1", "b@0", nose=0.25, ear=0.75),
    ],
    "part_shifts": [
        _shift("pgan@1", "a@0", 0.6, 0.2, is_target=True),
        _shift("pgan@1", "b@0", 0.2, 0.3),
        _shift("pgan@2", "a@1", 0.4, 0.1),
        _shift("pgan@2", "b@1", 0.1, 0.1),
        _shift("other@1", "a@0", 0.8, 0.4),
    ],
}


# Matches are played where nobody looks, too; they say which version is the newest.
SCOREBOARD["cells"] = [{key: value for key, value in cell.items() if key != "fake"} for cell in SCOREBOARD["parts"]]


def _names(cells: Any) -> list[str]:
    return [f"{c['generator']}@{c['generator_round']} {c['detector']}@{c['detector_round']}" for c in cells]


def test_the_newest_cells_are_of_newest_against_newest() -> None:
    assert _names(newest_cells(SCOREBOARD, "generator", "pgan")) == ["pgan@1 a@1", "pgan@1 b@0"]
    # A player that has no later version keeps its place.
    assert _names(newest_cells(SCOREBOARD, "generator", "fixed")) == ["fixed@0 a@1", "fixed@0 b@0"]
    assert _names(newest_cells(SCOREBOARD, "detector", "a")) == ["fixed@0 a@1", "pgan@1 a@1"]
    assert _names(newest_cells(SCOREBOARD, "detector", "b")) == ["fixed@0 b@0", "pgan@1 b@0"]


def test_a_player_without_looks_has_no_cells_and_no_points() -> None:
    for kind, player in (("detector", "whole_image"), ("generator", "a"), ("detector", "pgan")):
        assert newest_cells(SCOREBOARD, kind, player) == []
        assert part_points(SCOREBOARD, kind, player, 1) == {}
    assert part_points({"parts": [], "part_shifts": [], "cells": []}, "detector", "a", 0) == {}


def test_a_generator_and_a_detector_of_one_name_do_not_mix() -> None:
    scoreboard = {
        "parts": [_cell("twin@2", "twin@1", hair=1.0), _cell("twin@2", "twin@0", skin=1.0)],
        "part_shifts": [],
    }
    scoreboard["cells"] = scoreboard["parts"]
    for kind in ("generator", "detector"):
        assert _names(newest_cells(scoreboard, kind, "twin")) == ["twin@2 twin@1"]


def test_the_shifts_of_a_round_are_all_or_a_players() -> None:
    assert _names(shifts_of_round(SCOREBOARD, 1)) == ["pgan@1 a@0", "pgan@1 b@0", "other@1 a@0"]
    assert _names(shifts_of_round(SCOREBOARD, 1, kind="generator", player="pgan")) == ["pgan@1 a@0", "pgan@1 b@0"]
    assert _names(shifts_of_round(SCOREBOARD, 1, kind="detector", player="a")) == ["pgan@1 a@0", "other@1 a@0"]
    assert shifts_of_round(SCOREBOARD, 0) == shifts_of_round(SCOREBOARD, 3) == []


def test_a_players_parts_are_the_mean_over_its_opponents() -> None:
    points = part_points(SCOREBOARD, "generator", "pgan", 0)
    # Of fakes, not of reals; the parts that nothing is of are there as well.
    assert points == pytest.approx(
        {f"part/{part}": share for part, share in _shares(hair=0.125, nose=0.5, ear=0.375).items()}
    )
    assert part_points(SCOREBOARD, "detector", "b", 0)["part/eye"] == pytest.approx(0.5)


def test_a_generators_shift_is_that_against_its_targets() -> None:
    points = part_points(SCOREBOARD, "generator", "pgan", 1)
    assert (points["part_shift"], points["part_shift_null"]) == (0.6, 0.2)


def test_without_a_target_that_judges_patches_it_is_the_mean_over_all() -> None:
    points = part_points(SCOREBOARD, "generator", "pgan", 2)
    assert (points["part_shift"], points["part_shift_null"]) == pytest.approx((0.25, 0.1))


def test_a_detectors_shift_is_the_mean_over_attackers() -> None:
    points = part_points(SCOREBOARD, "detector", "a", 1)
    assert (points["part_shift"], points["part_shift_null"]) == pytest.approx((0.7, 0.3))
    assert "part_shift" not in part_points(SCOREBOARD, "detector", "a", 0)
