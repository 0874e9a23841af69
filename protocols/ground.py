"""The ground that an experiment stands on: players and pools, attacks and matches, its own jobs, and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from fakeoff import detectors, generators
from fakeoff.arena.errors import PluginError, suggestion
from fakeoff.arena.executors import Executor
from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.reals import RealSource
from fakeoff.arena.specs import PlayerSpec
from fakeoff.arena.store import Store
from fakeoff.protocols.computing import decided
from fakeoff.protocols.config import TournamentConfig, merge, parse_config
from fakeoff.protocols.log import CheckedLog, Log, Row
from fakeoff.protocols.own_jobs import Results, check_payload, check_task
from fakeoff.protocols.records import Cost, Forfeit, Kind, Match, Version
from fakeoff.protocols.schedule import Schedule
from fakeoff.protocols.stage import StageObserver, Stages, describe_reals, refuse_leak


class Ground:
    """Everything that an experiment may do. What was computed before is only read.

    A player that fails forfeits: it is recorded, the version or match is left out of what is returned, and the rest
    goes on. A job of the experiment's own that fails, and is nobody's, ends the experiment.

    Args:
        config: Players, reals, pools and settings.
        spec: The protocol's recipe.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.
        log: Where points, tables, figures and files go.

    Attributes:
        config: What was asked for.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run; with ``observer``, for protocols that bring their own stages.
        observer: Who is told.
        data: What the reals are: hashes, counts, colour and split.
        seed: Of everything random. Every own job's key holds it.
        generators: Their names.
        detectors: Their names.
        code: By kind and name: what decides a player's behaviour besides its parameters.
        forfeits: What players failed at, in an order that does not depend on the executor.
        leaks: By generator version: how its pools can be told from the reals by format alone, where that is only
            reported.
    """

    def __init__(
        self,
        config: TournamentConfig,
        *,
        spec: PlayerSpec,
        source: RealSource,
        store: Store,
        executor: Executor,
        observer: StageObserver,
        log: Log,
    ) -> None:
        self.config, self.source, self.store = config, source, store
        self.executor, self.observer = executor, observer
        self._spec, self._log = spec, CheckedLog(log)
        self._stages = Stages(spec.name, store=store, executor=executor, observer=observer)
        self._schedule = Schedule(config, source=source)
        self.seed = config.seed
        self.data = describe_reals(source, colour=self._schedule.colour)
        self.generators, self.detectors = tuple(self._schedule.generators), tuple(self._schedule.detectors)
        players = {"generators": self._schedule.generators, "detectors": self._schedule.detectors}
        self.code = {
            kind: {name: dict(spec.fingerprint) for name, spec in specs.items()} for kind, specs in players.items()
        }
        self.leaks: dict[str, list[str]] = {}
        self._real_pools: dict[int, dict[str, str]] = {}
        self._firsts: dict[str, Version] = {}
        self._owners: dict[Job, Version] = {}

    @property
    def forfeits(self) -> tuple[Forfeit, ...]:
        return self._stages.forfeits

    # Players and pools

    def enter(self, *names: str, audit: bool = True) -> list[Version]:
        """Lets generators enter: their versions 0, with fake pools, audited against the reals that belong to them.

        Args:
            *names: Which; all by default.
            audit: Whether to look for traces of format that would give the fakes away. Leave it out only where no
                detector takes part.

        Raises:
            ConfigError: Format alone tells a generator's pools from the reals, and the configuration refuses that.
            PluginError: There is no such generator.
        """
        wanted = self._known("generator", names or self.generators)
        jobs = {self._schedule.enter(name): name for name in wanted}
        blame = {job: Forfeit(kind="generator", player=jobs[job], round=0, stage="", reason="") for job in jobs}
        done = self._stages.settle("enter", blame)
        entered = [
            Version(
                kind="generator",
                player=name,
                round=0,
                key=job.key,
                resolution=self.store.record(job.key)["resolution"],
            )
            for job, name in jobs.items()
            if job.key in done
        ]
        versions = self._sample(entered)
        if audit:
            self._audit(versions)
        self._firsts |= {version.player: version for version in versions}
        return versions

    def real_pools(self, resolution: int) -> Mapping[str, str]:
        """The keys of the reals that belong to generators of a resolution.

        Args:
            resolution: A generator version's.

        Returns:
            ``train``, ``val`` and ``test`` at the arena's resolution, as detectors see them, and ``attack``: those of
            train at the generator's. A version's ``pools`` are the fakes.
        """
        if resolution not in self._real_pools:
            jobs = self._schedule.real_pools(resolution)
            self._stages.settle("reals", dict.fromkeys(jobs.values()))
            self._real_pools[resolution] = {name: job.key for name, job in jobs.items()}
        return self._real_pools[resolution]

    def pixels(self, pool: str) -> Pixels:
        """The images of a pool, by its key: uint8 ``(n, h, w, 3)``, RGB."""
        return self.store.read(pool).arrays["images"]

    def identity(self, version: Version) -> dict[str, Any]:
        """What a job of the experiment's own needs in its payload to build a player; the version is its input.

        In the job: :func:`fakeoff.protocols.referee.build_detector` or ``build_generator``.
        """
        return self._spec_of(version).identity()

    def is_trainable(self, version: Version) -> bool:
        """Whether a player has a ``train_step``."""
        plugin = self._spec_of(version).plugin
        if version.kind == "generator":
            return "trainable" in generators.capabilities(generators.players.load(plugin))
        return "trainable" in detectors.capabilities(detectors.players.load(plugin))

    # The game

    def attack(self, versions: Iterable[Version], *, targets: Iterable[Version], **settings: Any) -> list[Version]:
        """Finetunes generators against frozen detectors (Eq. 4).

        Args:
            versions: Generator versions. Those that cannot be trained are left out.
            targets: Detector versions.
            **settings: Over the configuration's ``[attack]``, such as ``weight=0.5``.

        Returns:
            The next versions, with fake pools.

        Raises:
            ConfigError: There is no such setting.
            PluginError: No target, one that cannot be attacked, or a version is of the other kind.
        """
        attackers, frozen = _of_kind("generator", versions), _of_kind("detector", targets)
        if not frozen:
            raise PluginError("attack() was given no detector to attack")
        for target in frozen:
            # A version that the experiment trained in a job of its own need not say; the attack finds out.
            if reason := self.store.record(target.key).get("not_attackable"):
                raise PluginError(f"attack() was given {target.label}, which cannot be attacked: {reason}")
        schedule = self._over("attack", settings, given="target")
        jobs = {
            schedule.attack(version, targets=frozen, reals=self.real_pools(version.resolution)): version
            for version in attackers
            if self.is_trainable(version)
        }
        return self._advance("attack", jobs, targets=tuple(target.label for target in frozen))

    def defend(self, names: Iterable[str], history: Iterable[Version], **settings: Any) -> list[Version]:
        """Trains detectors from their beginning on reals and fakes, with early stopping on val.

        Args:
            names: Which detectors, such as ``ground.detectors``.
            history: The generator versions whose fakes they learn.
            **settings: Over the configuration's ``[defend]``, such as ``steps=200``.

        Returns:
            Versions of the round of the newest fakes.

        Raises:
            ConfigError: There is no such setting.
            PluginError: No such detector, an empty history, or a version is of the other kind.
        """
        makers = _of_kind("generator", history)
        if not makers:
            raise PluginError("defend() was given no generator version to learn from")
        wanted = self._known("detector", names)
        schedule = self._over("defend", settings, given="history")
        reals = {version.resolution: self.real_pools(version.resolution) for version in makers}
        newest = max(version.round for version in makers)
        jobs = {schedule.defend(name, history=makers, reals=reals): name for name in wanted}
        blame = {job: Forfeit(kind="detector", player=jobs[job], round=newest, stage="", reason="") for job in jobs}
        done = self._stages.settle("defend", blame)
        return [
            Version(kind="detector", player=name, round=newest, key=job.key)
            for job, name in jobs.items()
            if job.key in done
        ]

    def match(self, makers: Iterable[Version], judges: Iterable[Version]) -> list[Match]:
        """Scores every generator version against every detector version, on test pools.

        Args:
            makers: Generator versions.
            judges: Detector versions.

        Returns:
            Matches, generator by generator: metrics with intervals; see :func:`fakeoff.protocols.metrics.evaluate`.

        Raises:
            PluginError: A version is of the other kind.
        """
        fakers, detectives = _of_kind("generator", makers), _of_kind("detector", judges)
        jobs = {
            self._schedule.match(maker, judge, reals=self.real_pools(maker.resolution)): (maker, judge)
            for maker in fakers
            for judge in detectives
        }
        done = self._stages.settle(
            "score", {job: _blame(judge, against=maker.label) for job, (maker, judge) in jobs.items()}
        )
        return [
            Match(
                generator=maker,
                detector=judge,
                is_target=judge.label in maker.targets,
                key=job.key,
                figures=self.store.record(job.key),
            )
            for job, (maker, judge) in jobs.items()
            if job.key in done
        ]

    def costs(self, versions: Iterable[Version]) -> list[Cost]:
        """How far generator versions went from version 0 and lie from the held-out reals.

        Returns:
            Distances; see :mod:`fakeoff.protocols.distances`.

        Raises:
            PluginError: A version is of a detector.
        """
        jobs = {
            self._schedule.cost(
                version, first=self._firsts[version.player], reals=self.real_pools(version.resolution)
            ): version
            for version in _of_kind("generator", versions)
        }
        done = self._stages.settle("cost", {job: _blame(version) for job, version in jobs.items()})
        return [
            Cost(generator=version, key=job.key, figures=self.store.record(job.key))
            for job, version in jobs.items()
            if job.key in done
        ]

    # Jobs of the experiment's own

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
    ) -> Job:
        """Writes a job; :meth:`run` or :meth:`advance` runs it.

        It is known by the hash of what it depends on: the function's name, the protocol's code (the whole plugin file,
        or its installed package), ``payload``, ``inputs``, ``threads`` and the seed. Its random numbers derive from
        that: ``context.rng("what for")``.

        Args:
            task: A function at the top level of a module, the protocol's own file for example.
            payload: JSON-able arguments, ``context.payload``. ``seed`` and ``protocol`` are added.
            inputs: What it reads, ``context.inputs``: versions, pools or other results by key, or jobs that ran before.
            player: Who forfeits if it fails; by default the experiment ends then.
            label: For people, such as ``judge at quality 30``.
            threads: For one operation. It decides the order of sums.
            on_device: Whether it computes where the players do, ``context.device``, a GPU perhaps; by default it is
                given none.

        Raises:
            PluginError: The function cannot be found by a worker, or the payload is not JSON-able.
        """
        title = label or getattr(task, "__name__", "job")
        check_task(task)
        check_payload(payload or {}, label=title)
        job = self._schedule.job(
            task,
            1,
            label=title,
            player=player.player if player else "",
            specs=[self._spec, *self._schedule.generators.values(), *self._schedule.detectors.values()],
            payload={**(payload or {}), "seed": self.seed, "protocol": dict(self._spec.fingerprint)},
            inputs={name: read if isinstance(read, str) else read.key for name, read in (inputs or {}).items()},
            threads=threads,
            device=decided(self.config)[0] if on_device else "cpu",
        )
        if player is not None:
            self._owners[job] = player
        return job

    def run(self, stage: str, jobs: Iterable[Job]) -> Results:
        """Runs own jobs that do not depend on each other, as many at a time as there are cores for.

        Args:
            stage: What they do, for people: ``compressed images are judged``.
            jobs: From :meth:`job`.

        Raises:
            PluginError: A job that is no player's failed. The others' results are kept.
        """
        wanted = list(jobs)
        owners = {job: self._owners.get(job) for job in wanted}
        done = self._stages.settle(stage, {job: _blame(owner) if owner else None for job, owner in owners.items()})
        return Results([job for job in wanted if job.key in done], self.store)

    def advance(self, stage: str, jobs: Mapping[Job, Version]) -> list[Version]:
        """Runs own jobs that each train a player on, and makes of each result the player's next version.

        It can then be matched, attacked and attack like any other.

        Args:
            stage: What they do, for people.
            jobs: By job: the version that it trained on; that player forfeits if it fails. A job's arrays must be the
                player's whole state (:func:`fakeoff.arena.specs.state_arrays`). A detector's record must have its
                ``threshold``.

        Returns:
            The next versions; generators' with fake pools.

        Raises:
            PluginError: A detector's record has no threshold.
        """
        return self._advance(stage, jobs, targets=())

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

    def _over(self, section: str, settings: Mapping[str, Any], *, given: str) -> Schedule:
        """The schedule with settings over a section of the configuration."""
        if not settings:
            return self._schedule
        if given in settings:
            raise PluginError(f"{section}() takes versions in place of the setting '{given}'")
        data = merge(self.config.model_dump(), {section: settings})
        over = parse_config(data, where=f"{section}() of protocol '{self._spec.name}'")
        return Schedule(over, source=self.source)

    def _advance(self, stage: str, jobs: Mapping[Job, Version], *, targets: tuple[str, ...]) -> list[Version]:
        done = self._stages.settle(stage, {job: _blame(version, rounds=1) for job, version in jobs.items()})
        versions = [
            replace(version, round=version.round + 1, key=job.key, targets=targets, pools={})
            for job, version in jobs.items()
            if job.key in done
        ]
        for version in versions:
            if version.kind == "detector" and "threshold" not in self.store.record(version.key):
                raise PluginError(f"the job that trained {version.player} left no 'threshold' in its record")
        return self._sample(versions)

    def _sample(self, versions: Sequence[Version]) -> list[Version]:
        """Versions with their fake pools; generators that cannot be sampled forfeit, detectors have none."""
        jobs = [self._schedule.sample(version) if version.kind == "generator" else {} for version in versions]
        blame = {
            job: _blame(version) for version, by_split in zip(versions, jobs, strict=True) for job in by_split.values()
        }
        done = self._stages.settle("sample", blame)
        pools = [{split: job.key for split, job in by_split.items()} for by_split in jobs]
        return [
            replace(version, pools=keys)
            for version, keys in zip(versions, pools, strict=True)
            if done.issuperset(keys.values())
        ]

    def _audit(self, versions: Sequence[Version]) -> None:
        on_leak = self.config.audit.on_leak
        if on_leak == "skip":
            return
        jobs = {self._schedule.audit(v, reals=self.real_pools(v.resolution)): v for v in versions}
        self._stages.settle("audit", dict.fromkeys(jobs))
        for job, version in jobs.items():
            report = self.store.record(job.key)
            if on_leak == "refuse":
                refuse_leak(version.label, report)
            found = [finding["sentence"] for finding in report["findings"] if finding["gravity"] == "leak"]
            if found:
                self.leaks[version.label] = found

    def _known(self, kind: Kind, names: Iterable[str]) -> list[str]:
        wanted = [names] if isinstance(names, str) else list(names)
        known = self.generators if kind == "generator" else self.detectors
        for name in wanted:
            if name not in known:
                hint = suggestion(str(name), known) or "."
                raise PluginError(f"no {kind} '{name}' plays here{hint} There are: {', '.join(known)}")
        return list(dict.fromkeys(wanted))

    def _spec_of(self, version: Version) -> PlayerSpec:
        specs = self._schedule.generators if version.kind == "generator" else self._schedule.detectors
        return specs[version.player]


def _blame(version: Version, *, rounds: int = 0, against: str = "") -> Forfeit:
    return Forfeit(
        kind=version.kind, player=version.player, round=version.round + rounds, stage="", reason="", against=against
    )


def _of_kind(kind: Kind, versions: Iterable[Version]) -> list[Version]:
    given = list(versions)
    for version in given:
        if not isinstance(version, Version) or version.kind != kind:
            found = version.label if isinstance(version, Version) else repr(version)
            raise PluginError(f"{found} was given where a {kind} version is wanted")
    return given
