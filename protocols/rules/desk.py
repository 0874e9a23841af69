"""The desk: where the jobs of a game are written. Each rule's writer stands beside the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fakeoff.arena.compute import DeviceName, Precision
from fakeoff.arena.images import Colour
from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.rules.urgency import urgency


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the writers of jobs share. It knows nothing of what has been played.

    Attributes:
        config: What is played.
        source: The reals.
        generators: Recipes by name.
        detectors: Likewise.
        parser: The face parser's recipe, if there is one.
        device: Where players compute; decided.
        precision: Of training; decided.
        colour: The arena's.
        what: Which of several plays of a protocol its jobs are of, for people: ``seed 1``.
    """

    config: TournamentConfig
    source: RealSource
    generators: Mapping[str, PlayerSpec]
    detectors: Mapping[str, PlayerSpec]
    parser: PlayerSpec | None
    device: DeviceName
    precision: Precision
    colour: Colour
    what: str = ""

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
        fresh: bool = False,
        checkpoints: bool = False,
        stage: str,
        round_: int | None = None,
    ) -> Job:
        """A job with the limits of the configuration.

        Args:
            task: Its function.
            version: Of the function's code.
            label: For people.
            player: Who forfeits if it fails.
            payload: The task's arguments, as :func:`dataclasses.asdict` makes them; ``context.arguments`` reads them.
            inputs: Keys of the results that it reads, by name.
            threads: For one operation.
            device: Where its tensors lie.
            places: Where things lie on the driver's machine.
            specs: The players that it builds.
            fresh: It runs in a process in which no player ever ran.
            checkpoints: It leaves some on its way.
            stage: What it is for; it decides how urgent the job is.
            round_: Of the game; None where there are none.
        """
        compute = self.config.compute
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
            what=self.what,
            player=player,
            places=places or {},
            provisions=tuple(dict.fromkeys(provision for spec in specs for provision in spec.provisions)),
            seconds=compute.job_seconds,
            gigabytes=compute.job_gigabytes,
            fresh=fresh,
            checkpoint_every=compute.checkpoint_seconds if checkpoints else 0.0,
            stage=stage,
            round=round_,
            urgency=urgency(stage, round_),
        )


def payload_of(arguments: Any) -> dict[str, Any]:
    """A dataclass of arguments as a payload, less what is None, so that a new argument leaves keys as they were."""
    return {name: value for name, value in asdict(arguments).items() if value is not None}


__all__ = ["Desk", "payload_of"]
