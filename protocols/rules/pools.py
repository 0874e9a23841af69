"""Pools: real and fake images that went through one and the same pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena import images
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import Colour
from fakeoff.arena.images.reals import SPLITS, Photograph, Split, read_photographs
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch, Generator
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk, payload_of
from fakeoff.protocols.rules.manipulating import is_manipulator, reals_to_manipulate
from fakeoff.protocols.score.people import People

VERSION = 2
MANIPULATED_VERSION = 3
"""Of fake pools that are made of reals: masks and pairs are kept beside them."""

Known: TypeAlias = Literal["mask", "source", "source_person", "target", "target_person"]
"""What may be known of each fake of a pool:

- ``mask``: uint8 ``(n, h, w)``, 255 where all was changed;
- ``target``: int64 ``(n,)``, whose photograph it was put into, its paired real: the place among the photographs, and so
  in every pool of reals, of its split; ``source`` likewise, whose face or expression it is;
- ``target_person``, ``source_person``: int64 ``(n,)``, who is on these.
"""

ON_IT: tuple[Known, ...] = ("target_person", "source_person")
"""The ways of being on a fake."""

ATTACK_REALS = "attack"
"""The name, among the pools of reals, of those that an attack learns from: train at the generator's resolution."""

_FEWEST = 8
_TWICE = 4  # fakes that are asked for twice
_ALIKE = 1e-3  # what sums in another order leave, on a GPU


@dataclass(frozen=True, kw_only=True)
class RealPoolArguments:
    """What a pool of reals is made of.

    Attributes:
        photographs: The sha256 of each file.
        resolution: Pixels a side: the generator's.
        arena_resolution: Pixels a side of the pool.
        colour: The arena's.
    """

    photographs: tuple[str, ...]
    resolution: int
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class EnterArguments:
    """Who enters.

    Attributes:
        generator: Who.
    """

    generator: Identity


@dataclass(frozen=True, kw_only=True)
class SampleArguments:
    """What fake pools are made of.

    Attributes:
        generator: Who makes them.
        n: How many images by split.
        seed: The tournament's; latents follow from it.
        arena_resolution: Pixels a side of the pools.
        colour: The arena's.
        persons: Who is on each of the reals that a manipulator is shown, by split; None, and not in the payload, for
            everybody else.
    """

    generator: Identity
    n: Mapping[Split, int]
    seed: int
    arena_resolution: int
    colour: Colour
    persons: Mapping[Split, tuple[int, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What entering comes to.

    Attributes:
        resolution: Pixels a side of the generator's images.
    """

    resolution: int


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What sampling comes to.

    Attributes:
        sizes: Images by split.
        known: What is kept beside them, on record only where something is; :func:`beside` says where.
    """

    sizes: Mapping[Split, int]
    known: tuple[Known, ...] = ()


def beside(pool: str, known: Known) -> str:
    """The key of what is known of the fakes of a pool.

    It is a part of a result, as the pool is: its array is called ``images`` where a job reads it.

    Args:
        pool: The pool's key.
        known: What; one of what the pool's record says, :class:`Sampled`.
    """
    return f"{pool}_{known}"


def what_is_known(pool: str, store: Store) -> tuple[Known, ...]:
    """What is kept beside the fakes of a pool; nothing of a pool that a job of an experiment's own made.

    Args:
        pool: Its key.
        store: Where it is.

    Raises:
        DamagedResultError: It is damaged, or not there.
    """
    return store.figures(pool, Sampled).known if "known" in store.record(pool) else ()


def who_is_on(pool: str, store: Store) -> dict[str, str]:
    """Keys of who is on each fake of a pool, by way of being on it: :data:`ON_IT`; none where that is not known.

    Args:
        pool: Its key.
        store: Where it is.

    Raises:
        DamagedResultError: It is damaged, or not there.
    """
    known = what_is_known(pool, store)
    return {way: beside(pool, way) for way in ON_IT if way in known}


def read_who_is_on(pool: str, store: Store) -> tuple[People, ...]:
    """Who is on each fake of a pool, int64 ``(n,)`` for each way of being on it; none where that is not known.

    Args:
        pool: Its key.
        store: Where it is.

    Raises:
        DamagedResultError: It is damaged, or not there.
    """
    return tuple(store.read(key).arrays["images"] for key in who_is_on(pool, store).values())


def write_real_pools(desk: Desk, resolution: int) -> dict[str, Job]:
    """The reals that belong to generators of a resolution.

    Args:
        desk: What is played.
        resolution: Pixels a side.

    Returns:
        By split, and ``attack``: those of train at that resolution itself.
    """
    jobs: dict[str, Job] = {
        split: _write_real_pool(desk, split, resolution, arena_resolution=desk.config.arena.resolution)
        for split in SPLITS
    }
    return {**jobs, ATTACK_REALS: _write_real_pool(desk, "train", resolution, arena_resolution=resolution)}


def _write_real_pool(desk: Desk, split: Split, resolution: int, *, arena_resolution: int) -> Job:
    photographs = desk.source.photographs[split]
    arguments = RealPoolArguments(
        photographs=tuple(photograph.sha256 for photograph in photographs),
        resolution=resolution,
        arena_resolution=arena_resolution,
        colour=desk.colour,
    )
    return desk.job(
        real_pool,
        VERSION,
        label=f"{split} reals",
        player=f"{split} reals",
        payload=asdict(arguments),
        places={"photographs": [(photograph.name, str(photograph.path)) for photograph in photographs]},
        stage="reals",
        round_=0,
    )


def write_enter(desk: Desk, generator: str) -> Job:
    """A generator's version 0.

    Args:
        desk: What is played.
        generator: Its name.
    """
    spec = desk.generators[generator]
    return desk.job(
        enter,
        VERSION,
        label=f"enter {generator}@0",
        player=generator,
        specs=[spec],
        payload=asdict(EnterArguments(generator=spec.identity())),
        places=spec.places(),
        stage="enter",
        round_=0,
    )


def write_reals_to_manipulate(desk: Desk, version: Version) -> dict[str, Job]:
    """The reals that a generator version is shown to make fakes of, by split; none unless it is a manipulator.

    Args:
        desk: What is played.
        version: Which.
    """
    if not is_manipulator(desk.generators[version.player].plugin):
        return {}
    side = version.resolution
    return {split: _write_real_pool(desk, split, side, arena_resolution=side) for split in SPLITS}


def write_sample(desk: Desk, version: Version, *, reals: Mapping[str, str]) -> Job:
    """A generator version's fake pools; they are parts of its result: ``KEY:test``.

    Args:
        desk: What is played.
        version: Which.
        reals: The keys of :func:`write_reals_to_manipulate`.
    """
    counts = desk.config.pools
    spec = desk.generators[version.player]
    arguments = SampleArguments(
        generator=spec.identity(),
        n={"train": counts.train_fakes, "val": counts.val_fakes, "test": counts.test_fakes},
        seed=desk.config.seed,
        arena_resolution=desk.config.arena.resolution,
        colour=desk.colour,
        persons={split: tuple(desk.source.persons(split)) for split in SPLITS} if reals else None,
    )
    return desk.job(
        fake_pools,
        MANIPULATED_VERSION if reals else VERSION,
        label=f"sample {version.label}",
        player=version.player,
        specs=[spec],
        device=desk.device,
        payload=payload_of(arguments),
        inputs={"version": version.key, **{f"real_{split}": key for split, key in reals.items()}},
        stage="sample",
        round_=version.round,
    )


def real_pool(context: Context) -> Result:
    """Passes photographs through a generator's transform and then into the arena.

    Payload: :class:`RealPoolArguments`. Places: ``photographs`` (name and path of each, in the same order).
    """
    arguments = context.arguments(RealPoolArguments)
    listed = [
        Photograph(name=name, path=Path(path), group="", sha256=sha256)
        for (name, path), sha256 in zip(context.places["photographs"], arguments.photographs, strict=True)
    ]
    pixels = read_photographs(
        listed,
        resolution=arguments.resolution,
        colour=arguments.colour,
        arena_resolution=arguments.arena_resolution,
        report=lambda done: context.report(done, len(listed), "photographs"),
    )
    return Result(record={"n": len(pixels)}, arrays={"images": pixels})


def enter(context: Context) -> Result:
    """A generator's version 0: the state it comes with.

    Payload: :class:`EnterArguments`. Places: ``weights``.
    """
    generator = referee.build_generator(context.arguments(EnterArguments).generator, places=context.places)
    return Result(record=asdict(Entered(resolution=int(generator.resolution))), arrays=state_arrays(generator))


def fake_pools(context: Context) -> Result:
    """Samples a generator version into the arena: all three splits in one call, which tells it nothing of them.

    All versions of a generator are sampled with the same latents, so that what an attack did can be seen face by face.
    Which image is of which split is thrown by the arena, unless they come with a split; then there may be fewer.

    A manipulator is shown reals of all splits, and makes fakes of each split of its own reals alone: nobody who is in a
    fake of train is in one of test. What it says that it changed (the masks) goes the same way to the arena's
    resolution.

    A few are asked for twice, of the same random numbers: fakes that hang on anything else, as the clock or what was
    asked before, could not be played again.

    Payload: :class:`SampleArguments`. Inputs: ``version``; for a manipulator ``real_train``, ``real_val`` and
    ``real_test``, at its own resolution.

    Returns:
        Record: :class:`Sampled`. Arrays: ``train``, ``val`` and ``test``: uint8 ``(n, h, w, 3)``; and what is known of
        them, :data:`Known`, as ``test_mask`` and so on.
    """
    arguments = context.arguments(SampleArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=context.device)
    sizes = {split: arguments.n[split] for split in SPLITS}
    drawn_by = ("latents", arguments.seed, arguments.generator, sizes)
    total = sum(sizes.values())
    reals: Batch | None = None
    if arguments.persons is not None:
        pixels_of = {split: context.inputs[f"real_{split}"].arrays["images"] for split in SPLITS}
        reals = reals_to_manipulate(pixels_of, arguments.persons, sizes, rng=rng_from("reals", *drawn_by))
    made = referee.draw(
        generator,
        total,
        rng=rng_from(*drawn_by),
        report=lambda done: context.report(done, total),
        reals=reals,
        sizes=sizes,
    )
    if reals is None and made.split is None:
        _check_repeatable(generator, drawn_by)
    rows = _rows(made, sizes, rng=rng_from("splits", *drawn_by))
    quantised = images.quantise(made.images, colour=arguments.colour)
    pixels = images.to_arena(quantised, resolution=arguments.arena_resolution)
    known = _known(made, reals, resolution=arguments.arena_resolution)
    record = asdict(Sampled(sizes={split: len(rows[split]) for split in SPLITS}, known=tuple(known)))
    if not known:
        del record["known"]  # the record of before there was any
    arrays: dict[str, npt.NDArray[Any]] = {split: pixels[rows[split]] for split in SPLITS}
    arrays |= {f"{split}_{name}": values[rows[split]] for split in SPLITS for name, values in known.items()}
    return Result(record=record, arrays=arrays)


def _known(made: Batch, reals: Batch | None, *, resolution: int) -> dict[Known, npt.NDArray[Any]]:
    """What is known of fakes, in their order."""
    known: dict[Known, npt.NDArray[Any]] = {}
    if made.mask is not None:
        known["mask"] = images.masks_to_arena(made.mask, resolution=resolution)
    if reals is not None:
        assert reals.place is not None
        assert reals.person is not None
        if made.source is not None:
            source = made.source.cpu()
            known |= {"source": reals.place[source].numpy(), "source_person": reals.person[source].numpy()}
        if made.target is not None:
            target = made.target.cpu()
            known |= {"target": reals.place[target].numpy(), "target_person": reals.person[target].numpy()}
    elif made.person is not None:
        known["target_person"] = made.person.cpu().numpy()
    return known


def _check_repeatable(generator: Generator, drawn_by: Sequence[Any]) -> None:
    first, second = (referee.draw(generator, _TWICE, rng=rng_from("twice", *drawn_by)).images for _ in range(2))
    if first.shape != second.shape or (first - second).abs().max().item() > _ALIKE:
        raise JobFailed(
            "made other images when it was asked again with the same rng; draw from rng alone, and keep nothing "
            "between two calls"
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
