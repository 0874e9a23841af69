"""The payoff matrix: who stands where, and what a cell says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakeoff.leaderboard.report.facts.matrix import build_matrix
from fakeoff.leaderboard.scoreboard import Scoreboard

Whole = Callable[[Mapping[str, Any]], Scoreboard]


def _cell(detector: str, detector_round: int, generator: str, generator_round: int, **over: Any) -> dict[str, Any]:
    pair = {"detector": detector, "detector_round": detector_round}
    return {**pair, "generator": generator, "generator_round": generator_round, **over}


def test_players_stand_in_the_order_of_their_places_and_versions_side_by_side(whole: Whole) -> None:
    standing = {"round": 1, "worst_auc": 0.9, "mean_auc": 0.9, "worst_against": "g@1", "mean_ap": 0.9,
                "mean_accuracy": 0.9, "matches": 2}  # fmt: skip
    matrix = build_matrix(
        whole(
            {
                "cells": [_cell("a", 0, "g", 1), _cell("z", 1, "g", 0), _cell("z", 0, "g", 0), _cell("m", 0, "g", 0)],
                "standings": {
                    "detectors": [{"player": "z", **standing}, {"player": "a", **standing}],
                    "generators": [],
                },
                "unranked": [{"kind": "detector", "player": "m", "round": 0, "reason": "blind"}],
            }
        )
    )
    assert matrix is not None
    assert [(group.player, group.rounds) for group in matrix.detectors] == [("z", (0, 1)), ("a", (0,)), ("m", (0,))]
    assert [group.unranked for group in matrix.detectors] == [frozenset(), frozenset(), frozenset({0})]
    assert matrix.has_unranked
    assert [first for first, cell in matrix.row("z", 1) if cell is None] == ["g@1"], "what was not played is no figure"


def test_a_cell_says_its_figure_and_its_interval_through_each_lens(whole: Whole) -> None:
    figures = {"auc": 1.0, "auc_ci": (0.87, 1.0), "accuracy": 0.75, "accuracy_ci": (0.7, 0.8), "recall_fake": 0.0,
               "recall_fake_ci": (0.0, 0.1), "is_target": True}  # fmt: skip
    matrix = build_matrix(whole({"cells": [_cell("d", 1, "g", 2, **figures)]}))
    assert matrix is not None
    [(_, cell)] = matrix.row("d", 1)
    assert cell is not None
    assert cell.who == "d@1 judging g@2"
    assert [(one.figure, one.told, one.level) for one in cell.readings] == [
        ("1.000", "AUC 1.000, at least 0.870", 8),
        ("75%", "Accuracy 75.0% (70.0% to 80.0%)", 4),
        ("0%", "Fakes found 0.0%, at most 10.0%", 0),
    ]
    assert matrix.has_targets


def test_the_levels_hold_what_is_worse_than_guessing_and_say_where_they_begin(whole: Whole) -> None:
    worse, guessing = (_cell("d", 0, "g", round_, auc=auc, auc_ci=(0.1, 0.6)) for round_, auc in ((1, 0.2), (0, 0.5)))
    matrix = build_matrix(whole({"cells": [guessing, worse]}))
    assert matrix is not None
    levels = {generator: cell.readings[0].level for generator, cell in matrix.row("d", 0) if cell is not None}
    assert levels == {"g@0": 3, "g@1": 0}
    assert matrix.lenses[0].ends == ("0.20", "1.00")
    alone = build_matrix(whole({"cells": [guessing]}))
    assert alone is not None
    assert alone.lenses[0].ends == ("0.50", "1.00")
    [(_, cell)] = alone.row("d", 0)
    assert cell is not None
    assert cell.readings[0].level == 0


def test_there_is_no_matrix_where_nothing_was_scored(whole: Whole) -> None:
    assert build_matrix(whole({})) is None
