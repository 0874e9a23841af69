"""An experiment is given the arena: the tournament's stages, jobs of its own, and a checked log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols import protocols
from fakeoff.protocols.game.bench import Bench

Make = Callable[..., Any]

TOY_PROTOCOLS = Path(__file__).parents[1] / "toy_protocols.py"


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.points_: list[tuple[int, Mapping[str, float]]] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.figures: dict[str, Figure] = {}
        self.files: dict[str, bytes] = {}

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        self.points_.append((step, dict(points)))

    def table(self, name: str, rows: Sequence[Any]) -> None:
        self.tables[name] = [dict(row) for row in rows]

    def figure(self, name: str, figure: Figure) -> None:
        self.figures[name] = figure

    def file(self, name: str, data: bytes) -> None:
        self.files[name] = data


@pytest.fixture(scope="session")
def tasks(toys: Path) -> ModuleType:
    """The module of the file with the toy protocols."""
    return sys.modules[load_plugin_file(TOY_PROTOCOLS).module]


@pytest.fixture
def log() -> Kept:
    return Kept()


@pytest.fixture
def make_bench(tmp_path: Path, tasks: ModuleType, toy_config: Make, log: Kept, watcher: Any) -> Callable[..., Bench]:
    def make(*, home: str = "home", executor: Executor | None = None, **over: Any) -> Bench:
        name = "toy_experiment"
        spec = PlayerSpec(
            name=name, plugin=name, fingerprint=protocols.fingerprint(name), provision=protocols.provision(name)
        )
        return Bench(
            toy_config(**over),
            spec=spec,
            source=open_source("orl"),
            store=Store(tmp_path / home / "store"),
            executor=executor or SerialExecutor(),
            observer=watcher,
            log=log,
        )

    return make


@pytest.fixture
def bench(make_bench: Make) -> Bench:
    return make_bench()  # type: ignore[no-any-return]


def test_generators_enter_with_their_pools_and_the_reals_that_belong_to_them(bench: Bench) -> None:
    [version] = bench.enter()
    assert (version.label, version.resolution, set(version.pools)) == ("toy_generator@0", 16, {"train", "val", "test"})
    assert bench.pixels(version.pools["test"]).shape == (16, 16, 16, 3)
    reals = bench.real_pools(version.resolution)
    assert set(reals) == {"train", "val", "test", "attack"}
    assert bench.pixels(reals["test"]).dtype == np.uint8
    assert len(bench.pixels(reals["test"])) == bench.data["split"]["test"]["photographs"]


def test_what_a_tournament_computed_is_only_read(make_bench: Make, play: Make, toy_config: Make, watcher: Any) -> None:
    record, _ = play(toy_config(rounds=1))
    bench = make_bench()
    entered = bench.enter()
    first = bench.defend(bench.detectors, entered)
    attacked = bench.attack(entered, targets=first)
    second = bench.defend(bench.detectors, [*entered, *attacked])
    matches = bench.match([*entered, *attacked], [*first, *second])
    costs = bench.costs([*entered, *attacked])
    assert not watcher.ran
    played = {(m.generator.label, m.detector.label): (m.key, m.is_target) for m in record.matches}
    assert {(m.generator.label, m.detector.label): (m.key, m.is_target) for m in matches} == played
    assert [cost.keys for cost in costs] == [cost.keys for cost in record.costs]
    by_labels = {(m.generator.label, m.detector.label): m.figures for m in record.matches}
    assert all(by_labels[m.generator.label, m.detector.label] == m.figures for m in matches)


def test_settings_go_over_the_configurations(bench: Bench) -> None:
    entered = bench.enter()
    detectors = bench.defend(bench.detectors, entered, steps=7, check_every=7)
    assert len(bench.store.record(detectors[0].key)["curves"]["loss"]) == 7
    by_weight = [bench.attack(entered, targets=detectors, weight=weight, steps=2) for weight in (0.0, 5.0)]
    assert all(len(bench.store.record(v.key)["curves"]["own_loss"]) == 2 for [v] in by_weight)
    assert by_weight[0][0].pools["test"] != by_weight[1][0].pools["test"]
    assert by_weight[0][0].targets == ("toy_detector@0",)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, v, d: g.attack(v, targets=d, stepz=2), "attack.stepz'; did you mean 'steps'"),
        (lambda g, v, d: g.defend(g.detectors, v, batch=5), "'defend.batch': Input should be a multiple of 2"),
        (lambda g, v, d: g.attack(v, targets=d, target="all"), "takes versions in place of the setting 'target'"),
        (lambda g, v, d: g.attack(v, targets=[]), "no detector to attack"),
        (lambda g, v, d: g.attack(d, targets=d), "detector versions were given where generator versions are wanted"),
        (lambda g, v, d: g.match(v, ["toy_detector"]), "'toy_detector' was given where a detector version is wanted"),
        (lambda g, v, d: g.defend(g.detectors, []), "no generator version to learn from"),
        (
            lambda g, v, d: g.defend("toy_detectr", v),
            "no detector 'toy_detectr' plays here; did you mean 'toy_detector'",
        ),
        (lambda g, v, d: g.enter("toy_generatr"), "no generator 'toy_generatr' plays here"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(bench: Bench, call: Make, message: str) -> None:
    versions = bench.enter()
    detectors = bench.defend(bench.detectors, versions)
    with pytest.raises((PluginError, ConfigError)) as caught:
        call(bench, versions, detectors)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_players_that_cannot_be_trained_do_not_attack(make_bench: Make) -> None:
    bench = make_bench(generators=[{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}])
    entered = bench.enter()
    assert [bench.is_trainable(version) for version in entered] == [True, False]
    attacked = bench.attack(entered, targets=bench.defend(bench.detectors, entered))
    assert [version.label for version in attacked] == ["toy_generator@1"]


def test_own_jobs_read_pools_versions_and_other_jobs(bench: Bench, tasks: ModuleType) -> None:
    [version] = bench.enter()
    measured = [
        bench.job(tasks.brightness, payload={"scale": 2}, inputs={"pool": version.pools[split]})
        for split in ("val", "test")
    ]
    results = bench.run("pools are measured", measured)
    assert list(results) == measured
    means = [bench.pixels(version.pools[split]).mean() for split in ("val", "test")]
    assert [result.record["mean"] for result in results.values()] == pytest.approx(means)
    total = bench.job(tasks.sum_up, inputs={"one": measured[0], "other": measured[1]})
    assert bench.run("sums", [total])[total].record["sum"] == pytest.approx(sum(means))
    with pytest.raises(KeyError):
        results[total]


def test_an_own_job_is_known_by_all_that_decides_its_result(make_bench: Make, tasks: ModuleType, toys: Path) -> None:
    bench = make_bench()
    for pool in ("a" * 64, "b" * 64):
        bench.store.write(pool, Result(record={}))

    def key(on: Bench = bench, task: Any = tasks.brightness, **over: Any) -> str:
        given: dict[str, Any] = {"payload": {"scale": 2}, "inputs": {"pool": "a" * 64}, "label": "x"}
        return on.job(task, **{**given, **over}).key

    others = [
        key(make_bench(seed=1)),
        key(task=tasks.sum_up),
        key(payload={"scale": 3}),
        key(inputs={"pool": "b" * 64}),
        key(threads=2),
    ]
    assert len({key(), *others}) == 6
    assert key(label="y") == key()
    fingerprint = bench.job(tasks.sum_up).payload["protocol"]
    assert fingerprint == {"version": load_plugin_file(TOY_PROTOCOLS).sha256}


DEEP: Any = []
for _ in range(20_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": lambda context: None}, "write it with def at the top level"),
        ({"task": int}, "int cannot run as a job"),
        ({"payload": {"x": np.zeros(2)}}, "is not JSON-able"),
        ({"payload": {"x": float("nan")}}, "is not JSON-able"),
        ({"payload": {"seed": 3}}, "may not have 'seed'"),
        ({"payload": {1: 2}}, "is not JSON-able"),
        ({"payload": {"x": DEEP}}, "is not JSON-able"),
        ({"inputs": {"a": 5}}, "input 'a' of job 'brightness' is 5; give a version, a job or the key of a pool"),
        ({"inputs": {"a": "nokey"}}, "is 'nokey', which is the key of no result"),
    ],
)
def test_a_job_that_could_not_run_is_refused_when_it_is_written(
    bench: Bench, tasks: ModuleType, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        bench.job(**{"task": tasks.brightness, **given})


def test_a_function_within_a_function_is_no_job(bench: Bench) -> None:
    def inner(context: Any) -> Any:
        raise AssertionError

    with pytest.raises(PluginError, match="inner cannot run as a job"):
        bench.job(inner)


def test_a_failed_job_of_a_player_is_its_forfeit_and_the_rest_goes_on(bench: Bench, tasks: ModuleType) -> None:
    [version] = bench.enter()
    bad = [bench.job(tasks.give_up, payload={"at": at}, player=version, label=at) for at in ("one", "two")]
    good = bench.job(tasks.brightness, payload={"scale": 1}, inputs={"pool": version.pools["val"]}, player=version)
    results = bench.run("things are tried", [*bad, good])
    assert list(results) == [good]
    [forfeit] = bench.forfeits
    assert (forfeit.kind, forfeit.player, forfeit.stage) == ("generator", "toy_generator", "things are tried")
    assert forfeit.reason == "gave up at one"


def test_a_failed_job_of_the_experiment_ends_it_and_keeps_the_others(make_bench: Make, tasks: ModuleType) -> None:
    bench = make_bench()
    [version] = bench.enter()
    good = bench.job(tasks.brightness, payload={"scale": 1}, inputs={"pool": version.pools["val"]})
    bad = [bench.job(tasks.give_up, payload={"at": at}, label=f"try {at}") for at in ("one", "two")]
    with pytest.raises(PluginError) as caught:
        bench.run("things are tried", [*bad, good])
    assert str(caught.value) == "protocol 'toy_experiment': the job 'try one' failed: gave up at one"
    assert good.key in bench.store


def test_whose_job_reads_one_that_failed_forfeits_and_that_is_said(bench: Bench, tasks: ModuleType) -> None:
    [version] = bench.enter()
    broken = bench.job(tasks.give_up, payload={"at": "first"}, player=version, label="broken")
    reader = bench.job(tasks.sum_up, inputs={"x": broken}, player=version, label="reader")
    assert not bench.run("things are tried", [reader])
    [forfeit] = bench.forfeits
    assert (forfeit.player, forfeit.reason) == ("toy_generator", "it reads the job 'broken', which failed")


def test_the_order_of_the_executor_decides_nothing(
    make_bench: Make, backwards: SerialExecutor, bad_players: Path, tasks: ModuleType
) -> None:
    def play(executor: Executor, home: str) -> Any:
        generators = [{"plugin": "raises"}, {"plugin": "toy_generator"}, {"plugin": "samples_nan"}]
        bench = make_bench(executor=executor, home=home, generators=generators)
        entered = bench.enter()
        detectors = bench.defend(bench.detectors, entered)
        attacked = bench.attack(entered, targets=detectors)
        matches = bench.match([*entered, *attacked], detectors)
        jobs = [bench.job(tasks.give_up, payload={"at": at}, player=entered[0]) for at in ("one", "two")]
        bench.run("things are tried", jobs)
        forfeits = bench.forfeits
        with pytest.raises(PluginError) as caught:
            bench.run("worse", [bench.job(tasks.give_up, payload={"at": at}) for at in ("three", "four")])
        figures = [(match.generator.label, match.detector.label, match.figures) for match in matches]
        return figures, forfeits, str(caught.value)

    figures, forfeits, failure = play(SerialExecutor(), "one")
    assert play(backwards, "other") == (figures, forfeits, failure)
    assert [label for label, _, _ in figures] == ["raises@0", "toy_generator@0", "samples_nan@0", "toy_generator@1"]
    assert [(f.player, f.round, f.stage) for f in forfeits] == [
        ("raises", 0, "things are tried"),
        ("raises", 1, "attack"),
        ("samples_nan", 1, "sample"),
    ]
    assert "the plugin's own bug" in forfeits[1].reason
    assert failure.endswith("gave up at three")


def test_what_was_played_is_not_played_again(make_bench: Make, tasks: ModuleType, watcher: Any) -> None:
    def play() -> Any:
        bench = make_bench()
        [version] = bench.enter()
        job = bench.job(tasks.brightness, payload={"scale": 1}, inputs={"pool": version.pools["val"]})
        return bench.run("measure", [job])[job].record

    first = play()
    ran = len(watcher.ran)
    assert ran
    assert play() == first
    assert len(watcher.ran) == ran


def test_a_players_next_version_may_come_from_an_own_job(bench: Bench, tasks: ModuleType) -> None:
    [version] = bench.enter()
    detectors = bench.defend(bench.detectors, [version])

    def job(name: str) -> Job:
        payload = {"generator": bench.identity(version), "name": name}
        return bench.job(tasks.brighten, payload=payload, inputs={"version": version})

    # Two ways from one version: they share a label and nothing else.
    one, other = bench.advance("generators are brightened", {job("one"): version, job("other"): version})
    assert one.label == other.label == "toy_generator@1"
    assert one.key != other.key
    means = [bench.pixels(v.pools["test"]).mean() for v in (version, one)]
    assert means[1] > means[0] + 40  # sigmoid(0) is 128, sigmoid(1) is 186
    assert {match.generator.key for match in bench.match([version, one], detectors)} == {version.key, one.key}
    [cost] = bench.costs([one])
    assert cost.figures.pixel_l1_to_first > 0.1


def test_a_failed_training_leaves_no_version(bench: Bench, tasks: ModuleType) -> None:
    [version] = bench.enter()
    assert bench.advance("training", {bench.job(tasks.give_up, payload={"at": "once"}): version}) == []
    assert [(f.player, f.round, f.stage) for f in bench.forfeits] == [("toy_generator", 1, "training")]


def test_a_trained_detector_needs_a_threshold(bench: Bench, tasks: ModuleType) -> None:
    [detector] = bench.defend(bench.detectors, bench.enter())
    job = bench.job(tasks.forget_threshold, inputs={"version": detector})
    with pytest.raises(PluginError, match="trained toy_detector left no 'threshold'"):
        list(bench.advance("training", {job: detector}))


# An untrained PGAN makes 4 x 4 pixels enlarged: a trace of format that has nothing to do with faces.
LEAKY = {"plugin": "pgan", "parameters": {"weights": "", "resolution": 32, "features": 32, "latent_dim": 8}}
AT_32 = {
    "generators": [LEAKY],
    "arena": {"resolution": 32},
    "pools": {"train_fakes": 64, "val_fakes": 32, "test_fakes": 64},
}


def test_a_generator_that_nobody_trained_is_called_so_and_no_leak(make_bench: Make) -> None:
    """Its noise has traces of format, too; what helps is to train it."""
    said = (
        r"'pgan' makes no faces yet.*format alone tells them, too.*--protocol pretrain --generators pgan.*--allow-leaks"
    )
    with pytest.raises(ConfigError, match=said):
        list(make_bench(**AT_32).enter())


def test_a_leak_may_be_reported_and_left_alone_where_no_detector_plays(make_bench: Make) -> None:
    bench = make_bench(**AT_32, audit={"on_leak": "report"})
    bench.enter()
    assert "enlarged" in bench.leaks["pgan@0"][0]
    refusing = make_bench(**AT_32)
    assert refusing.enter(audit=False)
    assert refusing.leaks == {}


def test_the_log_is_given_plain_values(bench: Bench, log: Kept) -> None:
    bench.log({"ap/x": np.float32(0.5), "n": 3}, step=np.int64(2))  # type: ignore[arg-type]
    assert log.points_ == [(2, {"ap/x": 0.5, "n": 3.0})]
    bench.table("t", [{"a": np.int64(1), "b": "x"}, {"a": None, "c": True}])
    assert log.tables["t"] == [{"a": 1, "b": "x", "c": None}, {"a": None, "b": None, "c": True}]
    bench.table("t", [{"a": 2}])
    assert log.tables["t"] == [{"a": 2}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.log({"x": float("nan")}, step=3), "logged 'x' = nan at step 3; a point is a finite number"),
        (lambda g: g.log({"x": True}), "a point is a finite number"),
        (lambda g: g.log({"x": "0.5"}), "a point is a finite number"),
        (lambda g: g.log({" ": 1.0}), "give it a name"),
        (lambda g: g.log({"x": 1.0}, step=-1), "a step is a whole number"),
        (lambda g: [g.log({"x": value}, step=1) for value in (1.0, 2.0)], "logged 'x' twice at step 1"),
        (lambda g: g.table("t", []), "has no rows"),
        (lambda g: g.table("t", [{"a": [1]}]), "table 't', 'a' is list"),
        (lambda g: g.table("t", [{"a": float("inf")}]), "table 't', 'a' is inf"),
        (lambda g: g.table("../t", [{"a": 1}]), "cannot be the name of a table"),
        (lambda g: g.file(".hidden", b""), "cannot be the name of a file"),
        (lambda g: g.file("a/b", b""), "cannot be the name of a file"),
        (lambda g: g.file("text", "text"), "is str, not bytes"),
        (lambda g: g.figure("f", "figure"), "not a matplotlib.figure.Figure"),
        (lambda g: [g.figure("f", Figure()), g.file("F.PNG", b"")], "rename one"),
    ],
)
def test_what_cannot_be_logged_is_refused(bench: Bench, call: Make, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        call(bench)
    assert message in str(caught.value)


def test_the_same_point_may_be_logged_again(bench: Bench, log: Kept) -> None:
    for _ in range(2):
        bench.log({"x": 1.0}, step=1)
    assert set(map(str, log.points_)) == {"(1, {'x': 1.0})"}


@pytest.fixture
def on_ray() -> Iterator[RayExecutor]:
    executor = RayExecutor(workers=2)
    yield executor
    executor.close()


def test_own_jobs_give_the_same_bytes_on_ray(make_bench: Make, tasks: ModuleType, on_ray: RayExecutor) -> None:
    def play(executor: Executor | None, home: str) -> Any:
        bench = make_bench(executor=executor, home=home)
        [version] = bench.enter()
        pools = version.pools.values()
        jobs = [bench.job(tasks.brightness, payload={"scale": 1}, inputs={"pool": pool}) for pool in pools]
        lost = bench.job(tasks.give_up, payload={"at": "once"}, player=replace(version, pools={}))
        results = bench.run("measure", [*jobs, lost])
        return [(dict(r.record), r.arrays["drawn"].tobytes()) for r in results.values()], bench.forfeits

    serial = play(None, "serial")
    assert play(on_ray, "ray") == serial
    assert len(serial[0]) == 3
    assert [forfeit.reason for forfeit in serial[1]] == ["gave up at once"]
