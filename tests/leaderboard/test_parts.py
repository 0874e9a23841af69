from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.plots.parts import newest_parts, shifts_of_round
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures import Look, Shift
from fakeoff.protocols.record.versions import Kind


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


@pytest.fixture
def scoreboard(whole: Callable[[Mapping[str, Any]], Scoreboard]) -> Scoreboard:
    return whole(SCOREBOARD)


def _newest(scoreboard: Scoreboard, kind: Kind, player: str) -> list[str]:
    return _names(newest_parts(scoreboard, kind, player))


def _points(scoreboard: Scoreboard, kind: Kind, player: str, round_: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for measure in (Look, Shift):
        newest = scoreboard.newest
        version = newest.get((kind, player), 0)
        found |= measure.points(
            scoreboard.of(measure), kind=kind, player=player, version=version, newest=newest, round_=round_
        )
    return found


def _names(cells: Any) -> list[str]:
    return [f"{c.generator}@{c.generator_round} {c.detector}@{c.detector_round}" for c in cells]


def test_the_newest_cells_are_of_newest_against_newest(scoreboard: Scoreboard) -> None:
    assert _newest(scoreboard, "generator", "pgan") == ["pgan@1 a@1", "pgan@1 b@0"]
    # A player that has no later version keeps its place.
    assert _newest(scoreboard, "generator", "fixed") == ["fixed@0 a@1", "fixed@0 b@0"]
    assert _newest(scoreboard, "detector", "a") == ["fixed@0 a@1", "pgan@1 a@1"]
    assert _newest(scoreboard, "detector", "b") == ["fixed@0 b@0", "pgan@1 b@0"]


def test_a_player_without_looks_has_no_cells_and_no_points(
    scoreboard: Scoreboard, whole: Callable[[Mapping[str, Any]], Scoreboard]
) -> None:
    for kind, player in (("detector", "whole_image"), ("generator", "a"), ("detector", "pgan")):
        assert _newest(scoreboard, kind, player) == []
        assert _points(scoreboard, kind, player, 1) == {}
    assert _points(whole({}), "detector", "a", 0) == {}


def test_a_generator_and_a_detector_of_one_name_do_not_mix(whole: Callable[[Mapping[str, Any]], Scoreboard]) -> None:
    rows = [_cell("twin@2", "twin@1", hair=1.0), _cell("twin@2", "twin@0", skin=1.0)]
    scoreboard = whole({"parts": rows, "cells": rows})
    for kind in ("generator", "detector"):
        assert _names(newest_parts(scoreboard, kind, "twin")) == ["twin@2 twin@1"]


def test_a_version_that_nobody_looked_with_is_the_newest_all_the_same(
    whole: Callable[[Mapping[str, Any]], Scoreboard],
) -> None:
    rows = [_cell("pgan@1", "a@0", hair=1.0), _cell("pgan@1", "b@1", skin=1.0)]
    scoreboard = whole({"parts": rows, "cells": [*rows, _cell("pgan@1", "a@1")]})  # a@1 forfeited its look
    assert _names(newest_parts(scoreboard, "generator", "pgan")) == ["pgan@1 b@1"]
    assert _points(scoreboard, "generator", "pgan", 1)["part/skin"] == 1.0


def test_the_shifts_of_a_round_are_all_or_a_players(scoreboard: Scoreboard) -> None:
    assert _names(shifts_of_round(scoreboard, 1)) == ["pgan@1 a@0", "pgan@1 b@0", "other@1 a@0"]
    assert _names(shifts_of_round(scoreboard, 1, kind="generator", player="pgan")) == ["pgan@1 a@0", "pgan@1 b@0"]
    assert _names(shifts_of_round(scoreboard, 1, kind="detector", player="a")) == ["pgan@1 a@0", "other@1 a@0"]
    assert shifts_of_round(scoreboard, 0) == shifts_of_round(scoreboard, 3) == []


def test_a_players_parts_are_the_mean_over_its_opponents(scoreboard: Scoreboard) -> None:
    points = _points(scoreboard, "generator", "pgan", 0)
    # Of fakes, not of reals; the parts that nothing is of are there as well.
    assert points == pytest.approx(
        {f"part/{part}": share for part, share in _shares(hair=0.125, nose=0.5, ear=0.375).items()}
    )
    assert _points(scoreboard, "detector", "b", 0)["part/eye"] == pytest.approx(0.5)


def test_a_generators_shift_is_that_against_its_targets(scoreboard: Scoreboard) -> None:
    points = _points(scoreboard, "generator", "pgan", 1)
    assert (points["part_shift"], points["part_shift_null"]) == (0.6, 0.2)


def test_without_a_target_that_judges_patches_it_is_the_mean_over_all(scoreboard: Scoreboard) -> None:
    points = _points(scoreboard, "generator", "pgan", 2)
    assert (points["part_shift"], points["part_shift_null"]) == pytest.approx((0.25, 0.1))


def test_a_detectors_shift_is_the_mean_over_attackers(scoreboard: Scoreboard) -> None:
    points = _points(scoreboard, "detector", "a", 1)
    assert (points["part_shift"], points["part_shift_null"]) == pytest.approx((0.7, 0.3))
    assert "part_shift" not in _points(scoreboard, "detector", "a", 0)
