"""What a game would compute, before it is played: the protocol itself is walked through, and nothing is run.

Jobs have keys before they have results, so that the walk asks the store for each, as the game will. What is not there
counts as computed from then on. Where the game decides by a result (who is champion), the walk takes the result if it
is there, and guesses if not: the jobs are as many whoever is attacked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from fakeoff import detectors
from fakeoff.arena.errors import FakeoffError, PluginError
from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.jobs.store import DamagedResultError, Store
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.arena.typed import read_as
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.engine import Engine, Slot
from fakeoff.protocols.game.moves import Moves
from fakeoff.protocols.looking.figures import LookFigures
from fakeoff.protocols.measures import Judged, Measured
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.log import Unlogged
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.judging import write_judge, write_judge_again
from fakeoff.protocols.score.blind import Judging, Mixture, OnVal

F = TypeVar("F")
M = TypeVar("M", bound=Measured[Any])

_PART_KNOWN = ("mask", "source", "source_person", "target", "target_person")


class NotKnownError(PluginError):
    """A figure was asked for that a game has still to compute."""


@dataclass(kw_only=True)
class GamePlan:
    """What a game has to do.

    Attributes:
        computed: Jobs that it would run, in the order in which they are asked for.
        reused: Jobs whose results are there.
        complete: Whether that is all: an experiment may ask for more when it knows what came of this.
    """

    computed: list[Job] = field(default_factory=list)
    reused: list[Job] = field(default_factory=list)
    complete: bool = True


def plan_game(
    config: TournamentConfig,
    play: Callable[[Bench], None],
    *,
    spec: PlayerSpec,
    source: RealSource,
    store: Store,
    played: Callable[[], TournamentRecord] | None = None,
) -> GamePlan:
    """Says what a game has to do. Nothing is run, and nothing is written.

    Args:
        config: What is to be played; device and precision are decided.
        play: By which rules: a protocol's ``play``.
        spec: Its recipe.
        source: The reals.
        store: Where results are kept.
        played: See :class:`fakeoff.protocols.game.bench.Bench`.

    Raises:
        FakeoffError: Whatever would stop the game, as far as that is known.
    """
    plan = GamePlan()
    bench = _PlanningBench(
        config,
        spec=spec,
        source=source,
        store=_PlanningStore(store, resolution=config.arena.resolution),
        executor=_nobody(),
        observer=_Planner(plan),
        log=Unlogged(),
        played=played,
    )
    try:
        play(bench)
        bench.finish()
    except Exception as error:
        # What a protocol makes of figures that are still to come, such as "nobody played", says nothing.
        if not plan.computed or (isinstance(error, FakeoffError) and not isinstance(error, PluginError)):
            raise
        plan.complete = False
    finally:
        bench.abandon()
    return plan


def _nobody() -> Executor:
    """An executor that is asked for nothing."""
    executor = SerialExecutor()
    executor.here = False
    return executor


class _Planner:
    """Writes a plan down."""

    def __init__(self, plan: GamePlan) -> None:
        self._plan = plan

    def begun(self, job: Job) -> None:
        self._plan.computed.append(job)

    def reused(self, job: Job) -> None:
        self._plan.reused.append(job)

    def damaged(self, job: Job, reason: str) -> None:
        pass

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass

    def round_finished(self, record: TournamentRecord) -> None:
        pass


class _Unknown:
    """Figures that are still to come: they can be handed on, and not be read."""

    def __getattr__(self, name: str) -> Any:
        raise NotKnownError(f"'{name}' is not known before the game is played")


class _Record(dict[str, Any]):
    """A record that is still to come, but for what can be told beforehand."""

    def __missing__(self, name: str) -> Any:
        raise NotKnownError(f"'{name}' is not known before the game is played")


class _PlanningStore(Store):
    """A store in which what is planned counts as being there, though there is little to read in it."""

    def __init__(self, store: Store, *, resolution: int) -> None:
        super().__init__(store.root)
        self._resolution = resolution
        self.planned: dict[str, Job] = {}

    def holds(self, job: Job) -> bool:
        """Whether a job's result is there to be read."""
        try:
            return job.key not in self.planned and super().__contains__(job.key) and bool(super().record(job.key) or 1)
        except DamagedResultError:
            return False

    def is_planned(self, key: str) -> bool:
        """Whether a result is still to come."""
        return key.partition(":")[0] in self.planned

    def __contains__(self, key: str) -> bool:
        return self.is_planned(key) or super().__contains__(key)

    def write(self, key: str, result: Result) -> None:
        pass

    def discard(self, key: str) -> None:
        pass

    def read(self, key: str) -> Result:
        if self.is_planned(key):
            raise NotKnownError("a result was asked for that is not there before the game is played")
        return super().read(key)

    def record(self, key: str) -> dict[str, Any]:
        if self.is_planned(key):
            return _Record(self._expected(key) or {"threshold": 0.5})
        return super().record(key)

    def figures(self, key: str, kind: type[F]) -> F:
        if not self.is_planned(key):
            return super().figures(key, kind)
        expected = self._expected(key)
        if expected:
            return read_as(kind, expected)
        if kind is LookFigures:  # what follows from a look goes on by its key
            return cast("F", _Unknown())
        raise NotKnownError("figures were asked for that are not there before the game is played")

    def _expected(self, key: str) -> dict[str, Any]:
        """What a record will say, where the game goes on by it and it can be told beforehand; else nothing."""
        job = self.planned[key.partition(":")[0]]
        payload = job.payload
        if job.name == "enter":
            known = payload["generator"]
            given = {**known["fingerprint"].get("preset", {}), **known["parameters"]}.get("resolution")
            return {"resolution": given if given and isinstance(given, int) else self._resolution}
        if job.name == "fake_pools":
            return {"sizes": dict(payload["n"]), "known": list(_PART_KNOWN) if payload.get("persons") else []}
        if job.name == "defend":
            player = detectors.players.load(payload["detector"]["plugin"])
            why = "" if player.differentiable else "it says of itself that it is not differentiable"
            return {"state": job.key, "not_attackable": why, "steps": 0}
        if job.name == "search":
            return {"failed": "", "sizes": {"start": 1, "found": 1, **({"followed": 1} if payload["follow"] else {})}}
        return {}


class _PlanningEngine(Engine):
    """Runs nothing: what is not there counts as run."""

    _store: _PlanningStore

    def submit(self, job: Job) -> Slot[str | None]:
        if job.key in self._jobs:
            return self._jobs[job.key][1]
        job, slot = self._told_apart(job), Slot[str | None]()
        self._jobs[job.key] = job, slot
        if self._store.holds(job):
            self._observer.reused(job)
        else:
            self._store.planned[job.key] = job
            self._observer.begun(job)
        slot.settle(None)
        return slot


class _PlanningMoves(Moves):
    """Moves whose results may be still to come. What is measured decides nothing, so that no figure is worked out."""

    _store: _PlanningStore

    async def measure(self, measure: type[M], subjects: Sequence[Slot[Any]]) -> M | None:
        found = await super().measure(measure, subjects)
        return found if found is not None and measure.name == "audit" else None

    async def judged(
        self, judge: Version, reals: str, fakes: str, *, what: str, fakes_of: str, round_: int, through: str = ""
    ) -> Judged | None:
        mixture = Mixture(reals=(reals,), fakes=(fakes,), seed=self._config.seed)
        job = self._judging_job(judge, mixture, what=what, round_=round_, through=through)
        await self._engine.submit(job)
        figures = cast("Any", _Unknown())
        return Judged(detector=judge, judging=Judging(key=job.key, mixture=mixture), figures=figures, drawn=figures)

    async def _judge_patches(self, judge: Version, mixture: Mixture, what: str, round_: int) -> Judging | None:
        job = write_judge(self._desk, judge, mixture, what=what, stage="look", round_=round_, patches=True)
        await self._engine.submit(job)
        return Judging(key=job.key, mixture=mixture)

    async def _judge_on_val(self, version: Version, val: Mixture) -> tuple[Judging, str] | None:
        judge = write_judge(self._desk, version, val, what="val", stage="defend", round_=version.round)
        jobs = [judge]
        if self._config.score.scored_again:
            jobs.append(write_judge_again(self._desk, version, val, round_=version.round))
        for job in jobs:
            await self._engine.submit(job)
        if not any(self._store.is_planned(job.key) for job in jobs):
            return await super()._judge_on_val(version, val)
        return Judging(key=judge.key, mixture=val), ""

    def _read_on_val(self, judging: Judging) -> OnVal:
        if not self._store.is_planned(judging.key):
            return super()._read_on_val(judging)
        return OnVal(aucs=(0.5,), accuracy=0.5, margin=0.0, threshold=0.5)

    def _turned_round(self, version: Version, judging: Judging, makers: Sequence[Version]) -> str:
        return "" if self._store.is_planned(judging.key) else super()._turned_round(version, judging, makers)

    def _state(self, detector: Version) -> str:
        if "trainable" in abilities(detectors.players.load(self._desk.detectors[detector.player].plugin)):
            return super()._state(detector)
        return detector.player  # it stays as it is

    async def _take(self, measure: type[M], subjects: Sequence[Version]) -> M | None:
        try:
            return await measure.take(self, *subjects)
        except NotKnownError:
            return None


class _PlanningBench(Bench):
    """A bench on which nothing is played."""

    _engine_class = _PlanningEngine
    _moves_class = _PlanningMoves

    async def _tell(self, round_: int, awaited: Sequence[Slot[Any]]) -> None:
        for slot in awaited:  # a round's record is of figures that are still to come
            await slot


def count_by_stage(jobs: Sequence[Job]) -> Mapping[tuple[int, str], list[Job]]:
    """Jobs by round and stage, in the order of the game; those of an experiment's own are of round 0."""
    found: dict[tuple[int, str], list[Job]] = {}
    for job in jobs:
        found.setdefault((job.round or 0, job.stage), []).append(job)
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


__all__ = ["GamePlan", "NotKnownError", "count_by_stage", "plan_game"]
