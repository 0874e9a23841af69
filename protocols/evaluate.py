"""Evaluate: one match, and what evasion cost a generator."""

from __future__ import annotations

import numpy as np

from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.pool import Pool
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols import distances, referee
from fakeoff.protocols.metrics import evaluate

VERSION = 1


def match(context: Context) -> Result:
    """Scores one detector version on one generator version's test pool and the reals that belong to it.

    Payload: ``detector`` (identity), ``resamples``, ``confidence``.
    Inputs: ``version``, ``real``, ``fake`` (test pools).
    """
    payload, inputs = context.payload, context.inputs
    detector = referee.build_detector(payload["detector"], version=inputs["version"], device=context.device)
    real, fake = (
        referee.judge(detector, Pool(inputs[side].arrays["images"], device=context.device)).numpy()
        for side in ("real", "fake")
    )
    figures = evaluate(
        real,
        fake,
        val_threshold=inputs["version"].record["threshold"],
        resamples=payload["resamples"],
        confidence=payload["confidence"],
        rng=np.random.default_rng(seed_from(context.key, "bootstrap")),
    )
    record = {"n_real": len(real), "n_fake": len(fake), **figures}
    return Result(record=record, arrays={"real_scores": real, "fake_scores": fake})


def cost(context: Context) -> Result:
    """Measures how far a generator version went from its version 0 and from the reals.

    Inputs: ``fake``, ``fake_0`` (test pools from the same latents), ``real`` (test), ``real_train``.
    """
    fake, first, real, train = (
        context.inputs[name].arrays["images"] for name in ("fake", "fake_0", "real", "real_train")
    )
    seed = seed_from(context.key, "distances")
    return Result(
        record={
            "pixel_l1_to_first": distances.pixel_l1(fake, first),
            "ssim_to_first": distances.ssim(fake, first),
            "kid_to_reals": distances.eigenface_kid(fake, real, basis=train),
            "swd_to_reals": distances.sliced_wasserstein(fake, real, rng=np.random.default_rng(seed)),
            "kid_floor": distances.eigenface_kid(train, real, basis=train),
            "swd_floor": distances.sliced_wasserstein(train, real, rng=np.random.default_rng(seed)),
        }
    )
