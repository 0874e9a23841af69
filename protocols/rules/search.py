"""Search: a frozen detector is attacked without its gradient, by looking through a frozen generator's latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.images import Colour, Pixels
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.jobs.limits import wants_memory
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.typed import as_record
from fakeoff.detectors import Detector
from fakeoff.generators import Generator
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk, payload_of

VERSION = 1

Part: TypeAlias = Literal["start", "found", "followed"]
"""Fakes of a search: as the latents came, after the search, and after following the gradient from the same latents."""

_FIRST_STEP = 1.0
_SMALLEST_STEP = 0.02
_GROWTH = 1.5
_STRIDE = 0.1


@dataclass(frozen=True, kw_only=True)
class SearchArguments:
    """What a search is told.

    Attributes:
        generator: Whose latents are searched.
        detector: Who is attacked.
        fakes: Latents, each searched by itself, from 2.
        queries: Images of each that the detector is shown, the first one included, from 2.
        batch: Fakes at a time, from 1: as many as an attack makes.
        follow: Whether the detector's gradient is followed from the same latents, for comparison.
        seed: The tournament's.
        arena_resolution: Pixels a side of what the detector sees.
        colour: The arena's.
    """

    generator: Identity
    detector: Identity
    fakes: int
    queries: int
    batch: int
    follow: bool
    seed: int
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search comes to.

    Attributes:
        queries: Images of each fake that the detector was shown.
        sizes: Fakes by :data:`Part`; they are parts of the result: ``KEY:found``.
        curve: The mean of the lowest P(fake) so far, after each query.
        failed: Why the generator could not be searched; empty where it could, and then all else is there.
    """

    queries: int = 0
    sizes: dict[Part, int] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    failed: str = ""


class _GeneratorError(JobFailed):
    """It is the generator that broke its interface, not the detector whose job this is."""


def write_search(desk: Desk, generator: Version, detector: Version, *, follow: bool, round_: int) -> Job:
    """A detector version, attacked through the latents of a generator version.

    Args:
        desk: What is played.
        generator: A version with the ability *latent*.
        detector: Which version.
        follow: Whether a gradient flows through it, so that one is followed from the same latents.
        round_: Of the game.
    """
    settings = desk.config.search
    maker, judge = desk.generators[generator.player], desk.detectors[detector.player]
    arguments = SearchArguments(
        generator=maker.identity(),
        detector=judge.identity(),
        fakes=settings.fakes,
        queries=settings.queries,
        batch=desk.config.attack.batch,
        follow=follow,
        seed=desk.config.seed,
        arena_resolution=desk.config.arena.resolution,
        colour=desk.colour,
    )
    return desk.job(
        search,
        VERSION,
        label=f"search {generator.label} against {detector.label}",
        player=detector.player,
        specs=[maker, judge],
        device=desk.device,
        payload=payload_of(arguments),
        inputs={"generator": generator.key, "detector": detector.key},
        stage="search",
        round_=round_,
    )


def search(context: Context) -> Result:
    """Searches a frozen generator's latents for fakes that pass before a frozen detector, by its scores alone.

    Each latent has a (1+1) evolution strategy of its own (Rechenberg 1973). From ``z`` it proposes
    ``sqrt(1 - s^2) z + s n`` with ``n`` drawn as the generator draws latents (the preconditioned Crank-Nicolson
    proposal: Cotter et al., Statistical Science 28, 2013), brought back to the length that ``z`` began with: of normal
    latents of one length none is likelier than another, so what is found are fakes that the generator makes anyway, and
    selection cannot drive lengths up. A proposal with a lower P(fake), or the same, is taken. The step ``s`` grows then
    and shrinks otherwise: it comes to rest where one of five proposals succeeds. It begins at 1, which is fresh
    directions, and stays there where scores are flat, since all succeed then.

    The detector sees fakes as in every pool: quantised to 8 bits, through luminance where the arena is grey, resized
    with Lanczos. It is asked for scores, in eval mode and without gradients, and told nothing else.

    Where a gradient flows through it, ``followed`` are the fakes of the same latents after as many steps down the
    gradient of its evasion loss: the same proposals, with the gradient in the place of ``n``, and all of them taken
    (projected descent by normalised gradients: Madry et al., ICLR 2018). That is what white-box access is worth in the
    same space at the same budget. A detector on which it gains less than a search masks its gradient (Athalye, Carlini
    and Wagner, ICML 2018, section 3.1).

    Payload: :class:`SearchArguments`. Inputs: ``generator``, ``detector`` (versions).

    Returns:
        Record: :class:`Searched`. Arrays, for each part: its fakes, uint8 ``(n, h, w, 3)``, and their latents
        (``z_start`` and so on), float32 ``(n, latent_dim)``; ``p_start`` and ``p_found``, P(fake), float32 ``(n,)``.

    Raises:
        JobFailed: The detector broke its interface, or its weights changed.
    """
    arguments = context.arguments(SearchArguments)
    generator = referee.build_generator(arguments.generator, version=context.inputs["generator"], device=context.device)
    detector = referee.build_detector(arguments.detector, version=context.inputs["detector"], device=context.device)
    try:
        with referee.frozen([detector]):
            return _Search(context, arguments, generator, detector).result()
    except _GeneratorError as error:
        return Result(record=as_record(Searched(failed=error.reason)))


class _Search:
    """The search of one job."""

    def __init__(self, context: Context, arguments: SearchArguments, generator: Generator, detector: Detector) -> None:
        self._context, self._arguments = context, arguments
        self._generator, self._detector = generator.eval().requires_grad_(False), detector
        self._total = arguments.queries * (2 if arguments.follow else 1)

    def result(self) -> Result:
        latents = self._context.rng("latents")
        start = self._latents(latents)
        z: dict[Part, Tensor] = {"start": start}
        p: dict[Part, Tensor] = {"start": self._ask(start)}
        z["found"], p["found"], curve = self._walk(start, p["start"], rng=latents)
        if self._arguments.follow:
            z["followed"] = torch.cat(
                [self._follow(part, index) for index, part in enumerate(start.split(self._arguments.batch))]
            )
        fakes: dict[str, npt.NDArray[np.generic]] = {part: self._fakes(one) for part, one in z.items()}
        latents_of = {f"z_{part}": one.cpu().numpy() for part, one in z.items()}
        scores = {f"p_{part}": one.numpy() for part, one in p.items()}
        searched = Searched(
            queries=self._arguments.queries,
            sizes={part: len(fakes[part]) for part in z},
            curve=tuple(curve),
        )
        return Result(record=as_record(searched), arrays={**fakes, **latents_of, **scores})

    def _walk(self, z: Tensor, p: Tensor, *, rng: torch.Generator) -> tuple[Tensor, Tensor, list[float]]:
        """The evolution strategies, side by side; latents, their P(fake), and the mean of that after each query."""
        step, curve = torch.full((len(z), 1), _FIRST_STEP), [p.double().mean().item()]
        length = z.norm(dim=1, keepdim=True)
        for query in range(1, self._arguments.queries):
            proposed = _moved(z, self._latents(rng), step=step.to(z.device), length=length)
            asked = self._ask(proposed)
            taken = asked <= p
            z = torch.where(taken[:, None].to(z.device), proposed, z)
            p = torch.where(taken, asked, p)
            # One of five succeeds in the balance: four failures take back what a success adds.
            step = (step * torch.where(taken, _GROWTH, _GROWTH**-0.25)[:, None]).clamp(_SMALLEST_STEP, 1)
            curve.append(p.double().mean().item())
            self._context.report(query + 1, self._total, f"mean P(fake) {curve[-1]:.3f}")
        return z, p, curve

    def _follow(self, start: Tensor, batch: int) -> Tensor:
        """The latents after following the gradient; fewer steps where it is lost or no longer finite."""
        z, length = start, start.norm(dim=1, keepdim=True)
        step = torch.full_like(length, _STRIDE)
        for query in range(1, self._arguments.queries):
            z = z.detach().requires_grad_()
            seen = images.as_seen(
                self._decode(z, batch), resolution=self._arguments.arena_resolution, colour=self._arguments.colour
            )
            loss = self._detector.evasion_loss(referee.shown(self._detector, seen))
            if not loss.requires_grad:
                break
            (gradient,) = torch.autograd.grad(loss, z)
            if not gradient.isfinite().all():
                break
            z = _moved(z.detach(), -gradient, step=step, length=length)
            self._context.report(self._arguments.queries + query + 1, self._total, f"evasion loss {loss.item():.3f}")
        return z.detach()

    def _ask(self, z: Tensor) -> Tensor:
        """P(fake) of each latent's fake: one query of each; float32 ``(n,)`` on the CPU."""
        return referee.judge(self._detector, Pool(self._fakes(z), device=self._context.device))

    def _fakes(self, z: Tensor) -> Pixels:
        with torch.no_grad():
            made = [self._decode(part, index) for index, part in enumerate(z.split(self._arguments.batch))]
        quantised = images.quantise(torch.cat(made), colour=self._arguments.colour)
        return images.to_arena(quantised, resolution=self._arguments.arena_resolution)

    def _latents(self, rng: torch.Generator) -> Tensor:
        return self._of_generator(lambda: referee.latents(self._generator, self._arguments.fakes, rng=rng))

    def _decode(self, z: Tensor, batch: int) -> Tensor:
        # What a generator draws besides its latents is the same at each query: else a fake's score would be thrown.
        rng = self._context.rng(f"decode batch {batch}")
        return self._of_generator(lambda: referee.decode(self._generator, z, rng=rng))

    def _of_generator(self, make: Callable[[], Tensor]) -> Tensor:
        try:
            return make()
        except JobFailed as error:
            raise _GeneratorError(error.reason) from error
        except Exception as error:
            if wants_memory(error):  # the machine's failure, not the generator's: tried again another time
                raise
            raise _GeneratorError(f"raised {one_line(error)}") from error


def _moved(z: Tensor, towards: Tensor, *, step: Tensor, length: Tensor) -> Tensor:
    """Latents of their own length, some way towards others: none at a step of 0, all the way at 1."""
    ahead = _as_long(towards, length)
    return _as_long((1 - step**2).sqrt() * z + step * ahead, length)


def _as_long(z: Tensor, length: Tensor) -> Tensor:
    """Scaled to a length; zeros stay zeros."""
    norm = z.norm(dim=1, keepdim=True)
    return torch.where(norm > 0, z * (length / norm), z)


__all__ = ["Part", "SearchArguments", "Searched", "search", "write_search"]
