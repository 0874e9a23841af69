"""What scores are worth: a detector says how fake each image of a mixture is, and the driver draws the conclusions.

Judging is blind (:mod:`fakeoff.protocols.rules.judging`): whoever judges a mixture is not told which images are fakes,
and marks no exam. Here is what the driver knows and a judge does not: the order of the mixture, and what follows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import DamagedResultError, Store
from fakeoff.arena.seeds import digest, seed_from
from fakeoff.arena.typed import as_record
from fakeoff.detectors.decision import Decision, decide
from fakeoff.protocols.score.calibration import Thresholds, fpr_threshold
from fakeoff.protocols.score.intervals import Figure
from fakeoff.protocols.score.metrics import (
    DRAWN,
    THRESHOLD,
    MatchFigures,
    area_under_roc,
    best_threshold,
    evaluate,
    figure_of,
)
from fakeoff.protocols.score.people import People, Units

FIGURES_VERSION = 4

TOLERANCE = 1e-4
"""By how much two scores of the same image may differ: what rounding makes of batches of other sizes, and more."""

Scores: TypeAlias = npt.NDArray[np.float32]
Read: TypeAlias = Callable[[str], Result]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Images of both sides in one shuffled pool without labels.

    The order follows from the pools' keys and the seed; a judge is told none of them.

    Attributes:
        reals: Pools of reals, by key.
        fakes: Pools of fakes, by key.
        seed: Of the order.
    """

    reals: tuple[str, ...]
    fakes: tuple[str, ...]
    seed: int

    @cached_property
    def key(self) -> str:
        """What it is called among the inputs of jobs."""
        return digest(["mixture", self.reals, self.fakes, self.seed])

    def mix(self, read: Read) -> Result:
        """Lays the pools one after the other and shuffles them.

        Args:
            read: Reads a pool by its key.
        """
        pixels = np.concatenate([read(pool).arrays["images"] for pool in (*self.reals, *self.fakes)])
        return Result(record={"n": len(pixels)}, arrays={"images": pixels[self._order(len(pixels))]})

    def by_pool(self, scores: Scores, sizes: Sequence[int]) -> tuple[list[Scores], list[Scores]]:
        """Puts the scores of a mixture back in order.

        Args:
            scores: float32 ``(n, ...)`` of the mixture.
            sizes: Of each pool: of the reals, then of the fakes.

        Returns:
            float32 ``(m, ...)`` for each pool of reals, and for each of fakes.
        """
        ordered = np.empty_like(scores)
        ordered[self._order(len(scores))] = scores
        parts = np.split(ordered, np.cumsum(sizes)[:-1])
        return parts[: len(self.reals)], parts[len(self.reals) :]

    def _order(self, n: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng(seed_from("order", self.key)).permutation(n)


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Scores of a mixture, from which everything that is said of them follows.

    Attributes:
        key: Of the result that holds them.
        mixture: What was judged.
    """

    key: str
    mixture: Mixture


@dataclass(frozen=True, kw_only=True)
class OnVal:
    """How a detector version does on val: what decides before test is looked at.

    Attributes:
        aucs: One for each generator version that it was trained on.
        accuracy: At 1/2: the mean of the shares of reals and of fakes that it judges rightly.
        margin: From the highest-scoring real to the lowest-scoring fake, in P(fake); below 0 where they overlap.
        threshold: With the best balanced accuracy.
        at_5_fpr: The lowest threshold that at most 5% of the reals reach:
            :func:`fakeoff.protocols.score.calibration.fpr_threshold`.
        at_1_fpr: That for 1%.
    """

    aucs: tuple[float, ...]
    accuracy: float
    margin: float
    threshold: float
    at_5_fpr: float | None = None
    at_1_fpr: float | None = None

    @property
    def thresholds(self) -> Thresholds:
        """All of them: what test is scored with."""
        return Thresholds(accuracy=self.threshold, at_5_fpr=self.at_5_fpr, at_1_fpr=self.at_1_fpr)


def sides(judging: Judging, store: Store) -> tuple[list[Scores], list[Scores]]:
    """The stored scores of a judging by pool; see :meth:`Mixture.by_pool`.

    Args:
        judging: Which.
        store: Where they are, and the pools.
    """
    sizes = [_pool_size(pool, store) for pool in (*judging.mixture.reals, *judging.mixture.fakes)]
    return judging.mixture.by_pool(store.read(judging.key).arrays["scores"], sizes)


def patches_of(judging: Judging, pool: str, store: Store) -> Result:
    """What a patch detector said of the patches of one pool of a judging.

    Args:
        judging: One whose patches were kept.
        pool: Of its mixture.
        store: Where the scores are, and the pools.

    Returns:
        Record: :class:`fakeoff.protocols.score.patches.Patches`. Array ``patches``: float32 ``(n, h', w')``, P(fake) in
        the order of the pool.
    """
    pools = (*judging.mixture.reals, *judging.mixture.fakes)
    judged = store.read(judging.key)
    reals, fakes = judging.mixture.by_pool(judged.arrays["patches"], [_pool_size(each, store) for each in pools])
    return Result(record=judged.record["patches"], arrays={"patches": [*reals, *fakes][pools.index(pool)]})


def _pool_size(pool: str, store: Store) -> int:
    record, part = store.record(pool), pool.partition(":")[2]
    if part:
        return int(record["sizes"][part])
    # A pool that a job of an experiment's own made need not say.
    return int(record["n"]) if "n" in record else len(store.read(pool).arrays["images"])


def read_on_val(judging: Judging, store: Store) -> OnVal:
    """What val says of a detector version, from its stored scores."""
    return on_val(*sides(judging, store))


@dataclass(frozen=True, kw_only=True)
class ReadMatch:
    """What follows from the stored scores of a match.

    Attributes:
        figures: The metrics and their intervals.
        drawn: Those that standings and differences are made of, with their resamples.
        real: P(fake) of the reals, float32 ``(n,)``.
    """

    figures: MatchFigures
    drawn: Mapping[str, Figure]
    real: Scores


def read_match(
    judging: Judging,
    *,
    thresholds: Thresholds,
    resamples: int,
    confidence: float,
    store: Store,
    fakes: str,
    people: Sequence[int] | None = None,
    on_fakes: Sequence[People] = (),
    keep: bool = False,
) -> ReadMatch:
    """The figures of a match from its stored scores; where they were worked out before they are only read.

    Args:
        judging: Of one pool of test reals and one of test fakes.
        thresholds: Chosen on val.
        resamples: Of the bootstrap.
        confidence: Of the intervals.
        store: Where results are kept.
        fakes: Whose fakes they are; see :meth:`fakeoff.protocols.score.people.Units.resample`.
        people: Who is on each real; None where nobody says.
        on_fakes: Who is on each fake, for each way of being on it; none where that is not known.
        keep: Whether to keep the figures there: only where no player runs in this process.
    """
    sizes = [_pool_size(pool, store) for pool in (*judging.mixture.reals, *judging.mixture.fakes)]
    judged = store.read(judging.key)
    [real], [fake] = judging.mixture.by_pool(judged.arrays["scores"], sizes)
    units = Units(
        n_real=len(real),
        n_fake=len(fake),
        real=None if people is None else np.asarray(people, dtype=np.int64),
        fake=tuple(on_fakes),
    )
    decided = [FIGURES_VERSION, judging.key, judging.mixture.key, as_record(thresholds), resamples, confidence]
    key = digest(["figures", *decided, fakes, units.key])
    if key in store:
        with contextlib.suppress(DamagedResultError):
            return ReadMatch(
                figures=store.figures(key, MatchFigures), drawn=_read_drawn(store.read(key), units), real=real
            )
        if keep:
            store.discard(key)
    decisions = {}
    for decision, scores in _other_decisions(judged).items():
        [pooled_real], [pooled_fake] = judging.mixture.by_pool(scores, sizes)
        decisions[decision] = (pooled_real, pooled_fake)
    found = evaluate(
        real,
        fake,
        val_threshold=thresholds.accuracy,
        at_5_fpr=thresholds.at_5_fpr,
        at_1_fpr=thresholds.at_1_fpr,
        decisions=decisions,
        resamples=resamples,
        confidence=confidence,
        seed=judging.mixture.seed,
        fakes=fakes,
        units=units,
    )
    if keep:
        draws = {name: figure.draws for name, figure in found.drawn.items()}
        store.write(key, Result(record=as_record(found.figures), arrays=draws))
    return ReadMatch(figures=found.figures, drawn=found.drawn, real=real)


def _read_drawn(kept: Result, units: Units) -> dict[str, Figure]:
    return {
        name: figure_of(name, value=float(kept.record[name]), draws=kept.arrays[name], units=units) for name in DRAWN
    }


def _other_decisions(judged: Result) -> dict[str, Scores]:
    """What images score where their patches are pooled in other ways; nothing where a score is not the patches' mean.

    From what was said of the patches in the same judging, so that nobody is asked again. In float64, in which the order
    of images that are all but certain is kept.
    """
    if "patches" not in judged.arrays:
        return {}
    patches = torch.from_numpy(judged.arrays["patches"].astype(np.float64))
    gaps = np.abs(decide(patches, "after_softmax").numpy() - judged.arrays["scores"])
    if gaps.max() > TOLERANCE:
        return {}
    others: tuple[Decision, Decision] = ("before_softmax", "vote")
    return {decision: decide(patches, decision).numpy() for decision in others}


def on_val(reals: Sequence[Scores], fakes: Sequence[Scores]) -> OnVal:
    """What val says of a detector version: what decides before test is looked at.

    Args:
        reals: P(fake) of val's reals, by pool.
        fakes: P(fake) of val's fakes, by generator version.
    """
    real = np.concatenate(reals).astype(np.float64)
    each = [scores.astype(np.float64) for scores in fakes]
    fake = np.concatenate(each)
    return OnVal(
        aucs=tuple(area_under_roc(real, one) for one in each),
        accuracy=float(((real < THRESHOLD).mean() + (fake >= THRESHOLD).mean()) / 2),
        margin=float(fake.min() - real.max()),
        threshold=best_threshold(real, fake),
        at_5_fpr=fpr_threshold(real, 0.05),
        at_1_fpr=fpr_threshold(real, 0.01),
    )


def why_unranked(judged: Result, fresh: Result | None = None) -> str:
    """Says how a detector's scores of the same image differ; empty where they do not.

    Args:
        judged: What :func:`fakeoff.protocols.rules.judging.judge` returned.
        fresh: What :func:`fakeoff.protocols.rules.judging.judge_again` returned for the same mixture.
    """
    scores = judged.arrays["scores"]
    compared = []
    if "again" in judged.arrays:
        sample = judged.arrays["sample"]
        compared += [
            ("in another order", scores[sample], judged.arrays["again"]),
            ("alone", scores[sample], judged.arrays["alone"]),
        ]
    if fresh is not None:
        compared.append(("in a fresh process", scores[fresh.arrays["sample"]], fresh.arrays["scores"]))
    for how, first, second in compared:
        gaps = np.abs(first.astype(np.float64) - second)
        if len(gaps) and gaps.max() > TOLERANCE:
            worst = int(gaps.argmax())
            return (
                f"it gave the same image {first[worst]:.4f} in its batch and {second[worst]:.4f} {how}: a score that "
                "depends on anything but the image cannot be compared"
            )
    return ""


__all__ = [
    "TOLERANCE",
    "Judging",
    "Mixture",
    "OnVal",
    "ReadMatch",
    "Scores",
    "on_val",
    "patches_of",
    "read_match",
    "read_on_val",
    "sides",
    "why_unranked",
]
