"""The bench on which every protocol is played: the verbs of the game, jobs of the protocol's own, and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from matplotlib.figure import Figure

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.engine import Engine, Slot
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.game.measuring import MeasuringVerbs
from fakeoff.protocols.game.observer import GameObserver
from fakeoff.protocols.game.own_jobs import Results, check_inputs, check_payload, check_task
from fakeoff.protocols.game.recipes import check_processes_find, reseed
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.log import CheckedLog, Log, Row
from fakeoff.protocols.record.versions import Forfeit, Version


class Bench(MeasuringVerbs):
    """Everything that a protocol may do. What was computed before is only read.

    Verbs return at once: a :class:`fakeoff.protocols.game.line.Line` of versions or figures, some still to come, that
    can be handed to the next verb. Whoever reads a line waits for it; what does not depend on each other runs side by
    side, from round to round.

    A player that fails forfeits: it is recorded, the version or match is left out of the line, and the rest goes on. A
    job of the protocol's own that fails, and is nobody's, ends the game.

    Args:
        config: What was asked for.
        spec: The protocol's recipe.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.
        log: Where points, tables, figures and files go.
        played: Reads the tournament that was played with this store; None where there is none to read.
        what: Which of several plays of a protocol it is, for people: ``seed 1``.

    Raises:
        ConfigError: The attack's target is no detector of this game.
        PluginError: A player is unknown, takes other parameters, or is defined where workers cannot find it.
    """

    def __init__(
        self,
        config: TournamentConfig,
        *,
        spec: PlayerSpec,
        source: RealSource,
        store: Store,
        executor: Executor,
        observer: GameObserver,
        log: Log,
        played: Callable[[], TournamentRecord] | None = None,
        what: str = "",
        engine: Engine | None = None,
    ) -> None:
        super().__init__(
            config, spec=spec, source=source, store=store, executor=executor, observer=observer, what=what,
            engine=engine,
        )  # fmt: skip
        here, again = executor.here, config.score.scored_again > 0
        check_processes_find(self._desk.generators.values(), generators.players, here=here)
        check_processes_find(self._desk.detectors.values(), detectors.players, here=here, scored_again=again)
        if self._desk.parser is not None:
            check_processes_find([self._desk.parser], parsers.parsers, here=here)
        self._log, self._executor, self._read_played = CheckedLog(log), executor, played
        self._repeats: list[Bench] = []
        self._owners: dict[Job, Version] = {}
        self._reads: dict[Job, tuple[Job, ...]] = {}

    def end_round(self, round_: int) -> None:
        """Says that all of a round has been asked for; the observer is told when it is played.

        Args:
            round_: Counted from 0.
        """
        self._next_round = round_ + 1
        awaited, self._of_round = self._of_round, []
        self._of_round.append(self._engine.begin(self._tell(round_, awaited)))

    @cached_property
    def played(self) -> TournamentRecord:
        """The tournament that was played in this home before: its versions can be handed to every verb.

        Raises:
            PluginError: There is none.
            StoreError: There is none, or it is damaged.
        """
        if self._read_played is None:
            raise PluginError(f"protocol '{self._spec.name}' is about a tournament, and none was played here")
        return self._read_played()

    def record(self, round_: int) -> TournamentRecord:
        """What has been played up to a round."""
        return self._tally.record(round_, self.store)

    def finish(self) -> None:
        """Plays whatever was asked for and has not been played."""
        self._engine.finish()

    def abandon(self) -> None:
        """Ends whatever runs."""
        self._engine.abandon()

    def again(self, *, seed: int, spec: PlayerSpec, log: Log) -> Bench:
        """A bench for the same players and reals, where a protocol is played with another seed.

        Of players with a parameter ``init_seed`` that nobody set, the initial weights differ, too. Forfeits and leaks
        of it are told here. Both are played side by side: who waits for one lets the other go on.

        Args:
            seed: Of everything random there.
            spec: The recipe of what is played.
            log: Where it logs to.
        """
        bench = type(self)(
            reseed(self._desk, seed).config,
            spec=spec,
            source=self.source,
            store=self.store,
            executor=self._executor,
            observer=self._observer,
            log=log,
            played=self._read_played,
            what=f"seed {seed}",
            engine=self._engine,
        )
        self._repeats.append(bench)
        return bench

    @property
    def forfeits(self) -> tuple[Forfeit, ...]:
        own = super().forfeits
        return tuple(dict.fromkeys([*own, *(forfeit for bench in self._repeats for forfeit in bench.forfeits)]))

    @property
    def leaks(self) -> dict[str, list[str]]:
        found = super().leaks
        for bench in self._repeats:
            found = bench.leaks | found
        return found

    # Jobs of the protocol's own

    def job(
        self,
        task: Callable[[Context], Result],
        *,
        payload: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Version | Job | str] | None = None,
        player: Version | None = None,
        label: str = "",
        threads: int = 1,
        on_device: bool = False,
        checkpoints: bool = False,
    ) -> Job:
        """Writes a job; :meth:`run` or :meth:`advance` runs it.

        It is known by the hash of what it depends on: the function's name, the protocol's code (the whole plugin file,
        or its installed package), ``payload``, ``inputs``, ``threads`` and the seed. Its random numbers derive from
        that: ``context.rng("what for")``.

        Args:
            task: A function at the top level of a module, the protocol's own file for example.
            payload: JSON-able arguments, ``context.payload``. ``seed`` and ``protocol`` are added.
            inputs: What it reads, ``context.inputs``: versions, pools or other results by key, or jobs, which run
                first.
            player: Who forfeits if it fails; by default the experiment ends then.
            label: For people, such as ``judge at quality 30``.
            threads: For one operation. It decides the order of sums.
            on_device: Whether it computes where the players do, ``context.device``, a GPU perhaps; by default it is
                given none.
            checkpoints: Whether it leaves some on its way, in ``context.checkpoint``, and goes on from there when it
                was killed.

        Raises:
            PluginError: The function cannot be found by a worker, or the payload is not JSON-able.
        """
        title = label or getattr(task, "__name__", "job")
        check_task(task)
        check_payload(payload or {}, label=title)
        check_inputs(inputs or {}, label=title, store=self.store)
        job = self._desk.job(
            task,
            1,
            label=title,
            player=player.player if player else "",
            specs=[self._spec, *self._desk.generators.values(), *self._desk.detectors.values()],
            payload={**(payload or {}), "seed": self.seed, "protocol": dict(self._spec.fingerprint)},
            inputs={name: read if isinstance(read, str) else read.key for name, read in (inputs or {}).items()},
            threads=threads,
            device=self._desk.device if on_device else "cpu",
            checkpoints=checkpoints,
            stage=title,
        )
        if player is not None:
            self._owners[job] = player
        self._reads[job] = tuple(read for read in (inputs or {}).values() if isinstance(read, Job))
        return job

    def run(self, stage: str, jobs: Iterable[Job]) -> Results:
        """Runs own jobs, as many at a time as there are cores for, and waits for them.

        Args:
            stage: What they do, for people: ``compressed images are judged``.
            jobs: From :meth:`job`.

        Returns:
            What they returned.

        Raises:
            PluginError: A job that is no player's failed. The others' results are kept.
        """
        wanted = list(jobs)
        owned = {job: self._begin(self._own(replace(job, stage=stage), job)) for job in wanted}
        told = self._begin(self._blame_nobody(owned))
        self._engine.wait_for([told])
        return Results([job for job, slot in owned.items() if slot.value is None], self.store)

    def advance(self, stage: str, jobs: Mapping[Job, Version]) -> Line[Version]:
        """Runs own jobs that each train a player on, and makes of each result the player's next version.

        It can then be matched, attacked and attack like any other.

        Args:
            stage: What they do, for people.
            jobs: By job: the version that it trained on; that player forfeits if it fails. A job's arrays must be the
                player's whole state (:func:`fakeoff.arena.players.specs.state_arrays`). A detector's record must have
                its ``threshold``.

        Returns:
            The next versions; generators' with fake pools.

        Raises:
            PluginError: A detector's record has no threshold.
        """
        kinds = {version.kind for version in jobs.values()}
        trained = [self._advance(replace(job, stage=stage), job, version) for job, version in jobs.items()]
        return self._line(trained, kind=kinds.pop() if len(kinds) == 1 else "")

    # The log

    def log(self, points: Mapping[str, float], *, step: int = 0) -> None:
        """Logs figures of one step. One slash in a name makes a chart's section: ``ap/xception_block1``.

        Raises:
            PluginError: A value is no finite number, or another one was logged for the same name and step.
        """
        self._log.points(points, step=step)

    def table(self, name: str, rows: Sequence[Row]) -> None:
        """Logs a table; a later one of the same name takes its place.

        Args:
            name: Also of its file.
            rows: By column: text, numbers, bools or None.

        Raises:
            PluginError: It has no rows, or something that is no cell.
        """
        self._log.table(name, rows)

    def figure(self, name: str, figure: Figure) -> None:
        """Logs a figure: a :class:`matplotlib.figure.Figure`, made without pyplot and its global state.

        Raises:
            PluginError: It is none, or the name cannot be a file's.
        """
        self._log.figure(name, figure)

    def file(self, name: str, data: bytes) -> None:
        """Logs a file, under its name.

        Raises:
            PluginError: It is no bytes, or the name cannot be a file's.
        """
        self._log.file(name, data)

    async def _tell(self, round_: int, awaited: Sequence[Slot[Any]]) -> None:
        for slot in awaited:
            await slot
        self._observer.round_finished(self._tally.record(round_, self.store))

    async def _own(self, job: Job, original: Job) -> str | None:
        """Runs an own job after those that it reads; returns why there is no result."""
        failure: str | None = None
        for earlier in self._reads.get(original, ()):
            if failure is None and await self._engine.submit(earlier) is not None:
                failure = f"it reads the job '{earlier.label}', which failed"
        if failure is None:
            failure = await self._engine.submit(job)
        owner = self._owners.get(original)
        if owner is not None and failure is not None:
            self._tally.forfeit(
                Forfeit(kind=owner.kind, player=owner.player, round=owner.round, stage=job.stage, reason=failure)
            )
        return failure

    async def _blame_nobody(self, jobs: Mapping[Job, Slot[Any]]) -> None:
        """Ends the game by the first job that failed and is nobody's, once all of them have ended."""
        failures = [(job, await slot) for job, slot in jobs.items()]
        for job, failure in failures:
            if failure is not None and job not in self._owners:
                raise PluginError(f"protocol '{self._spec.name}': the job '{job.label}' failed: {failure}")

    async def _advance(self, job: Job, original: Job, version: Version) -> Version | None:
        for earlier in self._reads.get(original, ()):
            await self._moves.must(earlier)
        return await self._moves.advance(job, version, stage=job.stage, targets=())


__all__ = ["Bench"]
