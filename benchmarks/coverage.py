"""How often intervals hold the truth: simulated tests of a few people, ten photographs each, whose true AUC is known.

    python benchmarks/coverage.py --out docs/results/coverage.json

Scores are normal. Those of a person's photographs go together (the share of their variance that is the person's is
the correlation); fakes are each by itself, as those of a latent generator. Of each case as many tests are drawn, each
gets its interval from :func:`fakeoff.protocols.score.metrics.evaluate`, and the share that holds the truth is counted.
Beside it stands what percentiles of a bootstrap over images hold, which is how intervals were made before. Pairs are
of two detectors on the same images, of which the second is worse and has noise of its own: the difference of their
AUCs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from fakeoff.arena.compute.machine import survey
from fakeoff.protocols.score.intervals import Figure, difference
from fakeoff.protocols.score.metrics import Evaluated, ap_and_auc, evaluate
from fakeoff.protocols.score.people import Units

Floats = npt.NDArray[np.float64]

PEOPLE, CORRELATIONS, AUCS = (5, 8, 40), (0.0, 0.2, 0.5), (0.6, 0.8, 0.9, 0.95, 0.99, 1.0)
PHOTOGRAPHS, FAKES, CONFIDENCE = 10, 100, 0.95
_FAR = 40.0  # standard deviations between reals and fakes where the AUC is 1
_WORSE, _OWN = 0.15, 0.6  # of a second detector: its fakes lie lower by a share, and its noise


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was simulated, and how often intervals held the truth.

    Attributes:
        people: Whose photographs the reals are.
        correlation: Of the scores of one person's photographs.
        auc: The true one.
        ap: The true average precision.
        auc_held: The share of intervals of the AUC that hold it.
        auc_width: Their median width.
        ap_held: Likewise of average precision.
        difference_held: Likewise of the difference of two detectors' AUCs.
        percentiles_held: The share of percentile intervals over images that hold the AUC.
        percentiles_width: Their median width.
    """

    people: int
    correlation: float
    auc: float
    ap: float
    auc_held: float
    auc_width: float
    ap_held: float
    difference_held: float
    percentiles_held: float
    percentiles_width: float


def true_ap(shift: float) -> float:
    """Average precision at 50/50 prevalence of normal scores, the fakes' this much higher: an integral over recall."""
    threshold = shift + np.linspace(8, -8, 20_001)
    recall, alarms = norm.sf(threshold - shift), norm.sf(threshold)
    precision = np.divide(recall, recall + alarms, out=np.ones_like(recall), where=recall + alarms > 0)
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def simulate(people: int, correlation: float, shift: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Scores of a test: of reals, person by person, and of fakes."""
    of_people = rng.standard_normal((people, 1)) * correlation**0.5
    of_photographs = rng.standard_normal((people, PHOTOGRAPHS)) * (1 - correlation) ** 0.5
    return (of_people + of_photographs).ravel(), shift + rng.standard_normal(FAKES)


def judge(real: Floats, fake: Floats, *, people: int, seed: int, resamples: int) -> Evaluated:
    """The figures of a test, its intervals over people."""
    units = Units(n_real=len(real), n_fake=len(fake), real=np.repeat(np.arange(people), PHOTOGRAPHS))
    given = {"resamples": resamples, "confidence": CONFIDENCE, "seed": seed, "units": units}
    return evaluate(real, fake, val_threshold=0.5, **given)  # type: ignore[arg-type]


def percentiles(real: Floats, fake: Floats, *, resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """How intervals were made before: of a bootstrap over images."""
    weights = [
        rng.multinomial(len(one), np.full(len(one), 1 / len(one)), size=resamples) / len(one) for one in (real, fake)
    ]
    low, high = np.quantile(ap_and_auc(real, fake, *weights)[1], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def measure(people: int, correlation: float, auc: float, *, tests: int, resamples: int) -> Case:
    """Simulates a case."""
    rng = np.random.default_rng([people, round(100 * correlation), round(1000 * auc)])
    shift = _FAR if auc == 1 else 2**0.5 * float(norm.ppf(auc))
    spread = (2 + 2 * _OWN**2) ** 0.5  # of a fake's score less a real's, for the second detector
    apart = auc - float(norm.cdf(shift * (1 - _WORSE) / spread))
    truths = {"auc": auc, "ap": true_ap(shift)}
    held = dict.fromkeys(("auc", "ap", "difference", "percentiles"), 0)
    widths: dict[str, list[float]] = {"auc": [], "percentiles": []}
    for test in range(tests):
        real, fake = simulate(people, correlation, shift, rng)
        first = judge(real, fake, people=people, seed=test, resamples=resamples)
        for metric, truth in truths.items():
            low, high = first.figures.interval(metric)
            held[metric] += low <= truth <= high
        widths["auc"].append(np.ptp(first.figures.auc_ci))
        noisy = [scores + _OWN * rng.standard_normal(len(scores)) for scores in (real, fake - _WORSE * shift)]
        second = judge(*noisy, people=people, seed=test, resamples=resamples)
        low, high = difference(_auc(first), _auc(second), CONFIDENCE).ci
        held["difference"] += low <= apart <= high
        low, high = percentiles(real, fake, resamples=resamples, rng=rng)
        held["percentiles"] += low <= auc <= high
        widths["percentiles"].append(high - low)
    return Case(
        people=people,
        correlation=correlation,
        auc=auc,
        ap=truths["ap"],
        auc_held=held["auc"] / tests,
        auc_width=float(np.median(widths["auc"])),
        ap_held=held["ap"] / tests,
        difference_held=held["difference"] / tests,
        percentiles_held=held["percentiles"] / tests,
        percentiles_width=float(np.median(widths["percentiles"])),
    )


def _auc(found: Evaluated) -> Figure:
    return found.drawn["auc"]


@click.command()
@click.option("--tests", default=500, show_default=True, help="Simulated tests of each case.")
@click.option("--resamples", default=300, show_default=True, help="Of each bootstrap.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the figures, as JSON.")
def main(tests: int, resamples: int, out: Path | None) -> None:
    began = time.monotonic()
    cases = []
    click.echo("people  correlation  AUC     held  width | AP held | difference held | percentiles held  width")
    for people in PEOPLE:
        for correlation in CORRELATIONS:
            for auc in AUCS:
                case = measure(people, correlation, auc, tests=tests, resamples=resamples)
                cases.append(case)
                click.echo(
                    f"{people:6d}  {correlation:11.1f}  {auc:.2f}  {case.auc_held:7.1%}  {case.auc_width:.3f} "
                    f"| {case.ap_held:7.1%} | {case.difference_held:15.1%} "
                    f"| {case.percentiles_held:16.1%}  {case.percentiles_width:.3f}"
                )
    if out is not None:
        told = {
            "command": f"python benchmarks/coverage.py --tests {tests} --resamples {resamples}",
            "processor": survey().processor,
            "seconds": round(time.monotonic() - began, 1),
            "photographs of each person": PHOTOGRAPHS,
            "fakes": FAKES,
            "confidence": CONFIDENCE,
            "tests of each case": tests,
            "cases": [{name: round(value, 4) for name, value in asdict(case).items()} for case in cases],
        }
        out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
