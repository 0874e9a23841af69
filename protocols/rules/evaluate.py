"""Evaluate: what evasion cost a generator."""

from __future__ import annotations

import numpy as np

from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.score import distances

VERSION = 1


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
