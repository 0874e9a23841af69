"""Jobs: pure functions of specs, pool keys and a seed, known by the hash of what they depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy.typing as npt

from fakeoff.arena.players.provisions import Provision
from fakeoff.arena.seeds import digest
from fakeoff.arena.typed import read_as

if TYPE_CHECKING:  # whoever reads what is stored does without PyTorch
    from fakeoff.arena.compute import DeviceName

T = TypeVar("T")


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


__all__ = ["Job", "Outcome", "Report", "Result", "hand_over"]
