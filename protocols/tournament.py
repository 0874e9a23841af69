"""The tournament: attack, defend, score, round after round."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeAlias

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.executors import Executor
from fakeoff.arena.jobs import Job
from fakeoff.arena.reals import RealSource
from fakeoff.arena.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.ground import Ground
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.log import Cell
from fakeoff.protocols.metrics import METRICS
from fakeoff.protocols.patches import Truth
from fakeoff.protocols.records import (
    Audit,
    Cost,
    Forfeit,
    Kind,
    Look,
    Match,
    PassedOver,
    Shift,
    TournamentRecord,
    Version,
)
from fakeoff.protocols.schedule import Schedule
from fakeoff.protocols.stage import Stage, StageObserver, describe_reals, refuse_leak, run_stages
from fakeoff.protocols.standings import OnVal, rank_on_val

_Failed: TypeAlias = Callable[[Job, str], None]
_Played: TypeAlias = Generator[Stage, set[str], None]
"""A step of a round: it yields the jobs that it needs, and is sent the keys of all that succeeded."""


class TournamentObserver(StageObserver, typing.Protocol):
    """Sees a tournament unfold."""

    def round_finished(self, record: TournamentRecord) -> None:
        """A round is scored."""


class Tournament:
    """Plays attack-defend rounds. What the store holds is not computed again.

    Args:
        config: What to play.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.

    Raises:
        ConfigError: The attack's target is no detector of this tournament.
        PluginError: A player is unknown or takes other parameters.
    """

    def __init__(
        self,
        config: TournamentConfig,
        *,
        source: RealSource,
        store: Store,
        executor: Executor,
        observer: TournamentObserver,
    ) -> None:
        self._config, self._source = config, source
        self._store, self._executor, self._observer = store, executor, observer
        self._schedule = Schedule(config, source=source)
        _check_target(config.attack.target, list(self._schedule.detectors))
        self._versions: list[Version] = []
        self._matches: list[Match] = []
        self._costs: list[Cost] = []
        self._audits: list[Audit] = []
        self._looks: list[Look] = []
        self._shifts: list[Shift] = []
        self._labels: dict[str, str] = {}
        self._forfeits: list[Forfeit] = []
        self._passed_over: list[PassedOver] = []
        self._on_val: dict[str, OnVal] = {}
        self._lost: set[tuple[str, str]] = set()
        self._out: set[tuple[Kind, str]] = set()
        self._real_pools: dict[int, dict[str, str]] = {}
        self._round = 0

    def play(self) -> TournamentRecord:
        """Plays every round.

        Returns:
            What was played; forfeits are in it.
        """
        for round_ in range(self._config.rounds + 1):
            self._round = round_
            if round_ == 0:
                self._enter()
            else:
                self._attack()
            self._sample()
            # Begun in this order: what may stop the tournament comes first.
            self._play_stages(self._audit(), self._parse(), self._defend())
            self._play_stages(self._score(), self._weigh_costs())
            self._look()
            self._observer.round_finished(self.record())
        return self.record()

    def record(self) -> TournamentRecord:
        """What has been played so far, in an order that does not depend on the executor."""
        return TournamentRecord(
            config=self._config,
            source_name=self._source.name,
            data=describe_reals(self._source, colour=self._schedule.colour),
            round=self._round,
            versions=tuple(sorted(self._versions, key=lambda v: (v.kind, v.player, v.round))),
            matches=tuple(sorted(self._matches, key=_by_versions)),
            costs=tuple(sorted(self._costs, key=lambda c: (c.generator.player, c.generator.round))),
            audits=tuple(sorted(self._audits, key=lambda a: (a.generator.player, a.generator.round))),
            looks=tuple(sorted(self._looks, key=_by_versions)),
            shifts=tuple(sorted(self._shifts, key=_by_versions)),
            forfeits=tuple(sorted(self._forfeits, key=lambda f: (f.round, f.kind, f.player, f.stage, f.against))),
            passed_over=tuple(sorted(self._passed_over, key=lambda p: (p.round, p.detector))),
            real_pools=self._real_pools,
        )

    def _enter(self) -> None:
        jobs = [self._schedule.enter(name) for name in self._schedule.generators]
        done = self._run("enter", jobs, self._forfeit("generator", "enter"))
        self._versions += [
            Version(
                kind="generator",
                player=job.player,
                round=0,
                key=job.key,
                resolution=self._store.record(job.key)["resolution"],
            )
            for job in jobs
            if job.key in done
        ]
        for resolution in sorted({version.resolution for version in self._versions}):
            pools = self._schedule.real_pools(resolution)
            self._run("reals", list(pools.values()), _must_not_fail)
            self._real_pools[resolution] = {name: job.key for name, job in pools.items()}

    def _attack(self) -> None:
        targets = self._targets()
        attackers = [version for version in self._latest("generator") if self._can_attack(version)]
        if not targets:
            return
        jobs = {
            self._schedule.attack(version, targets=targets, reals=self._real_pools[version.resolution]): version
            for version in attackers
        }
        done = self._run("attack", list(jobs), self._forfeit("generator", "attack"))
        labels = tuple(target.label for target in targets)
        self._versions += [
            replace(version, round=self._round, key=job.key, targets=labels, pools={})
            for job, version in jobs.items()
            if job.key in done
        ]

    def _targets(self) -> list[Version]:
        """Whom this round's attacks are against. Who cannot be attacked is passed over, and that is on record.

        Raises:
            ConfigError: The configuration names a detector that cannot be attacked.
        """
        latest = self._latest("detector")
        wanted = self._config.attack.target
        reasons = {version.player: self._store.record(version.key)["not_attackable"] for version in latest}
        if reasons.get(wanted):
            raise ConfigError(
                f"attack.target '{wanted}' cannot be attacked: {reasons[wanted]}; name another, or "
                "'champion': the best one that can be"
            )
        if wanted not in ("all", "champion"):
            return [version for version in latest if version.player == wanted]
        ranked = rank_on_val([(version, self._on_val[version.player]) for version in latest])
        attackable = [version for version in ranked if not reasons[version.player]]
        # Of a champion those who came before it, of all everybody.
        before = ranked if wanted == "all" or not attackable else ranked[: ranked.index(attackable[0])]
        self._passed_over += [
            PassedOver(detector=version.label, round=self._round, reason=reasons[version.player])
            for version in before
            if reasons[version.player]
        ]
        return attackable if wanted == "all" else attackable[:1]

    def _read_on_val(self, version: Version) -> OnVal:
        figures = self._store.record(version.key)["val"]
        return OnVal(aucs=tuple(figures["aucs"]), accuracy=figures["accuracy"], margin=figures["margin"])

    def _can_attack(self, version: Version) -> bool:
        return bool(self._store.record(self._first(version).key)["trainable"])

    def _sample(self) -> None:
        fresh = [v for v in self._versions if v.kind == "generator" and v.round == self._round]
        jobs = {version.player: self._schedule.sample(version) for version in fresh}
        every = [job for by_split in jobs.values() for job in by_split.values()]
        done = self._run("sample", every, self._forfeit("generator", "sample"))
        for version in fresh:
            self._versions.remove(version)
            pools = {split: job.key for split, job in jobs[version.player].items()}
            if done.issuperset(pools.values()):
                self._versions.append(replace(version, pools=pools))

    def _audit(self) -> _Played:
        on_leak = self._config.audit.on_leak
        jobs = {
            self._schedule.audit(version, reals=self._real_pools[version.resolution]): version
            for version in self._versions
            if version.kind == "generator" and version.round == self._round and on_leak != "skip"
        }
        awaited = {job.key for job in jobs}

        def arrived(job: Job) -> None:
            awaited.discard(job.key)
            # What an attack makes of a generator is the game's result; what it enters with must not be a format.
            if not awaited and on_leak == "refuse" and self._round == 0:
                for each, version in jobs.items():  # in their order, whichever came last
                    refuse_leak(version.label, self._store.record(each.key))

        yield Stage(name="audit", jobs=list(jobs), arrived=arrived, lost=_job_must_not_fail)
        self._audits += [
            Audit(generator=version, key=job.key, figures=self._store.record(job.key)) for job, version in jobs.items()
        ]

    def _parse(self) -> _Played:
        """Labels the faces of new test pools: early, because a parser that fails stops the tournament."""
        if self._schedule.parser is None or not any(map(self._schedule.judges_patches, self._schedule.detectors)):
            return
        pools = [pools["test"] for pools in self._real_pools.values()]
        pools += [version.pools["test"] for version in self._versions if version.kind == "generator"]
        jobs = {pool: self._schedule.parse(pool) for pool in pools if pool not in self._labels}
        yield Stage(name="parse", jobs=list(jobs.values()), lost=_parser_must_not_fail)
        self._labels |= {pool: job.key for pool, job in jobs.items()}

    def _defend(self) -> _Played:
        history = [v for v in self._versions if v.kind == "generator"]
        if self._config.defend.history == "latest":
            history = self._latest("generator")
        if not history:
            return
        jobs = [
            self._schedule.defend(name, history=history, reals=self._real_pools)
            for name in self._schedule.detectors
            if ("detector", name) not in self._out
        ]
        before = {version.player: self._state(version) for version in self._latest("detector")}
        done = yield Stage(name="defend", jobs=jobs, failed=self._forfeit("detector", "defend"))
        fresh = [
            Version(kind="detector", player=job.player, round=self._round, key=job.key)
            for job in jobs
            if job.key in done
        ]
        self._on_val |= {version.player: self._read_on_val(version) for version in fresh}
        # A state that did not change is no new version: a generator that was set against it knows it.
        self._versions += [version for version in fresh if self._state(version) != before.get(version.player)]

    def _state(self, detector: Version) -> str:
        return str(self._store.record(detector.key)["state"])

    def _score(self) -> _Played:
        known = self._lost | {(match.generator.label, match.detector.label) for match in self._matches}
        pairs = {
            self._schedule.match(generator, detector, reals=self._real_pools[generator.resolution]): (
                generator,
                detector,
            )
            for generator in self._versions
            for detector in self._versions
            if (generator.kind, detector.kind) == ("generator", "detector")
            and (generator.label, detector.label) not in known
        }
        reasons: dict[str, str] = {}
        done = yield Stage(
            name="score", jobs=list(pairs), failed=lambda job, reason: reasons.__setitem__(job.key, reason)
        )
        for job, (generator, detector) in pairs.items():
            if job.key in done:
                self._matches.append(
                    Match(
                        generator=generator,
                        detector=detector,
                        is_target=detector.label in generator.targets,
                        key=job.key,
                        figures=self._store.record(job.key),
                    )
                )
            else:
                self._lose(generator, detector, stage="score", reason=reasons[job.key])

    def _weigh_costs(self) -> _Played:
        weighed = {cost.generator.label for cost in self._costs}
        jobs = {
            self._schedule.cost(
                version, first=self._first(version), reals=self._real_pools[version.resolution]
            ): version
            for version in self._versions
            if version.kind == "generator" and version.label not in weighed
        }
        done = yield Stage(name="cost", jobs=list(jobs), failed=self._forfeit("generator", "cost"))
        self._costs += [
            Cost(generator=version, key=job.key, figures=self._store.record(job.key))
            for job, version in jobs.items()
            if job.key in done
        ]

    def _look(self) -> None:
        if not self._labels:
            return
        known = self._lost | {(look.generator.label, look.detector.label) for look in self._looks}
        wanted = [
            (
                match,
                {
                    truth: self._schedule.look(match.detector, pool, truth=truth, labels=self._labels[pool])
                    for truth, pool in self._test_pools(match.generator).items()
                },
            )
            for match in self._matches
            if self._schedule.judges_patches(match.detector.player)
            and (match.generator.label, match.detector.label) not in known
        ]
        jobs = {job.key: job for _, by_truth in wanted for job in by_truth.values()}
        reasons: dict[str, str] = {}
        done = self._run("look", list(jobs.values()), lambda job, reason: reasons.__setitem__(job.key, reason))
        for match, by_truth in wanted:
            generator, detector = match.generator, match.detector
            keys = {truth: job.key for truth, job in by_truth.items()}
            if done.issuperset(keys.values()):
                figures = {truth: self._store.record(key) for truth, key in keys.items()}
                self._looks.append(Look(generator=generator, detector=detector, keys=keys, figures=figures))
            else:
                reason = next(reasons[key] for key in keys.values() if key in reasons)
                self._lose(generator, detector, stage="look", reason=reason)
        self._compare_parts()

    def _test_pools(self, generator: Version) -> dict[Truth, str]:
        return {"real": self._real_pools[generator.resolution]["test"], "fake": generator.pools["test"]}

    def _compare_parts(self) -> None:
        """Every attack of this round: where its fakes gave themselves away before, and where they do now."""
        looks = {_by_versions(look): look for look in self._looks}
        jobs: dict[Job, Look] = {}
        for (generator, round_, detector, defended), frozen in looks.items():
            before = looks.get((generator, round_ - 1, detector, defended))
            retrained = looks.get((generator, round_, detector, defended + 1))
            if round_ == self._round == defended + 1 and before and retrained:
                job = self._schedule.shift(
                    before=before.keys["fake"],
                    frozen=frozen.keys["fake"],
                    retrained=retrained.keys["fake"],
                    player=detector,
                )
                jobs[job] = frozen
        self._run("shift", list(jobs), _job_must_not_fail)
        self._shifts += [
            Shift(
                generator=frozen.generator,
                detector=frozen.detector,
                is_target=frozen.detector.label in frozen.generator.targets,
                key=job.key,
                figures=self._store.record(job.key),
            )
            for job, frozen in jobs.items()
        ]

    def _lose(self, generator: Version, detector: Version, *, stage: str, reason: str) -> None:
        self._lost.add((generator.label, detector.label))
        self._forfeits.append(
            Forfeit(
                kind="detector",
                player=detector.player,
                round=self._round,
                stage=stage,
                reason=reason,
                against=generator.label,
            )
        )

    def _play_stages(self, *played: _Played) -> None:
        """Runs the stages of several steps side by side, and lets each step take in its results, in their order."""
        steps = [(step, stage) for step in played for stage in (next(step, None),) if stage is not None]
        done = self._run_stages(*(stage for _, stage in steps))
        for step, _ in steps:
            with contextlib.suppress(StopIteration):
                step.send(done)

    def _run(self, stage: str, jobs: Sequence[Job], failed: _Failed) -> set[str]:
        """Runs what the store does not hold; returns the keys of all that succeeded, now or before."""
        return self._run_stages(Stage(name=stage, jobs=jobs, failed=failed))

    def _run_stages(self, *stages: Stage) -> set[str]:
        return run_stages(
            *stages, round_=self._round, store=self._store, executor=self._executor, observer=self._observer
        )

    def _forfeit(self, kind: Kind, stage: str) -> _Failed:
        def failed(job: Job, reason: str) -> None:
            if (kind, job.player) not in self._out:
                self._out.add((kind, job.player))
                self._forfeits.append(
                    Forfeit(kind=kind, player=job.player, round=self._round, stage=stage, reason=reason)
                )

        return failed

    def _latest(self, kind: Kind) -> list[Version]:
        """The newest version of each player that is still in, by name."""
        newest: dict[str, Version] = {}
        for version in sorted(self._versions, key=lambda v: v.round):
            if version.kind == kind and (kind, version.player) not in self._out:
                newest[version.player] = version
        return [newest[name] for name in sorted(newest)]

    def _first(self, version: Version) -> Version:
        return next(v for v in self._versions if (v.kind, v.player, v.round) == (version.kind, version.player, 0))


class AttackDefend(Protocol):
    """Attack-defend rounds: every version of every player against every other (section 4.3).

    What is played is in the configuration: ``rounds``, ``[attack]``, ``[defend]`` and so on. `fakeoff run` keeps its
    scoreboard; within another experiment it leaves a table of its matches.
    """

    def play(self, ground: Ground) -> None:
        tournament = Tournament(
            ground.config,
            source=ground.source,
            store=ground.store,
            executor=ground.executor,
            observer=_OfAnExperiment(ground.observer),
        )
        rows: list[dict[str, Cell]] = [
            {
                "generator": match.generator.label,
                "detector": match.detector.label,
                "is target": match.is_target,
                **{metric: match.figures[metric] for metric in METRICS},
            }
            for match in tournament.play().matches
        ]
        if rows:
            ground.table("matches", rows)


class _OfAnExperiment:
    """An experiment's observer does not see rounds."""

    def __init__(self, observer: StageObserver) -> None:
        self.phase, self.progress, self.finished = observer.phase, observer.progress, observer.finished

    def round_finished(self, record: TournamentRecord) -> None:
        pass


def _check_target(target: str, detectors: Sequence[str]) -> None:
    known = ("champion", "all", *detectors)
    if target not in known:
        raise ConfigError(
            f"attack.target '{target}' is no detector of this tournament{suggestion(target, known) or '.'} "
            f"It can be: {', '.join(known)}"
        )


def _by_versions(played: Match | Look | Shift) -> tuple[str, int, str, int]:
    return (played.generator.player, played.generator.round, played.detector.player, played.detector.round)


def _parser_must_not_fail(job: Job, reason: str) -> None:
    raise ConfigError(f"the {job.player} failed: {reason}; name another in parts.parser, or '' to leave parts out")


def _job_must_not_fail(job: Job, reason: str) -> None:
    raise ConfigError(f"cannot {job.label}: {reason}")


def _must_not_fail(job: Job, reason: str) -> None:
    raise ConfigError(f"the {job.player} cannot be read: {reason}")
