"""The moves of a game, each a coroutine of the engine's: what it waits for, which job it is, and what comes of it.

    bench.attack(...)  ->  Moves.attack   awaits versions and reals, then  write_attack(desk, ...)  ->  a job
                           Engine         starts it when the executor has room; the worker runs  attack(context)
                           Moves.attack   goes on with the stored result, and keeps the version on the tally

Measures are taken through the same moves: ``Moves`` is the :class:`fakeoff.protocols.measures.ground.Ground` of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from fakeoff import detectors, generators
from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.abilities import Ability, abilities
from fakeoff.protocols.game.adversaries import choose_adversaries, what_was_left_out
from fakeoff.protocols.game.engine import Engine, Slot, which
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.looking.look import write_parse
from fakeoff.protocols.measures import Judged, Measured
from fakeoff.protocols.record.versions import Forfeit, PassedOver, Trained, Version, blame, place
from fakeoff.protocols.rules.attack import write_attack
from fakeoff.protocols.rules.defend import Defended, write_defend
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.extent import Extent, extent_of
from fakeoff.protocols.rules.judging import write_judge, write_judge_again, write_judge_behind
from fakeoff.protocols.rules.pools import (
    Entered,
    Sampled,
    read_who_is_on,
    write_enter,
    write_real_pools,
    write_reals_to_manipulate,
    write_sample,
)
from fakeoff.protocols.score.blind import Judging, Mixture, OnVal, read_match, read_on_val, sides, why_unranked
from fakeoff.protocols.score.calibration import Thresholds
from fakeoff.protocols.score.polarity import auc_of_people, is_turned_round

T = TypeVar("T")
M = TypeVar("M", bound=Measured[Any])


class Moves:
    """Makes moves, and keeps what they come to. A player that fails forfeits, and the move comes to nothing: None.

    Args:
        desk: Where the jobs are written.
        engine: Runs them.
        store: Where results are kept.
        tally: Where what they come to is kept.
        protocol: Whose game it is, for messages.
        keep_figures: Whether what follows from scores is kept beside them: not where players share this process.
    """

    def __init__(
        self, desk: Desk, *, engine: Engine, store: Store, tally: Tally, protocol: str, keep_figures: bool
    ) -> None:
        self._desk, self._engine, self._store, self._tally = desk, engine, store, tally
        self._protocol, self._keep_figures = protocol, keep_figures
        self._config = tally.config
        self._once: dict[Hashable, Slot[Any]] = {}
        self.firsts: dict[str, Slot[Version | None]] = {}

    @property
    def extent(self) -> Extent:
        """How much is compared of the game's pools."""
        return extent_of(self._desk)

    def over(self, desk: Desk) -> Moves:
        """Moves of the same game whose jobs are written at another desk: with other settings of measures."""
        moves = type(self)(
            desk,
            engine=self._engine,
            store=self._store,
            tally=self._tally,
            protocol=self._protocol,
            keep_figures=self._keep_figures,
        )
        moves.firsts = self.firsts
        return moves

    # What a round consists of

    async def enter(self, name: str) -> Version | None:
        """A generator's version 0, with its fake pools."""
        job = write_enter(self._desk, name)
        if not await self.settle(job, blame=Forfeit(kind="generator", player=name, round=0, stage="enter", reason="")):
            return None
        resolution = self._store.figures(job.key, Entered).resolution
        return await self.sample(Version(kind="generator", player=name, round=0, key=job.key, resolution=resolution))

    async def sample(self, version: Version) -> Version | None:
        """A version with its fake pools; a detector has none."""
        if version.kind == "generator":
            reals = await self._read(write_reals_to_manipulate(self._desk, version))
            job = write_sample(self._desk, version, reals=reals)
            if not await self.settle(job, blame=blame(version, "sample")):
                return None
            pools: dict[str, str] = {
                split: f"{job.key}:{split}" for split in self._store.figures(job.key, Sampled).sizes
            }
            version = replace(version, pools=pools)
        return self._tally.enter(version)

    async def attack(
        self, desk: Desk, attacker: Slot[Any], targets: Sequence[Slot[Any]], *, what: str = ""
    ) -> Version | None:
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
        job = write_attack(desk, version, targets=frozen, reals=reals)
        job = replace(job, what=which(job.what, what))
        return await self.advance(job, version, stage="attack", targets=tuple(target.label for target in frozen))

    async def advance(self, job: Job, version: Version, *, stage: str, targets: tuple[str, ...]) -> Version | None:
        """The next version of a player, whose state a job leaves."""
        fresh = replace(version, round=version.round + 1, key=job.key, targets=targets, pools={}, on_val=None)
        if not await self.settle(job, blame=blame(fresh, stage)):
            return None
        if fresh.kind == "detector" and not isinstance(self._store.record(fresh.key).get("threshold"), int | float):
            raise PluginError(f"the job that trained {fresh.player} left no 'threshold' in its record that is a number")
        return await self.sample(fresh)

    async def defend(
        self, desk: Desk, name: str, history: Sequence[Slot[Any]], *, before: Slot[Any] | None, what: str = ""
    ) -> Version | None:
        """A detector trained on a history, judged on its val; ``before`` is its version of the round before."""
        old = None if before is None else await before
        if before is not None and old is None:
            return None  # it forfeited
        makers = await self.known(history)
        if not makers:
            return None
        reals = {maker.resolution: await self.real_pools(maker.resolution) for maker in makers}
        trained = await self._train(desk, name, makers, reals=reals, before=old, what=what)
        if trained is None:
            return None
        val = Mixture(
            reals=tuple(reals[resolution]["val"] for resolution in sorted(reals)),
            fakes=tuple(maker.pools["val"] for maker in sorted(makers, key=place)),
            seed=self._config.seed,
        )
        judged = await self._judge_on_val(trained, val)
        if judged is None:
            return None
        judging, doubt = judged
        if all(maker.round == 0 for maker in makers) and (reason := self._turned_round(trained, judging, makers)):
            self._tally.forfeit(replace(blame(trained, "defend"), reason=reason))
            return None
        on_val = self._read_on_val(judging)
        if old is not None and self._state(old) == self._state(trained):
            version = old  # a state that did not change is no new version: a generator that was set against it knows it
        else:
            version = replace(trained, on_val=judging)
            self._tally.on_val[version.key] = on_val
        self._tally.standing[version.key] = on_val
        self._tally.doubts[version.key] = doubt or self._tally.doubts.get(version.key, "")
        self._tally.leave_unranked(version, doubt, round_=trained.round)
        return self._tally.enter(version)

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
        return await self.judged(version, *pools, what=what, fakes_of=pools[1], round_=version.round)

    async def measure(self, measure: type[M], subjects: Sequence[Slot[Any]]) -> M | None:
        """A measure of versions that are still to come; None where one of them forfeited."""
        known = await self.known(subjects)
        return await self.measured(measure, *known) if len(known) == len(subjects) else None

    # What measures ask for, too

    @property
    def desk(self) -> Desk:
        """Where jobs are written."""
        return self._desk

    @property
    def store(self) -> Store:
        """Where results are."""
        return self._store

    async def measured(self, measure: type[M], *subjects: Version) -> M | None:
        """A measure of versions, taken once."""
        return await self.once((measure.name, *map(place, subjects)), lambda: self._take(measure, subjects))

    async def first(self, player: str) -> Version | None:
        """A generator's version 0; None where it forfeited."""
        return await self.firsts[player]

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Begins something, so that several go side by side."""
        return self._engine.begin(coroutine)

    async def judged(
        self, judge: Version, reals: str, fakes: str, *, what: str, fakes_of: str, round_: int, through: str = ""
    ) -> Judged | None:
        """Scores of two pools, given blindly; the driver draws the conclusions. None where the judge forfeited."""
        mixture = Mixture(reals=(reals,), fakes=(fakes,), seed=self._config.seed)
        self._engine.derive(mixture.key, lambda: mixture.mix(self._store.read))
        job = self._judging_job(judge, mixture, what=what, round_=round_, through=through)
        against = f"{what} behind {through}" if through else what
        result = await self._result(job, blame(judge, "score", round_=round_, against=against))
        if result is None:
            return None
        judged = Judging(key=job.key, mixture=mixture)
        is_test = reals in {pools["test"] for pools in self._tally.real_pools.values()}
        found = read_match(
            judged,
            thresholds=self.thresholds(judge),
            resamples=self._config.score.resamples,
            confidence=self._config.score.confidence,
            store=self._store,
            fakes=fakes_of,
            people=self._tally.test_people if is_test else None,
            on_fakes=read_who_is_on(fakes, self._store),
            keep=self._keep_figures,
        )
        if not through:  # the same photographs are others behind it
            self._tally.leave_unranked(judge, why_unranked(result), round_=round_)
            self._tally.compare_reals(judge, reals, found.real, round_=round_)
        return Judged(detector=judge, judging=judged, figures=found.figures, drawn=found.drawn)

    def _judging_job(self, judge: Version, mixture: Mixture, *, what: str, round_: int, through: str) -> Job:
        """What scores a mixture of test, as it is or behind what images go through."""
        if through:
            return write_judge_behind(self._desk, judge, mixture, through=through, what=what, round_=round_)
        # Looks read what a patch detector said of patches: it is not asked twice, nor told which side it sees.
        patches = self.can(judge, "patch")
        return write_judge(self._desk, judge, mixture, what=what, stage="score", round_=round_, patches=patches)

    async def judged_alone(self, judge: Version, pool: str, *, what: str) -> Judging | None:
        """What a patch detector says of the patches of one pool; None where it forfeited."""
        mixture = Mixture(reals=(pool,), fakes=(), seed=self._config.seed)
        return await self._judged_once(judge, mixture, what=what, round_=judge.round)

    async def judged_patches(self, judge: Version, reals: str, fakes: str, *, what: str, round_: int) -> Judging | None:
        """What a patch detector says of the patches of two pools, given blindly; None where it forfeited."""
        mixture = Mixture(reals=(reals,), fakes=(fakes,), seed=self._config.seed)
        return await self._judged_once(judge, mixture, what=what, round_=round_)

    def has_patches(self, *judgings: Judging, blame: Forfeit) -> bool:
        """Whether the patches were scored in all of them; whoever is to blame forfeits if not."""
        for judging in judgings:
            if reason := self._store.record(judging.key).get("no_patches"):
                self.forfeit(blame, reason)
                return False
        return True

    def forfeit(self, blame: Forfeit, reason: str) -> None:
        """Whoever is to blame forfeits for a failure that is on record, in a job that did not fail."""
        self._tally.forfeit(replace(blame, reason=reason))

    def leave_unranked(self, version: Version, reason: str, *, round_: int) -> None:
        """Says that a version takes no place."""
        self._tally.leave_unranked(version, reason, round_=round_)

    def derive(self, key: str, make: Callable[[], Result]) -> None:
        """Names something that jobs read and that nobody keeps: it is made of stored results when it is handed over."""
        self._engine.derive(key, make)

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

    async def settle(self, *jobs: Job, blame: Forfeit) -> bool:
        """Runs jobs side by side; whoever is to blame forfeits if one fails. Whether all have results."""
        begun = [self._engine.submit(job) for job in jobs]
        failures = [failure for failure in [await slot for slot in begun] if failure is not None]
        if failures:
            self._tally.forfeit(replace(blame, reason=failures[0]))
        return not failures

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
            return ability in abilities(generators.players.load(self._desk.generators[version.player].plugin))
        return ability in abilities(detectors.players.load(self._desk.detectors[version.player].plugin))

    def check_attackable(self, target: Version) -> None:
        """Refuses a target that no gradient flows through.

        Raises:
            PluginError: It cannot be attacked.
        """
        # A version that the experiment trained in a job of its own need not say; the attack finds out.
        if reason := self._store.figures(target.key, Trained).not_attackable:
            raise PluginError(f"attack() was given {target.label}, which cannot be attacked: {reason}")

    def thresholds(self, detector: Version) -> Thresholds:
        """Chosen on val."""
        on_val = self._tally.on_val.get(detector.key)  # not of a version that was trained in another game
        return detector.thresholds(self._store) if on_val is None else on_val.thresholds

    async def _train(
        self,
        desk: Desk,
        name: str,
        makers: Sequence[Version],
        *,
        reals: Mapping[int, Mapping[str, str]],
        before: Version | None,
        what: str = "",
    ) -> Version | None:
        """A detector trained on a history, against adversaries where the configuration asks for them.

        Where such a training fails as a whole, whoever's fault that was, it is trained without them.
        """
        adversaries, missing = choose_adversaries(desk, name, makers)
        job = write_defend(desk, name, history=makers, reals=reals, before=before, adversaries=adversaries)
        job = replace(job, what=which(job.what, what))
        round_ = max(maker.round for maker in makers)
        trained = Version(kind="detector", player=name, round=round_, key=job.key)
        if adversaries:
            failure = await self._engine.submit(job)
            if failure is None:
                defended = self._store.figures(job.key, Defended)
                self._tally.passed_over |= what_was_left_out(trained, defended, adversaries)
                return trained
            missing = f"it was trained without adversaries: with them, the defence {failure}"
            job = write_defend(desk, name, history=makers, reals=reals, before=before)
            job = replace(job, what=which(job.what, what))
            trained = replace(trained, key=job.key)
        if not await self.settle(job, blame=blame(trained, "defend")):
            return None
        if missing:
            self._tally.passed_over.add(PassedOver(detector=trained.label, round=round_, reason=missing))
        return trained

    async def _judge_on_val(self, version: Version, val: Mixture) -> tuple[Judging, str] | None:
        """Lets a detector judge val and, some of it, again in a fresh process; and says why its scores are in doubt."""
        self._engine.derive(val.key, lambda: val.mix(self._store.read))
        whose = blame(version, "defend")
        judge = write_judge(self._desk, version, val, what="val", stage="defend", round_=version.round)
        begun = [self._engine.begin(self._result(judge, whose))]
        if self._config.score.scored_again:
            again = write_judge_again(self._desk, version, val, round_=version.round)
            begun.append(self._engine.begin(self._result(again, whose)))
        found = [await slot for slot in begun]
        results = [result for result in found if result is not None]
        if len(results) < len(found):
            return None
        return Judging(key=judge.key, mixture=val), why_unranked(*results)

    def _read_on_val(self, judging: Judging) -> OnVal:
        return read_on_val(judging, self._store)

    def _turned_round(self, version: Version, judging: Judging, makers: Sequence[Version]) -> str:
        """Says that a detector that cannot learn has fake and real swapped, against generators as they came."""
        if not self._config.score.polarity_check or self.can(version, "trainable"):
            return ""
        reals, fakes = sides(judging, self._store)
        real, persons = np.concatenate(reals), self._desk.source.persons("val") * len(reals)
        if len(persons) != len(real):  # a protocol's own pools: nobody says who is on them
            persons = list(range(len(real)))
        areas = [auc_of_people(real, fake, persons) for fake in fakes]
        if not is_turned_round(areas):
            return ""
        spec = self._desk.detectors[version.player]
        best, against = max(zip(areas, sorted(makers, key=place), strict=True), key=lambda pair: pair[0].value)
        return (
            f"it says fake of reals and real of fakes: on val its AUC is {best.value:.2f} at best ({best.low:.2f} to "
            f"{best.high:.2f}, against {against.label}), where guessing has 0.5; "
            f"{detectors.players.load(spec.plugin).turn_round(spec.parameters)}. Is it meant so? "
            "score.polarity_check = false lets it play"
        )

    async def _judged_once(self, judge: Version, mixture: Mixture, *, what: str, round_: int) -> Judging | None:
        return await self.once(
            ("patches", place(judge), mixture.key), lambda: self._judge_patches(judge, mixture, what, round_)
        )

    async def _judge_patches(self, judge: Version, mixture: Mixture, what: str, round_: int) -> Judging | None:
        self._engine.derive(mixture.key, lambda: mixture.mix(self._store.read))
        job = write_judge(self._desk, judge, mixture, what=what, stage="look", round_=round_, patches=True)
        done = await self._result(job, blame(judge, "look", round_=round_))
        return None if done is None else Judging(key=job.key, mixture=mixture)

    async def _take(self, measure: type[M], subjects: Sequence[Version]) -> M | None:
        found = await measure.take(self, *subjects)
        if found is not None:
            self._tally.keep(found)
            self._tally.leave_unranked(found.generator, found.disqualifies, round_=found.round)
        return found

    async def _reals(self, resolution: int) -> Mapping[str, str]:
        pools = await self._read(write_real_pools(self._desk, resolution))
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
        job = write_parse(self._desk, pool, what=what, round_=round_)
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
        return self._store.figures(detector.key, Trained).state


__all__ = ["Moves"]
