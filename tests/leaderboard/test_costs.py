"""What jobs took on this machine, and what is expected of others by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.leaderboard.home.costs import Costs


def job(name: str = "attack", *, player: str = "pgan", **payload: Any) -> Job:
    given = {"generator": {"plugin": player, "parameters": {}}, **payload}
    return Job(task=f"rules:{name}", name=name, version=1, payload=given)


def took(job: Job, seconds: float, *, failure: str | None = None) -> Outcome:
    return Outcome(job=job, result=Result(record={}), failure=failure, seconds=seconds)


def test_a_job_is_expected_to_take_what_its_like_took_by_its_steps(tmp_path: Path) -> None:
    costs = Costs("a processor", tmp_path / "costs.json")
    assert costs.expected(job(steps=100)) is None
    costs.note(took(job(steps=100), 50.0))
    costs.note(took(job(steps=10), 500.0, failure="raised ValueError"))  # says nothing of others
    assert costs.expected(job(steps=200)) == 100.0
    assert costs.expected(job(steps=100, player="glow")) == 50.0  # of the same task
    assert costs.expected(job("defend", steps=100)) is None


def test_what_was_seen_is_kept_for_the_next_game_on_the_same_kind_of_machine(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    for machine, seconds in (("slow", 80.0), ("fast", 8.0)):
        costs = Costs(machine, path)
        costs.note(took(job(steps=100), seconds))
        costs.keep()
    assert Costs("slow", path).expected(job(steps=50)) == 40.0
    assert Costs("fast", path).expected(job(steps=50)) == 4.0
    assert Costs("another", path).expected(job(steps=50)) is None


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    for text in ("{", "[]", '{"m": [{"kind": 3}]}', '{"m": 1}'):
        path.write_text(text)
        assert Costs("m", path).expected(job(steps=1)) is None
