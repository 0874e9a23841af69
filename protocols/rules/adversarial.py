"""Adversarial training: some of a batch's fakes are moved against the detector as it stands while it learns.

Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018, section 2: a model is trained
on the examples that are the worst for it now. Here the inner problem is Eq. 4 of Chai et al. 2020: what moves is a
generator, not the pixels of an image, as in the attack that the detector will meet.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fakeoff import generators
from fakeoff.arena import compute
from fakeoff.arena.compute import Precision
from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.images import Colour
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context
from fakeoff.arena.jobs.limits import wants_memory
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.seeds import global_states, sealed
from fakeoff.arena.typed import as_record, read_as
from fakeoff.detectors import Detector
from fakeoff.detectors.attackable import why_not_attackable
from fakeoff.protocols.record.versions import Version, newest
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.finetuning import EvasionLoss, check_trained, draw_as_seen, finetune
from fakeoff.protocols.rules.manipulating import is_manipulator
from fakeoff.protocols.score.metrics import THRESHOLD

_SAMPLED = 64
"""Fakes of a session at most, unless one batch takes more: sampling is to cost no more than the session's steps."""

_TRIED_ON = 16


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """A generator that is moved; its version is the input ``adversary_0`` and so on.

    Attributes:
        generator: Who.
        reals: Its reals are the input ``attack_reals_0`` and so on: those of train at its resolution.
        persons: Who is on each of the reals, for a manipulator; None for everybody else.
    """

    generator: Identity
    reals: int
    persons: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class AdversarialArguments:
    """What adversarial training is told.

    Attributes:
        adversaries: The generators, at least one.
        share: Of a batch's fakes, in (0, 1]; at least one of them.
        every: Steps of the detector between sessions, from 1. The first session is after so many.
        steps: Of a generator in a session, from 1.
        weight: Of the evasion loss beside the generator's own, from 0.
        batch: Images of a generator's step, from 2.
        rate: Its learning rate; 0 is its own.
        arena_resolution: Pixels a side of what detectors see.
        colour: The arena's.
    """

    adversaries: tuple[Adversary, ...]
    share: float
    every: int
    steps: int
    weight: float
    batch: int
    rate: float
    arena_resolution: int
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Session:
    """One finetuning in the middle of a defence.

    Attributes:
        step: Of the detector, before which it was.
        adversary: Which generator.
        passes: The share of its fakes that the detector took for real when it ended.
    """

    step: int
    adversary: int
    passes: float


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What a session could not be.

    Attributes:
        step: Of the detector.
        adversary: The generator that broke its interface, and is asked no more; None where nobody could follow the
            detector at that step.
        reason: One line.
    """

    step: int
    adversary: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class AdversarialRecord:
    """How adversarial training went.

    Attributes:
        sessions: In their order.
        left_out: Likewise; the same reason is told once.
    """

    sessions: tuple[Session, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def find_adversaries(desk: Desk, history: Sequence[Version]) -> list[Version]:
    """The newest version of each generator of a history that can attack, by name."""
    return [
        version
        for version in newest(history, "generator")
        if "attackable" in abilities(generators.players.load(desk.generators[version.player].plugin))
    ]


def adversarial_arguments(desk: Desk, adversaries: Sequence[Version]) -> AdversarialArguments:
    """What adversarial training against some versions is told: they learn as in an attack of the configuration."""
    defence, attack = desk.config.defend, desk.config.attack
    resolutions = adversary_resolutions(adversaries)
    return AdversarialArguments(
        adversaries=tuple(
            Adversary(
                generator=desk.generators[version.player].identity(),
                reals=resolutions.index(version.resolution),
                persons=tuple(desk.source.persons("train"))
                if is_manipulator(desk.generators[version.player].plugin)
                else None,
            )
            for version in adversaries
        ),
        share=defence.adversarial,
        every=defence.adversarial_every,
        steps=defence.adversarial_steps,
        weight=attack.weight,
        batch=attack.batch,
        rate=attack.rate,
        arena_resolution=desk.config.arena.resolution,
        colour=desk.colour,
    )


def adversary_resolutions(adversaries: Sequence[Version]) -> list[int]:
    """Those of their images, in the order of the inputs ``attack_reals_0`` and so on."""
    return sorted({version.resolution for version in adversaries})


class AdversarialTraining:
    """The sessions of one defence.

    A session draws one of the generators, finetunes it for a few steps from its version's state against the detector
    as it stands, which is frozen meanwhile, and samples it through the pools' pipeline. What it became is thrown away.
    A generator that breaks its interface there is left out from then on, the detector is put back to what it was, and
    another one is drawn: the defence is the detector's, and it does not pay for others. Only what ends the whole
    process, or takes its time or its memory, ends the job.

    Args:
        context: The defence's; sessions draw from random generators of their own.
        arguments: What was asked for.
        precision: Of training.

    Attributes:
        moved: What came of the last session, at the arena's resolution; None before the first, and where there could
            be none.
    """

    def __init__(self, context: Context, arguments: AdversarialArguments, *, precision: Precision) -> None:
        self._context, self._arguments, self._precision = context, arguments, precision
        self._playing = list(range(len(arguments.adversaries)))
        self._reals: dict[int, Pool] = {}
        self._sessions: list[Session] = []
        self._left_out: list[LeftOut] = []
        self.moved: Pool | None = None

    @property
    def record(self) -> AdversarialRecord:
        """How it went so far."""
        return AdversarialRecord(sessions=tuple(self._sessions), left_out=tuple(self._left_out))

    def state(self) -> dict[str, Any]:
        """What a defence that was killed goes on with."""
        moved = None if self.moved is None else self.moved.levels.cpu()
        return {"record": as_record(self.record), "playing": list(self._playing), "moved": moved}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where :meth:`state` was asked."""
        record = read_as(AdversarialRecord, state["record"])
        self._sessions, self._left_out = list(record.sessions), list(record.left_out)
        self._playing = list(state["playing"])
        if (levels := state["moved"]) is not None:
            self.moved = Pool(levels.permute(0, 2, 3, 1).numpy(), device=self._context.device)

    def is_due(self, step: int) -> bool:
        """Whether there is a session before a step of the detector, which are counted from 1."""
        return step > 1 and (step - 1) % self._arguments.every == 0

    def moved_of(self, fakes: int) -> int:
        """How many of a batch's fakes are moved ones."""
        return max(1, round(self._arguments.share * fakes))

    def move(self, detector: Detector, *, step: int, fakes: Pool, needed: int) -> None:
        """Holds a session; :attr:`moved` is what comes of it.

        Args:
            detector: As it stands; it is the same afterwards.
            step: Of the detector, which is next.
            fakes: Some that it learns from: whether an attack could follow it is tried on them.
            needed: Fakes of each batch until the next session.
        """
        self.moved = None
        arguments, rng = self._arguments, self._context.rng(f"adversarial, step {step}")
        n = max(needed, min(_SAMPLED, needed * arguments.every))
        while self._playing:
            chosen = self._playing[int(torch.randint(len(self._playing), (), generator=rng))]
            kept = copy.deepcopy(detector.state_dict())
            try:
                with referee.frozen([detector]):
                    if reason := why_not_attackable(detector, referee.shown(detector, fakes[:_TRIED_ON])):
                        self._leave_out(step, None, reason)
                        return
                    pool = self._finetuned(chosen, detector, n=n, rng=rng)
            except Exception as error:
                if wants_memory(error):
                    raise  # on another day there may be enough, and the result is to be the same then
                compute.reset_modes()
                detector.load_state_dict(kept)
                self._playing.remove(chosen)
                said = str(error) if isinstance(error, JobFailed) else f"raised {one_line(error)}"
                self._leave_out(step, chosen, said)
                continue
            with referee.frozen([detector]):  # a score that cannot be read is the detector's own fault
                passes = (referee.judge(detector, pool) < THRESHOLD).double().mean().item()
            self._sessions.append(Session(step=step, adversary=chosen, passes=passes))
            self.moved = pool
            return

    def _finetuned(self, chosen: int, detector: Detector, *, n: int, rng: torch.Generator) -> Pool:
        """Fakes of a generator after its session.

        Raises:
            JobFailed: It broke its interface, attacked nothing, or wrote to the detector or to global random state.
        """
        arguments, context = self._arguments, self._context
        adversary = arguments.adversaries[chosen]
        version = context.inputs[f"adversary_{chosen}"]
        pixels = context.inputs[f"attack_reals_{adversary.reals}"].arrays["images"]
        if adversary.reals not in self._reals:
            self._reals[adversary.reals] = Pool(pixels, device=context.device)
        with sealed(context.key, "adversarial"):
            untouched = global_states()
            generator = referee.build_generator(adversary.generator, version=version, device=context.device)
            evasion = EvasionLoss(
                [detector], weight=arguments.weight, resolution=arguments.arena_resolution, colour=arguments.colour
            )
            plan = Plan(purpose="attack", steps=arguments.steps, batch=arguments.batch, rate=arguments.rate or None)
            reals = self._reals[adversary.reals]
            generator.train()
            generator.start(plan)
            steps = finetune(
                generator, reals, evasion, plan=plan, precision=self._precision, rng=rng, persons=adversary.persons
            )
            for _ in steps:
                pass
            evasion.check_followed()
            check_trained(generator, version.arrays, steps=arguments.steps)
            seen = draw_as_seen(
                generator,
                n,
                rng=rng,
                arena_resolution=arguments.arena_resolution,
                colour=arguments.colour,
                manipulated=None if adversary.persons is None else (pixels, adversary.persons),
                pairs_rng=rng,
            )
            if global_states() != untouched:
                raise JobFailed("drew from or wrote to the global random state; draw from rng")
        return Pool(seen, device=context.device)

    def _leave_out(self, step: int, adversary: int | None, reason: str) -> None:
        if (adversary, reason) not in [(known.adversary, known.reason) for known in self._left_out]:
            self._left_out.append(LeftOut(step=step, adversary=adversary, reason=reason))


__all__ = [
    "AdversarialArguments",
    "AdversarialRecord",
    "AdversarialTraining",
    "Adversary",
    "LeftOut",
    "Session",
    "adversarial_arguments",
    "adversary_resolutions",
    "find_adversaries",
]
