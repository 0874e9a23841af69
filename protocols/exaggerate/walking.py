"""Walking: the images along a shift, on latents that it was not learned on, and along random ones of its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.images import Colour, Pixels, to_tensor
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.typed import as_record
from fakeoff.generators import Generator
from fakeoff.protocols.exaggerate.codes import Drawn, Space, render_all
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.perceptual import ChosenDistance, PerceptualDistance

ALPHAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Multiples of the shift that are taken off latents: 1 gives ``G(z - w)``, exaggerated, and -1 ``G(z + w)``."""

MOVED = tuple(alpha for alpha in ALPHAS if alpha)


@dataclass(frozen=True, kw_only=True)
class WalkArguments:
    """What a walk is told.

    Attributes:
        generator: Who makes the images.
        space: Where latents are shifted.
        batch: Images that are made together, as for the codes.
        distance: What image cost is told by.
        arena_resolution: Pixels a side of the images.
        colour: The arena's.
    """

    generator: Identity
    space: Space
    batch: int
    distance: ChosenDistance
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What a walk comes to.

    Attributes:
        n: Images, all together.
        apart: The mean distance of images of two latents as they were, which says what the others mean.
    """

    n: int
    apart: float


def walk(context: Context) -> Result:
    """A job: images of test's latents along the shift, and along random ones of its length. No judge is here.

    Payload: :class:`WalkArguments`. Inputs: ``version``; ``codes``
    (:func:`fakeoff.protocols.exaggerate.codes.draw_codes`); ``shift``
    (:func:`fakeoff.protocols.exaggerate.seeking.seek`).

    Returns:
        Record: :class:`Walked`. Arrays: ``images`` uint8 ``(n, h, w, 3)``: those of the latents as they are, then for
        the shift and for each random direction, and there for each of :data:`MOVED`, all latents; ``distances`` float32
        ``(1 + k, 6, latents)``, to the images as they were.

    Raises:
        JobFailed: The generator broke its interface.
    """
    arguments = context.arguments(WalkArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=context.device)
    generator.eval().requires_grad_(False)
    codes, shift = context.inputs["codes"], context.inputs["shift"].arrays["shift"]
    random = codes.arrays["directions"] * np.linalg.norm(shift)
    shifts = torch.from_numpy(np.concatenate([shift[None], random]).astype(np.float32)).to(context.device)
    test = torch.from_numpy(codes.arrays["test"].copy()).to(context.device)
    before: Pixels = codes.arrays["images"]
    distance = arguments.distance.open().to(context.device)
    made, distances = [before], []
    for index, one in enumerate(shifts):
        for alpha in MOVED:
            pixels = _images(generator, test - alpha * one, arguments, noise=codes.figures(Drawn).noise)
            made.append(pixels)
            distances.append(_distances(distance, before, pixels, device=context.device))
        context.report(index + 1, len(shifts))
    walked = np.concatenate(made)
    apart = _distances(distance, before, np.roll(before, 1, axis=0), device=context.device)
    return Result(
        record=as_record(Walked(n=len(walked), apart=float(apart.mean()))),
        arrays={"images": walked, "distances": np.stack(distances).reshape(len(shifts), len(MOVED), len(test))},
    )


def _images(generator: Generator, codes: Tensor, arguments: WalkArguments, *, noise: int) -> Pixels:
    made = render_all(generator, codes, arguments.space, batch=arguments.batch, noise=noise)
    quantised = images.quantise(made, colour=arguments.colour)
    return images.to_arena(quantised, resolution=arguments.arena_resolution)


def _distances(
    distance: PerceptualDistance, before: Pixels, after: Pixels, *, device: torch.device
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    with torch.no_grad():
        pair = (to_tensor(pixels).to(device) for pixels in (before, after))
        found: Tensor = distance(*pair)
    return found.float().cpu().numpy()


__all__ = ["ALPHAS", "MOVED", "WalkArguments", "Walked", "walk"]
