"""What the page says first: who won, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.leaders import judge_detectors, judge_generators
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding

Whole = Callable[[Mapping[str, Any]], Scoreboard]


def _detector(player: str, **over: Any) -> DetectorStanding:
    given = {
        "round": 2,
        "worst_auc": 0.9,
        "worst_auc_ci": (0.8, 0.95),
        "mean_auc": 0.95,
        "worst_against": "pgan@1",
        "mean_ap": 0.95,
        "mean_accuracy": 0.9,
        "matches": 3,
        "rank": 1,
        "rank_ci": (1, 1),
        "p_best": 1.0,
    }
    return DetectorStanding(player=player, **{**given, **over})


def _generator(player: str, **over: Any) -> GeneratorStanding:
    given = {
        "round": 2,
        "evasion": 0.25,
        "evasion_ci": (0.2, 0.3),
        "target_evasion": None,
        "matches": 2,
        "rank": 1,
        "rank_ci": (1, 1),
        "p_best": 1.0,
    }
    return GeneratorStanding(player=player, **{**given, **over})


@pytest.fixture
def of(whole: Whole) -> Callable[..., Scoreboard]:
    def make(*detectors: DetectorStanding, generators: tuple[GeneratorStanding, ...] = ()) -> Scoreboard:
        return dataclasses.replace(whole({}), detectors=detectors, generators=generators)

    return make


def test_a_sure_winner_is_called_one(of: Callable[..., Scoreboard]) -> None:
    found = judge_detectors(of(_detector("a"), _detector("b", worst_auc=0.6, rank=2, rank_ci=(2, 2), p_best=0.0)))
    assert found.headline == "a@2 is the best detector, and no other may be."
    assert found.contenders == ("a@2",)
    assert "AUC 0.900 (0.800 to 0.950)" in found.lines[0]
    assert "against pgan@1" in found.lines[0]
    assert not any("b@2" in line for line in found.lines)


def test_who_may_be_as_good_is_named_at_once(of: Callable[..., Scoreboard]) -> None:
    rows = (
        _detector("a", rank_ci=(1, 2), p_best=0.7),
        _detector("b", worst_auc=0.89, rank=2, rank_ci=(1, 3), p_best=0.3),
        _detector("c", worst_auc=0.5, rank=3, rank_ci=(3, 3), p_best=0.0),
    )
    found = judge_detectors(of(*rows))
    assert found.headline == "a@2 is ahead (first in 70% of draws), but b@2 may be the best detector, too."
    assert found.contenders == ("a@2", "b@2")
    assert "one of 2: a@2 and b@2" in found.lines[-2]
    assert "a@2 in 70% and b@2 in 30% of the draws" in found.lines[-1]


def test_a_tie_is_not_decided_by_the_name(of: Callable[..., Scoreboard]) -> None:
    found = judge_detectors(of(_detector("a", rank_ci=(1, 2)), _detector("b", rank_ci=(1, 2))))
    assert found.headline == "a@2 and b@2 share first place: their figures are the same."


def test_a_tie_of_an_old_file_is_none_either(of: Callable[..., Scoreboard]) -> None:
    old = {"rank": None, "rank_ci": None, "p_best": None, "worst_auc_ci": None}
    found = judge_detectors(of(_detector("a", **old), _detector("b", **old)))
    assert found.headline == "a@2 and b@2 share first place: their figures are the same."
    assert found.contenders == ()


def test_an_old_file_does_not_say_how_sure_it_is(of: Callable[..., Scoreboard]) -> None:
    old = {"rank": None, "rank_ci": None, "p_best": None, "worst_auc_ci": None}
    found = judge_detectors(of(_detector("a", **old), _detector("b", **{**old, "worst_auc": 0.8})))
    assert found.headline == "a@2 is ahead; how sure that is was not measured."
    assert len(found.lines) == 1


def test_a_winner_that_guesses_is_said_to(of: Callable[..., Scoreboard]) -> None:
    guesses = _detector("a", worst_auc=0.55, worst_auc_ci=(0.45, 0.65))
    assert "There it may be no better than guessing." in judge_detectors(of(guesses)).lines
    assert "There it may be no better than guessing." not in judge_detectors(of(_detector("a"))).lines


def test_the_only_one_has_not_beaten_anybody(of: Callable[..., Scoreboard]) -> None:
    assert judge_detectors(of(_detector("a"))).headline == "a@2 is the only detector that takes a place."


def test_nobody_takes_a_place(of: Callable[..., Scoreboard]) -> None:
    assert judge_detectors(of()).headline == "No detector takes a place."
    assert judge_generators(of()).headline == "No generator takes a place."


def test_many_contenders_are_counted(of: Callable[..., Scoreboard]) -> None:
    rows = [_detector(name, rank=place + 1, rank_ci=(1, 6), worst_auc=0.9 - place / 100, p_best=1 / 6)
            for place, name in enumerate("abcdef")]  # fmt: skip
    found = judge_detectors(of(*rows))
    assert found.headline == (
        "a@2 is ahead (first in 17% of draws), but b@2, c@2, d@2 and 2 more may be the best detector, too."
    )
    assert len(found.contenders) == 6


def test_generators_are_judged_by_what_passes(of: Callable[..., Scoreboard]) -> None:
    rows = (_generator("g", target_evasion=0.8, target_evasion_ci=(0.7, 0.9)), _generator("h", evasion=0.1, rank=2,
            rank_ci=(2, 2), p_best=0.0))  # fmt: skip
    found = judge_generators(of(generators=rows))
    assert found.headline == "g@2 is the best generator, and no other may be."
    assert "25.0% (20.0% to 30.0%)" in found.lines[0]
    assert "80.0% (70.0% to 90.0%)" in found.lines[1]
