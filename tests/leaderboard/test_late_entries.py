"""A newcomer learns what those learned who are there, and meets whom they met."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.leaderboard.challenge import play_newcomer
from fakeoff.leaderboard.home.challenges import read_late_entries
from fakeoff.leaderboard.home.home import Home


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Home:
    """The played home, to be written to."""
    shutil.copytree(home, tmp_path / "home")
    return Home(tmp_path / "home")


def enter(home: Home, executor: Any, plugin: str, **how: Any) -> dict[str, Any]:
    console = Console(file=io.StringIO())
    return dict(play_newcomer(plugin, home=home, executor=executor, console=console, **how)["tables"])


def test_the_twin_of_a_detector_is_trained_as_it_was_in_every_round(
    copy: Home, replaying: Callable[..., Any], scoreboard: dict[str, Any]
) -> None:
    executor = replaying()
    tables = enter(copy, executor, "toy_detector", kind="detector", called="third", parameters={})
    assert executor.ran == []  # the same trainings on the same pools: they have the keys that they had
    of = {
        (f"{cell['generator']}@{cell['generator_round']}", cell["detector_round"]): (cell["auc"], tuple(cell["auc_ci"]))
        for cell in scoreboard["cells"]
        if cell["detector"] == "first"
    }
    assert {
        (row["generator"], int(row["detector"].partition("@")[2])): (row["AUC"], (row["AUC from"], row["AUC to"]))
        for row in tables["matches"]
    } == of
    [told] = read_late_entries(copy)
    assert (told.newcomer, told.of) == ("third@2", 3)
    assert told.sentence == tables["place"][0]["sentence"]


def test_another_detector_learns_once_a_round_and_nobody_else_does(copy: Home, replaying: Callable[..., Any]) -> None:
    executor = replaying()
    enter(copy, executor, "toy_detector", kind="detector", called="third", parameters={"init_seed": 7})
    assert executor.ran.count("defend") == 3
    assert set(executor.ran) == {"defend", "judge"}


def test_the_twin_of_a_generator_attacks_whom_it_attacked(
    copy: Home, replaying: Callable[..., Any], scoreboard: dict[str, Any]
) -> None:
    executor = replaying()
    tables = enter(copy, executor, "toy_generator", kind="generator", called="twin")
    assert executor.ran == []
    against = {row["generator"]: row["detector"] for row in tables["matches"] if row["is target"]}
    attacks = {
        attack["round"]: attack["targets"] for attack in scoreboard["attacks"] if attack["generator"] == "toy_generator"
    }
    assert {f"twin@{round_}": targets for round_, targets in attacks.items()} == {
        generator: [target] for generator, target in against.items()
    }


def test_a_home_that_was_played_on_has_another_archive(copy: Home, replaying: Callable[..., Any]) -> None:
    enter(copy, replaying(), "toy_fixed_generator", kind="generator", called="still")
    assert len(read_late_entries(copy)) == 1
    ledger = copy.tournament.read_text()
    copy.tournament.write_text(
        ledger.replace('"round": 2', '"round": 2, "more": 0', 1).replace('"key": "', '"key": "0', 1)
    )
    assert read_late_entries(copy) == ()
