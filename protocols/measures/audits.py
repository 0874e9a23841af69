"""Audits: whether a generator version's pools could be told from their reals by format alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from fakeoff.protocols.forensics.audit_job import write_audit
from fakeoff.protocols.forensics.report import AuditReport
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import GeneratorRow, of_generator
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class AuditRow(GeneratorRow):
    """An audit in the scoreboard.

    Attributes:
        leaks: One sentence each.
        notes: Likewise.
        probe_ap: Average precision of a probe that sees format alone; None where a side has too few images.
        probe_ap_ci: Its interval.
    """

    leaks: tuple[str, ...]
    notes: tuple[str, ...]
    probe_ap: float | None
    probe_ap_ci: Interval | None


@dataclass(frozen=True, kw_only=True)
class Audit(Measured[AuditRow]):
    """Whether a generator version's pools could be told from their reals by format alone.

    Attributes:
        key: Of the result with the report.
        figures: The report.
    """

    name: ClassVar[str] = "audit"
    section: ClassVar[str] = "audits"
    row_type: ClassVar[type[AuditRow]] = AuditRow

    key: str
    figures: AuditReport

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        (generator,) = subjects
        job = write_audit(ground.desk, generator, reals=await ground.real_pools(generator.resolution))
        await ground.must(job)
        return cls(generator=generator, key=job.key, figures=ground.store.figures(job.key, AuditReport))

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator,), key = kept.subjects, kept.results["figures"]
        return cls(generator=generator, key=key, figures=kept.store.figures(key, AuditReport))

    def row(self) -> AuditRow:
        found = self.figures.findings
        probe = self.figures.probe
        return AuditRow(
            **of_generator(self.generator),
            leaks=tuple(finding.sentence for finding in found if finding.gravity == "leak"),
            notes=tuple(finding.sentence for finding in found if finding.gravity == "note"),
            probe_ap=None if probe is None else probe.ap,
            probe_ap_ci=None if probe is None else probe.ap_interval,
        )


__all__ = ["Audit", "AuditRow"]
