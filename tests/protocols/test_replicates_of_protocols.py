"""Any protocol with several seeds: what is pooled, and that nothing but the seed differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from fakeoff.arena.errors import PluginError
from fakeoff.protocols import protocols
from fakeoff.protocols.config import TournamentConfig, parse_config
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.replicates import repeat
from fakeoff.protocols.replicates.pooling import pool_points, pool_rows
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

SEEDS = 3


def table(*ap: float) -> list[dict[str, Any]]:
    return [
        {"detector": f"d{index}", "is target": index == 0, "steps": 20, "AP": value, "AP from": value - 0.1, "n": None}
        for index, value in enumerate(ap)
    ]


def test_numbers_that_differ_become_means_with_their_spread() -> None:
    values = [0.6, 0.7, 0.9]
    [row] = pool_rows([table(value) for value in values], confidence=0.95)
    mean, spread = np.mean(values), np.std(values, ddof=1)
    reach = student.ppf(0.975, 2) * spread / 3**0.5
    assert row == {
        "detector": "d0",
        "is target": True,
        "steps": 20,
        "AP": pytest.approx(mean),
        "AP, spread": pytest.approx(spread),
        "AP, seeds from": pytest.approx(mean - reach),
        "AP, seeds to": 1.0,  # a share is none above 1
        "AP from": pytest.approx(mean - 0.1),
        "n": None,
        "of seeds": 3,
    }


def test_rows_belong_together_by_what_they_say_and_not_by_their_place() -> None:
    one, other = table(0.5, 0.9), table(0.7, 0.8)
    rows = pool_rows([one, other[::-1]], confidence=0.95)
    assert [(row["detector"], row["AP"]) for row in rows] == [("d0", pytest.approx(0.6)), ("d1", pytest.approx(0.85))]


def test_who_is_missing_in_a_play_is_pooled_of_the_others_and_that_is_said() -> None:
    rows = pool_rows([table(0.5, 0.9), table(0.7)], confidence=0.95)
    assert [(row["detector"], row["of seeds"]) for row in rows] == [("d0", 2), ("d1", 1)]
    assert rows[1]["AP"] == 0.9


def test_a_truth_that_differs_keeps_rows_together_and_says_of_how_many() -> None:
    one, other = table(0.5), [{**table(0.7)[0], "is target": False}]
    [row] = pool_rows([one, other, one], confidence=0.95)
    assert (row["is target"], row["of seeds"]) == ("2 of 3", 3)
    assert row["AP"] == pytest.approx((0.5 + 0.7 + 0.5) / 3)


def test_rows_that_say_the_same_keep_their_order() -> None:
    twice = [{"attack": "finetuned", "AP": value} for value in (0.9, 0.5)]
    rows = pool_rows([twice, [{**row, "AP": row["AP"] + 0.02} for row in twice]], confidence=0.95)
    assert [row["AP"] for row in rows] == [pytest.approx(0.91), pytest.approx(0.51)]


def test_points_are_means_of_those_plays_that_have_them() -> None:
    assert pool_points([{"ap/a": 0.4}, {"ap/a": 0.8, "ap/b": 1.0}]) == {"ap/a": pytest.approx(0.6), "ap/b": 1.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replicates")


@pytest.fixture(scope="module")
def replicates(home: Path, toy_config: Make, module_watcher: Any) -> tuple[Kept, Bench]:
    return play_protocol("replicates", config(toy_config), home=home, observer=module_watcher, parameters=parameters())


def config(toy_config: Make, **over: Any) -> TournamentConfig:
    made: TournamentConfig = toy_config(parts={"parser": ""}, audit={"on_leak": "skip"}, **over)
    return made


def parameters() -> dict[str, Any]:
    return {"protocol": "attack_defend", "seeds": SEEDS}


def test_the_tournament_is_played_with_each_seed_as_if_alone(
    replicates: tuple[Kept, Bench], home: Path, toy_config: Make, watcher: Any
) -> None:
    log, bench = replicates
    alone = []
    for seed in range(bench.seed, bench.seed + SEEDS):
        made = config(toy_config, seed=seed, detectors=[{"plugin": "toy_detector", "parameters": {"init_seed": seed}}])
        one, _ = play_protocol("attack_defend", made, home=home, observer=watcher, parameters={})
        alone.append({(row["generator"], row["detector"]): row["ap"] for row in one.tables["matches"]})
    # All of it was there but the first seed's detector, whose initial weights nobody had to say.
    rows = log.tables["matches"]
    assert len(rows) == len(alone[0]) == 4
    for row in rows:
        values = [ap[row["generator"], row["detector"]] for ap in alone]
        assert row["of seeds"] == SEEDS
        assert row["ap"] == pytest.approx(np.mean(values))
        if len(set(values)) > 1:
            assert row["ap, spread"] == pytest.approx(np.std(values, ddof=1))
    assert any("ap, spread" in row for row in rows)


def test_played_again_nothing_is_computed(
    replicates: tuple[Kept, Bench], home: Path, toy_config: Make, watcher: Any
) -> None:
    log, _ = play_protocol("replicates", config(toy_config), home=home, observer=watcher, parameters=parameters())
    assert not watcher.ran
    assert log.tables == replicates[0].tables


def test_who_forfeits_in_a_repetition_forfeits(
    bad_players: Path, tmp_path: Path, toy_config: Make, watcher: Any
) -> None:
    made = config(toy_config, generators=[{"plugin": "toy_generator"}, {"plugin": "raises"}])
    log, bench = play_protocol("replicates", made, home=tmp_path, observer=watcher, parameters=parameters())
    assert {forfeit.player for forfeit in bench.forfeits} == {"raises"}
    assert "toy_generator@1" in {row["generator"] for row in log.tables["matches"]}  # the others play on


def test_a_protocol_that_repeats_by_itself_is_told_how_often() -> None:
    given = parse_config({"protocol": {"plugin": "generalize", "parameters": {"train_on": ["pgan"]}}}, where="test")
    played = repeat(given, 4).protocol
    assert (played.plugin, played.parameters) == ("generalize", {"train_on": ["pgan"], "seeds": 4})


def test_any_other_is_played_as_a_whole_under_a_name_of_its_own() -> None:
    played = repeat(parse_config({}, where="test"), 5).protocol
    assert (played.plugin, played.name) == ("replicates", "attack_defend-5-seeds")
    assert played.parameters == {"protocol": "attack_defend", "parameters": {}, "seeds": 5}
    assert repeat(parse_config({}, where="test"), 1).protocol.plugin == "attack_defend"
    again = repeat(repeat(parse_config({}, where="test"), 5), 2).protocol
    assert (again.name, again.parameters["seeds"]) == ("attack_defend-2-seeds", 2)
    with pytest.raises(PluginError, match="give 2 or more"):
        repeat(parse_config({}, where="test"), 0)
    with pytest.raises(PluginError, match="1000001 seeds would not end: give 1000 or fewer"):
        repeat(parse_config({}, where="test"), 1_000_001)
    for name in ("generalize", "reproject", "strength", "arms_race", "manipulations", "replicates"):
        with pytest.raises(PluginError, match="less than or equal to 1000"):
            protocols.complete(name, {"seeds": 1_000_001})
