from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fakeoff.leaderboard.comparing import comparable
from fakeoff.leaderboard.mlflow.standings import heading, standing_points, standing_texts, unranked_texts
from fakeoff.leaderboard.mlflow.terms import terms_of
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord


@pytest.fixture(scope="module")
def board(record: TournamentRecord) -> Scoreboard:
    return build_scoreboard(record)


def _with(board: Scoreboard, section: str, **over: Any) -> Scoreboard:
    return dataclasses.replace(board, config={**board.config, section: {**board.config[section], **over}})


def test_figures_are_told_with_their_intervals_and_ranks_with_theirs(board: Scoreboard) -> None:
    first = dataclasses.replace(
        board.detectors[0], worst_auc=1.0, worst_auc_ci=(0.87, 1.0), rank=1, rank_ci=(1, 2), p_best=0.834
    )
    second = dataclasses.replace(board.detectors[1], mean_auc=0.914, mean_auc_ci=(0.87, 0.96), rank=2, rank_ci=(2, 2))
    texts = standing_texts(dataclasses.replace(board, detectors=(first, second)))
    said = texts["detector", first.player]
    assert (said["rank"], said["worst AUC CI95"], said["p best"]) == ("1 (1 to 2)", "1.000, at least 0.870", "0.83")
    assert said["worst against"] == first.worst_against
    assert texts["detector", second.player]["rank"] == "2"
    assert texts["detector", second.player]["mean AUC CI95"] == "0.914 (0.870 to 0.960)"


def test_a_file_of_before_intervals_is_told_without_them(board: Scoreboard) -> None:
    old = dataclasses.replace(
        board.detectors[0], worst_auc=0.5, worst_auc_ci=None, rank=None, rank_ci=None, p_best=None
    )
    texts = standing_texts(dataclasses.replace(board, detectors=(old,)))["detector", old.player]
    assert (texts["rank"], texts["worst AUC CI95"]) == ("1", "0.500")
    assert "rank" not in standing_points(dataclasses.replace(board, detectors=(old,)))["detector", old.player]


def test_ties_share_a_rank_and_have_a_position_of_their_own(board: Scoreboard) -> None:
    tied = [dataclasses.replace(one, rank=1, rank_ci=(1, 2)) for one in board.detectors]
    points = standing_points(dataclasses.replace(board, detectors=tuple(tied)))
    assert [points["detector", one.player]["rank"] for one in tied] == [1, 1]
    assert [points["detector", one.player]["position"] for one in tied] == [1, 2]


def test_who_takes_no_place_has_a_reason_and_none_of_what_was_said_before(board: Scoreboard) -> None:
    for kind in ("detector", "generator"):
        said = unranked_texts(kind, "noise", board.confidence)  # type: ignore[arg-type]
        assert said["rank"] == "unranked: noise"
        ranked = next(texts for (of, _), texts in standing_texts(board).items() if of == kind)
        assert set(said) >= set(ranked)
        assert {text for name, text in said.items() if name != "rank"} == {"-"}


def test_a_heading_says_how_wide_its_intervals_are() -> None:
    assert [heading("mean AP", level) for level in (0.9, 0.95, 0.995)] == [
        "mean AP CI90",
        "mean AP CI95",
        "mean AP CI99_5",
    ]


def test_terms_are_the_same_where_tournaments_can_be_compared(board: Scoreboard) -> None:
    data = {**board.data, "split": {**board.data["split"], "test": {**board.data["split"]["test"], "sha256": "0" * 64}}}
    others = {
        "seed": dataclasses.replace(board, config={**board.config, "seed": 99}),
        "pools": _with(board, "pools", test_fakes=999),
        "rules": _with(board, "attack", steps=999),
        "data": dataclasses.replace(board, data=data),
        "round": dataclasses.replace(board, round=board.round + 1),
    }
    for name, other in others.items():
        assert (terms_of(board) == terms_of(other)) == (comparable(board, other) is None) == (name == "seed"), name


def test_opponents_must_be_the_same_and_rivals_need_not(board: Scoreboard) -> None:
    other = dataclasses.replace(board, config={**board.config, "detectors": board.config["detectors"][:1]})
    assert comparable(board, other) is None
    assert terms_of(board, "generator") == terms_of(other, "generator")  # detectors met the same generators
    assert terms_of(board, "detector") != terms_of(other, "detector")
