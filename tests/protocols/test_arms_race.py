"""Arms races: several rules from one beginning, what is forgotten, and what it helps to remember."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.game.bench import Bench
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

TESTS = Path(__file__).parents[1]
ROUNDS = 2
ROSTER: dict[str, Any] = {
    "rounds": ROUNDS,
    "generators": [{"plugin": "toy_latents", "name": "shades"}, {"plugin": "toy_fixed_generator", "name": "noise"}],
    "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_robust"}],  # the second does not learn
    "attack": {"steps": 6, "batch": 8, "weight": 1.0, "rate": 0.03},
    "defend": {"steps": 30, "batch": 8, "check_every": 10},
    "score": {"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False},
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}
PARAMETERS: dict[str, Any] = {"targets": ("toy_detector",)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arms_race")


@pytest.fixture(scope="module")
def race(home: Path, toy_config: Make, module_watcher: Any) -> tuple[Kept, Bench]:
    load_plugin_file(TESTS / "toy_latents.py")
    return play_protocol("arms_race", toy_config(**ROSTER), home=home, observer=module_watcher, parameters=PARAMETERS)


def test_every_round_of_every_race_is_told(race: tuple[Kept, Bench]) -> None:
    log, _ = race
    rows = log.tables["rounds"]
    places = {(row["detectors learn"], row["round"], row["generator"], row["detector"]) for row in rows}
    assert places == {
        (rules, round_, generator, detector)
        for rules in ("all rounds", "the latest round")
        for round_ in (1, 2)
        for generator in ("shades", "noise")
        for detector in ("toy_detector", "toy_robust")
    }
    for row in rows:
        assert row["was the target"] == ((row["generator"], row["detector"]) == ("shades", "toy_detector"))
        assert row["fall"] == pytest.approx(row["AP before"] - row["AP attacked"])
        assert row["recovery"] == pytest.approx(row["AP retrained"] - row["AP attacked"])
        assert row["fall from"] <= row["fall"] <= row["fall to"]


def test_a_round_begins_where_the_last_one_ended_and_all_races_where_the_first_detectors_are(
    race: tuple[Kept, Bench],
) -> None:
    log, _ = race
    rows = {
        (row["detectors learn"], row["round"], row["generator"], row["detector"]): row for row in log.tables["rounds"]
    }
    for (rules, round_, generator, detector), row in rows.items():
        if round_ > 1:
            assert row["AP before"] == rows[rules, round_ - 1, generator, detector]["AP retrained"]
        else:
            for name in ("AP before", "AP attacked"):  # until somebody learns again, races are one
                assert row[name] == rows["all rounds", 1, generator, detector][name]


def test_who_cannot_change_stays_in_the_race(race: tuple[Kept, Bench]) -> None:
    log, _ = race
    for row in log.tables["rounds"]:
        if row["generator"] == "noise":
            assert row["fall"] == 0
        if row["detector"] == "toy_robust":
            assert row["recovery"] == 0


def test_what_is_forgotten_is_the_last_version_less_that_of_the_time(race: tuple[Kept, Bench]) -> None:
    log, bench = race
    rows = log.tables["forgetting"]
    assert {row["fakes of round"] for row in rows} == set(range(ROUNDS))
    for row in rows:
        assert row["change"] == pytest.approx(row["AP at the end"] - row["AP at the time"])
    first = next(iter(bench.match(bench.enter("shades"), bench.defend(["toy_detector"], bench.enter()))))
    own = [row for row in rows if (row["generator"], row["detector"]) == ("shades", "toy_detector")]
    for row in own:
        if row["fakes of round"] == 0:
            assert row["AP at the time"] == pytest.approx(first.figures.ap)


def test_the_race_is_told_in_words(race: tuple[Kept, Bench]) -> None:
    log, _ = race
    told = {row["in words"].partition(" and attacks")[0]: row["in words"] for row in log.tables["in words"]}
    assert set(told) == {"Where detectors learn all rounds", "Where detectors learn the latest round"}
    for learnt, sentence in told.items():
        hit = [
            row for row in log.tables["rounds"] if f"learn {row['detectors learn']}" in learnt and row["was the target"]
        ]
        assert f"(at worst {min(row['AP attacked'] for row in hit):.2f})" in sentence
        own = [row for row in log.tables["forgetting"] if f"learn {row['detectors learn']}" in learnt]
        worst = min(own, key=lambda row: row["change"])
        if worst["change"] < -0.005:
            assert f"forgotten by {worst['detector']}: on the fakes of round {worst['fakes of round']}" in sentence
        else:
            assert "No detector did worse" in sentence


def test_remembering_is_held_against_learning_the_latest_alone(race: tuple[Kept, Bench]) -> None:
    log, _ = race
    rows = {(row["detector"], row["fakes of"]): row for row in log.tables["history against latest"]}
    assert set(rows) == {
        (detector, what) for detector in ("toy_detector", "toy_robust") for what in ("old rounds", "the last round")
    }
    ends = {
        rules: [
            row["AP at the end"]
            for row in log.tables["forgetting"]
            if row["detectors learn"] == rules and row["detector"] == "toy_detector"
        ]
        for rules in ("all rounds", "the latest round")
    }
    mean = {rules: sum(values) / len(values) for rules, values in ends.items()}
    row = rows["toy_detector", "old rounds"]
    assert row["AP, learnt all rounds"] == pytest.approx(mean["all rounds"])
    assert row["difference"] == pytest.approx(mean["all rounds"] - mean["the latest round"])
    assert rows["toy_robust", "old rounds"]["difference"] == 0


def test_targets_are_held_against_each_other(tmp_path: Path, toy_config: Make, watcher: Any) -> None:
    load_plugin_file(TESTS / "toy_latents.py")
    parameters = {"targets": ("toy_detector", "all"), "history": ("all",)}
    log, _ = play_protocol("arms_race", toy_config(**ROSTER), home=tmp_path, observer=watcher, parameters=parameters)
    rows = log.tables["one target against another"]
    assert [(row["round"], row["attacks against"], row["or against"]) for row in rows] == [
        (1, "all", "toy_detector"),
        (2, "all", "toy_detector"),
    ]
    for row in rows:
        for name, target in (("mean AP attacked", "all"), ("mean AP attacked then", "toy_detector")):
            of = [
                each["AP attacked"]
                for each in log.tables["rounds"]
                if (each["round"], each["attacks against"]) == (row["round"], target)
            ]
            assert row[name] == pytest.approx(sum(of) / len(of))
        assert row["difference"] == pytest.approx(row["mean AP attacked"] - row["mean AP attacked then"])
        assert row["difference from"] <= row["difference"] <= row["difference to"]


def test_pictures_are_of_every_race(race: tuple[Kept, Bench]) -> None:
    log, _ = race
    assert set(log.figures) == {"rounds", "forgetting"}
    assert len(log.figures["rounds"].axes) == 4  # two races, two generators
    shown = log.figures["forgetting"].axes[0]
    assert len(shown.texts) == (ROUNDS + 1) ** 2
    assert set(log.series["ap, all against toy_detector/toy_detector on shades"]) == {0, 1, 2}


def test_played_again_nothing_is_computed(race: tuple[Kept, Bench], home: Path, toy_config: Make, watcher: Any) -> None:
    log, _ = play_protocol("arms_race", toy_config(**ROSTER), home=home, observer=watcher, parameters=PARAMETERS)
    assert not watcher.ran
    assert log.tables == race[0].tables


def test_who_is_champion_in_one_race_is_nobodys_business_in_another(
    tmp_path: Path, toy_config: Make, watcher: Any
) -> None:
    """A detector that retraining leaves as it was is judged on another val in each race."""
    load_plugin_file(TESTS / "toy_latents.py")
    own = {
        "generators": [{"plugin": "toy_generator"}],
        "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_wide_detector"}],
        "attack": {"steps": 4, "batch": 4},
        "rounds": 2,
    }
    config = toy_config(**{**ROSTER, **own})
    found = []
    for home, history in (("a", ("all", "latest")), ("a", ("all", "latest")), ("b", ("latest", "all"))):
        log, _ = play_protocol(
            "arms_race", config, home=tmp_path / home, observer=watcher, parameters={"history": history}
        )
        found.append({(r["detectors learn"], r["round"], r["detector"]): r for r in log.tables["rounds"]})
    assert found[0] == found[1] == found[2]
    for rules in ("all rounds", "the latest round"):
        for round_ in (1, 2):
            attacked = [row["was the target"] for key, row in found[0].items() if key[:2] == (rules, round_)]
            assert sum(attacked) == 1


def test_races_are_run_side_by_side(tmp_path: Path, toy_config: Make, watcher: Any) -> None:
    """None waits for the end of another: where there are cores, none of them is idle."""
    load_plugin_file(TESTS / "toy_latents.py")
    play_protocol(
        "arms_race", toy_config(**ROSTER), home=tmp_path, observer=watcher, parameters={**PARAMETERS, "seeds": 2}
    )
    trained = [label for label in watcher.labels if ": defend toy_detector@" in label]
    firsts = [place for place, label in enumerate(trained) if "toy_detector@1" in label]
    assert len(firsts) == 4  # two rules, two seeds
    assert max(firsts) < min(place for place, label in enumerate(trained) if "toy_detector@2" in label)


@pytest.mark.parametrize(
    ("over", "parameters", "error", "told"),
    [
        ({"rounds": 0}, {}, PluginError, "--rounds 4"),
        ({}, {"targets": ("toy_detecter",)}, ConfigError, "protocol.parameters.targets 'toy_detecter'.*toy_detector"),
        ({}, {"targets": ("champion", "champion")}, ValueError, "each once"),
        ({"generators": [{"plugin": "toy_fixed_generator"}]}, {}, PluginError, "needs a generator that learns"),
    ],
)
def test_what_is_no_race_is_refused_before_anybody_is_trained(
    over: dict[str, Any],
    parameters: dict[str, Any],
    error: type[Exception],
    told: str,
    tmp_path: Path,
    toy_config: Make,
    watcher: Any,
) -> None:
    with pytest.raises(error, match=told):
        play_protocol(
            "arms_race", toy_config(**{**ROSTER, **over}), home=tmp_path, observer=watcher, parameters=parameters
        )
    assert not any("defend" in str(ran) for ran in watcher.ran)


def test_where_nobody_can_be_attacked_that_is_said(tmp_path: Path, toy_config: Make, watcher: Any) -> None:
    load_plugin_file(TESTS / "toy_latents.py")
    with pytest.raises(PluginError, match="nobody was attacked in any race"):
        play_protocol(
            "arms_race",
            toy_config(**{**ROSTER, "detectors": [{"plugin": "toy_steps"}]}),
            home=tmp_path,
            observer=watcher,
            parameters={},
        )
