"""Seeking: the shift of all latents after which a frozen detector calls their images fake (Eq. 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import Colour
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.typed import as_record
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.generators import Generator
from fakeoff.protocols.exaggerate.codes import Drawn, GeneratorFailed, Space, draw, of_generator, render
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.perceptual import ChosenDistance

_SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class SeekArguments:
    """What seeking a shift is told.

    Attributes:
        generator: Whose latents are shifted.
        detector: Whose verdict is exaggerated.
        space: Where latents are shifted.
        steps: Of Adam at most, from 1.
        batch: Latents a step, from 1.
        rate: Adam's learning rate at first, as a share of a code's standard deviation in one of its numbers; above 0.
            It falls evenly to nothing.
        perceptual_weight: Of the perceptual distance beside the detector's loss, from 0.
        distance: The perceptual distance.
        norm: The longest shift, as a share of how far codes lie from their mean; 0 is no bound.
        check_every: Steps between looks at val, from 1.
        patience: Looks without a lower loss before it ends, from 1.
        arena_resolution: Pixels a side of what the detector sees.
        colour: The arena's.
    """

    generator: Identity
    detector: Identity
    space: Space
    steps: int
    batch: int
    rate: float
    perceptual_weight: float
    distance: ChosenDistance
    norm: float
    check_every: int
    patience: int
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What seeking a shift comes to.

    Attributes:
        steps: After which val's loss was lowest; 0 where no shift lowered it.
        norm: Length of the shift.
        share: The same over how far codes lie from their mean.
        curve: Looks at val: the step, the loss, the detector's part and the perceptual distance.
        failed: What the generator did wrong; empty where nothing, and then all else is there.
    """

    steps: int = 0
    norm: float = 0.0
    share: float = 0.0
    curve: tuple[tuple[int, float, float, float], ...] = ()
    failed: str = ""


def loss_towards_fake(detector: Detector, shown: Tensor) -> Tensor:
    """The cross entropy of a detector's verdict against *fake*: low where images are easily detected.

    Of a patch detector that of every patch, as it was trained (Eq. 1).

    Args:
        detector: Who judges.
        shown: float ``(n, 3, h, w)`` in [0, 1], as the detector must be shown them.

    Returns:
        A scalar that the images' gradients flow from.
    """
    scores = detector.patch_scores(shown) if isinstance(detector, PatchDetector) else detector.score(shown)
    # The clamp keeps a score of exactly 0 from an infinite loss.
    return -scores.float().clamp(min=_SMALLEST).log().mean()


def seek(context: Context) -> Result:
    """A job: finds ``w`` that minimises ``E_z[L_fake(G(z - w)) + weight * L_p(G(z), G(z - w))]``, one for all latents.

    Adam steps on ``w`` along the gradient of fresh latents, from no shift at all. The detector is frozen and sees
    images as in every pool: through luminance where the arena is grey, quantised (the gradient passes straight
    through), at the arena's resolution. The perceptual distance is between the same. What is kept is the shift with the
    lowest loss on val's latents; test's are not here.

    Payload: :class:`SeekArguments`. Inputs: ``generator``, ``detector`` (versions), ``val``: that part of
    :func:`fakeoff.protocols.exaggerate.codes.draw_codes`.

    Returns:
        Record: :class:`Sought`. Array ``shift``: float32 ``(m,)``.

    Raises:
        JobFailed: The detector broke its interface, lets no gradient through, or its weights changed.
    """
    arguments = context.arguments(SeekArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["generator"], device=context.device)
    detector = referee.build_detector(arguments.detector, version=context.inputs["detector"], device=context.device)
    generator.eval().requires_grad_(False)
    try:
        with referee.frozen([detector]):
            return _Seeker(context, arguments, generator, detector).result()
    except GeneratorFailed as error:
        return Result(record=as_record(Sought(failed=error.reason)))


class _Seeker:
    """The search of one job."""

    def __init__(self, context: Context, arguments: SeekArguments, generator: Generator, detector: Detector) -> None:
        self._context, self._arguments = context, arguments
        self._generator, self._detector = generator, detector
        self._distance = arguments.distance.open().to(context.device)
        val = context.inputs["val"]
        self._val = torch.from_numpy(val.arrays["images"].copy()).to(
            context.device
        )  # what a part of a result is called
        self._val_before: list[Tensor] = []
        self._length = val.figures(Drawn).length

    def result(self) -> Result:
        arguments, numbers = self._arguments, self._val.shape[1]
        shift = torch.zeros(numbers, device=self._val.device, requires_grad=True)
        rate = arguments.rate * self._length / math.sqrt(numbers)
        optimiser = torch.optim.Adam([shift], lr=rate)
        rng = self._context.rng("latents")
        best, kept = self._look(shift, 0), shift.detach().clone()
        curve = [best]
        for step in range(1, arguments.steps + 1):
            # Every batch has other latents: at a constant rate the shift would stagger about where it ought to rest.
            optimiser.param_groups[0]["lr"] = rate * (1 - (step - 1) / arguments.steps)
            self._step(shift, optimiser, rng=rng, noise=f"noise of step {step}")
            if step % arguments.check_every and step < arguments.steps:
                continue
            curve.append(self._look(shift, step))
            self._context.report(step, arguments.steps, f"loss on val {curve[-1][1]:.3f}")
            if curve[-1][1] < best[1]:
                best, kept = curve[-1], shift.detach().clone()
            elif step - best[0] >= arguments.patience * arguments.check_every:
                break
        norm = kept.norm().item()
        sought = Sought(steps=best[0], norm=norm, share=norm / self._length, curve=tuple(curve))
        return Result(record=as_record(sought), arrays={"shift": kept.cpu().numpy()})

    def _step(self, shift: Tensor, optimiser: torch.optim.Adam, *, rng: torch.Generator, noise: str) -> None:
        with of_generator():
            codes = draw(self._generator, self._arguments.batch, self._arguments.space, rng=rng)
        with torch.no_grad():
            before = self._seen(codes, noise=noise)
        fake, distance = self._losses(codes, shift, before=before, noise=noise)
        if not fake.requires_grad:
            raise JobFailed(
                "lets no gradient through from its scores to the images, so that there is nothing to follow"
            )
        optimiser.zero_grad(set_to_none=True)
        (fake + self._arguments.perceptual_weight * distance).backward()
        if shift.grad is None or not shift.grad.isfinite().all():
            raise JobFailed("gives a gradient that is not finite")
        optimiser.step()
        longest = self._arguments.norm * self._length
        if longest:
            with torch.no_grad():
                shift *= longest / max(longest, shift.norm().item())

    def _look(self, shift: Tensor, step: int) -> tuple[int, float, float, float]:
        """The loss on val's latents, each time with the same noise."""
        sums = [0.0, 0.0]
        with torch.no_grad():
            for index, codes in enumerate(self._val.split(self._arguments.batch)):
                if len(self._val_before) == index:
                    self._val_before.append(self._seen(codes, noise=f"noise of val {index}"))
                losses = self._losses(codes, shift, before=self._val_before[index], noise=f"noise of val {index}")
                for place, loss in enumerate(losses):
                    sums[place] += loss.item() * len(codes) / len(self._val)
        fake, distance = sums
        whole = fake + self._arguments.perceptual_weight * distance
        if not math.isfinite(whole):
            raise JobFailed("gives a loss that is not finite")
        return step, whole, fake, distance

    def _losses(self, codes: Tensor, shift: Tensor, *, before: Tensor, noise: str) -> tuple[Tensor, Tensor]:
        after = self._seen(codes - shift, noise=noise)
        fake = loss_towards_fake(self._detector, referee.shown(self._detector, after))
        return fake, self._distance(before, after).mean()

    def _seen(self, codes: Tensor, *, noise: str) -> Tensor:
        # With the same noise for both images of a pair, they differ by the shift alone.
        with of_generator():
            made = render(self._generator, codes, self._arguments.space, rng=self._context.rng(noise))
        return images.as_seen(made, resolution=self._arguments.arena_resolution, colour=self._arguments.colour)


__all__ = ["SeekArguments", "Sought", "loss_towards_fake", "seek"]
