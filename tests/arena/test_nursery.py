"""Fresh processes, from a real nursery."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.nursery import Nursery, execute_fresh
from fakeoff.arena.players.provisions import PluginFile

TASKS = """
import os, signal, time
import numpy as np
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Result

seen = 0

def look(context):
    global seen
    seen += 1
    print("hello")
    draw = context.rng("draw").initial_seed()
    total = sum(float(given.arrays["x"].sum()) for given in context.inputs.values())
    return Result(record={"seen": seen, "pid": os.getpid(), "total": total}, arrays={"x": np.arange(3)})

def fail(context):
    raise JobFailed("cannot")

def crash(context):
    os.kill(os.getpid(), signal.SIGKILL)

def loop(context):
    while True:
        pass
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def run(nursery: Nursery, tmp_path: Path):
    (tmp_path / "fresh_tasks.py").write_text(TASKS)
    file = PluginFile(path=str(tmp_path / "fresh_tasks.py"), source=TASKS.encode())

    def go(task: str, inputs: dict[str, Result] | None = None, seconds: float = 0.0) -> Outcome:
        job = Job(task=f"{file.module}:{task}", version=1, payload={}, provisions=(file,), fresh=True, seconds=seconds)
        return execute_fresh(nursery.address, job, inputs or {}, lambda done, total, note="": None)

    return go


def test_each_job_meets_a_process_that_has_seen_nothing(run) -> None:
    inputs = {"a": Result(record={}, arrays={"x": np.ones(5)})}
    outcomes = [run("look", inputs) for _ in range(2)]
    records = [outcome.result.record for outcome in outcomes]
    assert [record["seen"] for record in records] == [1, 1]
    assert [record["total"] for record in records] == [5.0, 5.0]
    assert len({os.getpid(), *(record["pid"] for record in records)}) == 3
    np.testing.assert_array_equal(outcomes[0].result.arrays["x"], np.arange(3))
    assert outcomes[0].printed.strip() == "hello"
    assert outcomes[0].computed > 0


def test_failures_crashes_and_loops_are_outcomes_and_the_next_one_is_served(run) -> None:
    assert run("fail").failure == "cannot"
    assert "died in a fresh process" in run("crash").failure
    assert "longer than 1 s" in run("loop", seconds=1.0).failure
    assert run("look").failure is None


def test_a_nursery_that_was_closed_is_gone() -> None:
    nursery = Nursery()
    folder = Path(nursery.address).parent
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o77 == 0  # nobody else may ask it
    nursery.close()
    assert nursery._process.poll() is not None
    assert not folder.exists()


def test_of_a_driver_that_was_killed_no_folder_is_left() -> None:
    code = "from fakeoff.arena.jobs.nursery import Nursery; print(Nursery().address, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        folder = Path(driver.stdout.readline().decode().strip()).parent
        assert folder.is_dir()
        driver.kill()
    last = time.monotonic() + 60
    while folder.exists() and time.monotonic() < last:
        time.sleep(0.1)
    assert not folder.exists()


def test_there_is_one_for_each_driver() -> None:
    first = Nursery.shared()
    assert Nursery.shared() is first
    first.close()
    second = Nursery.shared()
    assert second is not first
    second.close()
