"""Attack: a generator is finetuned to pass as real before a frozen detector (Eq. 4, section 4.3)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fakeoff.arena.compute import Precision
from fakeoff.arena.images import Colour
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.postprocessing import parse_operations, postprocess
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.arena.typed import as_record, read_as
from fakeoff.detectors import Detector
from fakeoff.generators import Generator
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk, payload_of
from fakeoff.protocols.rules.finetuning import EvasionLoss, Followed, check_trained, draw_as_seen, finetune
from fakeoff.protocols.rules.manipulating import is_manipulator
from fakeoff.protocols.rules.pools import ATTACK_REALS
from fakeoff.protocols.rules.resumption import Resumption
from fakeoff.protocols.score.metrics import THRESHOLD

VERSION = 3

_LOOKED_AT = 64


@dataclass(frozen=True, kw_only=True)
class AttackArguments:
    """What an attack is told.

    Attributes:
        generator: Who attacks.
        targets: The frozen detectors, at least one; their versions are the inputs ``target_0`` and so on.
        weight: Of the evasion loss beside the generator's own loss, from 0.
        steps: Generator steps at most, from 1.
        batch: Images a step, from 2.
        rate: Learning rate; 0 is the generator's own.
        until: The attack ends when this share of fakes of its own passes, in (0, 1]; 1 is never.
        look_every: Steps between looks at how many pass, from 1.
        seed: The tournament's.
        precision: Of training.
        arena_resolution: Pixels a side of what the detectors see.
        colour: The arena's.
        persons: Who is on each of the reals, for a manipulator; None, and not in the payload, for everybody else.
        through: What fakes go through before the detectors see them
            (:mod:`fakeoff.arena.images.postprocessing`); None, and not in the payload, where that is nothing.
    """

    generator: Identity
    targets: tuple[Identity, ...]
    weight: float
    steps: int
    batch: int
    rate: float
    until: float
    look_every: int
    seed: int
    precision: Precision
    arena_resolution: int
    colour: Colour
    persons: tuple[int, ...] | None = None
    through: str | None = None


@dataclass(kw_only=True)
class _Done:
    """How far an attack is."""

    steps: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    passed: list[list[int | float]] = field(default_factory=list)
    followed: Followed = field(default_factory=Followed)


def write_attack(desk: Desk, version: Version, *, targets: Sequence[Version], reals: Mapping[str, str]) -> Job:
    """A generator's next version, finetuned against frozen targets.

    Args:
        desk: What is played.
        version: Who attacks.
        targets: Detector versions, at least one.
        reals: Keys of the real pools, :func:`fakeoff.protocols.rules.pools.write_real_pools`.
    """
    settings = desk.config.attack
    generator = desk.generators[version.player]
    detectors = [desk.detectors[target.player] for target in targets]
    arguments = AttackArguments(
        generator=generator.identity(),
        targets=tuple(detector.identity() for detector in detectors),
        weight=settings.weight,
        steps=settings.steps,
        batch=settings.batch,
        rate=settings.rate,
        until=settings.until,
        look_every=settings.look_every,
        seed=desk.config.seed,
        precision=desk.precision,
        arena_resolution=desk.config.arena.resolution,
        colour=desk.colour,
        persons=tuple(desk.source.persons("train")) if is_manipulator(generator.plugin) else None,
        through=settings.through or None,
    )
    return desk.job(
        attack,
        VERSION,
        label=f"attack {version.player}@{version.round + 1}",
        player=version.player,
        specs=[generator, *detectors],
        threads=desk.config.compute.attack_threads,
        device=desk.device,
        payload=payload_of(arguments),
        inputs={
            "version": version.key,
            "reals": reals[ATTACK_REALS],
            **{f"target_{index}": target.key for index, target in enumerate(targets)},
        },
        checkpoints=True,
        stage="attack",
        round_=version.round + 1,
    )


def attack(context: Context) -> Result:
    """Finetunes one generator on its own objective plus ``weight`` times the detector's evasion loss.

    The detector sees the fakes as it will be shown them: through luminance where the arena is grey,
    quantised, at the arena's resolution, and through whatever lies between. Against several targets the evasion losses
    are averaged.

    It ends early, once ``until`` of fakes of its own pass as real: test decides no strength, and neither do pools.

    Payload: :class:`AttackArguments`. Inputs: ``version``, ``target_0`` ..., ``reals``
    (train pool at the generator's resolution).

    An attack in which nothing was attacked fails: ``extra_loss`` was never called, or with fakes without a gradient, or
    no gradient of it ever came back to them.

    Raises:
        JobFailed: The generator broke its interface, attacked nothing, or wrote to a frozen detector.
    """
    arguments = context.arguments(AttackArguments)
    device = context.device
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=device)
    targets = [
        referee.build_detector(identity, version=context.inputs[f"target_{index}"], device=device)
        for index, identity in enumerate(arguments.targets)
    ]
    reals = Pool(context.inputs["reals"].arrays["images"], device=device)
    evasion = EvasionLoss(
        targets,
        weight=arguments.weight,
        resolution=arguments.arena_resolution,
        colour=arguments.colour,
        operations=parse_operations(arguments.through or ""),
    )
    plan = Plan(purpose="attack", steps=arguments.steps, batch=arguments.batch, rate=arguments.rate or None)
    rng = context.rng("attack")
    generator.train()
    resumption = Resumption(context, generator, rng=rng)
    done = resumption.begin(plan, read=functools.partial(read_as, _Done)) or _Done()
    evasion.followed = done.followed
    curves, passed, step = done.curves, done.passed, done.steps - 1
    steps = finetune(
        generator,
        reals,
        evasion,
        plan=plan,
        precision=arguments.precision,
        rng=rng,
        persons=arguments.persons,
        first=done.steps,
    )
    with referee.frozen(targets):
        for step, measured in enumerate(steps, start=done.steps):
            for name, value in measured.items():
                curves.setdefault(name, []).append(value)
            note = f"evasion loss {curves['extra_loss'][-1]:.3f}" if "extra_loss" in curves else ""
            if (step + 1) % arguments.look_every == 0 and arguments.until < 1:
                passed.append([step + 1, _share_that_passes(context, arguments, generator, targets)])
                generator.train()
                if passed[-1][1] >= arguments.until:
                    context.report(arguments.steps, arguments.steps, f"{passed[-1][1]:.0%} pass")
                    break
                note = f"{note}, {passed[-1][1]:.0%} pass"
            context.report(step + 1, arguments.steps, note)
            done.steps = step + 1
            resumption.keep(functools.partial(as_record, done))
    evasion.check_followed()
    check_trained(generator, context.inputs["version"].arrays, steps=arguments.steps)
    return Result(record={"curves": curves, "steps": step + 1, "passed": passed}, arrays=state_arrays(generator))


def _share_that_passes(
    context: Context, arguments: AttackArguments, generator: Generator, targets: Sequence[Detector]
) -> float:
    """Of fakes that are in no pool, the share that all frozen detectors together take for real, on the mean."""
    reals = context.inputs["reals"].arrays["images"]
    pixels = draw_as_seen(
        generator,
        _LOOKED_AT,
        rng=context.rng("looks"),  # each time the same latents, or the same pairs
        arena_resolution=arguments.arena_resolution,
        colour=arguments.colour,
        manipulated=None if arguments.persons is None else (reals, arguments.persons),
        pairs_rng=context.rng("looked at"),
    )
    pool = Pool(postprocess(pixels, parse_operations(arguments.through or "")), device=context.device)
    return float(np.mean([(referee.judge(target, pool) < THRESHOLD).double().mean().item() for target in targets]))
