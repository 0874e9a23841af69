"""What tournaments and experiments share: stages of jobs, what is said of the reals, and no play on leaking pools."""

from __future__ import annotations

import typing
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.executors import Executor, Observer
from fakeoff.arena.images import Colour
from fakeoff.arena.jobs import Job
from fakeoff.arena.reals import SPLITS, RealSource
from fakeoff.arena.seeds import digest
from fakeoff.arena.store import Store
from fakeoff.protocols.records import Forfeit, Kind


class StageObserver(Observer, typing.Protocol):
    """Sees stages begin, and their jobs step and end."""

    def phase(self, round_: int, stage: str, jobs: Sequence[Job], *, reused: int) -> None:
        """A stage begins: what it will run, and how many results were there already."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Jobs of one kind.

    Attributes:
        name: For the observer.
        jobs: What is wanted; several may have the same key.
        failed: Told of each job without a result and why, in the order of the jobs, when all that run with it ended.
        arrived: Told of each job with a result, new or not, as soon as it is there. What it raises ends the rest.
        lost: Told as soon as a job failed. What it raises ends the rest.
    """

    name: str
    jobs: Sequence[Job]
    failed: Callable[[Job, str], None] = lambda job, reason: None
    arrived: Callable[[Job], None] = lambda job: None
    lost: Callable[[Job, str], None] = lambda job, reason: None


def run_stages(*stages: Stage, round_: int, store: Store, executor: Executor, observer: StageObserver) -> set[str]:
    """Runs jobs that do not depend on each other: those that the store does not hold. Keeps each result as it comes.

    Args:
        *stages: What is wanted. Their jobs run side by side, begun in this order.
        round_: For the observer.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.

    Returns:
        The keys of all that succeeded, now or before.
    """
    done = {job.key for stage in stages for job in stage.jobs if job.key in store}
    missing: dict[str, Job] = {}
    for stage in stages:
        fresh = {job.key: job for job in stage.jobs if job.key not in done and job.key not in missing}
        observer.phase(round_, stage.name, list(fresh.values()), reused=len(stage.jobs) - len(fresh))
        missing |= fresh
    for stage in stages:
        for job in stage.jobs:
            if job.key in done:
                stage.arrived(job)
    wanted: dict[str, list[tuple[Job, Stage]]] = defaultdict(list)  # players with the same recipe share a job
    for stage in stages:
        for job in stage.jobs:
            wanted[job.key].append((job, stage))
    failures: dict[str, str] = {}
    for outcome in executor.run(list(missing.values()), load=store.read, observer=observer):
        key = outcome.job.key
        if outcome.result is not None:
            store.write(key, outcome.result)
            done.add(key)
        observer.finished(outcome)
        if outcome.result is None:
            failures[key] = outcome.failure or "failed"
        for job, stage in wanted[key]:
            if key in done:
                stage.arrived(job)
            else:
                stage.lost(job, failures[key])
    # In the order of the jobs, not of their ends.
    for stage in stages:
        for job in stage.jobs:
            if job.key in failures:
                stage.failed(job, failures[job.key])
    return done


class Stages:
    """The stages of an experiment, and what players forfeited in them.

    Args:
        protocol: Whose, for messages.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.
    """

    def __init__(self, protocol: str, *, store: Store, executor: Executor, observer: StageObserver) -> None:
        self._protocol, self._store, self._executor, self._observer = protocol, store, executor, observer
        self._forfeits: dict[tuple[Kind, str, int, str, str], Forfeit] = {}

    @property
    def forfeits(self) -> tuple[Forfeit, ...]:
        """One for each player, version and stage, in an order that does not depend on the executor."""
        return tuple(sorted(self._forfeits.values(), key=lambda f: (f.round, f.kind, f.player, f.stage, f.against)))

    def settle(self, stage: str, jobs: Mapping[Job, Forfeit | None]) -> set[str]:
        """Runs what is missing.

        Args:
            stage: What it is called.
            jobs: By job: the forfeit if it fails, less stage and reason; None is nobody's.

        Returns:
            The keys of all that succeeded, now or before.

        Raises:
            PluginError: A job that is nobody's failed.
        """
        reasons: dict[str, str] = {}
        done = run_stages(
            Stage(name=stage, jobs=list(jobs), failed=lambda job, reason: reasons.__setitem__(job.key, reason)),
            round_=0,
            store=self._store,
            executor=self._executor,
            observer=self._observer,
        )
        lost = {job: forfeit for job, forfeit in jobs.items() if job.key not in done}
        for job, forfeit in lost.items():  # in the order in which they were given: the executor's may be any
            if forfeit is not None:
                place = (forfeit.kind, forfeit.player, forfeit.round, stage, forfeit.against)
                self._forfeits.setdefault(place, replace(forfeit, stage=stage, reason=reasons[job.key]))
        for job, forfeit in lost.items():
            if forfeit is None:
                raise PluginError(f"protocol '{self._protocol}': the job '{job.label}' failed: {reasons[job.key]}")
        return done


def refuse_leak(label: str, report: Mapping[str, Any]) -> None:
    """Refuses to play on pools that can be told apart by format alone.

    Args:
        label: Of the generator version.
        report: The record of its audit; see :class:`fakeoff.protocols.audit.AuditReport`.

    Raises:
        ConfigError: There is a leak.
    """
    for finding in report["findings"]:
        if finding["gravity"] == "leak":
            raise ConfigError(
                f"the real pools and those of {label} can be told apart by format alone: "
                f"{finding['sentence']}; {finding['advice']}; to play all the same: --allow-leaks"
            )


def describe_reals(source: RealSource, *, colour: Colour) -> dict[str, Any]:
    """What is kept of the reals: hashes, counts and the split; nothing of this machine.

    Args:
        source: The reals.
        colour: The arena's.
    """
    return {
        "source": source.name,
        "colour": colour,
        "split": {
            split: {
                "groups": list(source.groups(split)),
                "photographs": len(source.photographs[split]),
                "sha256": digest(source.key(split)),
            }
            for split in SPLITS
        },
        "left_out": len(source.left_out),
    }
