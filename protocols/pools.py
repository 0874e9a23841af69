"""Pools: real and fake images that went through one and the same pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fakeoff.arena import images
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.reals import SPLITS, Photograph, RealSource
from fakeoff.arena.seeds import rng_from
from fakeoff.arena.specs import state_arrays
from fakeoff.generators import abilities
from fakeoff.protocols import referee

VERSION = 2


def real_pool(context: Context) -> Result:
    """Passes photographs through a generator's transform and then into the arena.

    Payload: ``photographs`` (sha256 of each), ``resolution`` (the generator's), ``arena_resolution``, ``colour``.
    Places: ``photographs`` (name and path of each, in the same order).
    """
    payload = context.payload
    listed = tuple(
        Photograph(name=name, path=Path(path), group="", sha256=sha256)
        for (name, path), sha256 in zip(context.places["photographs"], payload["photographs"], strict=True)
    )
    source = RealSource(name="", colour=payload["colour"], photographs={"train": listed})
    small = source.load("train", resolution=payload["resolution"], colour=payload["colour"])
    pixels = images.to_arena(small, resolution=payload["arena_resolution"])
    return Result(record={"n": len(pixels)}, arrays={"images": pixels})


def enter(context: Context) -> Result:
    """A generator's version 0: the state it comes with.

    Payload: ``generator`` (identity). Places: ``weights``.
    """
    generator = referee.build_generator(context.payload["generator"], weights=context.places.get("weights"))
    record = {"resolution": int(generator.resolution), "trainable": "trainable" in abilities(type(generator))}
    return Result(record=record, arrays=state_arrays(generator))


def fake_pools(context: Context) -> Result:
    """Samples a generator version into the arena: all three splits in one call, which tells it nothing of them.

    All versions of a generator are sampled with the same latents, so that what an attack did can be seen face by face.
    Which image is of which split is thrown by the arena.

    Payload: ``generator`` (identity), ``n`` (by split), ``seed``, ``arena_resolution``, ``colour``. Inputs:
    ``version``.

    Returns:
        Record: ``sizes`` by split. Arrays: ``train``, ``val`` and ``test``: uint8 ``(n, h, w, 3)``.
    """
    payload = context.payload
    generator = referee.build_generator(payload["generator"], version=context.inputs["version"], device=context.device)
    sizes = {split: int(payload["n"][split]) for split in SPLITS}
    drawn_by = ("latents", payload["seed"], payload["generator"], sizes)
    total = sum(sizes.values())
    fakes = referee.draw(generator, total, rng=rng_from(*drawn_by), report=lambda done: context.report(done, total))
    quantised = images.quantise(fakes, colour=payload["colour"])
    pixels = images.to_arena(quantised, resolution=payload["arena_resolution"])
    order = torch.randperm(len(pixels), generator=rng_from("splits", *drawn_by)).numpy()
    ends = np.cumsum([sizes[split] for split in SPLITS])[:-1]
    return Result(
        record={"sizes": sizes},
        arrays={split: pixels[rows] for split, rows in zip(SPLITS, np.split(order, ends), strict=True)},
    )
