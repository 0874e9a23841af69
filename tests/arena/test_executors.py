"""One Ray serves the whole module: it takes seconds to start."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff import generators
from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.jobs.unfinished import Unfinished
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.players.specs import write_spec

TASKS = """
import os, signal, sys, time
import numpy as np
from fakeoff.arena.jobs import Result

def square(context):
    context.report(1, 2, "half way")
    if context.payload.get("slow"):
        time.sleep(2)
    context.report(2, 2)
    return Result(record={"square": context.payload["n"] ** 2}, arrays={"pid": np.array([os.getpid()])})

def total(context):
    return Result(record={"total": float(sum(r.arrays["x"].sum() for r in context.inputs.values()))})

def write_to_inputs(context):
    context.inputs["x"].arrays["x"][:] = 0
    return Result(record={})

def complain(context):
    raise ValueError("this player is broken")

def leave(context):
    sys.exit(0)

def vanish(context):
    os._exit(0)

def crash(context):
    os.kill(os.getpid(), signal.SIGKILL)

def count(context):
    kept = context.checkpoint.state or {"n": 0, "began": []}
    began = [*kept["began"], kept["n"]]
    for n in range(kept["n"] + 1, 7):
        time.sleep(0.2)
        context.report(n, 6)
        if context.checkpoint.due:
            context.checkpoint.save({"n": n, "began": began})
        if n == 4 and len(began) <= context.payload["dies"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 4 and len(began) <= context.payload["stops"]:
            raise KeyboardInterrupt
    return Result(record={"began": began})
"""

BAD = ("complain", "leave", "vanish", "crash")


class Watcher:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int, str]] = []

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        self.steps.append((job.label, done, total, note))

    def finished(self, outcome: Outcome) -> None:
        raise AssertionError("the caller tells about ends, not the executor")


def no_inputs(key: str) -> Result:
    raise KeyError(key)


def run_each(executor: Executor, jobs: list[Job], *, load: Any, observer: Any) -> Iterator[Outcome]:
    """Runs jobs that do not depend on each other, as an engine would."""
    waiting, running = list(jobs), 0
    while waiting or running:
        while waiting and executor.has_room(waiting[0]):
            executor.start(waiting.pop(0), load=load, observer=observer)
            running += 1
        yield executor.wait()
        running -= 1


def run(executor: Executor, jobs: list[Job], kept: Mapping[str, Result] | None = None) -> dict[str, Outcome]:
    load = kept.__getitem__ if kept is not None else no_inputs
    return {outcome.job.label: outcome for outcome in run_each(executor, jobs, load=load, observer=Watcher())}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugins") / "executor_tasks.py"
    path.write_text(TASKS)
    return path


@pytest.fixture(scope="module")
def on_ray() -> Iterator[RayExecutor]:
    executor = RayExecutor(workers=2)
    yield executor
    executor.close()


def a_job(tasks: Path, function: str, **over: Any) -> Job:
    file = PluginFile(path=str(tasks), source=tasks.read_bytes())
    made = {"payload": {}, "label": function, "provisions": (file,), **over}
    return Job(task=f"{file.module}:{function}", version=1, **made)


def toy_jobs(toys: Path) -> tuple[Job, Job]:
    """A generator's entry, and a pool of its fakes."""
    spec = write_spec(generators.players, name="toy", plugin="toy_generator", parameters={})
    provisions = (PluginFile(path=str(toys), source=toys.read_bytes()),)
    identity = {"generator": spec.identity()}
    enter = Job(
        task="fakeoff.protocols.rules.pools:enter", version=1, payload=identity, label="enter", provisions=provisions
    )
    payload = {**identity, "n": {"train": 2, "val": 1, "test": 5}, "seed": 0, "arena_resolution": 24, "colour": "grey"}
    pool = Job(
        task="fakeoff.protocols.rules.pools:fake_pools",
        version=1,
        payload=payload,
        inputs={"version": enter.key},
        label="pool",
        provisions=provisions,
    )
    return enter, pool


def played(executor: Executor, toys: Path) -> dict[str, Result]:
    kept: dict[str, Result] = {}
    for job in toy_jobs(toys):
        outcome = run(executor, [job], kept)[job.label]
        assert outcome.failure is None
        assert outcome.result is not None
        kept[job.key] = outcome.result
    return kept


def descendants() -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # The name, in brackets, may hold spaces and brackets.
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def listening(pids: set[int]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of the TCP sockets on which processes listen."""
    inodes = set()
    for pid in pids:
        try:
            links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        inodes |= {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                words = bytes.fromhex(fields[1].partition(":")[0])
                # Words of four bytes in the machine's order.
                packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                address = ipaddress.ip_address(packed)
                addresses.append(getattr(address, "ipv4_mapped", None) or address)
    return addresses


def test_serial_jobs_end_in_order_with_their_steps_seen(tasks: Path) -> None:
    jobs = [a_job(tasks, "square", payload={"n": n}, label=str(n)) for n in (3, 1, 2)]
    watcher = Watcher()
    outcomes = list(run_each(SerialExecutor(), jobs, load=no_inputs, observer=watcher))
    assert [outcome.job.label for outcome in outcomes] == ["3", "1", "2"]
    assert [outcome.result.record["square"] for outcome in outcomes if outcome.result] == [9, 1, 4]
    assert watcher.steps[:2] == [("3", 1, 2, "half way"), ("3", 2, 2, "")]
    assert all(outcome.seconds >= 0 for outcome in outcomes)


def test_serial_failures_do_not_stop_the_others(tasks: Path) -> None:
    jobs = [a_job(tasks, "complain"), a_job(tasks, "leave"), a_job(tasks, "square", payload={"n": 4})]
    outcomes = run(SerialExecutor(), jobs)
    assert outcomes["complain"].failure == "raised ValueError: this player is broken"
    assert outcomes["leave"].failure == "raised SystemExit: 0"
    assert outcomes["square"].result is not None


def test_serial_and_ray_give_the_same_bytes(toys: Path, on_ray: RayExecutor) -> None:
    serial, ray = played(SerialExecutor(), toys), played(on_ray, toys)
    assert list(serial) == list(ray)
    for key, one in serial.items():
        other = ray[key]
        assert dict(one.record) == dict(other.record)
        assert set(one.arrays) == set(other.arrays)
        for name, array in one.arrays.items():
            assert array.dtype == other.arrays[name].dtype
            assert array.shape == other.arrays[name].shape
            assert array.tobytes() == other.arrays[name].tobytes()
    pool = serial[toy_jobs(toys)[1].key].arrays["test"]
    assert pool.shape == (5, 24, 24, 3)
    assert pool.std() > 0


def test_ray_runs_jobs_in_other_processes_and_side_by_side(tasks: Path, on_ray: RayExecutor) -> None:
    jobs = [a_job(tasks, "square", payload={"n": n, "slow": True}, label=str(n)) for n in range(2)]
    outcomes = run(on_ray, jobs)
    pids = {int(outcome.result.arrays["pid"][0]) for outcome in outcomes.values() if outcome.result}
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_idle_workers_stay_for_the_next_stage_and_are_as_urgent_as_the_driver(tasks: Path, on_ray: RayExecutor) -> None:
    jobs = [a_job(tasks, "square", payload={"n": n, "slow": True}, label=str(n)) for n in range(2)]

    outcomes = run(on_ray, jobs).values()
    workers = {int(outcome.result.arrays["pid"][0]) for outcome in outcomes if outcome.result}
    time.sleep(3)  # Ray's own patience with one that is idle is a second
    assert workers
    assert all(Path(f"/proc/{pid}").exists() for pid in workers)
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in workers} == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_steps_of_a_job_on_ray_reach_the_driver_while_it_runs(tasks: Path, on_ray: RayExecutor) -> None:
    watcher = Watcher()
    job = a_job(tasks, "square", payload={"n": 2, "slow": True})
    list(run_each(on_ray, [job], load=no_inputs, observer=watcher))
    assert ("square", 1, 2, "half way") in watcher.steps


def test_ray_hands_inputs_over_by_name_and_nobody_can_write_to_them(tasks: Path, on_ray: RayExecutor) -> None:
    kept = {"k": Result(record={}, arrays={"x": np.arange(5.0)}), "l": Result(record={}, arrays={"x": np.ones(2)})}
    jobs = [
        a_job(tasks, "total", inputs={"one": "k", "two": "l", "again": "k"}),
        a_job(tasks, "write_to_inputs", inputs={"x": "k"}),
    ]
    outcomes = run(on_ray, jobs, kept)
    assert outcomes["total"].result is not None
    assert outcomes["total"].result.record == {"total": 22.0}
    assert "read-only" in str(outcomes["write_to_inputs"].failure)


def test_on_ray_a_broken_job_is_its_own_failure_and_the_others_arrive(tasks: Path, on_ray: RayExecutor) -> None:
    good = [a_job(tasks, "square", payload={"n": n}, label=f"good {n}") for n in range(3)]
    outcomes = run(on_ray, [good[0], *(a_job(tasks, name) for name in BAD), *good[1:]])
    assert len(outcomes) == len(good) + len(BAD)
    assert outcomes["complain"].failure == "raised ValueError: this player is broken"
    assert outcomes["leave"].failure == "raised SystemExit: 0"
    for name in ("vanish", "crash"):
        assert outcomes[name].result is None
        assert "worker process died" in str(outcomes[name].failure)
    for n in range(3):
        result = outcomes[f"good {n}"].result
        assert result is not None
        assert result.record == {"square": n**2}


def test_no_jobs_need_no_ray() -> None:
    before = descendants()
    executor = RayExecutor(workers=1)
    executor.abandon()
    assert descendants() <= before
    executor.close()


def test_every_socket_that_ray_listens_on_is_on_loopback(tasks: Path, on_ray: RayExecutor) -> None:
    run(on_ray, [a_job(tasks, "square", payload={"n": n}, label=str(n)) for n in range(2)])
    addresses = listening(descendants() | {os.getpid()})
    assert len(addresses) >= 3  # the control store, the node and the workers at least
    assert [str(address) for address in addresses if not address.is_loopback] == []


def test_ray_asks_for_a_token_and_sends_no_statistics(tasks: Path, on_ray: RayExecutor) -> None:
    run(on_ray, [a_job(tasks, "square", payload={"n": 1})])
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) >= 32
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_closed_ray_leaves_no_process_and_no_folder(tasks: Path, on_ray: RayExecutor) -> None:
    run(on_ray, [a_job(tasks, "square", payload={"n": 1})])
    assert on_ray._scratch is not None
    scratch = on_ray._scratch.path
    assert scratch.is_dir()
    rays = {pid for pid in descendants() if str(scratch) in Path(f"/proc/{pid}/cmdline").read_text()}
    assert len(rays) >= 2
    on_ray.close()
    on_ray.close()  # twice is as good as once
    patience = time.monotonic() + 20
    while rays & descendants() and time.monotonic() < patience:
        time.sleep(0.2)
    assert rays & descendants() == set()
    assert not scratch.exists()


def test_a_job_whose_worker_dies_goes_on_from_what_it_left(tasks: Path, on_ray: RayExecutor, tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    job = a_job(tasks, "count", payload={"dies": 1, "stops": 0}, checkpoint_every=1e-3)
    on_ray.start(job, load=no_inputs, observer=Watcher(), unfinished=kept)
    outcome = on_ray.wait()
    assert outcome.result is not None, outcome.failure
    first, second = outcome.result.record["began"]
    assert (first, second > 0) == (0, True)
    # the driver has it, for when all of this machine is gone
    assert (Checkpoint(every=1.0, left=kept.read(job.key)).state or {})["n"] >= 1
    assert outcome.seconds > 1.2  # what the first worker took is counted, beside what the second one did


_KILLS_THE_FIRST_WORKER = """
import os, signal, sys, time
from pathlib import Path

until = time.monotonic() + 60
while time.monotonic() < until and not Path(sys.argv[2]).exists():
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_text().split("\\0")
            if sys.argv[1] not in (place / "environ").read_text():
                continue
            if any(part.endswith("default_worker.py") for part in command[:3]):
                os.kill(int(place.name), signal.SIGKILL)
                Path(sys.argv[2]).touch()
                break
        except OSError:
            continue
"""


_PLAYS_ONE_JOB = """
import sys
from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.ray_executor import RayExecutor

def load(key):
    raise AssertionError

class Watcher:
    def progress(self, job, done, total, note): ...

executor = RayExecutor(workers=2)
job = Job(task="fakeoff.protocols.rules.pools:enter", version=1, payload={})
executor.start(job, load=load, observer=Watcher())
print(executor.wait().failure)
executor.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_a_worker_that_dies_as_ray_starts_is_not_waited_for(tmp_path: Path) -> None:
    mark, killed = f"OF_THIS_TEST={tmp_path}", tmp_path / "killed"
    # Others' processes all: while Ray connects, no other thread of its driver has a turn, nor has a timeout of pytest.
    with subprocess.Popen([sys.executable, "-c", _KILLS_THE_FIRST_WORKER, mark, str(killed)]) as killer:
        done = subprocess.run(
            [sys.executable, "-c", _PLAYS_ONE_JOB],
            env={**os.environ, "OF_THIS_TEST": str(tmp_path)},  # what it starts has it too
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert killed.exists()
        assert killer.wait() == 0
    assert "KeyError" in done.stdout or "generator" in done.stdout, done.stdout + done.stderr  # it was executed


def test_without_checkpoints_it_begins_anew(tasks: Path, on_ray: RayExecutor, tmp_path: Path) -> None:
    job = a_job(tasks, "count", payload={"dies": 0, "stops": 0})
    on_ray.start(job, load=no_inputs, observer=Watcher(), unfinished=Unfinished(tmp_path))
    outcome = on_ray.wait()
    assert outcome.result is not None
    assert outcome.result.record["began"] == [0]
    assert not list(tmp_path.iterdir())


def test_a_driver_that_was_interrupted_goes_on_from_what_it_left(tasks: Path, tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    job = a_job(tasks, "count", payload={"dies": 0, "stops": 1}, checkpoint_every=1e-3)
    for _ in range(2):
        executor = SerialExecutor()  # as of another process
        executor.start(job, load=no_inputs, observer=Watcher(), unfinished=kept)
        with contextlib.suppress(KeyboardInterrupt):
            outcome = executor.wait()
    assert outcome.result is not None
    first, second = outcome.result.record["began"]
    assert (first, second > 0) == (0, True)
