"""Cost: what evasion cost a generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.typed import as_record
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.extent import Extent, extent_of
from fakeoff.protocols.score import distances

COST_VERSION = 2
FLOOR_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Distances:
    """How far a generator version went from its version 0, and how far from the reals it lies.

    Attributes:
        pixel_l1_to_first: Mean absolute difference of the same latents' images, in [0, 1].
        ssim_to_first: Mean structural similarity of them; 1 is identical.
        kid_to_reals: Kernel distance on eigenfaces; see :mod:`fakeoff.protocols.score.distances`.
        swd_to_reals: Sliced Wasserstein distance of patches; likewise.
    """

    pixel_l1_to_first: float
    ssim_to_first: float
    kid_to_reals: float
    swd_to_reals: float


@dataclass(frozen=True, kw_only=True)
class Floor:
    """How far other reals lie from the held-out ones, which is as near as it gets.

    Attributes:
        kid_floor: Of the reals of train; see :mod:`fakeoff.protocols.score.distances`.
        swd_floor: Likewise.
    """

    kid_floor: float
    swd_floor: float


@dataclass(frozen=True, kw_only=True)
class CostFigures(Floor, Distances):
    """Distances, and what to hold them to."""


def write_floor(desk: Desk, reals: Mapping[str, str], *, resolution: int) -> Job:
    """How far the reals of train lie from those of test.

    Args:
        desk: What is played.
        reals: Keys of the real pools by split.
        resolution: Of the generators that they belong to.
    """
    return desk.job(
        floor,
        FLOOR_VERSION,
        label=f"distances of train reals at {resolution} px",
        player="train reals",
        payload=extent_of(desk).payload(),
        inputs={"real": reals["test"], "real_train": reals["train"]},
        stage="cost",
        round_=0,
    )


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
        COST_VERSION,
        label=f"cost of {generator.label}",
        player=generator.player,
        payload=extent_of(desk).payload(),
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

    Payload: :class:`fakeoff.protocols.rules.extent.Extent`. Inputs: ``fake``, ``fake_0`` (test pools from the same
    latents), ``real`` (test), ``real_train``.
    """
    extent = context.arguments(Extent)
    fake, first, real, train = (
        extent.some(context.inputs[name].arrays["images"]) for name in ("fake", "fake_0", "real", "real_train")
    )
    seed = seed_from(context.key, "distances")
    figures = Distances(
        pixel_l1_to_first=distances.pixel_l1(fake, first),
        ssim_to_first=distances.ssim(fake, first),
        kid_to_reals=_kid(fake, real, train, extent),
        swd_to_reals=distances.sliced_wasserstein(fake, real, rng=np.random.default_rng(seed)),
    )
    return Result(record=as_record(figures))


def floor(context: Context) -> Result:
    """Measures how far the reals of train lie from those of test: the same for every generator version.

    Payload: :class:`fakeoff.protocols.rules.extent.Extent`. Inputs: ``real`` (test), ``real_train``.
    """
    extent = context.arguments(Extent)
    real, train = (extent.some(context.inputs[name].arrays["images"]) for name in ("real", "real_train"))
    seed = seed_from(context.key, "distances")
    figures = Floor(
        kid_floor=_kid(train, real, train, extent),
        swd_floor=distances.sliced_wasserstein(train, real, rng=np.random.default_rng(seed)),
    )
    return Result(record=as_record(figures))


def _kid(images: Pixels, reals: Pixels, train: Pixels, extent: Extent) -> float:
    images, reals, train = (extent.smaller(pixels) for pixels in (images, reals, train))
    return distances.eigenface_kid(images, reals, basis=train)
