"""Jobs on Ray: stateless tasks on this machine, and one actor that collects their progress."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fakeoff.arena.compute import quiet_threads
from fakeoff.arena.errors import one_line
from fakeoff.arena.executors import Load, Observer
from fakeoff.arena.jobs import Job, Outcome, Result, execute

_POLL_SECONDS = 0.5
_RETRIES_AFTER_CRASH = 2

# Before `import ray`. Everything on loopback (gRPC listens on every interface by default), a token for whoever
# connects, no usage statistics, no colours in forwarded output.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class _Progress:
    """The latest step of each job; an actor without a CPU of its own."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, int, str]] = {}

    def report(self, key: str, done: int, total: int, note: str) -> None:
        self._latest[key] = (done, total, note)

    def take(self) -> dict[str, tuple[int, int, str]]:
        latest, self._latest = self._latest, {}
        return latest


def _work(job: Job, names: list[str], progress: Any, *results: Mapping[str, Any]) -> Outcome:
    inputs = {
        name: Result(record=result["record"], arrays=result["arrays"])
        for name, result in zip(names, results, strict=True)
    }
    last = 0.0

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= _POLL_SECONDS or done == total:
            last = time.monotonic()
            progress.report.remote(job.key, done, total, note)

    return execute(job, inputs, report)


class RayExecutor:
    """Runs jobs on a Ray that belongs to this process alone.

    It starts with the first job, so a tournament that is complete never waits for it.

    Args:
        workers: Jobs at a time, counted in cores: a job takes as many as it has threads, at most all.
    """

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        self._ray: Any = None
        self._task: Any = None
        self._progress: Any = None
        self._scratch = ""

    def run(self, jobs: Sequence[Job], *, load: Load, observer: Observer) -> Iterator[Outcome]:
        if not jobs:
            return
        ray = self._start()
        kept: dict[str, Any] = {}
        for job in jobs:
            for key in job.inputs.values():
                if key not in kept:
                    result = load(key)
                    kept[key] = ray.put({"record": dict(result.record), "arrays": dict(result.arrays)})
        running = {self._submit(job, [kept[key] for key in job.inputs.values()]): job for job in jobs}
        started = time.perf_counter()
        try:
            while running:
                ended, _ = ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS)
                self._tell({job.key: job for job in jobs}, observer)
                for reference in ended:
                    job = running.pop(reference)
                    yield self._collect(reference, job, time.perf_counter() - started)
        finally:  # a driver that stops early must not leave jobs behind
            for reference in running:
                ray.cancel(reference, force=True)

    def close(self) -> None:
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _start(self) -> Any:
        if self._ray is not None:
            return self._ray
        os.environ.update(_ENVIRONMENT)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        quiet_threads()
        self._scratch = tempfile.mkdtemp(prefix="fakeoff-ray-")
        import ray  # here, because the environment must be set first, and because it takes a second

        ray.init(
            address="local",
            num_cpus=self.workers,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=True,
            logging_level=logging.ERROR,
            configure_logging=True,
            _temp_dir=self._scratch,
        )
        self._ray = ray
        self._progress = ray.remote(num_cpus=0)(_Progress).remote()
        self._task = ray.remote(max_retries=_RETRIES_AFTER_CRASH, retry_exceptions=False)(_work)
        return ray

    def _tell(self, jobs: Mapping[str, Job], observer: Observer) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):  # progress is a courtesy
            for key, (done, total, note) in self._ray.get(self._progress.take.remote()).items():
                if key in jobs:  # a report of an earlier run may come late
                    observer.progress(jobs[key], done, total, note)

    def _submit(self, job: Job, references: list[Any]) -> Any:
        task: Callable[..., Any] = self._task.options(num_cpus=min(job.threads, self.workers), name=job.label).remote
        return task(job, list(job.inputs), self._progress, *references)

    def _collect(self, reference: Any, job: Job, seconds: float) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)  # type: ignore[no-any-return]
        except errors.WorkerCrashedError:
            failure = "its worker process died (a crash in native code, or out of memory)"
        except errors.OutOfMemoryError:
            failure = "ran out of memory"
        except errors.NodeDiedError:
            failure = "the machine that it ran on was lost"
        except errors.RayTaskError as error:
            failure = f"raised {one_line(error.cause if error.cause is not None else error)[:300]}"
        return Outcome(job=job, result=None, failure=failure, seconds=seconds)
