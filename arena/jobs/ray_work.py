"""What a Ray worker does with a job: hand it its inputs, tell how far it is, and keep its result apart."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.jobs import Job, Outcome, Result, execute, hand_over, import_house
from fakeoff.arena.jobs.limits import machine_gigabytes
from fakeoff.arena.jobs.nursery import execute_fresh
from fakeoff.arena.players.provisions import Provision

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 20.0
"""How long a watch is waited for: one whose process was killed while it started might never answer."""


def work(
    job: Job,
    names: list[str],
    watches: Mapping[str, Any],
    *results: Mapping[str, Any],
    share: float | None,
    wanted: tuple[Provision, ...],
    nursery: str,
    left: bytes | None = None,
) -> tuple[Outcome, Mapping[str, Any] | None]:
    """Returns how it ended, and the result by itself: another job may take it without the driver in between."""
    # Ours copy what they change; tasks of users' own get memory of their own.
    theirs = not job.task.startswith("fakeoff.")
    inputs = {
        name: hand_over(_part(result, part), copy=theirs)
        for (name, part), result in zip(_parts(names), results, strict=True)
    }
    last = 0.0
    progress = watches[_node_id()]

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= POLL_SECONDS or done == total:
            last = time.monotonic()
            progress.report.remote(job.key, done, total, note)

    limit = job.gigabytes or machine_gigabytes() * (share or job.threads / (os.cpu_count() or 1))
    with contextlib.suppress(Exception):  # told again, and properly, when it is executed
        import_house(job)
    progress.start.remote(job.key, os.getpid())
    job = dataclasses.replace(job, gigabytes=limit, provisions=(*wanted, *job.provisions))
    try:
        if job.fresh:
            outcome = execute_fresh(nursery, job, inputs, report)
        else:
            outcome = execute(job, inputs, report, _checkpoint(job, progress, left))
    finally:
        progress.end.remote(job.key)
    result = outcome.result
    told = None if result is None else {"record": dict(result.record), "arrays": dict(result.arrays)}
    return dataclasses.replace(outcome, result=None), told


def _checkpoint(job: Job, watch: Any, left: bytes | None) -> Checkpoint | None:
    """Where a job goes on: from what its watch holds, where its process died, or from what the driver has."""
    if not job.checkpoint_every:
        return None
    import ray

    def write(data: bytes) -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # a watch that died costs time, if anything
            ray.get(watch.keep.remote(job.key, data), timeout=PATIENCE_SECONDS)

    with contextlib.suppress(ray.exceptions.RayError):
        left = ray.get(watch.left.remote(job.key), timeout=PATIENCE_SECONDS) or left
    return Checkpoint(every=job.checkpoint_every, left=left, write=write)


def warm(job: Job) -> None:
    """Imports what a job needs, so that the first one on this worker need not."""
    with contextlib.suppress(Exception):  # told properly, when it is executed
        import_house(job)


def _parts(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        whole, _, part = name.partition(":")
        yield whole, part


def _part(result: Mapping[str, Any], part: str) -> Result:
    """A part of a result, as the store gives it: of its arrays one alone."""
    arrays = {"images": result["arrays"][part]} if part else result["arrays"]
    return Result(record=result["record"], arrays=arrays)


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
