"""The schedule: which jobs a tournament consists of. It knows nothing of what has been played."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fakeoff import detectors, generators
from fakeoff.arena.compute import DeviceName
from fakeoff.arena.images.reals import SPLITS, RealSource, Split
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.config.computing import decided
from fakeoff.protocols.forensics import audit
from fakeoff.protocols.game.recipes import (
    check_pairs,
    check_rate_is_heeded,
    is_manipulator,
    judges_patches,
    parser_spec,
    write_specs,
)
from fakeoff.protocols.game.urgency import urgency
from fakeoff.protocols.looking import look
from fakeoff.protocols.record.records import Version
from fakeoff.protocols.rules import attack, defend, evaluate, judging, pools
from fakeoff.protocols.rules.judging import Mixture
from fakeoff.protocols.score.patches import Truth

_ATTACK_REALS = "attack"


class Schedule:
    """Writes the jobs of a tournament.

    Args:
        config: What is played.
        source: The reals.

    Raises:
        ConfigError: A generator is a manipulator, and the reals of a split show one person.
        PluginError: A player is unknown or takes other parameters, or takes no learning rate where one is set.
    """

    def __init__(self, config: TournamentConfig, *, source: RealSource) -> None:
        self._config, self._source = config, source
        self._device, self._precision = decided(config)
        self.colour = source.colour if config.arena.colour == "auto" else config.arena.colour
        self.generators = write_specs(generators.players, config.generators)
        self.detectors = write_specs(detectors.players, config.detectors)
        self.parser = parser_spec(config.parts)
        check_pairs(self.generators, source)
        if config.attack.rate:
            check_rate_is_heeded(config.attack.rate, "attack", self.generators, generators.players)
        if config.defend.rate:
            check_rate_is_heeded(config.defend.rate, "defend", self.detectors, detectors.players)

    def enter(self, generator: str) -> Job:
        """A generator's version 0."""
        spec = self.generators[generator]
        return self.job(
            pools.enter,
            pools.VERSION,
            label=f"enter {generator}",
            player=generator,
            specs=[spec],
            payload={"generator": spec.identity()},
            places=spec.places(),
            stage="enter",
            round_=0,
        )

    def real_pools(self, resolution: int) -> dict[str, Job]:
        """The reals that belong to generators of a resolution: by split, and ``attack`` at that resolution itself."""
        jobs: dict[str, Job] = {
            split: self._reals(split, resolution, self._config.arena.resolution) for split in SPLITS
        }
        return {**jobs, _ATTACK_REALS: self._reals("train", resolution, resolution)}

    def reals_to_manipulate(self, version: Version) -> dict[str, Job]:
        """The reals that a generator version is shown to make fakes of, by split; none unless it is a manipulator."""
        if not self._manipulates(version):
            return {}
        return {split: self._reals(split, version.resolution, version.resolution) for split in SPLITS}

    def attack(self, version: Version, *, targets: Sequence[Version], reals: Mapping[str, str]) -> Job:
        """A generator's next version, finetuned against frozen targets."""
        settings = self._config.attack
        spec = self.generators[version.player]
        return self.job(
            attack.attack,
            attack.VERSION,
            label=f"attack {version.player}",
            player=version.player,
            specs=[spec, *(self.detectors[target.player] for target in targets)],
            threads=self._config.compute.attack_threads,
            device=self._device,
            payload={
                "generator": spec.identity(),
                "targets": [self.detectors[target.player].identity() for target in targets],
                "weight": settings.weight,
                "steps": settings.steps,
                "batch": settings.batch,
                "rate": settings.rate,
                "until": settings.until,
                "look_every": settings.look_every,
                "seed": self._config.seed,
                "precision": self._precision,
                **self._arena(),
                **({"persons": self._source.persons("train")} if self._manipulates(version) else {}),
            },
            inputs={
                "version": version.key,
                "reals": reals[_ATTACK_REALS],
                **{f"target_{index}": target.key for index, target in enumerate(targets)},
            },
            stage="attack",
            round_=version.round + 1,
        )

    def sample(self, version: Version, *, reals: Mapping[str, str]) -> Job:
        """A generator version's fake pools; they are parts of its result: ``KEY:test``.

        Args:
            version: Which.
            reals: The keys of :meth:`reals_to_manipulate`.
        """
        counts = self._config.pools
        spec = self.generators[version.player]
        return self.job(
            pools.fake_pools,
            pools.VERSION,
            label=f"sample {version.player}",
            player=version.player,
            specs=[spec],
            device=self._device,
            payload={
                "generator": spec.identity(),
                "n": {split: getattr(counts, f"{split}_fakes") for split in SPLITS},
                "seed": self._config.seed,
                **self._arena(),
                **({"persons": {split: self._source.persons(split) for split in SPLITS}} if reals else {}),
            },
            inputs={"version": version.key, **{f"real_{split}": key for split, key in reals.items()}},
            stage="sample",
            round_=version.round,
        )

    def defend(self, detector: str, *, history: Sequence[Version], reals: Mapping[int, Mapping[str, str]]) -> Job:
        """A detector trained on the fakes of a history of generator versions."""
        settings = self._config.defend
        inputs: dict[str, str] = {}
        for split in ("train", "val"):
            for index, resolution in enumerate(sorted({version.resolution for version in history})):
                inputs[f"real_{split}_{index}"] = reals[resolution][split]
            for index, version in enumerate(sorted(history, key=lambda v: (v.player, v.round))):
                inputs[f"fake_{split}_{index}"] = version.pools[split]
        spec = self.detectors[detector]
        return self.job(
            defend.defend,
            defend.VERSION,
            label=f"defend {detector}",
            player=detector,
            specs=[spec],
            threads=self._config.compute.defend_threads,
            device=self._device,
            payload={
                "detector": spec.identity(),
                "steps": settings.steps,
                "batch": settings.batch,
                "rate": settings.rate,
                "check_every": settings.check_every,
                "patience": settings.patience,
                "perfect": settings.perfect,
                "seed": self._config.seed,
                "precision": self._precision,
            },
            inputs=inputs,
            places=spec.places(),
            stage="defend",
            round_=max(version.round for version in history),
        )

    def judge(self, detector: Version, mixture: Mixture, *, what: str, stage: str, round_: int) -> Job:
        """A detector version at a mixture of both sides.

        Args:
            detector: Which version.
            mixture: Of the images that it judges.
            what: They are, for people: ``pgan@1``.
            stage: ``defend`` for val, ``score`` for test.
            round_: When.
        """
        label = f"score {detector.label} on {what}"
        return self._judge(judging.judge, detector, mixture, label=label, stage=stage, round_=round_)

    def judge_again(self, detector: Version, mixture: Mixture, *, round_: int) -> Job:
        """A detector version at some of a mixture again, in a process in which no player ever ran."""
        label = f"score {detector.label} again"
        job = self._judge(judging.judge_again, detector, mixture, label=label, stage="defend", round_=round_)
        return replace(job, fresh=True)

    def _judge(
        self,
        task: Callable[[Context], Result],
        detector: Version,
        mixture: Mixture,
        *,
        label: str,
        stage: str,
        round_: int,
    ) -> Job:
        spec = self.detectors[detector.player]
        return self.job(
            task,
            judging.VERSION,
            label=label,
            player=detector.player,
            specs=[spec],
            device=self._device,
            payload={"detector": spec.identity(), "sample": self._config.score.scored_again},
            inputs={"version": detector.key, "images": mixture.key},
            stage=stage,
            round_=round_,
        )

    def cost(self, generator: Version, *, first: Version, reals: Mapping[str, str]) -> Job:
        """How far a generator version went from its version 0 and from the reals."""
        return self.job(
            evaluate.cost,
            evaluate.VERSION,
            label=f"cost of {generator.label}",
            player=generator.player,
            payload={},
            inputs={
                "fake": generator.pools["test"],
                "fake_0": first.pools["test"],
                "real": reals["test"],
                "real_train": reals["train"],
            },
            stage="cost",
            round_=generator.round,
        )

    def audit(self, version: Version, *, reals: Mapping[str, str]) -> Job:
        """Whether a generator version's pools could be told from their reals by format alone."""
        return self.job(
            audit.audit,
            audit.VERSION,
            label=f"audit {version.label}",
            player=version.player,
            payload={"seed": self._config.seed},
            inputs={
                **{f"real_{split}": reals[split] for split in SPLITS},
                **{f"fake_{split}": version.pools[split] for split in SPLITS},
            },
            stage="audit",
            round_=version.round,
        )

    def parse(self, pool: str, *, what: str, round_: int) -> Job:
        """The parts of the faces of a pool."""
        assert self.parser is not None
        return self.job(
            look.parse,
            look.PARSE_VERSION,
            label=f"parse the faces of {what}",
            player=f"face parser '{self.parser.name}'",
            specs=[self.parser],
            device=self._device,
            payload={"parser": self.parser.identity()},
            inputs={"pool": pool},
            places=self.parser.places(),
            stage="parse",
            round_=round_,
        )

    def look(self, detector: Version, pool: str, *, truth: Truth, labels: str, what: str, round_: int) -> Job:
        """Which patches of which parts give away the images of a test pool."""
        return self.job(
            look.look,
            look.LOOK_VERSION,
            label=f"look with {detector.label} at {what}",
            player=detector.player,
            specs=[self.detectors[detector.player]],
            device=self._device,
            payload={
                "detector": self.detectors[detector.player].identity(),
                "truth": truth,
                "draws": self._config.parts.random_patches,
                **self._certainty(),
            },
            inputs={"version": detector.key, "pool": pool, "labels": labels},
            stage="look",
            round_=round_,
        )

    def shift(self, *, before: str, frozen: str, retrained: str, player: str, round_: int) -> Job:
        """How the parts moved between three looks."""
        return self.job(
            look.shift,
            look.SHIFT_VERSION,
            label=f"compare the parts of {player}",
            player=player,
            payload=self._certainty(),
            inputs={"before": before, "frozen": frozen, "retrained": retrained},
            stage="shift",
            round_=round_,
        )

    def judges_patches(self, detector: str) -> bool:
        """Whether a detector of this tournament is a patch detector."""
        return judges_patches(self.detectors[detector].plugin)

    def _certainty(self) -> dict[str, Any]:
        return {"resamples": self._config.score.resamples, "confidence": self._config.score.confidence}

    def _reals(self, split: Split, resolution: int, arena_resolution: int) -> Job:
        photographs = self._source.photographs[split]
        return self.job(
            pools.real_pool,
            pools.VERSION,
            label=f"{split} reals",
            player=f"{split} reals",
            payload={
                "photographs": [photograph.sha256 for photograph in photographs],
                "resolution": resolution,
                "arena_resolution": arena_resolution,
                "colour": self.colour,
            },
            places={"photographs": [(photograph.name, str(photograph.path)) for photograph in photographs]},
            stage="reals",
            round_=0,
        )

    def _manipulates(self, version: Version) -> bool:
        return is_manipulator(self.generators[version.player].plugin)

    def _arena(self) -> dict[str, Any]:
        return {"arena_resolution": self._config.arena.resolution, "colour": self.colour}

    def job(
        self,
        task: Callable[[Context], Result],
        version: int,
        *,
        label: str,
        player: str,
        payload: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        threads: int = 1,
        device: DeviceName = "cpu",
        places: Mapping[str, Any] | None = None,
        specs: Sequence[PlayerSpec] = (),
        stage: str,
        round_: int | None = None,
    ) -> Job:
        """A job with the limits of the configuration; ``specs`` are the players that it builds."""
        compute = self._config.compute
        return Job(
            task=f"{task.__module__}:{task.__name__}",
            version=version,
            name=task.__name__ if task.__module__.startswith("fakeoff.") else "",
            payload=payload,
            inputs=inputs or {},
            threads=threads,
            device=device,
            gpus=compute.job_gpus if device == "cuda" else 0.0,
            label=label,
            player=player,
            places=places or {},
            provisions=tuple(dict.fromkeys(provision for spec in specs for provision in spec.provisions)),
            seconds=compute.job_seconds,
            gigabytes=compute.job_gigabytes,
            stage=stage,
            round=round_,
            urgency=urgency(stage, round_),
        )
