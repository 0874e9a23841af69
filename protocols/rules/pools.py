"""Pools: real and fake images that went through one and the same pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena import images
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images.reals import SPLITS, Photograph, RealSource, Split
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import state_arrays
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch, abilities
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.manipulating import reals_to_manipulate

VERSION = 2

_FEWEST = 8


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
    generator = referee.build_generator(context.payload["generator"], places=context.places)
    record = {"resolution": int(generator.resolution), "trainable": "trainable" in abilities(type(generator))}
    return Result(record=record, arrays=state_arrays(generator))


def fake_pools(context: Context) -> Result:
    """Samples a generator version into the arena: all three splits in one call, which tells it nothing of them.

    All versions of a generator are sampled with the same latents, so that what an attack did can be seen face by face.
    Which image is of which split is thrown by the arena, unless they come with a split; then there may be fewer.

    A manipulator is shown reals of all splits, and makes fakes of each split of its own reals alone: nobody who is in a
    fake of train is in one of test. What it says that it changed (the masks) is not kept.

    Payload: ``generator`` (identity), ``n`` (by split), ``seed``, ``arena_resolution``, ``colour``; for a manipulator
    ``persons`` (who is on each real, by split). Inputs: ``version``; for a manipulator ``real_train``, ``real_val`` and
    ``real_test``, at its own resolution.

    Returns:
        Record: ``sizes`` by split. Arrays: ``train``, ``val`` and ``test``: uint8 ``(n, h, w, 3)``.
    """
    payload = context.payload
    generator = referee.build_generator(payload["generator"], version=context.inputs["version"], device=context.device)
    sizes = {split: int(payload["n"][split]) for split in SPLITS}
    drawn_by = ("latents", payload["seed"], payload["generator"], sizes)
    total = sum(sizes.values())
    reals: Batch | None = None
    if "persons" in payload:
        pixels_of = {split: context.inputs[f"real_{split}"].arrays["images"] for split in SPLITS}
        reals = reals_to_manipulate(pixels_of, payload["persons"], sizes, rng=rng_from("reals", *drawn_by))
    made = referee.draw(
        generator,
        total,
        rng=rng_from(*drawn_by),
        report=lambda done: context.report(done, total),
        reals=reals,
        sizes=sizes,
    )
    rows = _rows(made, sizes, rng=rng_from("splits", *drawn_by))
    quantised = images.quantise(made.images, colour=payload["colour"])
    pixels = images.to_arena(quantised, resolution=payload["arena_resolution"])
    return Result(
        record={"sizes": {split: len(rows[split]) for split in SPLITS}},
        arrays={split: pixels[rows[split]] for split in SPLITS},
    )


def _rows(made: Batch, sizes: Mapping[Split, int], *, rng: torch.Generator) -> dict[Split, npt.NDArray[np.int64]]:
    """Which image is of which split: as they come with it, or thrown by the arena."""
    if made.split is None:
        order = torch.randperm(len(made), generator=rng).numpy()
        ends = np.cumsum([sizes[split] for split in SPLITS])[:-1]
        return dict(zip(SPLITS, np.split(order, ends), strict=True))
    given = made.split.cpu().numpy()
    rows = {split: np.flatnonzero(given == index)[: sizes[split]] for index, split in enumerate(SPLITS)}
    for split, found in rows.items():
        if len(found) < _FEWEST:
            raise JobFailed(f"has {len(found)} images for {split}; a pool takes at least {_FEWEST}")
    return rows
