"""How Ray deals GPUs out: on GPUs that it is told of and that need not be there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.players.provisions import PluginFile

TASKS = """
import os, time
from fakeoff.arena.jobs import Result

def look(context):
    time.sleep(context.payload["seconds"])
    return Result(record={
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"), "device": str(context.device), "pid": os.getpid(),
        "workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"), "from": time.time() - context.payload["seconds"],
        "to": time.time(),
    })
"""


class Silent:
    def progress(self, job: Job, done: int, total: int, note: str) -> None: ...
    def finished(self, outcome: Outcome) -> None: ...


def no_inputs(key: str) -> Result:
    raise KeyError(key)


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[RayExecutor]:
    executor = RayExecutor(workers=4, gpus=2)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def records(two_gpus: RayExecutor, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What jobs saw that ran together: three with half a GPU each, and one that needs none."""
    path = tmp_path_factory.mktemp("plugins") / "gpu_tasks.py"
    path.write_text(TASKS)
    file = PluginFile(path=str(path), source=path.read_bytes())

    def job(label: str, **over: object) -> Job:
        payload = {"label": label, "seconds": 3}
        made = {"payload": payload, "label": label, "provisions": (file,), **over}
        return Job(task=f"{file.module}:look", version=1, **made)  # type: ignore[arg-type]

    jobs = [job(f"gpu {index}", device="cuda", gpus=0.5) for index in range(3)]
    jobs.insert(1, job("cpu"))
    outcomes = []
    for job_ in jobs:
        assert two_gpus.has_room(job_)
        two_gpus.start(job_, load=no_inputs, observer=Silent())
    assert not two_gpus.has_room(job("one too many", device="cuda", gpus=1.0))
    for _ in jobs:
        outcomes.append(two_gpus.wait())
    assert [outcome.failure for outcome in outcomes] == [None] * 4
    return {outcome.job.label: dict(outcome.result.record) for outcome in outcomes if outcome.result}


def test_small_players_share_a_gpu_and_all_gpus_are_used(records: dict[str, dict[str, object]]) -> None:
    given = sorted(str(records[f"gpu {index}"]["visible"]) for index in range(3))
    assert given in (["0", "0", "1"], ["0", "1", "1"])


def test_a_job_works_on_the_first_device_that_it_sees_deterministically(records: dict[str, dict[str, object]]) -> None:
    for index in range(3):
        seen = records[f"gpu {index}"]
        assert (seen["device"], seen["workspace"]) == ("cuda:0", ":4096:8")


def test_who_needs_no_gpu_gets_none_and_a_process_apart(records: dict[str, dict[str, object]]) -> None:
    assert (records["cpu"]["visible"], records["cpu"]["device"]) == ("", "cpu")
    assert records["cpu"]["pid"] not in {records[f"gpu {index}"]["pid"] for index in range(3)}


def test_the_share_is_no_part_of_a_jobs_key_and_the_device_is() -> None:
    plain = Job(task="a:b", version=1, payload={})
    there = Job(task="a:b", version=1, payload={}, device="cuda", gpus=0.5)
    assert there.key == Job(task="a:b", version=1, payload={}, device="cuda", gpus=0.25).key != plain.key
