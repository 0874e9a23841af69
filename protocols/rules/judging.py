"""Judging is blind: a detector scores images of both sides and is not told which is which, and marks no exam.

What a player says are scores. Which of them are of fakes, and what follows from that, is the driver's to know.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.rules import referee

VERSION = 1

_BATCHES = (32, 64)


def judge(context: Context) -> Result:
    """Scores a mixture, and some of it a second time: in another order, and each image alone.

    Payload: ``detector`` (identity), ``sample`` (how many are scored again). Inputs: ``version``, ``images`` (a
    :class:`fakeoff.protocols.score.blind.Mixture`). The sizes of batches are drawn anew for each job.

    Returns:
        Arrays: ``scores`` float32 ``(n,)`` in the mixture's order; ``sample`` int64 ``(k,)``, places in it, and their
        scores ``again`` and ``alone``, float32 ``(k,)``.
    """
    detector, pool, rng = _seated(context)
    edges = [0]
    while edges[-1] < len(pool):
        edges.append(min(len(pool), edges[-1] + int(rng.integers(*_BATCHES, endpoint=True))))
    scores = torch.cat([referee.judge(detector, pool[a:b]) for a, b in itertools.pairwise(edges)])
    sample = _sample(context, pool, rng)
    again = torch.cat([pool[place : place + 1] for place in sample]) if len(sample) else None
    arrays = {"scores": scores.numpy(), "sample": sample}
    if again is not None:
        arrays["again"] = referee.judge(detector, again).numpy()
        arrays["alone"] = torch.cat([referee.judge(detector, image[None]) for image in again]).numpy()
    return Result(record={"n": len(pool)}, arrays=arrays)


def judge_again(context: Context) -> Result:
    """Scores some of a mixture; see :func:`judge`, which it is compared with. It is to run in a fresh process.

    Returns:
        Arrays: ``sample`` int64 ``(k,)``, places in the mixture, and ``scores`` float32 ``(k,)``.
    """
    detector, pool, rng = _seated(context)
    sample = _sample(context, pool, rng)
    scores = referee.judge(detector, torch.cat([pool[place : place + 1] for place in sample]))
    return Result(record={"n": len(sample)}, arrays={"sample": sample, "scores": scores.numpy()})


def _seated(context: Context) -> tuple[Any, Pool, np.random.Generator]:
    payload, inputs = context.payload, context.inputs
    detector = referee.build_detector(payload["detector"], version=inputs["version"], device=context.device)
    pool = Pool(inputs["images"].arrays["images"], device=context.device)
    return detector, pool, np.random.default_rng(seed_from(context.key, "judge"))


def _sample(context: Context, pool: Pool, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.permutation(len(pool))[: context.payload["sample"]].astype(np.int64)


__all__ = ["judge", "judge_again"]
