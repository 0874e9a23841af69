"""How a job runs in a process: sealed, limited, and whatever it does becomes its outcome."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch

from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.compute import CPU, prepare_process, reset_modes, torch_device
from fakeoff.arena.errors import FakeoffError, JobFailed, one_line
from fakeoff.arena.jobs.hands_off import hands_off
from fakeoff.arena.jobs.job import Job, Outcome, Report, Result
from fakeoff.arena.jobs.limits import run_limited
from fakeoff.arena.jobs.output import captured
from fakeoff.arena.players.plugins import provide
from fakeoff.arena.players.provisions import ProvisionError
from fakeoff.arena.seeds import canonical_json, global_states, rng_from, sealed
from fakeoff.arena.typed import read_as

T = TypeVar("T")

# Those that a store takes.
_DTYPES = tuple(
    "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64".split()  # noqa: SIM905
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a task is given.

    Attributes:
        key: The job's key.
        device: Where tensors are to lie: hand it to the referee when it builds a player.
        payload: The job's payload.
        places: The job's places.
        inputs: The results that it reads, by name.
        report: Tells how far it is.
        checkpoint: What it left when it was killed, and where it leaves how far it is.
    """

    key: str
    payload: Mapping[str, Any]
    places: Mapping[str, Any]
    inputs: Mapping[str, Result]
    report: Report
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    device: torch.device = CPU

    def arguments(self, kind: type[T]) -> T:
        """The payload as the frozen dataclass that it was written from.

        Args:
            kind: The dataclass. What else the payload holds is left alone: the bench adds to jobs of experiments.

        Raises:
            JobFailed: Something is missing, or of another type.
        """
        try:
            return read_as(kind, self.payload)
        except ValueError as error:
            raise JobFailed(
                f"was given a payload that is {error}; write the job with dataclasses.asdict({kind.__name__}(...))"
            ) from error

    def rng(self, purpose: str) -> torch.Generator:
        """A random generator that only this job and this purpose decide."""
        return rng_from(self.key, purpose)


def execute(job: Job, inputs: Mapping[str, Result], report: Report, checkpoint: Checkpoint | None = None) -> Outcome:
    """Runs a job in this process. Whatever a player raises becomes the outcome's failure.

    Global random state is seeded from the job's key and put back afterwards, so that not even a player that draws
    from it could depend on what ran before, or leave a trace. It is told off all the same.

    Args:
        job: What to run.
        inputs: What it reads.
        report: Told how far it is.
        checkpoint: What it goes on from, and where it leaves how far it is; None where it has none.

    Raises:
        ProvisionError: This machine has not the code that the driver has.
    """
    started, computed = time.perf_counter(), time.process_time()
    result: Result | None = None
    failure: str | None = None
    checkpoint = checkpoint or Checkpoint()
    before = checkpoint.before
    # As long as it would have had undisturbed.
    left = max(job.seconds - before.computed, 1.0) if job.seconds else 0.0
    with captured() as output:
        try:
            import_house(job)  # a fresh worker imports PyTorch and more; that is not the player's time
            result = run_limited(lambda: _run(job, inputs, report, checkpoint), seconds=left, gigabytes=job.gigabytes)
        except (ProvisionError, KeyboardInterrupt, GeneratorExit):
            raise
        except (JobFailed, FakeoffError) as error:
            failure = str(error)
        except BaseException as error:
            failure = f"raised {one_line(error)}"
        finally:
            reset_modes()
    return Outcome(
        job=job,
        result=result,
        failure=failure,
        seconds=before.seconds + time.perf_counter() - started,
        computed=before.computed + time.process_time() - computed,
        printed=output.text(),
    )


def _run(job: Job, inputs: Mapping[str, Result], report: Report, checkpoint: Checkpoint) -> Result:
    prepare_process(threads=job.threads, device=torch_device(job.device))
    with sealed(job.key, "global"):
        return _run_sealed(job, inputs, report, checkpoint)


def _run_sealed(job: Job, inputs: Mapping[str, Result], report: Report, checkpoint: Checkpoint) -> Result:
    for provision in job.provisions:
        provide(provision)
    before = global_states()
    context = Context(
        key=job.key,
        payload=job.payload,
        places=job.places,
        inputs=inputs,
        report=report,
        checkpoint=checkpoint,
        device=torch_device(job.device),
    )
    # The house's own players are trusted, and a match of theirs takes milliseconds.
    with hands_off() if job.provisions else contextlib.nullcontext():
        result = _task(job.task)(context)
    _check(result)
    touched = [library for library, state in global_states().items() if state != before[library]]
    if touched:
        raise JobFailed(
            f"drew from or wrote to the global random state of {' and '.join(touched)}; draw from rng "
            "(for dropout and the like: with global_draws(rng))"
        )
    return result


def import_house(job: Job) -> None:
    """Imports what a task of Fakeoff's own needs; that of a plugin comes with its provisions."""
    if job.task.startswith("fakeoff."):
        _task(job.task)


def _task(name: str) -> Callable[[Context], Result]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _check(result: Result) -> None:
    try:
        canonical_json(result.record)
    except ValueError as error:
        raise JobFailed("gave figures that are not finite") from error
    for name, array in result.arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.name not in _DTYPES:
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise JobFailed(f"returned {kind} in '{name}'; an array of numbers can be kept: {', '.join(_DTYPES)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise JobFailed(f"left values that are not finite in '{name}'")


__all__ = ["Context", "execute", "import_house"]
