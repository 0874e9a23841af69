"""The tournament: attack, defend, score, round after round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from fakeoff import detectors, generators
from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.executors import Executor, Observer
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.reals import SPLITS, RealSource, Split
from fakeoff.arena.seeds import digest
from fakeoff.arena.specs import PlayerSpec, write_spec
from fakeoff.arena.store import Store
from fakeoff.protocols import attack, defend, evaluate, pools
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.records import Cost, Forfeit, Kind, Match, TournamentRecord, Version
from fakeoff.protocols.standings import rank_detectors

_LEARNING_RATES = ("generator_lr", "critic_lr")

_Failed: TypeAlias = Callable[[Job, str], None]


class TournamentObserver(Observer, Protocol):
    """Sees a tournament unfold."""

    def phase(self, round_: int, stage: str, jobs: Sequence[Job], *, reused: int) -> None:
        """A stage begins: what it will run, and how many results were there already."""

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
        plugin_files: Users' files that were imported; workers import them too.

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
        plugin_files: Sequence[Path] = (),
    ) -> None:
        self._config, self._source = config, source
        self._store, self._executor, self._observer = store, executor, observer
        self._plugins = tuple(str(path.resolve()) for path in plugin_files)
        self._colour = source.colour if config.arena.colour == "auto" else config.arena.colour
        self._generators = {
            player.name: write_spec(
                generators.players,
                name=player.name,
                plugin=player.plugin,
                parameters=player.parameters,
                weights_folder=generators.WEIGHTS_FOLDER,
            )
            for player in config.generators
        }
        self._detectors = {
            player.name: write_spec(
                detectors.players,
                name=player.name,
                plugin=player.plugin,
                parameters=player.parameters,
                weights_folder=detectors.WEIGHTS_FOLDER,
            )
            for player in config.detectors
        }
        target = config.attack.target
        if target not in ("champion", "all", *self._detectors):
            known = ("champion", "all", *self._detectors)
            raise ConfigError(
                f"attack.target '{target}' is no detector of this tournament{suggestion(target, known)} "
                f"It can be: {', '.join(known)}"
            )
        self._versions: list[Version] = []
        self._matches: list[Match] = []
        self._costs: list[Cost] = []
        self._forfeits: list[Forfeit] = []
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
            if self._round == 0:
                self._enter()
            else:
                self._attack()
            self._sample()
            self._defend()
            self._score()
            self._observer.round_finished(self.record())
        return self.record()

    def record(self) -> TournamentRecord:
        """What has been played so far."""
        return TournamentRecord(
            config=self._config,
            source_name=self._source.name,
            data=self._data(),
            round=self._round,
            versions=tuple(sorted(self._versions, key=lambda v: (v.kind, v.player, v.round))),
            matches=tuple(
                sorted(
                    self._matches,
                    key=lambda m: (m.generator.player, m.generator.round, m.detector.player, m.detector.round),
                )
            ),
            costs=tuple(sorted(self._costs, key=lambda c: (c.generator.player, c.generator.round))),
            forfeits=tuple(sorted(self._forfeits, key=lambda f: (f.round, f.kind, f.player, f.stage, f.against))),
            real_pools=self._real_pools,
        )

    def _enter(self) -> None:
        jobs = [
            self._job(
                "enter",
                pools.enter,
                version=pools.VERSION,
                player=name,
                payload={"generator": spec.identity()},
                places={"weights": str(spec.weights) if spec.weights else None},
            )
            for name, spec in self._generators.items()
        ]
        done = self._run("enter", jobs, self._forfeit("generator", "enter"))
        for job in jobs:
            if job.key in done:
                resolution = self._store.record(job.key)["resolution"]
                self._versions.append(
                    Version(kind="generator", player=job.player, round=0, key=job.key, resolution=resolution)
                )
        self._prepare_reals({version.resolution for version in self._versions})

    def _prepare_reals(self, resolutions: set[int]) -> None:
        jobs: dict[tuple[int, Split, bool], Job] = {}
        for resolution in sorted(resolutions):
            for split in SPLITS:
                # Attacks train on the reals at the generator's own resolution.
                jobs[resolution, split, False] = self._real_job(split, resolution, self._config.arena.resolution)
            jobs[resolution, "train", True] = self._real_job("train", resolution, resolution)
        unique = list({job.key: job for job in jobs.values()}.values())
        self._run("reals", unique, _must_not_fail)
        for (resolution, split, own), job in jobs.items():
            self._real_pools.setdefault(resolution, {})["attack" if own else split] = job.key

    def _real_job(self, split: Split, resolution: int, arena_resolution: int) -> Job:
        photographs = self._source.photographs[split]
        return self._job(
            "reals",
            pools.real_pool,
            version=pools.VERSION,
            player=f"{split} reals",
            payload={
                "photographs": [photograph.sha256 for photograph in photographs],
                "resolution": resolution,
                "arena_resolution": arena_resolution,
                "colour": self._colour,
            },
            places={"photographs": [(photograph.name, str(photograph.path)) for photograph in photographs]},
        )

    def _attack(self) -> None:
        targets = self._targets()
        if not targets:
            return
        settings = self._config.attack
        jobs = []
        before = {version.player: version for version in self._latest("generator")}
        for name, version in before.items():
            if not self._store.record(self._first(name).key)["trainable"]:
                continue
            spec = self._generators[name]
            parameters = dict(spec.parameters)
            parameters |= {key: getattr(settings, key) for key in _LEARNING_RATES if key in parameters}
            tuned = PlayerSpec(name=name, plugin=spec.plugin, parameters=parameters, fingerprint=spec.fingerprint)
            jobs.append(
                self._job(
                    "attack",
                    attack.attack,
                    version=attack.VERSION,
                    player=name,
                    threads=self._config.compute.attack_threads,
                    payload={
                        "generator": tuned.identity(),
                        "targets": [self._detectors[target.player].identity() for target in targets],
                        "weight": settings.weight,
                        "steps": settings.steps,
                        "batch": settings.batch,
                        "seed": self._config.seed,
                        **self._arena(),
                        "precision": self._config.compute.precision,
                    },
                    inputs={
                        "version": version.key,
                        "reals": self._real_pools[version.resolution]["attack"],
                        **{f"target_{index}": target.key for index, target in enumerate(targets)},
                    },
                )
            )
        done = self._run("attack", jobs, self._forfeit("generator", "attack"))
        for job in jobs:
            if job.key in done:
                self._versions.append(
                    Version(
                        kind="generator",
                        player=job.player,
                        round=self._round,
                        key=job.key,
                        targets=tuple(target.label for target in targets),
                        resolution=before[job.player].resolution,
                    )
                )

    def _targets(self) -> list[Version]:
        latest = self._latest("detector")
        wanted = self._config.attack.target
        if wanted == "all":
            return latest
        if wanted == "champion":
            ranked = rank_detectors(self._matches, latest)
            wanted = ranked[0].player if ranked else ""
        return [version for version in latest if version.player == wanted]

    def _sample(self) -> None:
        fresh = [v for v in self._versions if v.kind == "generator" and v.round == self._round]
        counts = self._config.pools
        jobs = {
            (version.player, split): self._job(
                "sample",
                pools.fake_pool,
                version=pools.VERSION,
                player=version.player,
                payload={
                    "generator": self._generators[version.player].identity(),
                    "split": split,
                    "n": getattr(counts, f"{split}_fakes"),
                    "seed": self._config.seed,
                    **self._arena(),
                },
                inputs={"version": version.key},
            )
            for version in fresh
            for split in SPLITS
        }
        done = self._run("sample", list(jobs.values()), self._forfeit("generator", "sample"))
        for version in fresh:
            self._versions.remove(version)
            if all(jobs[version.player, split].key in done for split in SPLITS):
                sampled = {split: jobs[version.player, split].key for split in SPLITS}
                self._versions.append(Version(**{**vars(version), "pools": sampled}))

    def _defend(self) -> None:
        settings = self._config.defend
        history = [v for v in self._versions if v.kind == "generator"]
        if settings.history == "latest":
            history = self._latest("generator")
        if not history:
            return
        inputs: dict[str, str] = {}
        for split in ("train", "val"):
            for index, resolution in enumerate(sorted({version.resolution for version in history})):
                inputs[f"real_{split}_{index}"] = self._real_pools[resolution][split]
            for index, version in enumerate(sorted(history, key=lambda v: (v.player, v.round))):
                inputs[f"fake_{split}_{index}"] = version.pools[split]
        jobs = [
            self._job(
                "defend",
                defend.defend,
                version=defend.VERSION,
                player=name,
                threads=self._config.compute.defend_threads,
                payload={
                    "detector": spec.identity(),
                    "steps": settings.steps,
                    "batch": settings.batch,
                    "check_every": settings.check_every,
                    "patience": settings.patience,
                    "seed": self._config.seed,
                    "precision": self._config.compute.precision,
                },
                inputs=inputs,
                places={"weights": str(spec.weights) if spec.weights else None},
            )
            for name, spec in self._detectors.items()
            if ("detector", name) not in self._out
        ]
        done = self._run("defend", jobs, self._forfeit("detector", "defend"))
        self._versions += [
            Version(kind="detector", player=job.player, round=self._round, key=job.key)
            for job in jobs
            if job.key in done
        ]

    def _score(self) -> None:
        scored = {(m.generator.label, m.detector.label) for m in self._matches}
        sides = [[v for v in self._versions if v.kind == kind] for kind in ("generator", "detector")]
        pairs = {
            self._match_job(generator, detector): (generator, detector)
            for generator in sides[0]
            for detector in sides[1]
            if (generator.label, detector.label) not in scored
        }
        lost: dict[str, str] = {}
        done = self._run("score", list(pairs), lambda job, reason: lost.__setitem__(job.key, reason))
        for job, (generator, detector) in pairs.items():
            if job.key in done:
                is_target = detector.label in generator.targets
                figures = self._store.record(job.key)
                self._matches.append(
                    Match(generator=generator, detector=detector, is_target=is_target, key=job.key, figures=figures)
                )
            else:
                self._forfeits.append(
                    Forfeit(
                        kind="detector",
                        player=detector.player,
                        round=self._round,
                        stage="score",
                        reason=lost[job.key],
                        against=generator.label,
                    )
                )
        self._weigh_costs(sides[0])

    def _match_job(self, generator: Version, detector: Version) -> Job:
        settings = self._config.score
        return self._job(
            "score",
            evaluate.match,
            version=evaluate.VERSION,
            player=detector.player,
            suffix=f"@{detector.round} on {generator.label}",
            payload={
                "detector": self._detectors[detector.player].identity(),
                "resamples": settings.resamples,
                "confidence": settings.confidence,
            },
            inputs={
                "version": detector.key,
                "real": self._real_pools[generator.resolution]["test"],
                "fake": generator.pools["test"],
            },
        )

    def _weigh_costs(self, versions: Sequence[Version]) -> None:
        weighed = {c.generator.label for c in self._costs}
        jobs = {
            self._job(
                "cost",
                evaluate.cost,
                version=evaluate.VERSION,
                player=version.player,
                payload={},
                inputs={
                    "fake": version.pools["test"],
                    "fake_0": self._first(version.player).pools["test"],
                    "real": self._real_pools[version.resolution]["test"],
                    "real_train": self._real_pools[version.resolution]["train"],
                },
            ): version
            for version in versions
            if version.label not in weighed
        }
        done = self._run("cost", list(jobs), self._forfeit("generator", "cost"))
        self._costs += [
            Cost(generator=version, key=job.key, figures=self._store.record(job.key))
            for job, version in jobs.items()
            if job.key in done
        ]

    def _run(self, stage: str, jobs: Sequence[Job], failed: _Failed) -> set[str]:
        """Runs what the store does not hold; returns the keys of all that succeeded, now or before."""
        done = {job.key for job in jobs if job.key in self._store}
        missing = list({job.key: job for job in jobs if job.key not in done}.values())
        self._observer.phase(self._round, stage, missing, reused=len(jobs) - len(missing))
        for outcome in self._executor.run(missing, load=self._store.read, observer=self._observer):
            outcome = self._keep(outcome)
            self._observer.finished(outcome)
            if outcome.result is not None:
                done.add(outcome.job.key)
            else:
                # Players with the same recipe share a job, and its failure.
                for job in jobs:
                    if job.key == outcome.job.key:
                        failed(job, outcome.failure or "failed")
        return done

    def _keep(self, outcome: Outcome) -> Outcome:
        if outcome.result is not None:
            self._store.write(outcome.job.key, outcome.result)
        return outcome

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

    def _first(self, generator: str) -> Version:
        return next(v for v in self._versions if v.kind == "generator" and v.player == generator and v.round == 0)

    def _arena(self) -> dict[str, Any]:
        return {"arena_resolution": self._config.arena.resolution, "colour": self._colour}

    def _job(
        self,
        stage: str,
        task: Callable[..., Any],
        *,
        version: int,
        player: str,
        payload: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        threads: int = 1,
        places: Mapping[str, Any] | None = None,
        suffix: str = "",
    ) -> Job:
        return Job(
            task=f"{task.__module__}:{task.__name__}",
            version=version,
            payload=payload,
            inputs=inputs or {},
            threads=threads,
            label=f"round {self._round}: {stage} {player}{suffix}",
            player=player,
            places={"plugins": self._plugins, **(places or {})},
        )

    def _data(self) -> dict[str, Any]:
        return {
            "source": self._source.name,
            "colour": self._colour,
            "split": {
                split: {
                    "groups": list(self._source.groups(split)),
                    "photographs": len(self._source.photographs[split]),
                    "sha256": digest(self._source.key(split)),
                }
                for split in SPLITS
            },
            "left_out": len(self._source.left_out),
        }


def _must_not_fail(job: Job, reason: str) -> None:
    raise ConfigError(f"the {job.player} cannot be read: {reason}")
