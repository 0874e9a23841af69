"""Quality: whether a generator version's fakes are worth ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from fakeoff import generators
from fakeoff.arena.players.abilities import abilities, has_own
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import GeneratorRow, Newest, of_generator
from fakeoff.protocols.record.versions import Kind, Version, blame
from fakeoff.protocols.rules.pools import beside, what_is_known
from fakeoff.protocols.rules.quality import QualityFigures, write_quality
from fakeoff.protocols.score.quality import Quality


@dataclass(frozen=True, kw_only=True)
class QualityRow(Quality, GeneratorRow):
    """What a generator version's fakes measure, in the scoreboard.

    Attributes:
        faults: Why it takes no place; none where it passes the gate.
    """

    faults: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class QualityGate(Measured[QualityRow]):
    """Whether a generator version's fakes are faces like the reals, many of them, and no copies.

    Attributes:
        key: Of the result with its figures.
        figures: These.
    """

    name: ClassVar[str] = "quality"
    section: ClassVar[str] = "quality"
    row_type: ClassVar[type[QualityRow]] = QualityRow

    key: str
    figures: QualityFigures

    @property
    def disqualifies(self) -> str:
        return "; ".join(self.figures.faults)

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        (generator,) = subjects
        first, reals = await ground.first(generator.player), await ground.real_pools(generator.resolution)
        if first is None:
            return None
        pool = generator.pools["val"]
        targets = beside(pool, "target") if "target" in what_is_known(pool, ground.store) else None
        player = generators.players.load(ground.desk.generators[generator.player].plugin)
        job = write_quality(
            ground.desk,
            generator,
            first=first,
            reals=reals,
            targets=targets,
            made_of_none=not has_own(player, "fakes") and "manipulator" not in abilities(player),
        )
        if not await ground.settle(job, blame=blame(generator, "quality")):
            return None
        return cls(generator=generator, key=job.key, figures=ground.store.figures(job.key, QualityFigures))

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator,), key = kept.subjects, kept.results["figures"]
        return cls(generator=generator, key=key, figures=kept.store.figures(key, QualityFigures))

    def row(self) -> QualityRow | None:
        measured = self.figures.quality
        if measured is None:
            return None
        return QualityRow(**of_generator(self.generator), **asdict(measured), faults=self.figures.faults)

    @classmethod
    def points(
        cls, rows: Sequence[QualityRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        mine = [row for row in rows if row.version_of(kind) == (player, version)]
        names = ("kid_share", "swd_share", "variety", "novelty")
        return {f"quality/{name}": getattr(row, name) for row in mine for name in names}


__all__ = ["QualityGate", "QualityRow"]
