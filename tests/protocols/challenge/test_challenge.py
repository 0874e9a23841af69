"""Challenges: who falls under stronger attacks, and who stands, of detectors of whom it is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import ConfigError, FakeoffError, PluginError
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols import protocols
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.challenge.entry import find_entry
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Unranked
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

TESTS = Path(__file__).parents[2]
LAMPS = {"plugin": "toy_lamps", "name": "lamps"}
GAME: Mapping[str, Any] = {
    "generators": [LAMPS, {"plugin": "toy_fixed_generator", "name": "noise"}],
    "detectors": [
        {"plugin": "toy_dazzled", "name": "dazzled"},
        {"plugin": "toy_sunglasses", "name": "sunglasses"},
        {"plugin": "toy_chess", "name": "chess"},
        {"plugin": "toy_blindfold", "name": "blindfold"},
    ],
    "pools": {"train_fakes": 16, "val_fakes": 40, "test_fakes": 60},
    "attack": {"target": "all", "steps": 4, "batch": 8, "weight": 1.0},
    "search": {"queries": 16, "fakes": 40},
    "score": {"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False},
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}
STRENGTH: Mapping[str, Any] = {"steps": 10.0, "restarts": 2}


@dataclasses.dataclass(frozen=True)
class Played:
    """A tournament, and where."""

    home: Path
    config: Any
    record: TournamentRecord


@pytest.fixture(scope="module")
def tournament(
    tmp_path_factory: pytest.TempPathFactory, toy_config: Make, module_watcher: Any
) -> Callable[..., Played]:
    """Plays a game of toys with other settings; noise has no place among those whose worst match is looked for."""
    load_plugin_file(TESTS / "toy_challenges.py")

    def play(**over: Any) -> Played:
        home = tmp_path_factory.mktemp("home")
        config = toy_config(**{**GAME, **over})
        record = play_tournament(
            config,
            source=open_source("orl"),
            store=Store(home / "store"),
            executor=SerialExecutor(),
            observer=module_watcher,
        )
        return Played(home=home, config=config, record=record)

    return play


@pytest.fixture(scope="module")
def played(tournament: Callable[..., Played]) -> Played:
    return tournament(generators=[LAMPS])


def challenge(played: Played, detector: str, watcher: Any, **over: Any) -> tuple[Kept, Bench]:
    return play_protocol(
        "challenge",
        played.config,
        home=played.home,
        observer=watcher,
        parameters={"detector": detector, **STRENGTH, **over},
        played=played.record,
    )


@pytest.fixture(scope="module")
def outcomes(played: Played, module_watcher: Any) -> Mapping[str, Kept]:
    names = ("dazzled", "sunglasses", "chess", "blindfold")
    return {name: challenge(played, name, module_watcher)[0] for name in names}


def verdict(log: Kept) -> dict[str, Any]:
    [row] = log.tables["verdict"]
    return row


def by_means(log: Kept) -> dict[str, dict[str, Any]]:
    """The attack of each means that val chose."""
    return {row["attack"]: row for row in log.tables["attacks"] if row["chosen"]}


def test_who_was_attacked_too_weakly_falls(outcomes: Mapping[str, Kept]) -> None:
    row = verdict(outcomes["dazzled"])
    assert (row["detector"], row["stands"], row["worst against"]) == ("dazzled@0", False, "lamps@1")
    assert row["on the scoreboard"] > 0.9
    assert row["under stronger attacks"] < 0.5
    assert row["attacked by"] == "lamps@0 finetuned, 40 steps"
    assert row["fall"] == pytest.approx(row["on the scoreboard"] - row["under stronger attacks"])
    assert 0 < row["fall from"] < row["fall"] < row["fall to"]
    assert row["sentence"].startswith("dazzled@0 fell from 0.9")


def test_a_search_sees_through_a_masked_gradient_where_steps_fail(outcomes: Mapping[str, Kept]) -> None:
    of = by_means(outcomes["sunglasses"])
    assert min(of["finetuned"]["AUC"], of["followed"]["AUC"]) > 0.9
    assert of["searched"]["AUC"] < 0.7
    row = verdict(outcomes["sunglasses"])
    assert (row["stands"], row["attacked by"]) == (False, "lamps@0 searched, 64 queries")


def test_whom_nothing_reaches_stands_and_the_rule_is_told_in_a_sentence(outcomes: Mapping[str, Kept]) -> None:
    row = verdict(outcomes["chess"])
    assert row["stands"] is True
    assert row["fall from"] <= 0 <= row["fall to"]
    assert row["sentence"].startswith("chess@0 stands: its AUC is 1.000")
    assert row["rule"].startswith("An entry stands unless")
    assert "excludes 0 (95% over 8 independent people" in row["rule"]
    assert row["rule"].count(".") == 1
    assert outcomes["chess"].series["stands"] == {0: 1.0}


def test_without_a_gradient_there_is_the_search(outcomes: Mapping[str, Kept]) -> None:
    log = outcomes["blindfold"]
    assert {row["attack"] for row in log.tables["attacks"]} == {"searched"}
    [passed] = log.tables["passed over"]
    assert (passed["player"], passed["is not"]) == ("blindfold@0", "finetuned against")
    assert verdict(log)["stands"] is False


def test_attacks_are_longer_of_other_seeds_and_from_the_version_before(played: Played, watcher: Any) -> None:
    challenge(played, "dazzled@0", watcher, restarts=3, rates=(0.0, 0.02), queries=0.0, steps=2.5)
    attacks = [job for job in watcher.ran if job.name == "attack"]
    told = [(job.payload["seed"], job.payload["rate"]) for job in attacks]
    assert sorted(told) == [(seed, rate) for seed in (1, 2, 3) for rate in (0.0, 0.02)]
    assert played.config.seed == 0
    assert {(job.payload["steps"], job.payload["until"]) for job in attacks} == {(10, 1.0)}
    [first] = [v for v in played.record.versions if v.label == "lamps@0"]
    assert {job.inputs["version"] for job in attacks} == {first.key}
    # What the tournament played is only read, and nothing is searched.
    assert {job.name for job in watcher.ran} == {"attack", "fake_pools", "judge"}


def test_val_chooses_among_restarts(outcomes: Mapping[str, Kept]) -> None:
    rows = [row for row in outcomes["sunglasses"].tables["attacks"] if row["attack"] == "finetuned"]
    assert [row["restart"] for row in rows] == [1, 2]
    assert len({row["on val"] for row in rows}) == 2
    [chosen] = [row for row in rows if row["chosen"]]
    assert chosen["on val"] == min(row["on val"] for row in rows)


def test_played_again_nothing_is_computed(played: Played, outcomes: Mapping[str, Kept], watcher: Any) -> None:
    log, _ = challenge(played, "sunglasses", watcher)
    assert not watcher.ran
    assert log.tables == outcomes["sunglasses"].tables


def test_the_picture_has_a_line_for_each_attack(outcomes: Mapping[str, Kept]) -> None:
    figure = outcomes["sunglasses"].figures["challenge"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [
        "on the scoreboard: lamps@1, the worst of 2",
        "lamps@0 finetuned, 40 steps, restart 1",
        "lamps@0 finetuned, 40 steps, restart 2",
        "lamps@0 followed, 63 steps of the gradient",
        "lamps@0 searched, 64 queries",
    ]
    assert "it falls from 0.9" in figure.get_suptitle()


def test_ap_can_decide(played: Played, watcher: Any) -> None:
    log, _ = challenge(played, "dazzled", watcher, metric="ap")
    row = verdict(log)
    assert (row["metric"], row["stands"]) == ("AP", False)
    assert row["under stronger attacks"] == by_means(log)["finetuned"]["AP"]


def test_whoever_cannot_attack_is_passed_over(tournament: Callable[..., Played], watcher: Any) -> None:
    game = tournament(detectors=[{"plugin": "toy_dazzled", "name": "dazzled"}])
    log, _ = challenge(game, "dazzled", watcher)
    told = {(row["player"], row["is not"]): row["why"] for row in log.tables["passed over"]}
    assert set(told) == {("noise@0", "finetuned"), ("noise@0", "searched")}
    assert {row["generator"] for row in log.tables["attacks"]} == {"lamps@0"}


def test_a_generator_that_fails_forfeits_and_the_rest_goes_on(tournament: Callable[..., Played], watcher: Any) -> None:
    out = {"plugin": "toy_lamps", "name": "out", "parameters": {"dies": True}}
    game = tournament(generators=[LAMPS, out], detectors=[{"plugin": "toy_dazzled", "name": "dazzled"}])
    log, bench = challenge(game, "dazzled", watcher)
    assert {(one.player, one.stage) for one in bench.forfeits} == {("out", "attack")}
    assert {row["generator"] for row in log.tables["attacks"] if row["attack"] == "finetuned"} == {"lamps@0"}
    assert verdict(log)["stands"] is False


def test_fakes_below_the_quality_gate_do_not_count(tournament: Callable[..., Played], watcher: Any) -> None:
    score = {**GAME["score"], "quality_gate": True}
    game = tournament(generators=[LAMPS], detectors=[{"plugin": "toy_dazzled", "name": "dazzled"}], score=score)
    # Lamps are no faces: nothing of them counts, in the tournament neither.
    with pytest.raises(ConfigError, match="dazzled@0 has no match on the scoreboard"):
        challenge(game, "dazzled", watcher)
    trusting = dataclasses.replace(game.record, unranked=())
    with pytest.raises(PluginError, match=r"no stronger attack on dazzled@0 counts: .*; fewer steps"):
        challenge(dataclasses.replace(game, record=trusting), "dazzled", watcher, queries=0.0)


def test_where_nobody_can_attack_harder_that_is_said(tournament: Callable[..., Played], watcher: Any) -> None:
    noise = [{"plugin": "toy_fixed_generator", "name": "noise"}]
    game = tournament(generators=noise, detectors=[{"plugin": "toy_dazzled", "name": "dazzled"}])
    with pytest.raises(PluginError, match="nobody can attack dazzled@0 harder"):
        challenge(game, "dazzled", watcher)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lamps", "'lamps' is a generator, and detectors are challenged: name one of blindfold@0, chess@0"),
        ("lamps@1", "is a generator"),
        ("dazled", "did you mean 'dazzled'"),
        ("dazzled@7", "no detector 'dazzled@7'"),
    ],
)
def test_who_cannot_be_challenged_is_told_why(played: Played, name: str, told: str, watcher: Any) -> None:
    with pytest.raises(ConfigError, match=f"(?i){told}") as caught:
        challenge(played, name, watcher)
    assert "\n" not in str(caught.value)
    assert not watcher.ran


def test_whoever_takes_no_place_has_none_to_lose(played: Played, watcher: Any) -> None:
    unranked = Unranked(kind="detector", player="chess", round=0, reason="it guesses")
    game = dataclasses.replace(played, record=dataclasses.replace(played.record, unranked=(unranked,)))
    with pytest.raises(ConfigError, match="chess@0 takes no place that could be challenged: it guesses"):
        challenge(game, "chess", watcher)


def test_other_settings_than_those_that_were_played_are_refused(played: Played, toy_config: Make, watcher: Any) -> None:
    other = dataclasses.replace(played, config=toy_config(**{**GAME, "generators": [LAMPS], "seed": 9}))
    with pytest.raises(ConfigError, match="played with other settings of seed; challenge what was played with"):
        challenge(other, "dazzled", watcher)
    longer = dataclasses.replace(played, config=toy_config(**{**GAME, "generators": [LAMPS], "rounds": 3}))
    assert verdict(challenge(longer, "dazzled", watcher)[0])["stands"] is False


def test_without_a_tournament_there_is_nothing_to_challenge(played: Played, watcher: Any) -> None:
    with pytest.raises(PluginError, match="'challenge' is about a tournament, and none was played here"):
        play_protocol(
            "challenge", played.config, home=played.home, observer=watcher, parameters={"detector": "dazzled"}
        )


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "detector"),
        ({"detector": ""}, "detector"),
        ({"detector": "a", "steps": 0}, "steps"),
        ({"detector": "a", "restarts": 0}, "restarts"),
        ({"detector": "a", "rates": ()}, "rates"),
        ({"detector": "a", "rates": (0.1, 0.1)}, "each once"),
        ({"detector": "a", "metric": "accuracy"}, "metric"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_one_line(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises((FakeoffError, ValueError), match=told) as caught:
        protocols.build("challenge", protocols.complete("challenge", parameters))
    assert "\n" not in str(caught.value)


def test_an_attack_begins_before_the_last_one_on_it_or_beside_it(played: Played) -> None:
    versions = {version.label: version for version in played.record.versions}
    first, second = versions["lamps@0"], versions["lamps@1"]
    assert "dazzled@0" in second.targets
    third = dataclasses.replace(second, round=2, key="2" * 64, targets=("chess@0",))
    newer = dataclasses.replace(versions["dazzled@0"], round=1, key="1" * 64)
    late = dataclasses.replace(versions["chess@0"], player="late", round=0)
    against = [match for match in played.record.matches if match.detector.label == "dazzled@0"]
    matches = [dataclasses.replace(match, detector=judge) for match in against for judge in (newer, late)]
    record = dataclasses.replace(
        played.record,
        versions=(*played.record.versions, third, newer, late),
        measured={**played.record.measured, "match": (*played.record.matches, *matches)},
    )
    starts = {name: find_entry(record, name, metric="auc").starts for name in ("dazzled@0", "chess@0", "dazzled@1")}
    assert starts == {"dazzled@0": (first,), "chess@0": (second,), "dazzled@1": (second,)}
    assert find_entry(record, "late", metric="auc").starts == (first,)
