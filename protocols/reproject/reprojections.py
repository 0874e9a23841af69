"""Reprojections of every generator that has latents: their jobs, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from fakeoff.arena.images.reals import Split
from fakeoff.arena.jobs import Job, Result
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.reproject.encoder import EncoderArguments, train_latent_encoder
from fakeoff.protocols.reproject.projection import reproject
from fakeoff.protocols.reproject.reprojected import ReprojectArguments, Reprojected
from fakeoff.protocols.rules.perceptual import ChosenDistance, DistanceName, choose_distance

MARK = "~reals"
"""What stands behind a generator's name where its reprojections are meant."""

_ORDER: tuple[Split, ...] = ("val", "train", "test")
_CHECKS = 10
_BATCH = 40
_SAMPLES = 32


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How latents are sought.

    Attributes:
        steps: Of Adam at most.
        encoder_steps: Of the encoder's training; 0 trains none.
        rate: Adam's.
        distance: What is made small.
    """

    steps: int
    encoder_steps: int
    rate: float
    distance: DistanceName


@dataclass(frozen=True, kw_only=True)
class Reprojection:
    """A generator's reprojections of the photographs of all splits.

    Attributes:
        version: As which they are learned and met: ``pgan~reals``.
        of: The generator's version.
        distance: What was made small.
        instead: Why it is not the distance that was wanted; empty where it is.
        results: By split.
        reals: The photographs at the generator's resolution, keys by split.
    """

    version: Version
    of: Version
    distance: ChosenDistance
    instead: str
    results: Mapping[Split, Result]
    reals: Mapping[str, str]

    @property
    def on_val(self) -> Reprojected:
        """What val decided."""
        return self.results["val"].figures(Reprojected)


def reproject_all(bench: Bench, versions: Sequence[Version], settings: SearchSettings) -> list[Reprojection]:
    """Projects the photographs of all splits into generators, side by side.

    Args:
        bench: Where to play.
        versions: Of generators with the ability *latent*.
        settings: How.

    Returns:
        Of those that did not forfeit.
    """
    encoders = _train_encoders(bench, versions, steps=settings.encoder_steps)
    # Whose encoder failed has forfeited: there is no other way to begin that it would not fail at.
    written = [
        _write(bench, version, encoders[version.key], settings) for version in versions if version.key in encoders
    ]
    done = bench.run("reprojection", [job for one in written for job in one.jobs.values()])
    found = []
    for one in written:
        if all(job in done for job in one.jobs.values()):
            pools: dict[str, str] = {split: f"{job.key}:{split}" for split, job in one.jobs.items()}
            found.append(
                Reprojection(
                    version=replace(one.of, player=f"{one.of.player}{MARK}", pools=pools, targets=()),
                    of=one.of,
                    distance=one.distance,
                    instead=one.instead,
                    results={split: done[job] for split, job in one.jobs.items()},
                    reals=one.reals,
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class _Written:
    of: Version
    distance: ChosenDistance
    instead: str
    jobs: Mapping[Split, Job]
    reals: Mapping[str, str]


def _write(bench: Bench, version: Version, encoder: Job | None, settings: SearchSettings) -> _Written:
    distance, instead = choose_distance(settings.distance, side=version.resolution)
    reals = bench.reals_at(version.resolution)
    inputs: dict[str, Version | Job | str] = {"version": version}
    if encoder is not None:
        inputs["encoder"] = encoder
    jobs: dict[Split, Job] = {}
    for split in _ORDER:
        arguments = ReprojectArguments(
            generator=bench.identity(version),
            split=split,
            persons=tuple(bench.source.persons(split)),
            steps=settings.steps,
            check_every=max(1, round(settings.steps / _CHECKS)),
            rate=settings.rate,
            batch=_BATCH,
            distance=distance,
            arena_resolution=bench.config.arena.resolution,
            colour=bench.data["colour"],
        )
        jobs[split] = bench.job(
            reproject,
            payload=asdict(arguments),
            inputs={**inputs, "real": reals[split], **({"val": jobs["val"]} if jobs else {})},
            player=version,
            label=f"reproject {split} into {version.label}",
            on_device=True,
        )
    return _Written(of=version, distance=distance, instead=instead, jobs=jobs, reals=reals)


def _train_encoders(bench: Bench, versions: Sequence[Version], *, steps: int) -> dict[str, Job | None]:
    """The encoder's job of each version, by its key; None where it needs none. Who failed is missing."""
    jobs: dict[str, Job] = {}
    for version in versions:
        if steps and not bench.can(version, "invertible"):
            arguments = EncoderArguments(
                generator=bench.identity(version), steps=steps, batch=_SAMPLES, colour=bench.data["colour"]
            )
            jobs[version.key] = bench.job(
                train_latent_encoder,
                payload=asdict(arguments),
                inputs={"version": version},
                player=version,
                label=f"train an encoder of {version.label}",
                on_device=True,
            )
    done = bench.run("encoder", jobs.values())
    return {
        version.key: jobs.get(version.key)
        for version in versions
        if version.key not in jobs or jobs[version.key] in done
    }


__all__ = ["MARK", "Reprojection", "SearchSettings", "reproject_all"]
