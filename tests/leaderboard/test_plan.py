"""`fakeoff run --plan`: what would be computed, before anything is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.plan import tell_plan
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.planning import GamePlan


def plan(config: TournamentConfig, home: Path) -> tuple[GamePlan, str]:
    out = io.StringIO()
    found = tell_plan(config, home=Home(home), executor=SerialExecutor(), console=Console(file=out, width=140))
    return found, out.getvalue()


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_of_a_finished_home_nothing_is_to_be_computed(home: Path, make_config: Callable[..., TournamentConfig]) -> None:
    found, said = plan(make_config(), home)
    assert found.complete
    assert [job.title for job in found.computed] == []
    assert len(found.reused) > 30
    assert f"Nothing is to be computed: all {len(found.reused)} results are there." in said


def test_of_one_more_round_that_round_is_listed(
    home: Path,
    tmp_path: Path,
    make_config: Callable[..., TournamentConfig],
    replaying: Callable[..., Any],
    play_in: Callable[..., Any],
    quick_pictures: None,
) -> None:
    before = everything_in(home)
    found, said = plan(make_config(rounds=3), home)
    assert {job.round for job in found.computed} == {3}
    assert "attack toy_generator@3" in said
    assert everything_in(home) == before
    # And it is what is played then, job by job.
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    executor = replaying()
    play_in(make_config(rounds=3), copy, executor)
    assert sorted(executor.ran) == sorted(job.task.partition(":")[2] for job in found.computed)


@pytest.mark.parametrize("interrupt_at", [("attack", 1), ("judge", 5)])
def test_of_an_interrupted_home_the_rest_is_listed(
    interrupt_at: tuple[str, int],
    new_home: Path,
    make_config: Callable[..., TournamentConfig],
    replaying: Callable[..., Any],
    play_in: Callable[..., Any],
    quick_pictures: None,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(), new_home, replaying(interrupt_at=interrupt_at))
    found, _ = plan(make_config(), new_home)
    executor = replaying()
    play_in(make_config(), new_home, executor)
    assert sorted(executor.ran) == sorted(job.task.partition(":")[2] for job in found.computed)


def test_of_an_empty_home_all_is_listed_and_no_time_is_made_up(
    tmp_path: Path,
    make_config: Callable[..., TournamentConfig],
    results: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fakeoff.leaderboard.home.costs.cache_folder", lambda: tmp_path)
    found, said = plan(make_config(), tmp_path / "nowhere")
    assert len(found.computed) == sum(1 for _ in results.root.glob("*/*/record.json"))
    assert found.reused == []
    assert "not known: no job of these kinds ran" in said
    assert not (tmp_path / "nowhere").exists()
