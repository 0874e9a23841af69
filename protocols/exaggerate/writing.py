"""Writing: the jobs of exaggeration, one after the other: codes, a shift, a walk along it, and the parts of faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs import Job
from fakeoff.protocols.exaggerate.codes import CodesArguments, Space, draw_codes
from fakeoff.protocols.exaggerate.seeking import SeekArguments, seek
from fakeoff.protocols.exaggerate.walking import WalkArguments, walk
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.recipes import open_desk
from fakeoff.protocols.looking.look import write_parse
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.perceptual import ChosenDistance


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes the jobs of a game, all with the same settings.

    Attributes:
        bench: Of the game.
        space: Where latents are shifted.
        batch: Latents at a time.
        distance: What image cost is told by, and shifts are held to.
    """

    bench: Bench
    space: Space
    batch: int
    distance: ChosenDistance

    def codes(self, maker: Version, *, latents: int, random_shifts: int) -> Job:
        """Draws latents of val and test, and random directions."""
        arguments = CodesArguments(
            generator=self.bench.identity(maker), latents=latents, random_shifts=random_shifts, **self._shared()
        )
        return self.bench.job(
            draw_codes,
            payload=asdict(arguments),
            inputs={"version": maker},
            player=maker,
            label=f"draw latents of {maker.label}",
            on_device=True,
        )

    def seek(self, maker: Version, judge: Version, codes: Job, **settings: Any) -> Job:
        """Seeks a shift; ``settings`` are the other :class:`fakeoff.protocols.exaggerate.seeking.SeekArguments`."""
        arguments = SeekArguments(
            generator=self.bench.identity(maker),
            detector=self.bench.identity(judge),
            distance=self.distance,
            **self._shared(),
            **settings,
        )
        return self.bench.job(
            seek,
            payload=asdict(arguments),
            inputs={"generator": maker, "detector": judge, "val": f"{codes.key}:val"},
            player=judge,
            label=f"seek the shift of {maker.label} that {judge.label} calls fake",
            threads=self.bench.config.compute.attack_threads,
            on_device=True,
        )

    def walk(self, maker: Version, judge: Version, codes: Job, shift: Job) -> Job:
        """Walks along a shift that was sought, which has to have its result."""
        arguments = WalkArguments(generator=self.bench.identity(maker), distance=self.distance, **self._shared())
        return self.bench.job(
            walk,
            payload=asdict(arguments),
            inputs={"version": maker, "codes": codes, "shift": shift},
            player=maker,
            label=f"shift latents of {maker.label} as {judge.label} sees it",
            threads=self.bench.config.compute.attack_threads,
            on_device=True,
        )

    def _shared(self) -> dict[str, Any]:
        config = self.bench.config
        return {
            "space": self.space,
            "batch": self.batch,
            "arena_resolution": config.arena.resolution,
            "colour": self.bench.data["colour"],
        }


def parse_faces(bench: Bench, codes: Mapping[str, Job]) -> dict[str, Job]:
    """Labels the parts of the faces as they were; nothing where no parser is configured.

    Args:
        bench: Of the game.
        codes: Jobs that have their results, by generator.

    Returns:
        Jobs that have theirs, likewise.

    Raises:
        PluginError: The parser failed.
    """
    if not bench.config.parts.parser:
        return {}
    desk = open_desk(bench.config, source=bench.source)
    jobs = {name: write_parse(desk, job.key, what=f"{name} as made", round_=0) for name, job in codes.items()}
    try:
        bench.run("faces are parsed", jobs.values())
    except PluginError as error:
        raise PluginError(f"{error}; name another in parts.parser, or '' to leave parts out") from error
    return jobs


__all__ = ["Writer", "parse_faces"]
