"""What jobs took on this machine: how long those that are still to come will take.

It is kept beside what else was measured here (:func:`fakeoff.arena.cache.cache_folder`), in ``costs.json``, and never
in a home: no figure depends on it, and a home that travels would tell of another machine.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fakeoff.arena.cache import cache_folder
from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.typed import read_as

_FRESH = 0.5
"""What the newest job counts among those of before: a machine that others use is not as fast each day."""

_SIZES = ("arena_resolution", "batch", "precision")
"""What of a job's arguments decides how long a step of it takes."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What jobs of a kind took.

    Attributes:
        seconds: Of time that passed.
        steps: That they were to take at most; 0 where they take none.
    """

    seconds: float
    steps: int = 0

    def scaled(self, steps: int) -> float:
        """Seconds of a job with other steps."""
        return self.seconds * steps / self.steps if steps and self.steps else self.seconds


class Costs:
    """What jobs took, in this game and in earlier ones.

    Args:
        machine: The kind of machine that they run on: its processor.
        path: Where those of earlier games are kept; None keeps nothing.
    """

    def __init__(self, machine: str = "", path: Path | None = None) -> None:
        self._machine, self._path = machine, path
        self._now: dict[tuple[str, ...], Cost] = {}
        self._before: Mapping[tuple[str, ...], Cost] = {} if path is None else _read(path).get(machine, {})

    def note(self, outcome: Outcome) -> None:
        """Remembers what a job took; a failed one says nothing of others."""
        if outcome.failure is not None:
            return
        job = outcome.job
        known = self._now.get(kind_of(job))
        seconds = outcome.seconds
        if known is not None:
            seconds = _FRESH * seconds + (1 - _FRESH) * known.scaled(_steps(job))
        self._now[kind_of(job)] = Cost(seconds=seconds, steps=_steps(job))

    def expected(self, job: Job) -> float | None:
        """Seconds that a job will take; None where nothing like it was seen here.

        By jobs of the same kind in this game, else in earlier ones; else by the same task of others in this game.
        """
        kind, steps = kind_of(job), _steps(job)
        for known in (self._now, self._before):
            if kind in known:
                return known[kind].scaled(steps)
        alike = [cost.scaled(steps) for other, cost in self._now.items() if other[:2] == kind[:2]]
        return sum(alike) / len(alike) if alike else None

    def keep(self) -> None:
        """Keeps what this game's jobs took; where that cannot be written, it is not kept."""
        if self._path is None or not self._now:
            return
        with contextlib.suppress(StoreError):
            everywhere = dict(_read(self._path))  # another game may have ended meanwhile
            everywhere[self._machine] = {**everywhere.get(self._machine, {}), **self._now}
            said = {
                machine: [{"kind": list(kind), **asdict(cost)} for kind, cost in sorted(costs.items())]
                for machine, costs in everywhere.items()
            }
            write_atomically(self._path, (json.dumps(said, indent=1) + "\n").encode())


def remembered(machine: str) -> Costs:
    """The costs of a kind of machine, with those of earlier games on it."""
    try:
        return Costs(machine, cache_folder() / "costs.json")
    except RuntimeError:  # nothing says where
        return Costs(machine)


def kind_of(job: Job) -> tuple[str, ...]:
    """Jobs of one kind take about as long: task, device, whose they are, threads and sizes."""
    whose = [job.payload[name]["plugin"] for name in ("generator", "detector") if _is_identity(job.payload.get(name))]
    sizes = [f"{name} {job.payload[name]}" for name in _SIZES if name in job.payload]
    return (job.name or job.task, job.device, " ".join(whose), f"{job.threads}", ", ".join(sizes))


def _is_identity(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("plugin"), str)


def _steps(job: Job) -> int:
    steps = job.payload.get("steps")
    return steps if isinstance(steps, int) else 0


def _read(path: Path) -> dict[str, dict[tuple[str, ...], Cost]]:
    """What is kept; nothing where it cannot be read: it is no more than a guess at the time."""
    try:
        return {
            machine: {
                tuple(row["kind"]): read_as(Cost, {"seconds": row["seconds"], "steps": row["steps"]}) for row in rows
            }
            for machine, rows in json.loads(read_file(path)).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


__all__ = ["Cost", "Costs", "kind_of", "remembered"]
