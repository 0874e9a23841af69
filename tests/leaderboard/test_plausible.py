"""Files that anybody may have written: what cannot be is refused, in one line that says where it stands."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import StoreError
from fakeoff.leaderboard.scoreboard import read_scoreboard

Change = Callable[[dict[str, Any]], Any]

CANNOT_BE: dict[str, tuple[Change, str]] = {
    "large": (lambda data: data["cells"][0].update(auc=7.0), r"cells\[0\]\.auc is 7\.0, and lies between 0 and 1"),
    "negative": (lambda data: data["cells"][1].update(accuracy=-3), r"cells\[1\]\.accuracy is -3"),
    "no number": (lambda data: data["cells"][0].update(ap=float("nan")), r"cells\[0\]\.ap is nan, which is no figure"),
    "infinite": (lambda data: data["cells"][0].update(brier=float("inf")), r"brier is inf"),
    "count": (lambda data: data["cells"][0].update(n_real=-80), r"n_real is -80, and is a count"),
    "swapped": (lambda data: data["cells"][0].update(auc_ci=[0.9, 0.1]), r"auc_ci ends before it begins"),
    "interval": (lambda data: data["cells"][0].update(auc_ci=[0.9, 1.5]), r"auc_ci is 0\.9 to 1\.5"),
    "twice": (lambda data: data["cells"].append(copy.deepcopy(data["cells"][0])), r"stands in it twice"),
    "standing": (lambda data: data["standings"]["detectors"][0].update(worst_auc=7), r"worst_auc is 7"),
    "terminal": (lambda data: data["cells"][0].update(detector="\x1b[31mEVIL"), r"command a terminal"),
    "terminal, in a name": (lambda data: data.update({"\x1b]0;": 1}), r"command a terminal"),
    "no schema": (lambda data: data.pop("schema_version"), r"it lacks 'schema_version'"),
    "wrong type": (lambda data: data["cells"][0].update(generator_round="first"), r"valid integer"),
}


@pytest.mark.parametrize("name", CANNOT_BE)
def test_what_cannot_be_is_refused(scoreboard: dict[str, Any], tmp_path: Path, name: str) -> None:
    change, why = CANNOT_BE[name]
    data = copy.deepcopy(scoreboard)
    change(data)
    (tmp_path / "scoreboard.json").write_text(json.dumps(data))
    with pytest.raises(StoreError, match=why) as told:
        read_scoreboard(tmp_path / "scoreboard.json")
    assert "Error" not in str(told.value)
    assert "\n" not in str(told.value)


def test_what_was_played_can_be(home: Path) -> None:
    read_scoreboard(home / "scoreboard.json")


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("docs/results/*scoreboard.json")), ids=str)
def test_what_ships_can_be(path: Path) -> None:
    if "cells" in (data := json.loads(path.read_text())) and "standings" in data:
        read_scoreboard(path)
