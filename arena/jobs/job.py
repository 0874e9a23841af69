"""Jobs: pure functions of specs, pool keys and a seed, known by the hash of what they depend on."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.compute import CPU, DeviceName, prepare_process, reset_modes, torch_device
from fakeoff.arena.errors import FakeoffError, JobFailed, one_line
from fakeoff.arena.jobs.hands_off import hands_off
from fakeoff.arena.jobs.limits import run_limited
from fakeoff.arena.jobs.output import captured
from fakeoff.arena.players.plugins import provide
from fakeoff.arena.players.provisions import Provision, ProvisionError
from fakeoff.arena.seeds import canonical_json, digest, global_states, rng_from, sealed
from fakeoff.arena.typed import read_as

T = TypeVar("T")

# Those that a store takes.
_DTYPES = tuple(
    "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64".split()  # noqa: SIM905
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a job returns.

    Attributes:
        record: JSON-able, without NaN.
        arrays: By name.
    """

    record: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def figures(self, kind: type[T]) -> T:
        """The record as the dataclass that it was written from.

        Raises:
            ValueError: Something is missing, or of another type.
        """
        return read_as(kind, self.record)


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One piece of work.

    Attributes:
        task: Where its function is: ``package.module:function``.
        version: Of the function's code: raise it when the same inputs give another result.
        name: What the key knows the function by, such as ``attack``, so that code can move; its place where there is
            none.
        payload: JSON-able arguments: a task's frozen dataclass of them, as :func:`dataclasses.asdict` makes it.
        inputs: Keys of the results that it reads, by name.
        threads: For one operation. It decides the order of sums, so it is part of the key.
        device: Where its tensors lie, ``cpu`` or ``cuda``. Another device rounds differently, so it is part of the key.
        gpus: On Ray, the share of a GPU that it takes; not part of the key.
        label: For people; not part of the key.
        what: Which of several that are called alike it is, for people: ``seed 1``; not part of the key.
        player: Who forfeits if the job fails; not part of the key.
        places: Where things lie on the driver's machine: ``weights``, ``photographs``. Such a job runs there. Not
            part of the key: their hashes are, in the payload.
        provisions: What its players need, to be imported or compared first; not part of the key: the players'
            fingerprints are, in the payload.
        seconds: It may compute at most; 0 is no limit; not part of the key.
        gigabytes: It may take at most beside what its process holds already; 0 leaves that to the executor; not part of
            the key.
        fresh: It runs in a process in which no player ever ran; part of the key.
        checkpoint_every: Seconds between its checkpoints; 0 is none; not part of the key.
        stage: What it is for, for people: ``attack``, ``defend``; not part of the key.
        round: Of the game; None where there are none; not part of the key.
        urgency: Of those that are ready the most urgent starts first; not part of the key.
        known_key: Its key, where its inputs are not told.
    """

    task: str
    version: int
    payload: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    device: DeviceName = "cpu"
    gpus: float = 0.0
    label: str = ""
    what: str = ""
    player: str = ""
    places: Mapping[str, Any] = field(default_factory=dict)
    provisions: tuple[Provision, ...] = ()
    seconds: float = 0.0
    gigabytes: float = 0.0
    fresh: bool = False
    checkpoint_every: float = 0.0
    stage: str = ""
    round: int | None = None
    urgency: int = 0
    known_key: str = ""
    name: str = ""

    @cached_property
    def key(self) -> str:
        """The sha256 of everything that the result depends on."""
        return self.known_key or digest(
            {
                "task": f"{self.name or self.task}/{self.version}",
                "payload": dict(self.payload),
                "inputs": dict(self.inputs),
                "threads": self.threads,
                # Only where it is another one: homes that were played before there was a choice keep their keys.
                **({} if self.device == "cpu" else {"device": self.device}),
                **({"fresh": True} if self.fresh else {}),
            }
        )

    @property
    def title(self) -> str:
        """What it is called for people: its label, and which of several it is."""
        return f"{self.label} ({self.what})" if self.what else self.label

    def blind(self) -> Job:
        """The same job, less the keys of what it reads: they would tell a player which images it sees."""
        return dataclasses.replace(self, inputs={}, known_key=self.key)


def hand_over(result: Result, *, copy: bool) -> Result:
    """A result as a job may see it: its arrays cannot be written to.

    Args:
        result: As it was stored.
        copy: Give the job arrays of its own, for memory that others read too: a view that ignores the flag
            (``torch.from_numpy``) would write into theirs.
    """
    arrays = {name: array.copy() if copy else array for name, array in result.arrays.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Result(record=result.record, arrays=arrays)


class Report(Protocol):
    """Tells how far a job is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Args: steps done, steps in all, and a few words such as the current loss."""


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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: with a result, or with the reason why there is none.

    Attributes:
        job: Which.
        result: What came of it.
        failure: Why nothing came of it; one line.
        seconds: It took, with what it took before its checkpoint.
        computed: Seconds of CPU time that it took, all threads together; likewise.
        printed: What its player printed meanwhile.
    """

    job: Job
    result: Result | None
    failure: str | None
    seconds: float
    computed: float = 0.0
    printed: str = ""


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
