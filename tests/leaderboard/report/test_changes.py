"""Before, after and retrained: with intervals where the scoreboard has them, without where it is older."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.leaderboard.report.facts.changes import change_sentences, change_tables
from fakeoff.leaderboard.report.facts.tables import NONE
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.changes import ChangeRow

Whole = Callable[[Mapping[str, Any]], Scoreboard]


@pytest.fixture
def attacked(whole: Whole) -> Scoreboard:
    """An attack of g@1 on d@0, from which d@1 learned."""

    def cell(detector_round: int, generator_round: int, accuracy: float, **over: Any) -> dict[str, Any]:
        pair = {"detector": "d", "detector_round": detector_round, "generator": "g", "generator_round": generator_round}
        return {**pair, "accuracy": accuracy, "accuracy_ci": (accuracy - 0.05, accuracy + 0.05), **over}

    return whole({"cells": [cell(0, 0, 0.9), cell(0, 1, 0.6, is_target=True), cell(1, 1, 0.85)]})


def _texts(scoreboard: Scoreboard) -> list[str]:
    [row] = change_tables(scoreboard)[0].rows
    return [cell if isinstance(cell, str) else cell.text for cell in row.cells]


def test_an_old_file_has_changes_without_intervals(attacked: Scoreboard) -> None:
    assert _texts(attacked) == [
        "90.0% (85.0% to 95.0%)",
        "60.0% (55.0% to 65.0%)",
        "-30.0 points",
        "85.0% (80.0% to 90.0%)",
        "+25.0 points",
    ]
    assert change_sentences(attacked) == ["There was 1 attack on a frozen detector."]


@pytest.mark.parametrize(("high", "sure"), [(-0.1, 1), (0.1, 0)])
def test_a_change_is_certain_where_its_interval_leaves_out_no_change(
    attacked: Scoreboard, high: float, sure: int
) -> None:
    row = ChangeRow(generator="g", generator_round=1, detector="d", detector_round=0, metric="accuracy", change=-0.3,
                    change_ci=(-0.4, high), recovery=0.25, recovery_ci=(0.2, 0.3))  # fmt: skip
    told = dataclasses.replace(attacked, changes=(row,))
    assert _texts(told)[2] == f"-30.0 (-40.0 to {100 * high:+.1f}) points"
    assert change_sentences(told)[1].startswith(f"In {sure} of 1")
    assert change_sentences(told)[2].startswith("In 1 of 1")


def test_what_was_not_played_is_a_dash(attacked: Scoreboard) -> None:
    alone = tuple(cell for cell in attacked.cells if cell.is_target)
    found = dataclasses.replace(attacked, rows={**attacked.rows, "match": alone})
    assert _texts(found)[::2] == [NONE, NONE, NONE]


def test_nobody_attacked(whole: Whole) -> None:
    assert change_tables(whole({})) == []
    assert change_sentences(whole({})) == ["Nobody attacked."]
