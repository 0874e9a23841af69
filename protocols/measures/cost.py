"""Costs: how far evasion took a generator from its version 0 and from the reals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Column, GeneratorRow, of_generator
from fakeoff.protocols.record.versions import Kind, Version, blame
from fakeoff.protocols.rules.evaluate import CostFigures, write_cost


@dataclass(frozen=True, kw_only=True)
class CostRow(CostFigures, GeneratorRow):
    """What evasion cost a generator version, in the scoreboard."""


@dataclass(frozen=True, kw_only=True)
class Cost(Measured[CostRow]):
    """How far a generator version went from its version 0 and from the reals.

    Attributes:
        key: Of the result with the figures.
        figures: Distances.
    """

    name: ClassVar[str] = "cost"
    section: ClassVar[str] = "costs"
    row_type: ClassVar[type[CostRow]] = CostRow
    columns: ClassVar[tuple[Column[CostRow], ...]] = (
        Column(heading="SSIM to @0", text=lambda row: f"{row.ssim_to_first:.2f}"),
        Column(heading="KID", text=lambda row: f"{row.kid_to_reals:.0f}"),
        Column(heading="SWD", text=lambda row: f"{row.swd_to_reals:.1f}"),
    )

    key: str
    figures: CostFigures

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        (generator,) = subjects
        first, reals = await ground.first(generator.player), await ground.real_pools(generator.resolution)
        if first is None:
            return None
        job = write_cost(ground.desk, generator, first=first, reals=reals)
        if not await ground.settle(job, blame=blame(generator, "cost")):
            return None
        return cls(generator=generator, key=job.key, figures=ground.store.figures(job.key, CostFigures))

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator,), key = kept.subjects, kept.results["figures"]
        return cls(generator=generator, key=key, figures=kept.store.figures(key, CostFigures))

    def row(self) -> CostRow:
        return CostRow(**of_generator(self.generator), **vars(self.figures))

    @classmethod
    def points(cls, rows: Sequence[CostRow], *, kind: Kind, player: str, version: int, round_: int) -> dict[str, float]:
        mine = [row for row in rows if row.version_of(kind) == (player, version)]
        names = [field.name for field in dataclasses.fields(CostFigures)]
        return {f"cost/{name}": getattr(row, name) for row in mine for name in names}


__all__ = ["Cost", "CostRow"]
