"""Whether a trace is spread over the sides as chance would have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.forensics.report import (
    ADVICE,
    CATEGORIES_AT_MOST,
    MATERIAL,
    SAME_PIPELINE,
    SIDES,
    SIGNIFICANCE,
    Finding,
    Gravity,
    percent,
)
from fakeoff.protocols.forensics.sides import AuditedImage
from fakeoff.protocols.score.distances import total_variation

_DRAWS = 9999


_FEWEST_FOR_A_TEST = 8


_RARER = "rarer values"
_STRIKING = 0.5  # a distance worth a note even among too few images


_ABSENT = ("none", "complete")


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """A categorical trace on both sides: counts ``(2, categories)`` and how they differ."""

    check: str
    names: list[str]
    counts: npt.NDArray[np.int64]
    distance: float
    by_chance: float
    p: float


def compare(check: str, images: Iterable[AuditedImage], rng: np.random.Generator) -> _Comparison | None:
    """Permutation test of the total variation distance; None where the trace never varies or a side lacks it."""
    counted = Counter((image.side, image.categories[check]) for image in images if check in image.categories)
    totals = Counter[str]()
    for (_, name), count in counted.items():
        totals[name] += count
    names = [name for name, _ in sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))]
    kept, rest = names[:CATEGORIES_AT_MOST], names[CATEGORIES_AT_MOST:]
    counts = np.array([[counted[side, name] for name in kept] for side in SIDES], dtype=np.int64)
    if rest:
        kept = [*kept, f"one of {len(rest)} {_RARER}"]
        counts = np.column_stack([counts, [sum(counted[side, name] for name in rest) for side in SIDES]])
    n_real, n_fake = (int(total) for total in counts.sum(1)) if len(kept) else (0, 0)
    if len(kept) < 2 or not n_real or not n_fake:
        return None
    distance = float(total_variation(counts[0] / n_real, counts[1] / n_fake))
    # Labels dealt at random: the reals' counts are multivariate hypergeometric.
    dealt = rng.multivariate_hypergeometric(counts.sum(0), n_real, size=_DRAWS, method="marginals")
    by_chance = total_variation(dealt / n_real, (counts.sum(0) - dealt) / n_fake)
    p = float((1 + np.sum(by_chance >= distance - 1e-12)) / (1 + _DRAWS))
    return _Comparison(
        check=check,
        names=kept,
        counts=counts,
        distance=distance,
        by_chance=float(np.mean(by_chance)),
        p=p,
    )


def judge(comparison: _Comparison, *, tests: int) -> Finding | None:
    """What a comparison is worth among as many as there are; None where chance explains it."""
    n_real, n_fake = (int(total) for total in comparison.counts.sum(1))
    shares = comparison.counts / comparison.counts.sum(1, keepdims=True)
    significant = comparison.p < SIGNIFICANCE / tests
    excess = comparison.distance - comparison.by_chance
    few = few_to_compare(n_real, n_fake, comparison.distance)
    if not significant and not few:
        return None
    # Said of what is there, not of what is missing, and of the fakes first.
    told = [index for index, name in enumerate(comparison.names) if name not in _ABSENT]
    gaps = (shares[1] - shares[0]).round(9)
    most = max(told or range(len(gaps)), key=lambda index: (abs(gaps[index]), gaps[index]))
    gravity = gravity_of(significant=significant, excess=excess)
    caveat = "; too few images to rule out chance" if few and not significant else ""
    carried = [percent(shares[side, most]) for side in (0, 1)]
    return Finding(
        check=comparison.check,
        gravity=gravity,
        sentence=f"{comparison.check}: {comparison.names[most]} on {carried[1]} of {n_fake} fakes and {carried[0]} of "
        f"{n_real} reals{caveat}",
        advice=ADVICE.get(comparison.check, SAME_PIPELINE),
        figures={
            "p": comparison.p,
            "distance": comparison.distance,
            "distance_by_chance": comparison.by_chance,
            "real": dict(zip(comparison.names, comparison.counts[0].tolist(), strict=True)),
            "fake": dict(zip(comparison.names, comparison.counts[1].tolist(), strict=True)),
        },
    )


def tells_of_rarer(finding: Finding) -> bool:
    """Whether a finding is of values that are too rare to be told one by one: numbers say more of them."""
    return f" {_RARER} on " in finding.sentence


def few_to_compare(n_real: int, n_fake: int, distance: float) -> bool:
    """Whether a difference is large and yet of too few images for a test to say more."""
    return min(n_real, n_fake) < _FEWEST_FOR_A_TEST and distance >= _STRIKING


def gravity_of(*, significant: bool, excess: float) -> Gravity:
    """A leak is a difference that is no chance, and is large enough to matter."""
    return "leak" if significant and excess >= MATERIAL else "note"
