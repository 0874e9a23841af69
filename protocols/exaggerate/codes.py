"""Codes: the latents of a generator in the space in which they are shifted, and the images that they make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.images import Colour
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.jobs.limits import wants_memory
from fakeoff.arena.players.abilities import has_own
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.seeds import rng_from, seed_from
from fakeoff.arena.typed import as_record
from fakeoff.generators import Generator
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.tensors import check_tensor

Space: TypeAlias = Literal["z", "w"]
"""Where latents are shifted: as they are drawn, or behind the mapping network of a generator that has one."""

_MEASURED = 256
"""How many codes say how far codes lie from their mean."""

_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class CodesArguments:
    """What codes are drawn for.

    Attributes:
        generator: Whose.
        space: In which they lie.
        latents: How many for val, and as many for test, from 8.
        random_shifts: How many random directions, from 2.
        batch: Images that are made together, from 1.
        arena_resolution: Pixels a side of the images.
        colour: The arena's.
    """

    generator: Identity
    space: Space
    latents: int
    random_shifts: int
    batch: int
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What drawing codes comes to.

    Attributes:
        n: Codes of test, which is how many images there are.
        length: How far codes lie from their mean, on the mean.
        noise: The seed of what test images have beside their codes, so that a code makes the same image each time.
    """

    n: int
    length: float
    noise: int


class GeneratorFailed(JobFailed):
    """It is the generator that broke its interface, not the detector whose job this is."""


def has_space(generator: type[Generator], space: Space) -> bool:
    """Whether a generator with latents has a space to shift them in.

    Args:
        generator: Its class.
        space: Which.
    """
    return space == "z" or (has_own(generator, "map_latents") and has_own(generator, "synthesise"))


def draw_codes(context: Context) -> Result:
    """A job: latents that no shift is learned on, in the space in which they are shifted.

    A random direction is the difference of two codes. Of normal latents that is a direction like any other; in W, whose
    codes fill few of its directions, it is one in which faces differ.

    Payload: :class:`CodesArguments`. Inputs: ``version``.

    Returns:
        Record: :class:`Drawn`. Arrays: ``val`` and ``test`` float32 ``(n, m)``; ``directions`` float32 ``(k, m)`` of
        length 1; ``images`` uint8 ``(n, h, w, 3)``, those of test.

    Raises:
        JobFailed: The generator broke its interface, or all its latents are one.
    """
    arguments = context.arguments(CodesArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=context.device)
    generator.eval().requires_grad_(False)
    space, n = arguments.space, arguments.latents
    _check_space(generator, space, rng=context.rng("law"))
    val, test = (draw(generator, n, space, rng=context.rng(f"{split} latents")) for split in ("val", "test"))
    measured = draw(generator, _MEASURED, space, rng=context.rng("length"))
    length = (measured - measured.mean(0)).norm(dim=1).mean().item()
    if not length > 0:
        raise JobFailed("gave the same latent each time, so that there is no direction to shift it in")
    pairs = draw(generator, 2 * arguments.random_shifts, space, rng=context.rng("random directions"))
    one, other = pairs.chunk(2)
    noise = seed_from(context.key, "noise")
    made = render_all(generator, test, space, batch=arguments.batch, noise=noise)
    quantised = images.quantise(made, colour=arguments.colour)
    return Result(
        record=as_record(Drawn(n=n, length=length, noise=noise)),
        arrays={
            "val": val.cpu().numpy(),
            "test": test.cpu().numpy(),
            "directions": torch.nn.functional.normalize(one - other).cpu().numpy(),
            "images": images.to_arena(quantised, resolution=arguments.arena_resolution),
        },
    )


def draw(generator: Generator, n: int, space: Space, *, rng: torch.Generator) -> Tensor:
    """Draws latents, and takes them to a space; float32 ``(n, m)``, where the generator's weights lie.

    Args:
        generator: Whose.
        n: How many.
        space: Where to.
        rng: A CPU generator, the only source of randomness.

    Raises:
        JobFailed: Wrong type, shape, or not finite.
    """
    z = referee.latents(generator, n, rng=rng)
    if space == "z":
        return z
    with torch.no_grad():
        w = generator.map_latents(z)
    numbers = w.shape[1] if isinstance(w, Tensor) and w.ndim == 2 else "m"
    check_tensor(w, (n, numbers), what="map_latents", device=compute.device_of(generator))
    return w


def render(generator: Generator, codes: Tensor, space: Space, *, rng: torch.Generator) -> Tensor:
    """The images of codes, differentiably; float32 ``(n, 3, resolution, resolution)``, still to be cut to [0, 1].

    Args:
        generator: Who makes them.
        codes: float32 ``(n, m)``, where its weights lie.
        space: Where they lie.
        rng: For what is random besides them.

    Raises:
        JobFailed: Wrong type, shape, or not finite.
    """
    if space == "z":
        return referee.decode(generator, codes, rng=rng)
    made = generator.synthesise(codes, rng=rng)
    side = generator.resolution
    check_tensor(made, (len(codes), 3, side, side), what="synthesise", device=compute.device_of(generator))
    return made


def render_all(generator: Generator, codes: Tensor, space: Space, *, batch: int, noise: int) -> Tensor:
    """The images of many codes, without a gradient; the same beside them each time, whatever was shifted.

    Args:
        generator: Who makes them.
        codes: float32 ``(n, m)``, where its weights lie.
        space: Where they lie.
        batch: Images that are made together.
        noise: The seed of what is random besides codes.

    Raises:
        JobFailed: Wrong type, shape, or not finite.
    """
    with torch.no_grad():
        parts = [
            render(generator, part, space, rng=rng_from(noise, index)) for index, part in enumerate(codes.split(batch))
        ]
    return torch.cat(parts)


@contextlib.contextmanager
def of_generator() -> Iterator[None]:
    """Says of whatever goes wrong inside that it is the generator's fault.

    Raises:
        GeneratorFailed: Something did.
    """
    try:
        yield
    except JobFailed as error:
        raise GeneratorFailed(error.reason) from error
    except Exception as error:
        if wants_memory(error):  # the machine's failure, not the generator's: tried again another time
            raise
        raise GeneratorFailed(f"raised {one_line(error)}") from error


def _check_space(generator: Generator, space: Space, *, rng: torch.Generator) -> None:
    """Checks that a space lies on the way from latents to images: whoever has a ``decode`` of its own may not know."""
    if space == "z":
        return
    with torch.no_grad():
        z = referee.latents(generator, 2, rng=rng)
        seed = seed_from("law")
        decoded = referee.decode(generator, z, rng=rng_from(seed))
        behind = render(generator, generator.map_latents(z), space, rng=rng_from(seed))
    gap = (decoded - behind).abs().max().item()
    if gap > _TOLERANCE:
        raise JobFailed(
            f"synthesise(map_latents(z)) is not what decode(z) gives: they are {gap:.3g} apart, of images in [0, 1]"
        )


__all__ = [
    "CodesArguments",
    "Drawn",
    "GeneratorFailed",
    "Space",
    "draw",
    "draw_codes",
    "has_space",
    "of_generator",
    "render",
    "render_all",
]
