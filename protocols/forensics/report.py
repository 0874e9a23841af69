"""What an audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fakeoff.arena.images.reals import LeftOut

Gravity: TypeAlias = Literal["leak", "note"]


SideName: TypeAlias = Literal["real", "fake"]


SIDES: tuple[SideName, SideName] = ("real", "fake")


SIGNIFICANCE = 0.01


"""Of all comparisons together (Bonferroni)."""


MATERIAL = 0.05


"""Total variation distance between the sides, beyond what chance gives, from which a difference is a leak."""


PROBE_MARGIN = 0.05


"""A probe whose AP's lower bound exceeds prevalence by more is a leak."""


CATEGORIES_AT_MOST = 50


SEE = "see docs/audit.md"


SAME_PIPELINE = f"pass both sides through the same crop and resize and save both as PNG; {SEE}"


ADVICE: Mapping[str, str] = {
    "JPEG history": "an image keeps JPEG's grid when it is saved again as PNG: start from lossless files, or pass both "
    f"sides through the same JPEG; {SEE}",
    "interpolation": "resize both sides from the same size with the same kernel, downwards if you can; " + SEE,
    "histogram": "use the same bit depth, palette and contrast on both sides; " + SEE,
    "colours": "pass both sides through the same colour conversion (luminance, if one side is grey); " + SEE,
    "duplicates": "remove one of the two, or move them into one split; " + SEE,
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference of format, or one kind of duplicates.

    Attributes:
        check: The trace.
        gravity: ``leak`` fails the audit, ``note`` does not.
        sentence: What was found, with numbers.
        advice: What to do next.
        figures: The numbers.
    """

    check: str
    gravity: Gravity
    sentence: str
    advice: str
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A logistic regression that sees format traces only, judged out of fold.

    Attributes:
        ap: Average precision; fake is positive, at 50/50 prevalence.
        ap_interval: 95% by bootstrap over images.
        prevalence: The AP of chance.
        n_real: Measured reals.
        n_fake: Measured fakes.
        features: The traces that it saw; those that never vary are left out.
        strongest: The feature with the largest weight, or empty.
    """

    ap: float
    ap_interval: tuple[float, float]
    prevalence: float
    n_real: int
    n_fake: int
    features: tuple[str, ...]
    strongest: str

    @property
    def worth(self) -> str:
        """Its average precision in words; none is worse than chance, which an interval below it would seem to say."""
        low, high = self.ap_interval
        if high < self.prevalence:
            return f"AP at most chance, which has {self.prevalence:.3f}"
        return f"AP {self.ap:.3f} ({low:.3f} to {high:.3f}); chance has {self.prevalence:.3f}"


@dataclass(frozen=True, kw_only=True)
class Side:
    """What was audited of one side: images by split, and the files left out."""

    images: dict[str, int]
    left_out: tuple[LeftOut, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome; JSON-able through :func:`dataclasses.asdict`.

    Attributes:
        real: What was audited.
        fake: Likewise.
        measured: Images whose pixels were measured, of both sides; drawn at random from larger ones.
        comparisons: Traces that varied and were tested.
        findings: Leaks first.
        probe: None where a side has too few images.
        seed: Of the draws.
    """

    real: Side
    fake: Side
    measured: int
    comparisons: int
    findings: tuple[Finding, ...]
    probe: Probe | None
    seed: int

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that fail the audit."""
        return tuple(finding for finding in self.findings if finding.gravity == "leak")


def percent(share: float) -> str:
    """A share as people read it."""
    # 99.9% is not all of them.
    return f"{share:.0%}" if share in (0, 1) or 0.01 <= share <= 0.99 else f"{share:.1%}"
