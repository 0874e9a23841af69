"""Processes that run players do not know what lets a reader act as the user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakeoff.arena.compute import is_secret, less_secrets, without_secrets
from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.jobs.nursery import Nursery
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.players.plugins import load_plugin_file

SECRET = ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "WANDB_API_KEY", "PGPASSWORD", "GH_TOKEN")
PLAIN = ("PATH", "HOME", "OMP_NUM_THREADS", "RAY_AUTH_TOKEN", "TOKENIZERS_PARALLELISM", "KEYBOARD", "CUDA_PATH")

LOOKS = """
from pathlib import Path
from fakeoff.arena.jobs import Result

def look(context):
    found = Path("/proc/self/environ").read_bytes().decode(errors="replace").split(chr(0))
    import os
    return Result(record={"started": sorted(one.partition("=")[0] for one in found), "now": sorted(os.environ)})
"""


class _Quiet:
    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: object) -> None:
        pass


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in SECRET:
        monkeypatch.setenv(name, "hidden")
    return


def test_names_of_secrets_are_known_and_others_are_left_alone() -> None:
    assert [name for name in (*SECRET, *PLAIN) if is_secret(name)] == list(SECRET)
    assert less_secrets({"HF_TOKEN": "x", "PATH": "y"}) == {"PATH": "y"}


@pytest.mark.usefixtures("secrets")
def test_the_driver_has_them_back() -> None:
    before = dict(os.environ)
    with without_secrets():
        assert not set(SECRET) & set(os.environ)
    assert dict(os.environ) == before


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("where", ["nursery", "ray"])
def test_no_worker_is_started_with_them(where: str, tmp_path: Path) -> None:
    path = tmp_path / "looks.py"
    path.write_text(LOOKS)
    file = load_plugin_file(path)
    job = Job(task=f"{file.module}:look", version=1, payload={}, provisions=(file,))
    if where == "nursery":
        nursery = Nursery()
        outcome = nursery.execute(job, {}, lambda done, total, note="": None)
        nursery.close()
    else:
        executor = RayExecutor(workers=1)
        executor.start(job, load=lambda key: Result(record={}), observer=_Quiet())
        outcome = executor.wait()
        executor.close()
    assert outcome.result is not None, outcome.failure
    for known in ("started", "now"):
        assert "PATH" in outcome.result.record[known]
        assert not set(SECRET) & set(outcome.result.record[known])
