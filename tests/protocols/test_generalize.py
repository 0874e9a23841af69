"""Detectors that learned one generator's fakes, at generators that they never saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols import protocols
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.score.replicates import SharedResamples
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

ROSTER = {
    "generators": [
        {"plugin": "toy_generator", "name": "smooth", "parameters": {"noise": 0.02}},
        {"plugin": "toy_generator", "name": "rough", "parameters": {"noise": 0.6}},
        {"plugin": "toy_fixed_generator", "name": "noise"},
    ],
    "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_brightness"}, {"plugin": "power_spectrum"}],
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}

Play = Callable[..., tuple[Kept, Bench]]


def player_of(home: Path, watcher: Any, toy_config: Make) -> Play:
    """Plays the protocol; returns what it logged and the bench that it stood on."""

    def play(
        *, home: Path = home, executor: Executor | None = None, over: dict[str, Any] | None = None, **parameters: Any
    ) -> tuple[Kept, Bench]:
        config = toy_config(**{**ROSTER, **(over or {})})
        log, bench = play_protocol(
            "generalize", config, home=home, observer=watcher, executor=executor, parameters=parameters
        )
        assert not log.files
        return log, bench

    return play


@pytest.fixture
def generalize(tmp_path: Path, toy_config: Make, watcher: Any) -> Play:
    return player_of(tmp_path / "home", watcher, toy_config)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, toy_config: Make, module_watcher: Any) -> tuple[Kept, Bench]:
    """All three, with two seeds, played once for whoever only looks at it."""
    return player_of(tmp_path_factory.mktemp("studied"), module_watcher, toy_config)(seeds=2)


def trainings(watcher: Any) -> list[Any]:
    return [job for job in watcher.ran if job.task.endswith(":defend")]


def test_each_is_trained_on_one_and_scored_on_all(studied: tuple[Kept, Bench], module_watcher: Any) -> None:
    log, bench = studied
    rows = log.tables["every pair"]
    assert len(rows) == 3 * 3 * 3
    assert {row["seeds"] for row in rows} == {2}
    assert {(row["trained on"], row["tested on"]) for row in rows if not row["unseen"]} == {
        (name, name) for name in ("smooth", "rough", "noise")
    }
    for row in rows:
        assert 0 <= row["AP from"] <= row["AP"] <= row["AP to"] <= 1
        assert row["lowest AP of a seed"] <= row["AP"] <= row["highest AP of a seed"]
    pools = {version.player: version.pools for version in bench.enter()}
    for job in trainings(module_watcher):
        fakes = {key for name, key in job.inputs.items() if name.startswith("fake_")}
        [group] = [name for name, pool in pools.items() if pool["train"] in fakes]
        assert fakes == {pools[group]["train"], pools[group]["val"]}, "test pools and other generators are not learned"


def test_a_figure_is_the_mean_of_its_matches(studied: tuple[Kept, Bench]) -> None:
    log, bench = studied
    entered = bench.enter()
    of_seeds = []
    for seed in range(2):
        judges = bench.defend(bench.detectors, entered[1:2], seed=seed)
        [match] = [m for m in bench.match(entered[:1], judges) if m.detector.player == "toy_detector"]
        of_seeds.append(match.figures.ap)
    [row] = [
        row
        for row in log.tables["every pair"]
        if (row["trained on"], row["detector"], row["tested on"]) == ("rough", "toy_detector", "smooth")
    ]
    assert row["AP"] == pytest.approx(np.mean(of_seeds))
    assert of_seeds[0] != of_seeds[1]


def test_seeds_are_other_weights_and_other_batches_of_the_same_images(generalize: Make, watcher: Any) -> None:
    generalize(train_on=("rough",), seeds=3)
    jobs = [job for job in trainings(watcher) if job.player == "toy_detector"]
    assert [job.payload["seed"] for job in jobs] == [0, 1, 2]
    assert [job.payload["detector"]["parameters"]["init_seed"] for job in jobs] == [0, 1, 2]
    assert len({tuple(sorted(job.inputs.items())) for job in jobs}) == 1
    assert [job.what for job in jobs] == [f"on rough, seed {seed}" for seed in range(3)]


def test_a_seed_that_a_user_set_stays(generalize: Make, watcher: Any) -> None:
    generalize(
        train_on=("rough",), seeds=2, over={"detectors": [{"plugin": "toy_detector", "parameters": {"init_seed": 7}}]}
    )
    assert [job.payload["detector"]["parameters"]["init_seed"] for job in trainings(watcher)] == [7, 7]


def test_what_a_tournament_trained_is_only_read(generalize: Make, play: Make, toy_config: Make, watcher: Any) -> None:
    one = {"generators": ROSTER["generators"][:1], "detectors": ROSTER["detectors"][:1]}
    play(toy_config(**{**one, "parts": {"parser": ""}, "rounds": 0, "audit": {"on_leak": "skip"}}))
    generalize(over=one)
    assert not trainings(watcher)


def test_several_at_once(generalize: Make) -> None:
    log, _ = generalize(train_on=("smooth+noise",))
    for row in log.tables["average precision"]:
        assert row["smooth"].startswith("[")
        assert row["noise"].startswith("[")
        assert row["rough"] == row["mean of unseen"]


def test_what_teaches_most_and_what_is_hardest_are_means_over_detectors(studied: tuple[Kept, Bench]) -> None:
    log, _ = studied
    unseen = [row for row in log.tables["every pair"] if row["unseen"]]
    for table, column in (("what teaches most", "trained on"), ("what is hardest", "tested on")):
        rows = log.tables[table]
        means = {row[column]: row["AP"] for row in rows}
        assert list(means.values()) == sorted(means.values(), reverse=True)
        for name, mean in means.items():
            assert mean == pytest.approx(np.mean([row["AP"] for row in unseen if row[column] == name]))
        first, last = rows[0], rows[-1]
        assert first["less"] == rows[1][column]
        assert first["difference"] == pytest.approx(first["AP"] - rows[1]["AP"])
        assert last["less the last"] == rows[-2][column]
        assert last["difference from it"] == pytest.approx(last["AP"] - rows[-2]["AP"])
        assert first["from"] <= first["difference"] <= first["to"]


def test_patches_are_compared_with_whole_images(studied: tuple[Kept, Bench]) -> None:
    log, _ = studied
    contrasts = [row for row in log.tables["patches against whole images"] if row["trained on"] == "rough"]
    rows = {row["AP on unseen generators"]: row for row in contrasts}
    pairs = {
        (row["detector"], row["tested on"]): row["AP"]
        for row in log.tables["every pair"]
        if row["unseen"] and row["trained on"] == "rough"
    }
    mean = {
        name: np.mean([ap for (detector, _), ap in pairs.items() if detector == name])
        for name in ("toy_detector", "toy_brightness", "power_spectrum")
    }
    both = rows["mean of patch detectors less mean of whole-image ones"]
    expected = (mean["toy_detector"] + mean["toy_brightness"]) / 2 - mean["power_spectrum"]
    assert both["difference"] == pytest.approx(expected)
    assert both["from"] < both["difference"] < both["to"]
    assert both["holds"] == (not both["from"] <= 0 <= both["to"])
    assert "toy_detector (3 px) less mean of whole-image ones" in rows
    assert rows["for each doubling of the receptive field"]["difference"] != 0


def test_pictures_say_what_they_show(studied: tuple[Kept, Bench]) -> None:
    log, _ = studied
    table = log.figures["average precision"]
    words = [text.get_text() for text in table.axes[0].texts]
    assert {"trained on smooth", "trained on rough", "trained on noise", "3 px", "image"} <= set(words)
    assert any("8 people and 2 seeds" in text for text in words)
    panels = log.figures["receptive field and generalisation"].axes
    assert [panel.get_title(loc="left").split(",")[0] for panel in panels] == [
        "trained on smooth", "trained on rough", "trained on noise"
    ]  # fmt: skip


def test_who_fails_is_left_out_and_the_rest_goes_on(generalize: Make, bad_players: Path) -> None:
    detectors = [*ROSTER["detectors"], {"plugin": "scores_nan"}]
    log, bench = generalize(train_on=("rough",), over={"detectors": detectors})
    assert {row["detector"] for row in log.tables["every pair"]} == {
        "toy_detector", "toy_brightness", "power_spectrum"
    }  # fmt: skip
    assert {forfeit.player for forfeit in bench.forfeits} == {"scores_nan"}


def test_backwards_is_the_same(generalize: Make, backwards: SerialExecutor, tmp_path: Path) -> None:
    forwards, _ = generalize(train_on=("noise",), seeds=2)
    again, _ = generalize(train_on=("noise",), seeds=2, home=tmp_path / "other", executor=backwards)
    assert forwards.tables == again.tables


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"train_on": ("smoth",)},
            "train_on names 'smoth', and no generator of that name plays; did you mean 'smooth'",
        ),
        ({"train_on": ("smooth+",)}, "train_on names ''"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_played(
    generalize: Make, watcher: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(PluginError, match="train_on") as caught:
        generalize(**parameters)
    assert message in str(caught.value)
    assert not watcher.ran


def test_no_seeds_are_refused() -> None:
    for name in ("generalize", "manipulations", "reproject"):
        with pytest.raises(PluginError, match="greater than or equal to 1"):
            protocols.complete(name, {"seeds": 0})


def test_fakes_of_people_are_drawn_with_them(generalize: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manipulated photographs of a person are no independent ones."""
    told: dict[str, Any] = {}
    real = SharedResamples

    def remember(persons: Any, fakes: Any, **rest: Any) -> SharedResamples:
        told.update(fakes)
        return real(persons, fakes, **rest)

    monkeypatch.setattr("fakeoff.protocols.generalize.protocol.SharedResamples", remember)
    load_plugin_file(Path(__file__).parents[1] / "toy_manipulators.py")
    generators = [{"plugin": "toy_swap"}, {"plugin": "toy_fixed_generator", "name": "noise"}]
    _, bench = generalize(train_on=("noise",), over={"generators": generators, "detectors": ROSTER["detectors"][:1]})
    assert told["noise"] == 16
    targets, sources = told["toy_swap"]
    assert len(targets) == len(sources) == 16
    assert set(targets) <= set(bench.source.persons("test"))
    assert all(one != other for one, other in zip(targets, sources, strict=True))
