"""The moves of a game, each a coroutine of the engine's: what it waits for, which job it is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fakeoff import detectors, generators
from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.abilities import Ability, abilities
from fakeoff.protocols.game.engine import Engine, Slot
from fakeoff.protocols.game.schedule import Schedule
from fakeoff.protocols.game.tally import Tally, place
from fakeoff.protocols.record.records import Audit, Cost, Forfeit, Judged, Look, Match, Shift, Version
from fakeoff.protocols.rules import judging
from fakeoff.protocols.rules.judging import Judging, Mixture
from fakeoff.protocols.score.patches import Truth

T = TypeVar("T")


class Moves:
    """Makes moves, and keeps what they come to. A player that fails forfeits, and the move comes to nothing: None.

    Args:
        schedule: Writes the jobs.
        engine: Runs them.
        store: Where results are kept.
        tally: Where what they come to is kept.
        protocol: Whose game it is, for messages.
        keep_figures: Whether what follows from scores is kept beside them: not where players share this process.
    """

    def __init__(
        self, schedule: Schedule, *, engine: Engine, store: Store, tally: Tally, protocol: str, keep_figures: bool
    ) -> None:
        self._schedule, self._engine, self._store, self._tally = schedule, engine, store, tally
        self._protocol, self._keep_figures = protocol, keep_figures
        self._config = tally.config
        self._once: dict[Hashable, Slot[Any]] = {}

    # What a round consists of

    async def enter(self, name: str) -> Version | None:
        """A generator's version 0, with its fake pools."""
        job = self._schedule.enter(name)
        if not await self.settle(job, _forfeit("generator", name, 0, "enter")):
            return None
        resolution = self._store.record(job.key)["resolution"]
        return await self.sample(Version(kind="generator", player=name, round=0, key=job.key, resolution=resolution))

    async def sample(self, version: Version) -> Version | None:
        """A version with its fake pools; a detector has none."""
        if version.kind == "generator":
            reals = await self._read(self._schedule.reals_to_manipulate(version))
            job = self._schedule.sample(version, reals=reals)
            if not await self.settle(job, _blame(version, "sample")):
                return None
            pools = {split: f"{job.key}:{split}" for split in self._store.record(job.key)["sizes"]}
            version = replace(version, pools=pools)
        return self._tally.enter(version)

    async def attack(self, schedule: Schedule, attacker: Slot[Any], targets: Sequence[Slot[Any]]) -> Version | None:
        """A generator's next version; None where it cannot be trained or there is nobody to attack."""
        version = await attacker
        if version is None or not self.can(version, "attackable"):
            return None
        frozen = await self.known(targets)
        if not frozen:
            return None
        for target in frozen:
            self.check_attackable(target)
        reals = await self.real_pools(version.resolution)
        job = schedule.attack(version, targets=frozen, reals=reals)
        return await self.advance(job, version, stage="attack", targets=tuple(target.label for target in frozen))

    async def advance(self, job: Job, version: Version, *, stage: str, targets: tuple[str, ...]) -> Version | None:
        """The next version of a player, whose state a job leaves."""
        fresh = replace(version, round=version.round + 1, key=job.key, targets=targets, pools={}, on_val=None)
        if not await self.settle(job, _blame(fresh, stage)):
            return None
        if fresh.kind == "detector" and "threshold" not in self._store.record(fresh.key):
            raise PluginError(f"the job that trained {fresh.player} left no 'threshold' in its record")
        return await self.sample(fresh)

    async def defend(
        self, schedule: Schedule, name: str, history: Sequence[Slot[Any]], *, before: Slot[Any] | None
    ) -> Version | None:
        """A detector trained on a history, judged on its val; ``before`` where its state is still the same."""
        old = None if before is None else await before
        if before is not None and old is None:
            return None  # it forfeited
        makers = await self.known(history)
        if not makers:
            return None
        reals = {maker.resolution: await self.real_pools(maker.resolution) for maker in makers}
        round_ = max(maker.round for maker in makers)
        job = schedule.defend(name, history=makers, reals=reals)
        if not await self.settle(job, _forfeit("detector", name, round_, "defend")):
            return None
        val = Mixture(
            reals=tuple(reals[resolution]["val"] for resolution in sorted(reals)),
            fakes=tuple(maker.pools["val"] for maker in sorted(makers, key=place)),
            seed=self._config.seed,
        )
        trained = Version(kind="detector", player=name, round=round_, key=job.key)
        version: Version | None = await self._judge_on_val(trained, val)
        if version is None:
            return None
        if old is not None and self._state(old) == self._state(version):
            # A state that did not change is no new version: a generator that was set against it knows it.
            self._tally.standing[old.key] = self._tally.standing[version.key]
            version = old
        return self._tally.enter(version)

    async def match(self, generator: Slot[Any], detector: Slot[Any]) -> Match | None:
        """One generator version against one detector version, on test."""
        maker, judge = await generator, await detector
        if maker is None or judge is None:
            return None
        return await self.once(("match", place(maker), place(judge)), lambda: self._match(maker, judge))

    async def judge(self, detector: Slot[Any], *, reals: str | Job, fakes: str | Job, what: str) -> Judged | None:
        """A detector version at pools of the protocol's own."""
        version = await detector
        pools = []
        for pool in (reals, fakes):
            if isinstance(pool, Job):
                await self.must(pool)
            pools.append(pool.key if isinstance(pool, Job) else pool)
        if version is None:
            return None
        return await self._judge(version, *pools, what=what, round_=version.round)

    async def cost(self, generator: Slot[Any], first: Slot[Any]) -> Cost | None:
        """How far a generator version went from its version 0 and from the reals."""
        version, origin = await generator, await first
        if version is None or origin is None:
            return None
        job = self._schedule.cost(version, first=origin, reals=await self.real_pools(version.resolution))
        if not await self.settle(job, _blame(version, "cost")):
            return None
        cost = Cost(generator=version, key=job.key, figures=self._store.record(job.key))
        self._tally.costs[place(version)] = cost
        return cost

    async def audit(self, generator: Slot[Any]) -> Audit | None:
        """Whether a generator version's pools could be told from their reals by format alone."""
        version = await generator
        if version is None:
            return None
        job = self._schedule.audit(version, reals=await self.real_pools(version.resolution))
        await self.must(job)
        audit = Audit(generator=version, key=job.key, figures=self._store.record(job.key))
        self._tally.audits[place(version)] = audit
        return audit

    async def look(self, generator: Slot[Any], detector: Slot[Any]) -> Look | None:
        """Where the images of a match give themselves away; None where that cannot be said."""
        match = await self.match(generator, detector)
        if match is None or self._schedule.parser is None or not self._schedule.judges_patches(match.detector.player):
            return None
        return await self.once(("look", place(match.generator), place(match.detector)), lambda: self._look(match))

    async def shift(self, before: Slot[Any], frozen: Slot[Any], retrained: Slot[Any]) -> Shift | None:
        """How an attack and the defence after it moved the fight over the face: three looks."""
        first, second, third = await before, await frozen, await retrained
        if first is None or second is None or third is None or third.detector == second.detector:
            return None
        job = self._schedule.shift(
            before=first.keys["fake"],
            frozen=second.keys["fake"],
            retrained=third.keys["fake"],
            player=second.detector.player,
            round_=second.generator.round,
        )
        await self.must(job)
        shift = Shift(
            generator=second.generator,
            detector=second.detector,
            is_target=second.detector.label in second.generator.targets,
            key=job.key,
            figures=self._store.record(job.key),
        )
        self._tally.shifts[place(shift.generator), place(shift.detector)] = shift
        return shift

    # What moves have in common

    async def real_pools(self, resolution: int) -> Mapping[str, str]:
        """The reals that belong to generators of a resolution, by split, and ``attack`` at that resolution."""
        return await self.once(("reals", resolution), lambda: self._reals(resolution))

    async def labels(self, pool: str, *, what: str, round_: int) -> str:
        """The key of the parts of the faces of a pool."""
        return await self.once(("labels", pool), lambda: self._parse(pool, what, round_))

    async def label(self, version: Version) -> None:
        """Labels the faces of a generator version's test pool and of the reals that belong to it."""
        reals = await self.real_pools(version.resolution)
        begun = [
            self._engine.begin(self.labels(reals["test"], what="test reals", round_=0)),
            self._engine.begin(self.labels(version.pools["test"], what=version.label, round_=version.round)),
        ]
        for slot in begun:
            await slot

    async def known(self, slots: Sequence[Slot[Any]]) -> list[Any]:
        """All of them, less those that came to nothing; in their order."""
        return [value for value in [await slot for slot in slots] if value is not None]

    async def settle(self, job: Job, blame: Forfeit) -> bool:
        """Runs a job; whoever is to blame forfeits if it fails."""
        failure = await self._engine.submit(job)
        if failure is not None:
            self._tally.forfeit(replace(blame, reason=failure))
        return failure is None

    async def must(self, job: Job) -> None:
        """Runs a job that is nobody's to fail.

        Raises:
            PluginError: It failed.
        """
        failure = await self._engine.submit(job)
        if failure is not None:
            raise PluginError(f"protocol '{self._protocol}': the job '{job.label}' failed: {failure}")

    async def once(self, name: Hashable, begin: Callable[[], Coroutine[Slot[Any], None, T]]) -> T:
        """Does something that several wait for, once."""
        if name not in self._once:
            self._once[name] = self._engine.begin(begin())
        return await self._once[name]  # type: ignore[no-any-return]

    def can(self, version: Version, ability: Ability) -> bool:
        """Whether a player has an ability."""
        if version.kind == "generator":
            return ability in abilities(generators.players.load(self._schedule.generators[version.player].plugin))
        return ability in abilities(detectors.players.load(self._schedule.detectors[version.player].plugin))

    def check_attackable(self, target: Version) -> None:
        """Refuses a target that no gradient flows through.

        Raises:
            PluginError: It cannot be attacked.
        """
        # A version that the experiment trained in a job of its own need not say; the attack finds out.
        if reason := self._store.record(target.key).get("not_attackable"):
            raise PluginError(f"attack() was given {target.label}, which cannot be attacked: {reason}")

    def threshold(self, detector: Version) -> float:
        """Chosen on val."""
        if detector.on_val is not None:
            return self._tally.on_val[detector.key].threshold
        return detector.threshold(self._store)

    async def _judge_on_val(self, version: Version, val: Mixture) -> Version | None:
        """Lets a detector judge val and, some of it, again in a fresh process; the driver draws the conclusions."""
        self._engine.derive(val.key, lambda: val.mix(self._store.read))
        blame = _blame(version, "defend")
        judge = self._schedule.judge(version, val, what="val", stage="defend", round_=version.round)
        begun = [self._engine.begin(self._result(judge, blame))]
        if self._config.score.scored_again:
            again = self._schedule.judge_again(version, val, round_=version.round)
            begun.append(self._engine.begin(self._result(again, blame)))
        found = [await slot for slot in begun]
        results = [result for result in found if result is not None]
        if len(results) < len(found):
            return None
        judged = Judging(key=judge.key, mixture=val)
        on_val = judging.read_on_val(judged, self._store)
        self._tally.on_val[version.key] = self._tally.standing[version.key] = on_val
        doubt = judging.why_unranked(*results)
        self._tally.doubts[version.key] = doubt
        self._tally.leave_unranked(version, doubt, round_=version.round)
        return replace(version, on_val=judged)

    async def _match(self, maker: Version, judge: Version) -> Match | None:
        reals = await self.real_pools(maker.resolution)
        round_ = max(maker.round, judge.round)
        judged = await self._judge(judge, reals["test"], maker.pools["test"], what=maker.label, round_=round_)
        if judged is None:
            return None
        match = Match(
            generator=maker,
            detector=judge,
            is_target=judge.label in maker.targets,
            judging=judged.judging,
            figures=judged.figures,
        )
        self._tally.matches[place(maker), place(judge)] = match
        return match

    async def _judge(self, judge: Version, reals: str, fakes: str, *, what: str, round_: int) -> Judged | None:
        """Blindly; the driver draws the conclusions."""
        mixture = Mixture(reals=(reals,), fakes=(fakes,), seed=self._config.seed)
        self._engine.derive(mixture.key, lambda: mixture.mix(self._store.read))
        job = self._schedule.judge(judge, mixture, what=what, stage="score", round_=round_)
        result = await self._result(job, replace(_blame(judge, "score"), round=round_, against=what))
        if result is None:
            return None
        judged = Judging(key=job.key, mixture=mixture)
        figures, real = judging.read_match(
            judged,
            threshold=self.threshold(judge),
            resamples=self._config.score.resamples,
            confidence=self._config.score.confidence,
            store=self._store,
            keep=self._keep_figures,
        )
        self._tally.leave_unranked(judge, judging.why_unranked(result), round_=round_)
        self._tally.compare_reals(judge, reals, real, round_=round_)
        return Judged(detector=judge, judging=judged, figures=figures)

    async def _look(self, match: Match) -> Look | None:
        maker, judge = match.generator, match.detector
        round_ = max(maker.round, judge.round)
        reals = await self.real_pools(maker.resolution)
        pools: dict[Truth, tuple[str, str]] = {
            "real": (reals["test"], "test reals"),
            "fake": (maker.pools["test"], maker.label),
        }
        jobs: dict[Truth, Job] = {}
        for truth, (pool, what) in pools.items():
            labels = await self.labels(pool, what=what, round_=0 if truth == "real" else maker.round)
            jobs[truth] = self._schedule.look(judge, pool, truth=truth, labels=labels, what=what, round_=round_)
        begun = [self._engine.submit(job) for job in jobs.values()]
        failures = [failure for failure in [await slot for slot in begun] if failure is not None]
        if failures:
            self._tally.forfeit(replace(_blame(judge, "look"), round=round_, against=maker.label, reason=failures[0]))
            return None
        keys = {truth: job.key for truth, job in jobs.items()}
        figures = {truth: self._store.record(key) for truth, key in keys.items()}
        look = Look(generator=maker, detector=judge, keys=keys, figures=figures)
        self._tally.looks[place(maker), place(judge)] = look
        return look

    async def _reals(self, resolution: int) -> Mapping[str, str]:
        pools = await self._read(self._schedule.real_pools(resolution))
        self._tally.real_pools[resolution] = pools
        return pools

    async def _read(self, jobs: Mapping[str, Job]) -> Mapping[str, str]:
        """Runs jobs that read photographs; returns their keys."""
        begun = {job: self._engine.submit(job) for job in jobs.values()}
        for job, slot in begun.items():
            failure = await slot
            if failure is not None:
                raise ConfigError(f"the {job.player} cannot be read: {failure}")
        return {name: job.key for name, job in jobs.items()}

    async def _parse(self, pool: str, what: str, round_: int) -> str:
        job = self._schedule.parse(pool, what=what, round_=round_)
        failure = await self._engine.submit(job)
        if failure is not None:
            raise ConfigError(
                f"the {job.player} failed: {failure}; name another in parts.parser, or '' to leave parts out"
            )
        return job.key

    async def _result(self, job: Job, blame: Forfeit) -> Result | None:
        result = await self._engine.result(job)
        if isinstance(result, str):
            self._tally.forfeit(replace(blame, reason=result))
            return None
        return result

    def _state(self, detector: Version) -> str:
        return str(self._store.record(detector.key)["state"])


def _forfeit(kind: Any, player: str, round_: int, stage: str) -> Forfeit:
    return Forfeit(kind=kind, player=player, round=round_, stage=stage, reason="")


def _blame(version: Version, stage: str) -> Forfeit:
    return _forfeit(version.kind, version.player, version.round, stage)


__all__ = ["Moves"]
