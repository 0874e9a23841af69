"""Jobs of an experiment's own: what they may be, and what they returned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.seeds import canonical_json
from fakeoff.protocols.record.versions import Version

_ADDED = ("seed", "protocol")


class Results(Mapping[Job, Result]):
    """What jobs returned, in the order in which they were given; read from the store when asked for.

    A job whose player forfeited is not in it.
    """

    def __init__(self, jobs: Sequence[Job], store: Store) -> None:
        self._jobs, self._store = tuple(jobs), store

    def __getitem__(self, job: Job) -> Result:
        if job not in self._jobs:
            raise KeyError(job.label)
        return self._store.read(job.key)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)


def check_task(task: Callable[[Context], Result]) -> None:
    """Checks that workers will find a job's function.

    Raises:
        PluginError: It is no function at the top level of a module.
    """
    module, name = getattr(task, "__module__", ""), getattr(task, "__qualname__", "")
    found = isinstance(task, FunctionType) and getattr(sys.modules.get(module), name, None) is task
    if not found or module == "__main__":
        raise PluginError(
            f"{name or repr(task)} cannot run as a job: workers find its function by name, so write it with def at the "
            "top level of the file"
        )


def check_inputs(inputs: Mapping[str, Any], *, label: str, store: Store) -> None:
    """Checks what a job reads.

    Raises:
        PluginError: Something is no version, no job and no result's key.
    """
    for name, read in inputs.items():
        if not isinstance(read, str | Job | Version):
            raise PluginError(
                f"input '{name}' of job '{label}' is {read!r}; give a version, a job or the key of a pool"
            )
        if isinstance(read, str) and read not in store:
            raise PluginError(f"input '{name}' of job '{label}' is '{read}', which is the key of no result")


def check_payload(payload: Mapping[str, Any], *, label: str) -> None:
    """Checks a payload.

    Raises:
        PluginError: It is not JSON-able, or has what is added to every job: ``seed`` and ``protocol``.
    """
    try:
        if not all(isinstance(name, str) for name in payload):
            raise TypeError("its names are text")
        canonical_json(dict(payload))
    except (TypeError, ValueError, RecursionError) as error:
        raise PluginError(f"the payload of job '{label}' is not JSON-able: {error}; pass arrays as inputs") from error
    for key in _ADDED:
        if key in payload:
            raise PluginError(f"the payload of job '{label}' may not have '{key}': it is added to every job")
