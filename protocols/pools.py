"""Pools: real and fake images that went through one and the same pipeline."""

from __future__ import annotations

from pathlib import Path

from fakeoff.arena import images
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.reals import Photograph, RealSource
from fakeoff.arena.seeds import rng_from
from fakeoff.arena.specs import state_arrays
from fakeoff.protocols import referee

VERSION = 1


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
    record = {"resolution": int(generator.resolution), "trainable": referee.is_trainable(generator)}
    return Result(record=record, arrays=state_arrays(generator))


def fake_pool(context: Context) -> Result:
    """Samples a generator version into the arena.

    All versions of a generator are sampled with the same latents for the same split, so that what an attack
    did can be seen face by face; no two splits share latents.

    Payload: ``generator`` (identity), ``split``, ``n``, ``seed``, ``arena_resolution``, ``colour``.
    Inputs: ``version``.
    """
    payload = context.payload
    generator = referee.build_generator(payload["generator"], version=context.inputs["version"], device=context.device)
    rng = rng_from("latents", payload["seed"], payload["generator"], payload["split"])
    quantised = images.quantise(referee.draw(generator, payload["n"], rng=rng), colour=payload["colour"])
    pixels = images.to_arena(quantised, resolution=payload["arena_resolution"])
    return Result(record={"n": len(pixels)}, arrays={"images": pixels})
