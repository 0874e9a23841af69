"""What tournaments and experiments share: stages of jobs, what is said of the reals, and no play on leaking pools."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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


def run_stage(
    stage: str,
    jobs: Sequence[Job],
    *,
    round_: int,
    store: Store,
    executor: Executor,
    observer: StageObserver,
    failed: Callable[[Job, str], None],
) -> set[str]:
    """Runs jobs that do not depend on each other: those that the store does not hold. Keeps each result as it comes.

    Args:
        stage: What it is called, for the observer.
        jobs: What is wanted; several may have the same key.
        round_: For the observer.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.
        failed: Told of each job without a result and why, at the end, in the order of the jobs.

    Returns:
        The keys of all that succeeded, now or before.
    """
    done = {job.key for job in jobs if job.key in store}
    missing = list({job.key: job for job in jobs if job.key not in done}.values())
    failures: dict[str, str] = {}
    observer.phase(round_, stage, missing, reused=len(jobs) - len(missing))
    for outcome in executor.run(missing, load=store.read, observer=observer):
        if outcome.result is not None:
            store.write(outcome.job.key, outcome.result)
            done.add(outcome.job.key)
        observer.finished(outcome)
        if outcome.result is None:
            failures[outcome.job.key] = outcome.failure or "failed"
    # In the order of the jobs, not of their ends; players with the same recipe share a job, and its failure.
    for job in jobs:
        if job.key in failures:
            failed(job, failures[job.key])
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
        done = run_stage(
            stage,
            list(jobs),
            round_=0,
            store=self._store,
            executor=self._executor,
            observer=self._observer,
            failed=lambda job, reason: reasons.__setitem__(job.key, reason),
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
