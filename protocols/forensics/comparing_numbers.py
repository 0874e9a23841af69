"""Whether a number of each image, such as its width, is spread over the sides as chance would have it.

Where every image has a size of its own, no size is commoner on one side: as categories sizes then say nothing, as
numbers they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov  # ks_2samp of scipy.stats, without its half second of imports

from fakeoff.protocols.forensics.comparing import few_to_compare, gravity_of
from fakeoff.protocols.forensics.report import ADVICE, SAME_PIPELINE, SIDES, SIGNIFICANCE, Finding, Gravity
from fakeoff.protocols.forensics.sides import AuditedImage
from fakeoff.protocols.score import metrics

_CHANCE = 0.8687  # the mean of Kolmogorov's distribution, sqrt(pi / 2) log 2


_RESAMPLES = 500


SHAPE: Mapping[str, Callable[[tuple[int, int]], float]] = {
    "width": lambda size: size[1],
    "height": lambda size: size[0],
    "aspect ratio": lambda size: size[1] / size[0],
}
"""What the height and width of an image come to."""


BYTES = "bytes per pixel"


@dataclass(frozen=True, kw_only=True)
class _NumberComparison:
    """A number on both sides, float64 ``(n,)`` each, and how its distributions differ (Kolmogorov and Smirnov)."""

    check: str
    real: npt.NDArray[np.float64]
    fake: npt.NDArray[np.float64]
    distance: float
    by_chance: float
    p: float


def compare_numbers(images: Sequence[AuditedImage]) -> list[_NumberComparison]:
    """Two-sample tests of Kolmogorov and Smirnov of each number that varies and that both sides have."""
    compared = []
    for check in (*SHAPE, BYTES):
        real, fake = (
            np.array([value for image in images if image.side == side and (value := _number(check, image)) is not None])
            for side in SIDES
        )
        if len(real) and len(fake) and np.ptp(np.concatenate([real, fake])) > 0:
            compared.append(_compare(check, real, fake))
    return compared


def judge_numbers(
    compared: Sequence[_NumberComparison], *, tests: int, seed: int, found: Sequence[Finding]
) -> list[Finding]:
    """What the comparisons are worth among as many tests as there are.

    Args:
        compared: The comparisons.
        tests: Of all traces together.
        seed: Of the intervals.
        found: What was found already: a difference that follows from it is not told twice.
    """
    told = {finding.check for finding in found}
    findings = []
    for comparison in compared:
        explained = told if comparison.check == BYTES else told & {"size"}
        if not explained and (finding := _judge(comparison, tests=tests, seed=seed)):
            findings.append(finding)
    if len(findings) > 1:  # sizes that differ make files that differ
        findings = [finding for finding in findings if finding.check != BYTES]
    return findings


def _number(check: str, image: AuditedImage) -> float | None:
    if check in SHAPE:
        return SHAPE[check](image.size)
    return None if image.file_bytes is None else image.file_bytes / (image.size[0] * image.size[1])


def _compare(check: str, real: npt.NDArray[np.float64], fake: npt.NDArray[np.float64]) -> _NumberComparison:
    values = np.unique(np.concatenate([real, fake]))
    below = [np.searchsorted(np.sort(side), values, side="right") / len(side) for side in (real, fake)]
    distance = float(np.abs(below[0] - below[1]).max())
    spread = np.sqrt(1 / len(real) + 1 / len(fake))
    return _NumberComparison(
        check=check,
        real=real,
        fake=fake,
        distance=distance,
        by_chance=float(_CHANCE * spread),
        p=float(kolmogorov(distance / spread)),  # of many images; of few it is a little too large
    )


def _judge(comparison: _NumberComparison, *, tests: int, seed: int) -> Finding | None:
    real, fake = comparison.real, comparison.fake
    significant = comparison.p < SIGNIFICANCE / tests
    few = few_to_compare(len(real), len(fake), comparison.distance)
    if not significant and not few:
        return None
    order = np.unique(np.concatenate([real, fake]), return_inverse=True)[1]
    ranks = order / order.max()
    figures = metrics.evaluate(
        ranks[: len(real)], ranks[len(real) :], val_threshold=0.5, resamples=_RESAMPLES, confidence=0.95, seed=seed
    ).figures
    low, high = figures.auc_ci
    if comparison.check == BYTES:
        # A smoother picture makes a smaller file under the same settings: that is content, until settings are seen.
        gravity: Gravity = "note"
        because = "; smoother pictures do that, and so do other settings: the audit cannot tell which"
        advice = "compare how both sides were saved; the traces that settings leave are looked for above"
    else:
        gravity = gravity_of(significant=significant, excess=comparison.distance - comparison.by_chance)
        because = "; too few images to rule out chance" if few and not significant else ""
        advice = ADVICE.get(comparison.check, SAME_PIPELINE)
    return Finding(
        check=comparison.check,
        gravity=gravity,
        sentence=f"{comparison.check}: {_range(fake)} on {len(fake)} fakes and {_range(real)} on {len(real)} reals; "
        f"alone it has AUC {figures.auc:.3f} ({low:.3f} to {high:.3f}){because}",
        advice=advice,
        figures={
            "p": comparison.p,
            "distance": comparison.distance,
            "distance_by_chance": comparison.by_chance,
            "auc": figures.auc,
            "auc_interval": [low, high],
            "real": np.quantile(real, [0, 0.5, 1]).tolist(),
            "fake": np.quantile(fake, [0, 0.5, 1]).tolist(),
        },
    )


def _range(values: npt.NDArray[np.float64]) -> str:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g} (median {middle:.3g})"
