"""Evaluate: what evasion cost a generator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.score import distances

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CostFigures:
    """How far a generator version went from its version 0, and how far from the reals it lies.

    Attributes:
        pixel_l1_to_first: Mean absolute difference of the same latents' images, in [0, 1].
        ssim_to_first: Mean structural similarity of them; 1 is identical.
        kid_to_reals: Kernel distance on eigenfaces; see :mod:`fakeoff.protocols.score.distances`.
        swd_to_reals: Sliced Wasserstein distance of patches; likewise.
        kid_floor: The same of the reals of train, which is as near as it gets.
        swd_floor: Likewise.
    """

    pixel_l1_to_first: float
    ssim_to_first: float
    kid_to_reals: float
    swd_to_reals: float
    kid_floor: float
    swd_floor: float


def write_cost(desk: Desk, generator: Version, *, first: Version, reals: Mapping[str, str]) -> Job:
    """How far a generator version went from its version 0 and from the reals.

    Args:
        desk: What is played.
        generator: Which version.
        first: Its version 0.
        reals: Keys of the real pools by split.
    """
    return desk.job(
        cost,
        VERSION,
        label=f"cost of {generator.label}",
        player=generator.player,
        payload={},  # all that it is told are its inputs
        inputs={
            "fake": generator.pools["test"],
            "fake_0": first.pools["test"],
            "real": reals["test"],
            "real_train": reals["train"],
        },
        stage="cost",
        round_=generator.round,
    )


def cost(context: Context) -> Result:
    """Measures how far a generator version went from its version 0 and from the reals.

    Inputs: ``fake``, ``fake_0`` (test pools from the same latents), ``real`` (test), ``real_train``.
    """
    fake, first, real, train = (
        context.inputs[name].arrays["images"] for name in ("fake", "fake_0", "real", "real_train")
    )
    seed = seed_from(context.key, "distances")
    figures = CostFigures(
        pixel_l1_to_first=distances.pixel_l1(fake, first),
        ssim_to_first=distances.ssim(fake, first),
        kid_to_reals=distances.eigenface_kid(fake, real, basis=train),
        swd_to_reals=distances.sliced_wasserstein(fake, real, rng=np.random.default_rng(seed)),
        kid_floor=distances.eigenface_kid(train, real, basis=train),
        swd_floor=distances.sliced_wasserstein(train, real, rng=np.random.default_rng(seed)),
    )
    return Result(record=dataclasses.asdict(figures))
