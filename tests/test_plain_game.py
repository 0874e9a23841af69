"""The benchmark against a plain script: that both sides do the same work, and that the script is right."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch

from fakeoff import generators
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig, parse_config
from fakeoff.protocols.score.metrics import evaluate

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MODULES = ("engine", "plain_game", "plain_script", "processes", "published")


class Silent:
    def begun(self, job: Any) -> None: ...

    def reused(self, job: Any) -> None: ...

    def damaged(self, job: Any, reason: str) -> None: ...

    def progress(self, job: Any, done: int, total: int, note: str) -> None: ...

    def finished(self, outcome: Any) -> None: ...

    def round_finished(self, record: Any) -> None: ...


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[dict[str, Any]]:
    """The modules of the benchmark, which import each other by their bare names."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def settings(benchmarks: dict[str, Any]) -> Any:
    return benchmarks["plain_script"].Settings(
        rounds=1,
        attack_steps=1,
        defend_steps=2,
        check_every=1,
        fakes={"train": 16, "val": 8, "test": 8},
        resamples=100,
        detectors=("resnet18_layer1",),
    )


@pytest.fixture(scope="module")
def done(benchmarks: dict[str, Any], settings: Any) -> dict[str, Any]:
    """What the plain script says that it did."""
    said: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(benchmarks["plain_script"].play(settings))))
    return said


def config_of(benchmarks: dict[str, Any], settings: Any) -> TournamentConfig:
    return parse_config(tomllib.loads(benchmarks["plain_game"].write_game(settings)), where="benchmark")


@pytest.mark.slow
def test_both_sides_do_the_same_work(
    benchmarks: dict[str, Any], settings: Any, done: dict[str, Any], tmp_path: Path
) -> None:
    game = benchmarks["plain_game"]
    config = config_of(benchmarks, settings)
    # Looking, auditing and scoring again, in whatever way, are Fakeoff's alone, and would take most of this test.
    quick = config.model_copy(
        update={
            "parts": config.parts.model_copy(update={"parser": ""}),
            "audit": config.audit.model_copy(update={"on_leak": "skip"}),
            "score": config.score.model_copy(update={"scored_again": 0, "through": ()}),
        }
    )
    store = Store(tmp_path / "store")
    record = play_tournament(
        quick, source=open_source("orl"), store=store, executor=SerialExecutor(), observer=Silent()
    )
    ours, plain = game.work_of_record(record, store), game.work_of_script(done)
    assert ours == plain
    assert ours.attacks == ((1, "resnet18_layer1", 1),)
    assert ours.defences == (("resnet18_layer1", 0, 2, 2), ("resnet18_layer1", 1, 2, 2))
    assert len(ours.matches) == 4
    game.check_work(ours, settings)

    with pytest.raises(click.ClickException, match=r"stopped early .*'resnet18_layer1', 1, 2, 2"):
        game.check_work(ours, dataclasses.replace(settings, defend_steps=3))
    forfeited = dataclasses.replace(ours, matches=ours.matches[1:])
    with pytest.raises(click.ClickException, match=r"\(1, 2, 3\).*expected \(1, 2, 4\)"):
        game.check_work(forfeited, settings)


def test_the_games_sizes_are_those_of_the_script_and_nothing_in_it_may_stop_early(
    benchmarks: dict[str, Any], settings: Any
) -> None:
    script, config = benchmarks["plain_script"], config_of(benchmarks, settings)
    embedded = TournamentConfig()
    assert (config.attack.batch, config.attack.weight) == (script.ATTACK_BATCH, script.WEIGHT)
    assert (config.defend.batch, config.score.confidence) == (script.DEFEND_BATCH, script.CONFIDENCE)
    assert config.attack.until == 1
    assert (config.defend.perfect, config.defend.patience) == ("patches", 1_000_000)
    assert config.compute.precision == "float32"
    # What the script has no setting for is as Fakeoff ships it.
    assert config.arena == embedded.arena
    assert config.arena.resolution == script.SIDE
    assert (config.audit, config.parts, config.protocol) == (embedded.audit, embedded.parts, embedded.protocol)
    assert config.attack.rate == config.defend.rate == 0


def test_the_script_gives_figures_with_intervals_around_them(done: dict[str, Any]) -> None:
    assert done["best_on_val"] == ["resnet18_layer1"] * 2
    assert set(done["seconds"]) == {"reals", "sample", "defend", "attack", "score", "figures"}
    for match in done["matches"]:
        for name in ("ap", "auc", "accuracy"):
            low, high = match[f"{name}_ci"]
            assert 0 <= low <= high <= 1
            assert 0 <= match[name] <= 1


def test_the_scripts_figures_are_fakeoffs(benchmarks: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    real = rng.beta(2, 3, size=80).astype(np.float32)
    fake = rng.beta(3, 2, size=80).astype(np.float32)
    found = benchmarks["plain_script"].measure(real, fake, resamples=400, seed=0)
    expected = evaluate(real, fake, val_threshold=0.5, resamples=400, confidence=0.95, seed=0).figures
    for name in ("ap", "auc", "accuracy"):
        assert found[name] == pytest.approx(expected.value(name))
        assert found[f"{name}_ci"] == pytest.approx(expected.interval(name), abs=0.03)


def test_the_scripts_detector_learns_to_tell_two_sides_apart(benchmarks: dict[str, Any], settings: Any) -> None:
    script = benchmarks["plain_script"]
    rng = torch.Generator().manual_seed(0)
    reals = {split: torch.rand(32, 3, 16, 16, generator=rng) * 0.4 for split in ("train", "val", "test")}
    fakes = {split: 0.6 + torch.rand(32, 3, 16, 16, generator=rng) * 0.4 for split in ("train", "val", "test")}
    longer = dataclasses.replace(settings, defend_steps=40, check_every=10)
    detector, accuracy, looks = script.defend("resnet18_layer1", reals, fakes, settings=longer, rng=rng)
    assert looks == 4
    assert accuracy > 0.95
    figures = script.measure(
        script.score(detector, reals["test"]), script.score(detector, fakes["test"]), resamples=100, seed=0
    )
    assert figures["ap"] > 0.99


def test_the_script_uses_pytorchs_default_memory_layout(benchmarks: dict[str, Any]) -> None:
    script = benchmarks["plain_script"]
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    images = script.as_numbers(pixels)
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert torch.equal(images[1, 2], torch.from_numpy(pixels[1, ..., 2]).float() / 255)
    pgan = generators.players.build("pgan", {"features": 64, "most_features": 16, "resolution": 16})
    fakes = script.sample(pgan, {"train": 3, "val": 2, "test": 1}, seed=0)
    assert {split: tuple(pool.shape) for split, pool in fakes.items()} == {
        "train": (3, 3, 16, 16),
        "val": (2, 3, 16, 16),
        "test": (1, 3, 16, 16),
    }
    assert all(pool.is_contiguous() for pool in fakes.values())
    assert torch.equal(script.sample(pgan, {"train": 3, "val": 2, "test": 1}, seed=0)["train"], fakes["train"])


def test_the_published_accuracies_are_of_patches_votes_and_the_mean(benchmarks: dict[str, Any]) -> None:
    # One fake of four patches: three say real by a little, one says fake for sure.
    logits = torch.tensor([[[[0.1, 0.1, 0.1, 0.0]], [[0.0, 0.0, 0.0, 9.0]]]])
    patches, votes, mean = benchmarks["published"].accuracies(logits, torch.tensor([True]))
    assert (patches.item(), votes.item(), mean.item()) == (0.25, 0.0, 1.0)


def test_what_a_process_and_its_children_compute_is_counted(benchmarks: dict[str, Any], tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 1: pass"
    parent = f"import subprocess, sys; print('begun'); subprocess.run([sys.executable, '-c', {burn!r}]); sys.exit(3)"
    run = benchmarks["processes"].run([sys.executable, "-c", parent], folder=tmp_path)
    assert run.code == 3
    assert [line for _, line in run.lines] == ["begun"]
    assert 0.9 < run.cpu < 5
    assert run.wall > 0


def test_jobs_are_read_from_what_a_game_prints(benchmarks: dict[str, Any]) -> None:
    lines = [
        "training in float32 on a processor (as configured)",
        "[00:04] round 0: train reals: done (0.4 s), computed for 0.3 s",
        "[00:05] round 0: parse the faces of test reals: done (0.9 s), computed for 0.5 s",
        "[01:07] round 1: attack pgan@1: done (9.5 s), computed for 17.1 s; 12 of 87 jobs, about 4 min to go",
        "[01:09] round 1: score xception_block1@1 again: done (0.5 s), computed for 0.4 s",
        "[01:09] round 1: score xception_block1@1 on pgan@0: done (0.5 s)",
        "[01:10] jobs computed for 18 s of CPU time in all",
    ]
    jobs = benchmarks["engine"].read_jobs([(float(index), line) for index, line in enumerate(lines)])
    assert [(job.kind, job.took, job.computed) for job in jobs] == [
        ("reals", 0.4, 0.3),
        ("parse", 0.9, 0.5),
        ("attack", 9.5, 17.1),
        ("score again", 0.5, 0.4),
        ("score", 0.5, 0.0),
    ]
    assert [job.ended for job in jobs] == [1, 2, 3, 4, 5]


def test_ratios_are_of_the_script_to_fakeoff(benchmarks: dict[str, Any]) -> None:
    turns = {
        "fakeoff": [{"wall": 100.0, "cpu": 180.0}, {"wall": 110.0, "cpu": 180.0}],
        "plain": [
            {"wall": 150.0, "cpu": 270.0, "phases": {"figures": 50.0}},
            {"wall": 132.0, "cpu": 270.0, "phases": {"figures": 22.0}},
        ],
    }
    ratios = benchmarks["plain_game"].compare(turns)
    assert ratios["wall"] == pytest.approx({"median": 1.35, "least": 1.2, "most": 1.5})
    assert ratios["cpu"]["median"] == pytest.approx(1.5)
    assert ratios["wall_without_figures"]["median"] == pytest.approx(1.0)
