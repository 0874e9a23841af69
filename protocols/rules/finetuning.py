"""Finetuning against frozen detectors (Eq. 4): what an attack does, and adversarial training between its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.compute import Precision
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import Colour, Pixels
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.postprocessing import Operation, postprocess_through
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import state_arrays
from fakeoff.detectors import Detector
from fakeoff.generators import Batch, Generator
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.manipulating import reals_to_manipulate


@dataclass(kw_only=True)
class Followed:
    """How an evasion loss was used so far.

    Attributes:
        asked: Somebody called it.
        arrived: A gradient of it came back.
        moved: There was anything in one.
    """

    asked: bool = False
    arrived: bool = False
    moved: bool = False


class EvasionLoss:
    """A generator's ``extra_loss``: ``weight`` times the mean of frozen detectors' evasion losses.

    The detectors see the fakes as they will be shown them: through luminance where the arena is grey, quantised, at the
    arena's resolution.

    Args:
        targets: Frozen detectors, at least one.
        weight: From 0.
        resolution: The arena's, pixels a side.
        colour: The arena's.
        operations: What fakes go through after that.

    Attributes:
        followed: How it was used so far.
    """

    def __init__(
        self,
        targets: Sequence[Detector],
        *,
        weight: float,
        resolution: int,
        colour: Colour,
        operations: Sequence[Operation] = (),
    ) -> None:
        self._targets, self._weight = targets, weight
        self._resolution, self._colour, self._operations = resolution, colour, operations
        self.followed = Followed()

    def __call__(self, fakes: Tensor) -> Tensor:
        """A scalar that the generator adds to its loss.

        Args:
            fakes: float ``(n, 3, h, w)`` in [0, 1], with a gradient.

        Raises:
            JobFailed: There is no gradient, on one side or the other, or the loss is not finite.
        """
        self.followed.asked = True
        if not fakes.requires_grad:
            raise JobFailed(
                "gave extra_loss() fakes without a gradient, so that nothing would be attacked; hand over what the "
                "generator made, not detach()ed, and outside of no_grad()"
            )
        fakes = fakes.view_as(fakes)
        fakes.register_hook(self._arrives)
        seen = images.as_seen(fakes, resolution=self._resolution, colour=self._colour)
        seen = postprocess_through(seen, self._operations)
        losses = [target.evasion_loss(referee.shown(target, seen)) for target in self._targets]
        mean: Tensor = sum(losses[1:], losses[0]) / len(losses) * self._weight
        if not mean.requires_grad:
            raise JobFailed("was set against a detector that no gradient flows through, so that nothing is attacked")
        if not torch.isfinite(mean):
            raise JobFailed("drove the frozen detector's loss to a value that is not finite")
        return mean

    def check_followed(self) -> None:
        """Checks that a finetuning followed it.

        Raises:
            JobFailed: It was never asked for, or no gradient of it ever came back to the fakes.
        """
        if not self.followed.asked:
            raise JobFailed(
                "never called extra_loss(), so that it was trained and attacked nothing; add extra_loss(fakes) to the "
                "generator's loss in train_step()"
            )
        if not (self.followed.moved if self._weight else self.followed.arrived):
            raise JobFailed(
                "called extra_loss(), but no gradient of it ever came back, so that nothing was attacked; add what it "
                "returns to the loss that backward() is called on"
            )

    def _arrives(self, gradient: Tensor) -> None:
        self.followed.arrived = True
        self.followed.moved = self.followed.moved or bool(gradient.any())


def finetune(
    generator: Generator,
    reals: Pool,
    evasion: EvasionLoss,
    *,
    plan: Plan,
    precision: Precision,
    rng: torch.Generator,
    persons: Sequence[int] | None = None,
    first: int = 0,
) -> Iterator[dict[str, float]]:
    """Trains a generator on its own objective and an evasion loss, a step each time that something is asked for.

    Args:
        generator: Who learns, and was started. Whoever looks at it between two steps puts it back into training mode.
        reals: Train reals at its resolution.
        evasion: Of detectors that are frozen meanwhile.
        plan: Steps, batch and rate.
        precision: Of training.
        rng: A CPU generator, the only source of randomness.
        persons: Who is on each of the reals, for a manipulator.
        first: Where it goes on from: steps that were taken before.

    Yields:
        What each step measured.

    Raises:
        JobFailed: The generator broke its interface.
    """
    generator.train()
    for step in range(first, plan.steps):
        batch = draw_lesson(reals, plan.batch, persons=persons, rng=rng)
        with compute.autocast(precision, reals.device):
            measured = generator.train_step(batch, rng=rng, extra_loss=evasion)
        yield referee.check_measured(measured, step=step)


def draw_lesson(reals: Pool, n: int, *, persons: Sequence[int] | None, rng: torch.Generator) -> Batch:
    """What a generator is shown in a step of its training.

    Args:
        reals: Train reals at its resolution.
        n: How many.
        persons: Who is on each of them, for a manipulator.
        rng: A CPU generator, the only source of randomness.

    Returns:
        Images, each mirrored or not; for a manipulator with ``person``.
    """
    places = reals.choose(n, rng=rng)
    shown = reals.show(places, rng=rng, flips=True)
    person = None if persons is None else torch.tensor(persons)[places].to(shown.device)
    return Batch(images=shown, person=person)


def check_trained(generator: Generator, before: Mapping[str, npt.NDArray[np.generic]], *, steps: int) -> None:
    """Checks that a finetuning changed something.

    Args:
        generator: Who learned.
        before: Its state before: :func:`fakeoff.arena.players.specs.state_arrays`.
        steps: That were asked for.

    Raises:
        JobFailed: Its state is as it was.
    """
    after = state_arrays(generator)
    if all(name in before and np.array_equal(array, before[name]) for name, array in after.items()):
        raise JobFailed(f"is the same to the last weight after {steps} steps, so that nothing was trained")


def draw_as_seen(
    generator: Generator,
    n: int,
    *,
    rng: torch.Generator,
    arena_resolution: int,
    colour: Colour,
    manipulated: tuple[Pixels, Sequence[int]] | None = None,
    pairs_rng: torch.Generator,
) -> Pixels:
    """Draws fakes that are in no pool, and passes them through the pools' pipeline.

    Args:
        generator: Who makes them.
        n: How many; of a manipulator at most.
        rng: A CPU generator: of latents, or of what a manipulator draws.
        arena_resolution: Pixels a side of what comes.
        colour: The arena's.
        manipulated: What a manipulator makes them of: reals of train, uint8 ``(m, h, w, 3)``, and who is on each. None
            for everybody else.
        pairs_rng: A CPU generator: of which reals a manipulator is shown.

    Returns:
        uint8 ``(n, h, w, 3)``, RGB.

    Raises:
        JobFailed: The generator broke its interface.
    """
    reals: Batch | None = None
    if manipulated is not None:
        pixels, persons = manipulated
        reals = reals_to_manipulate({"train": pixels}, {"train": persons}, {"train": n}, rng=pairs_rng)
    fakes = referee.draw(generator, n, rng=rng, reals=reals, sizes={"train": n}).images
    return images.to_arena(images.quantise(fakes, colour=colour), resolution=arena_resolution)


__all__ = ["EvasionLoss", "check_trained", "draw_as_seen", "draw_lesson", "finetune"]
