"""Attacks on the images themselves, to hold those on generators against: projected gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import Colour
from fakeoff.arena.images.postprocessing import Operation, parse_operations, postprocess, postprocess_through
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity
from fakeoff.detectors import Detector
from fakeoff.protocols.rules import referee

_AT_A_TIME = 32


@dataclass(frozen=True, kw_only=True)
class PixelArguments:
    """What an attack on pixels is told.

    Attributes:
        detector: Who is attacked; its version is the input ``detector``.
        levels: How far each pixel may go, in 8-bit levels.
        steps: Of the gradient, from 1.
        through: What lies between: :mod:`fakeoff.arena.images.postprocessing`.
        colour: The arena's; in a grey one all channels move together.
    """

    detector: Identity
    levels: float
    steps: int
    through: str
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class PassArguments:
    """What images are passed through.

    Attributes:
        through: See :class:`PixelArguments`.
    """

    through: str


def attack_pixels(context: Context) -> Result:
    """A job: moves every pixel of fakes by a few levels, towards what a frozen detector takes for real.

    Projected gradient descent in the maximum norm, from the fakes as they are (Madry et al., "Towards deep learning
    models resistant to adversarial attacks", ICLR 2018). No generator has a part in it: each image has its own change,
    which whoever prints or saves it may lose.

    Payload: :class:`PixelArguments`. Inputs: ``detector``, and ``fakes``, a pool.

    Returns:
        Array ``images``: uint8 ``(n, h, w, 3)``.

    Raises:
        JobFailed: The detector broke its interface, has no gradient, or was written to.
    """
    arguments = context.arguments(PixelArguments)
    detector = referee.build_detector(arguments.detector, version=context.inputs["detector"], device=context.device)
    fakes = images.to_tensor(context.inputs["fakes"].arrays["images"])
    operations = parse_operations(arguments.through)
    moved = []
    with referee.frozen([detector]):
        for batch in fakes.split(_AT_A_TIME):
            moved.append(_descend(detector, batch.to(context.device), arguments, operations))
            context.report(sum(map(len, moved)), len(fakes), "images")
    return Result(
        record={"n": len(fakes)}, arrays={"images": images.quantise(torch.cat(moved), colour=arguments.colour)}
    )


def pass_through(context: Context) -> Result:
    """A job: passes a pool through what lies between those who make images and those who judge them.

    Payload: :class:`PassArguments`. Inputs: ``pool``. Array: ``images``, likewise.
    """
    operations = parse_operations(context.arguments(PassArguments).through)
    pixels = postprocess(context.inputs["pool"].arrays["images"], operations)
    return Result(record={"n": len(pixels)}, arrays={"images": pixels})


def _descend(detector: Detector, fakes: Tensor, arguments: PixelArguments, operations: Sequence[Operation]) -> Tensor:
    reach = arguments.levels / 255
    stride = 2.5 * reach / arguments.steps  # of Madry et al.'s code: the edge can be reached from anywhere within
    moved = torch.zeros_like(fakes)
    for _ in range(arguments.steps):
        moved.requires_grad_()
        seen = images.as_seen(fakes + moved, resolution=fakes.shape[-1], colour=arguments.colour)
        loss = detector.evasion_loss(referee.shown(detector, postprocess_through(seen, operations)))
        if not loss.requires_grad:
            raise JobFailed("was attacked in pixels, and no gradient flows through it")
        # Of a sum each image has its own gradient, whatever else is in the batch; its size does not count.
        [gradient] = torch.autograd.grad(loss, moved)
        if arguments.colour == "grey":
            gradient = gradient.mean(1, keepdim=True).expand_as(gradient)
        moved = (moved.detach() - stride * gradient.sign()).clamp(-reach, reach)
        moved = (fakes + moved).clamp(0, 1) - fakes
    return fakes + moved


__all__ = ["PassArguments", "PixelArguments", "attack_pixels", "pass_through"]
