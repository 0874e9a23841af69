"""The engine by itself: jobs of a file, a real store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.protocols.game.engine import Engine

TASKS = """
import numpy as np
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Result

def count(context):
    return Result(record={"n": context.payload["n"]}, arrays={"x": np.full(3, context.payload["n"])})

def total(context):
    return Result(record={"total": float(sum(r.arrays["x"].sum() for r in context.inputs.values()))})

def fail(context):
    raise JobFailed("cannot")
"""


class Notes:
    """Remembers what happened."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def begun(self, job: Job) -> None:
        self.seen.append(f"{job.label} begun")

    def reused(self, job: Job) -> None:
        self.seen.append(f"{job.label} reused")

    def damaged(self, job: Job, reason: str) -> None:
        assert "damaged" in reason
        self.seen.append(f"{job.label} damaged")

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        self.seen.append(f"{outcome.job.label} ended")


@pytest.fixture
def tasks(tmp_path: Path) -> PluginFile:
    path = tmp_path / "engine_tasks.py"
    path.write_text(TASKS)
    file = PluginFile(path=str(path), source=path.read_bytes())
    load_plugin_file(path)
    return file


@pytest.fixture
def a_job(tasks: PluginFile) -> Callable[..., Job]:
    def make(task: str, label: str, **over: Any) -> Job:
        payload = {"n": over.pop("n", 1), "label": label}
        return Job(task=f"{tasks.module}:{task}", version=1, payload=payload, label=label, provisions=(tasks,), **over)

    return make


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def engine(tmp_path: Path, notes: Notes) -> Callable[..., Engine]:
    def make(executor: SerialExecutor | None = None) -> Engine:
        return Engine(store=Store(tmp_path / "store"), executor=executor or SerialExecutor(), observer=notes)

    return make


MakeJob = Callable[..., Job]
MakeEngine = Callable[..., Engine]


def test_what_follows_from_a_job_goes_on_when_it_ends(
    engine: MakeEngine, a_job: MakeJob, notes: Notes, tmp_path: Path
) -> None:
    slow, quick = a_job("count", "slow", n=1), a_job("count", "quick", n=2, urgency=1)
    runs = engine()

    async def follow(job: Job, label: str) -> float:
        assert await runs.submit(job) is None
        after = a_job("total", label, inputs={"x": job.key}, urgency=2)
        result = await runs.result(after)
        assert isinstance(result, Result)
        return float(result.record["total"])

    slots = [runs.begin(follow(slow, "after slow")), runs.begin(follow(quick, "after quick"))]
    runs.wait_for(slots)
    assert [slot.value for slot in slots] == [3.0, 6.0]
    ended = [seen for seen in notes.seen if seen.endswith("ended")]
    assert ended == ["quick ended", "after quick ended", "slow ended", "after slow ended"]


def test_two_that_want_the_same_share_it(engine: MakeEngine, a_job: MakeJob, notes: Notes) -> None:
    runs = engine()
    first, second = runs.submit(a_job("count", "one")), runs.submit(a_job("count", "one"))
    assert first is second
    runs.wait_for([first])
    assert notes.seen == ["one begun", "one ended"]


def test_a_failure_is_told_and_nothing_else_stops(engine: MakeEngine, a_job: MakeJob) -> None:
    runs = engine()
    bad, good = runs.submit(a_job("fail", "bad")), runs.submit(a_job("count", "good"))
    runs.wait_for([bad, good])
    assert (bad.value, good.value) == ("cannot", None)


def _arrays_of(store: Path, job: Job) -> Path:
    return store / job.key[:2] / job.key / "arrays.safetensors"


def test_a_damaged_record_is_computed_again_and_that_is_said(
    engine: MakeEngine, a_job: MakeJob, notes: Notes, tmp_path: Path
) -> None:
    job = a_job("count", "one")
    runs = engine()
    runs.wait_for([runs.submit(job)])
    record = _arrays_of(tmp_path / "store", job).with_name("record.json")
    record.write_text(record.read_text().replace('"n":1', '"n":7'))
    runs = engine()
    runs.wait_for([runs.submit(job)])
    assert notes.seen[2:] == ["one damaged", "one begun", "one ended"]
    assert Store(tmp_path / "store").record(job.key) == {"n": 1}


def test_damaged_arrays_are_computed_again_when_somebody_reads_them(
    engine: MakeEngine, a_job: MakeJob, notes: Notes, tmp_path: Path
) -> None:
    job = a_job("count", "one")
    runs = engine()
    runs.wait_for([runs.submit(job)])
    path = _arrays_of(tmp_path / "store", job)
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    runs = engine()
    readers = [runs.submit(a_job("total", f"reader {n}", inputs={"x": job.key, "y": job.key})) for n in range(2)]
    kept = runs.submit(job)
    runs.wait_for([kept, *readers])
    assert [slot.value for slot in readers] == [None, None]
    assert notes.seen[2:].count("one damaged") == 1
    assert notes.seen[2:].count("one ended") == 1
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    runs = engine()

    async def read() -> Any:
        return await runs.result(job)

    slot = runs.begin(read())
    runs.wait_for([slot])
    np.testing.assert_array_equal(slot.value.arrays["x"], np.full(3, 1))


def test_an_error_ends_the_engine_and_is_told_to_whoever_asks_later(engine: MakeEngine, a_job: MakeJob) -> None:
    runs = engine()

    async def stop() -> None:
        await runs.submit(a_job("count", "one"))
        raise ValueError("no more")

    slot = runs.begin(stop())
    other = runs.submit(a_job("count", "two", urgency=-1))
    with pytest.raises(ValueError, match="no more"):
        runs.wait_for([slot, other])
    with pytest.raises(ValueError, match="no more"):
        runs.wait_for([other])


class Roomy(SerialExecutor):
    """Two cores, of which one is taken: whoever needs both has to wait."""

    free = 1

    def has_room(self, job: Job) -> bool:
        return job.threads <= self.free


def test_what_is_small_does_not_overtake_what_is_urgent_for_ever(
    engine: MakeEngine, a_job: MakeJob, notes: Notes
) -> None:
    executor = Roomy()
    runs = engine(executor)
    first = runs.submit(a_job("count", "first", urgency=5))
    slots = [
        first,
        runs.submit(a_job("count", "wide", threads=2, urgency=3)),
        runs.submit(a_job("count", "narrow", urgency=1)),
    ]
    runs.wait_for([first])
    assert "narrow begun" not in notes.seen
    executor.free = 2
    runs.wait_for(slots)
    assert notes.seen.index("wide begun") < notes.seen.index("narrow begun")


def test_derived_inputs_are_made_when_they_are_handed_over(engine: MakeEngine, a_job: MakeJob) -> None:
    runs = engine()
    runs.derive("made", lambda: Result(record={}, arrays={"x": np.ones(4)}))

    async def read() -> Any:
        return await runs.result(a_job("total", "reader", inputs={"x": "made"}))

    slot = runs.begin(read())
    runs.wait_for([slot])
    assert slot.value.record == {"total": 4.0}
