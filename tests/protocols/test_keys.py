"""Keys stay: what was played before is read, not computed again.

``keys.json`` holds the key of every job of three small games. A key changes only where a result does: then raise the
task's ``VERSION``, or leave the payload as it was. To write the list anew: ``python tests/protocols/test_keys.py``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import parse_config
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.pretrain import Pretrain
from fakeoff.protocols.record.log import Unlogged

TESTS = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("keys.json")

GAME: Mapping[str, Any] = {
    "rounds": 1,
    "seed": 3,
    "generators": [
        {"plugin": "toy_generator", "parameters": {"noise": 0.1}},
        {"plugin": "toy_fixed_generator", "name": "fixed"},
    ],
    "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_brightness", "name": "bright"}],
    "arena": {"resolution": 24, "colour": "grey"},
    "pools": {"train_fakes": 32, "val_fakes": 16, "test_fakes": 17},
    "attack": {"target": "all", "weight": 0.5, "steps": 2, "batch": 4, "until": 0.8, "look_every": 2},
    "defend": {"steps": 4, "batch": 8, "check_every": 2, "patience": 5, "perfect": "patches"},
    "score": {"resamples": 101, "confidence": 0.9, "scored_again": 2, "through": ["jpeg:75"]},
    "parts": {"parser": "toy_quadrants", "random_patches": 3},
    "audit": {"on_leak": "report"},
    "compute": {"attack_threads": 1, "device": "cpu", "precision": "float32"},
}

SEARCHED: Mapping[str, Any] = {
    **GAME,
    "generators": [{"plugin": "toy_latents", "name": "latents"}],
    "detectors": [{"plugin": "toy_plain", "name": "plain"}, {"plugin": "toy_steps", "name": "steps"}],
    "search": {"when": "always", "queries": 3, "fakes": 8},
    "score": {"resamples": 101, "scored_again": 0, "quality_gate": False, "through": []},
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}


class _Keys:
    """An observer that remembers the keys of what ran, by stage, round and label."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def begun(self, job: Job) -> None:
        pass

    def reused(self, job: Job) -> None:
        pass

    def damaged(self, job: Job, reason: str) -> None:
        pass

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        job = outcome.job
        assert outcome.failure is None, f"{job.label}: {outcome.failure}"
        keys = self.found.setdefault(f"{job.name}, round {job.round}: {job.label}", [])
        keys.append(job.key)
        keys.sort()  # the reals of one split at two resolutions have one label

    def round_finished(self, record: Any) -> None:
        pass


def play(folder: Path) -> dict[str, list[str]]:
    """Plays two tournaments and a pretraining of toys; the keys of their jobs by label."""
    for file in ("toy_players.py", "toy_parsers.py", "toy_latents.py"):
        load_plugin_file(TESTS / file)
    keys, config, source = _Keys(), parse_config(GAME, where="test"), open_source("orl")
    with pytest.MonkeyPatch.context() as patch:
        # Not that of the files: the toys may change.
        patch.setattr(Registry, "fingerprint", lambda registry, name: {"version": f"{registry.kind} {name}"})
        store = Store(folder / "tournament")
        play_tournament(config, source=source, store=store, executor=SerialExecutor(), observer=keys)
        searched = parse_config(SEARCHED, where="test")
        play_tournament(searched, source=source, store=store, executor=SerialExecutor(), observer=keys)
        bench = Bench(
            config,
            spec=PlayerSpec(name="pretrain", plugin="pretrain", fingerprint={"version": 1}),
            source=source,
            store=Store(folder / "pretraining"),
            executor=SerialExecutor(),
            observer=keys,
            log=Unlogged(),
        )
        Pretrain(steps=2, batch=4, rate=0.01).play(bench)
    return {label: sorted(set(found)) for label, found in sorted(keys.found.items())}


def test_every_job_has_the_key_that_it_had_before(tmp_path: Path) -> None:
    kept, found = json.loads(KEPT.read_text()), play(tmp_path)
    assert set(found) == set(kept)
    assert [label for label in kept if found[label] != kept[label]] == []


def test_the_list_has_a_job_of_every_rule() -> None:
    tasks = {label.partition(",")[0] for label in json.loads(KEPT.read_text())}
    rules = {"real_pool", "enter", "attack", "fake_pools", "defend", "judge", "judge_again", "cost", "floor", "audit"}
    rules |= {"quality", "search"}
    assert tasks == rules | {"parse", "look", "shift", "pretrain"}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        KEPT.write_text(json.dumps(play(Path(made)), indent=1) + "\n")
