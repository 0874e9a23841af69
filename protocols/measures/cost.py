"""Costs: how far evasion took a generator from its version 0 and from the reals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Column, GeneratorRow, Newest, of_generator
from fakeoff.protocols.record.versions import Kind, Version, blame
from fakeoff.protocols.rules.cost import CostFigures, Distances, Floor, write_cost, write_floor


@dataclass(frozen=True, kw_only=True)
class CostRow(CostFigures, GeneratorRow):
    """What evasion cost a generator version, in the scoreboard."""


@dataclass(frozen=True, kw_only=True)
class Cost(Measured[CostRow]):
    """How far a generator version went from its version 0 and from the reals.

    Attributes:
        keys: Of the results with its distances and with what they are held to.
        figures: Both.
    """

    name: ClassVar[str] = "cost"
    section: ClassVar[str] = "costs"
    row_type: ClassVar[type[CostRow]] = CostRow
    columns: ClassVar[tuple[Column[CostRow], ...]] = (
        Column(heading="SSIM to @0", text=lambda row: f"{row.ssim_to_first:.2f}"),
        Column(heading="KID", text=lambda row: f"{row.kid_to_reals:.0f}"),
        Column(heading="SWD", text=lambda row: f"{row.swd_to_reals:.1f}"),
    )

    keys: Mapping[str, str]
    figures: CostFigures

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        (generator,) = subjects
        first, reals = await ground.first(generator.player), await ground.real_pools(generator.resolution)
        if first is None:
            return None
        job = write_cost(ground.desk, generator, first=first, reals=reals)
        floor = write_floor(ground.desk, reals, resolution=generator.resolution)
        begun = ground.begin(ground.must(floor))
        if not await ground.settle(job, blame=blame(generator, "cost")):
            return None
        await begun
        return cls._of(generator, {"distances": job.key, "floor": floor.key}, ground.store)

    def results(self) -> Mapping[str, str]:
        return self.keys

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator,) = kept.subjects
        return cls._of(generator, kept.results, kept.store)

    @classmethod
    def _of(cls, generator: Version, keys: Mapping[str, str], store: Store) -> Self:
        distances, floor = store.figures(keys["distances"], Distances), store.figures(keys["floor"], Floor)
        keys = {"distances": keys["distances"], "floor": keys["floor"]}
        return cls(generator=generator, keys=keys, figures=CostFigures(**vars(distances), **vars(floor)))

    def row(self) -> CostRow:
        return CostRow(**of_generator(self.generator), **vars(self.figures))

    @classmethod
    def points(
        cls, rows: Sequence[CostRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        mine = [row for row in rows if row.version_of(kind) == (player, version)]
        names = [field.name for field in dataclasses.fields(CostFigures)]
        return {f"cost/{name}": getattr(row, name) for row in mine for name in names}


__all__ = ["Cost", "CostRow"]
