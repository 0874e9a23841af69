"""How trainings ended, read from what their jobs left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.trainings import read_trainings
from fakeoff.protocols.record.versions import Version

Make = Callable[..., TournamentConfig]


@pytest.mark.parametrize(
    ("kind", "left", "ended"),
    [
        ("detector", {"steps": 7, "val_perfect": True, "val_curve": [[7, 1.0]], "val_accuracy": 1.0}, "perfect"),
        ("detector", {"steps": 7, "val_perfect": False, "val_curve": [[7, 0.6]], "val_accuracy": 0.6}, "no gain"),
        ("detector", {"steps": 10, "val_perfect": False, "val_curve": [[10, 0.6]], "val_accuracy": 0.6}, "limit"),
        ("detector", {"steps": 1, "val_curve": []}, None),  # from everything at once
        ("detector", {}, None),
        ("generator", {"steps": 3, "passed": [[2, 0.1], [3, 0.9]]}, "fooled"),
        ("generator", {"steps": 10, "passed": [[10, 0.5]]}, "limit"),
        ("generator", {}, None),
    ],
)
def test_a_training_says_why_it_ended(
    tmp_path: Path, toy_config: Make, kind: Any, left: dict[str, Any], ended: str | None
) -> None:
    store, config = Store(tmp_path / "store"), toy_config(defend={"steps": 10}, attack={"steps": 10, "until": 0.85})
    store.write("k" * 64, Result(record=left, arrays={}))
    targets = ("d@0",) if kind == "generator" else ()
    version = Version(kind=kind, player="p", round=1, key="k" * 64, targets=targets)
    found = read_trainings([version], store, config)
    assert [one.ended for one in found] == ([] if ended is None else [ended])
    for one in found:
        assert (one.player, one.round, one.steps, one.most_steps) == ("p", 1, left["steps"], 10)
        assert one.passed == (left["passed"][-1][1] if "passed" in left else None)


def test_an_attack_of_a_given_length_was_to_be_that_long(tmp_path: Path, toy_config: Make) -> None:
    store, config = Store(tmp_path / "store"), toy_config(attack={"steps": 10, "until": 1.0})
    store.write("k" * 64, Result(record={"steps": 10, "passed": []}, arrays={}))
    version = Version(kind="generator", player="p", round=1, key="k" * 64, targets=("d@0",))
    [training] = read_trainings([version], store, config)
    assert training.ended == "budget"
