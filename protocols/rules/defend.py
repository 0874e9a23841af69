"""Defend: a new detector is trained on reals and on the fakes of the generator versions so far."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fakeoff import detectors
from fakeoff.arena import compute
from fakeoff.arena.compute import Precision
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.pool import Pool, batch_of
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.players.abilities import abilities, has_own
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import Identity, state_arrays, weights_hash
from fakeoff.arena.typed import as_record, read_as
from fakeoff.detectors import Batch, Detector, PatchDetector
from fakeoff.detectors.attackable import why_not_attackable
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.adversarial import (
    AdversarialArguments,
    AdversarialRecord,
    AdversarialTraining,
    adversarial_arguments,
    adversary_resolutions,
)
from fakeoff.protocols.rules.desk import Desk, payload_of
from fakeoff.protocols.rules.pools import ATTACK_REALS
from fakeoff.protocols.rules.resumption import Resumption
from fakeoff.protocols.score.metrics import THRESHOLD

VERSION = 5

BEFORE = "before"
"""The input that a detector goes on from."""

_TRIED_ON = 16
_FEWEST_OF_A_VERSION = 16


@dataclass(frozen=True, kw_only=True)
class DefendArguments:
    """What a defence is told.

    Attributes:
        detector: Who learns.
        steps: At most, from 1.
        batch: Images a step, half of them real; an even number from 4.
        rate: Learning rate; 0 is the detector's own.
        check_every: Steps between looks at val, from 1.
        patience: Looks without a better accuracy on val before stopping, from 1.
        perfect: What must be judged rightly for training to stop at once: all ``images`` of val, or all ``patches``.
        seed: The tournament's.
        precision: Of training.
        adversarial: Whose fakes are moved against it meanwhile; None, and not in the payload, where nobody's are.
    """

    detector: Identity
    steps: int
    batch: int
    rate: float
    check_every: int
    patience: int
    perfect: Literal["images", "patches"]
    seed: int
    precision: Precision
    adversarial: AdversarialArguments | None = None


@dataclass(frozen=True, kw_only=True)
class Defended:
    """What a defence says of its adversaries.

    Attributes:
        adversarial: How the sessions with them went; None where there were to be none.
        steps: That were taken.
    """

    adversarial: AdversarialRecord | None = None
    steps: int = 0


def write_defend(
    desk: Desk,
    detector: str,
    *,
    history: Sequence[Version],
    reals: Mapping[int, Mapping[str, str]],
    before: Version | None = None,
    adversaries: Sequence[Version] = (),
) -> Job:
    """A detector trained on the fakes of a history of generator versions.

    Args:
        desk: What is played.
        detector: Its name.
        history: Generator versions, at least one.
        reals: Keys of the real pools by split, :func:`fakeoff.protocols.rules.pools.write_real_pools`, by resolution of
            the history's generators.
        before: Its version before, if there was one. It is read where the detector goes on from there
            (:attr:`fakeoff.detectors.Detector.cumulative`).
        adversaries: Versions of the history that are moved against it while it learns,
            :func:`fakeoff.protocols.rules.adversarial.find_adversaries`.
    """
    settings = desk.config.defend
    inputs: dict[str, str] = {}
    for split in ("train", "val"):
        for index, resolution in enumerate(sorted({version.resolution for version in history})):
            inputs[f"real_{split}_{index}"] = reals[resolution][split]
        for index, version in enumerate(sorted(history, key=lambda v: (v.player, v.round))):
            inputs[f"fake_{split}_{index}"] = version.pools[split]
    for index, version in enumerate(adversaries):
        inputs[f"adversary_{index}"] = version.key
    for index, resolution in enumerate(adversary_resolutions(adversaries)):
        inputs[f"attack_reals_{index}"] = reals[resolution][ATTACK_REALS]
    spec = desk.detectors[detector]
    if before is not None and detectors.players.load(spec.plugin).cumulative:
        inputs[BEFORE] = before.key
    arguments = DefendArguments(
        detector=spec.identity(),
        steps=settings.steps,
        batch=settings.batch,
        rate=settings.rate,
        check_every=settings.check_every,
        patience=settings.patience,
        perfect=settings.perfect,
        seed=desk.config.seed,
        precision=desk.precision,
        adversarial=adversarial_arguments(desk, adversaries) if adversaries else None,
    )
    return desk.job(
        defend,
        VERSION,
        label=f"defend {detector}@{max(version.round for version in history)}",
        player=detector,
        specs=[spec, *(desk.generators[version.player] for version in adversaries)],
        threads=desk.config.compute.defend_threads,
        device=desk.device,
        payload=payload_of(arguments),
        inputs=inputs,
        places=spec.places(),
        checkpoints=True,
        stage="defend",
        round_=max(version.round for version in history),
    )


def defend(context: Context) -> Result:
    """Trains one detector with early stopping on val.

    Training stops at once when the detector is perfect on val, or when its accuracy there (of patches, where it judges
    patches) has not improved for ``patience`` looks; the best look's weights are kept (section 3.1). Perfect is, as
    ``perfect`` says, every image on the right side of 1/2 (``images``), or every patch (``patches``, the paper's).
    Looks take about as many fakes as there are reals, evenly from every version, so that they cost no more after many
    rounds, and are taken in the training's precision. A detector that cannot be trained keeps the weights that it came
    with.

    What val says of it in the end is judged elsewhere, and blindly. ``not_attackable`` says why no attack could follow
    it, and is empty where one could; ``state`` is the hash of its weights.

    Where it is asked for, a share of each batch's fakes are moved against the detector as it stands, after every so
    many steps anew (:mod:`fakeoff.protocols.rules.adversarial`). Val has none of them: it decides as it always does.

    Payload: :class:`DefendArguments`. Inputs: ``real_train_0`` ..., ``real_val_0`` ..., ``fake_train_0`` ...,
    ``fake_val_0`` ...; ``before`` where it goes on from a version; ``adversary_0`` ... and ``attack_reals_0`` ... where
    fakes are moved. Places: ``weights``.
    """
    arguments = context.arguments(DefendArguments)
    detector = referee.build_detector(
        arguments.detector, version=context.inputs.get(BEFORE), places=context.places, device=context.device
    )
    pools = {name: Pool(*_inputs(context, name), device=context.device) for name in ("real_train", "fake_train")}
    look_at = _mixed(context)
    record: dict[str, Any] = {"trained": "trainable" in abilities(type(detector)), "curves": {}, "val_curve": []}
    if has_own(type(detector), "train_step"):
        record |= _train(context, arguments, detector, pools, look_at)
    elif record["trained"]:
        record |= _fit(context, arguments, detector, pools)
    record["state"] = weights_hash(detector.state_dict())
    record["not_attackable"] = why_not_attackable(detector, referee.shown(detector, look_at.pool[:_TRIED_ON]))
    return Result(record=record, arrays=state_arrays(detector))


@dataclass(frozen=True, kw_only=True)
class _Mixed:
    """Val images of both sides in an order that tells a detector nothing."""

    pool: Pool
    is_fake: Tensor


@dataclass(frozen=True, kw_only=True, order=True)
class _Look:
    """How a detector does on val; the best of several is their maximum."""

    perfect: bool
    accuracy: float


@dataclass(kw_only=True)
class _Done:
    """How far a training is."""

    steps: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    val_curve: list[list[int | float]] = field(default_factory=list)
    best: _Look = _Look(perfect=False, accuracy=-1.0)
    worse: int = 0


def _train(
    context: Context, arguments: DefendArguments, detector: Detector, pools: Mapping[str, Pool], look_at: _Mixed
) -> dict[str, Any]:
    rng = context.rng("defend")
    half = arguments.batch // 2
    is_fake = compute.move(torch.arange(arguments.batch) >= half, context.device)
    adversarial = arguments.adversarial and AdversarialTraining(
        context, arguments.adversarial, precision=arguments.precision
    )
    needed = adversarial.moved_of(half) if adversarial else 0
    resumption = Resumption(context, detector, rng=rng)
    plan = Plan(purpose="defend", steps=arguments.steps, batch=arguments.batch, rate=arguments.rate or None)

    def go_on(own: Mapping[str, Any]) -> tuple[_Done, Mapping[str, Tensor]]:
        if adversarial:
            adversarial.load_state(own["adversarial"])
        return read_as(_Done, own["done"]), own["best"]

    def kept() -> Mapping[str, Any]:
        own = {"done": as_record(done), "best": best_state}
        return {**own, "adversarial": adversarial.state()} if adversarial else own

    done, best_state = resumption.begin(plan, read=go_on) or (_Done(), copy.deepcopy(detector.state_dict()))
    for step in range(done.steps + 1, arguments.steps + 1):
        if adversarial and adversarial.is_due(step):
            adversarial.move(detector, step=step, fakes=pools["fake_train"], needed=needed)
        batch = _batch(pools, half, moved=adversarial.moved if adversarial else None, of_them=needed, rng=rng)
        detector.train()
        with compute.autocast(arguments.precision, context.device):
            seen = Batch(images=referee.shown(detector, batch), is_fake=is_fake)
            measured = detector.train_step(seen, rng=rng)
        for name, value in referee.check_measured(measured, step=step).items():
            done.curves.setdefault(name, []).append(value)
        done.steps = step
        if step % arguments.check_every == 0 or step == arguments.steps:
            look = _look_at_val(detector, look_at, perfect=arguments.perfect, precision=arguments.precision)
            done.val_curve.append([step, look.accuracy])
            if look > done.best:
                done.best, best_state, done.worse = look, copy.deepcopy(detector.state_dict()), 0
            else:
                done.worse += 1
            if done.best.perfect or done.worse >= arguments.patience:
                note = f"stopped at step {step}, val accuracy {done.best.accuracy:.3f}"
                context.report(arguments.steps, arguments.steps, note)
                break
        context.report(step, arguments.steps, f"val accuracy {done.best.accuracy:.3f}" if done.val_curve else "")
        resumption.keep(kept)
    detector.load_state_dict(best_state)
    return {
        "curves": done.curves,
        "val_curve": done.val_curve,
        "val_accuracy": done.best.accuracy,
        "val_perfect": done.best.perfect,
        "steps": done.steps,
        **({"adversarial": as_record(adversarial.record)} if adversarial else {}),
    }


def _batch(pools: Mapping[str, Pool], half: int, *, moved: Pool | None, of_them: int, rng: torch.Generator) -> Tensor:
    """Reals, then as many fakes, the last of which are moved ones."""
    if moved is None:
        return batch_of([pools["real_train"], pools["fake_train"]], half, rng=rng)
    drawn = [(pools["real_train"], half), (pools["fake_train"], half - of_them), (moved, of_them)]
    return compute.image_layout(torch.cat([pool.draw(n, rng=rng) for pool, n in drawn if n]))


def _fit(context: Context, arguments: DefendArguments, detector: Detector, pools: Mapping[str, Pool]) -> dict[str, Any]:
    """Lets a detector learn from everything at once."""
    rng, size = context.rng("defend"), arguments.batch
    real, fake = pools["real_train"], pools["fake_train"]

    def batches() -> Iterator[Batch]:
        order = torch.randperm(len(real) + len(fake), generator=rng)
        for places in order.split(size):
            images = torch.cat([_one(real, fake, place) for place in places.tolist()])
            is_fake = compute.move(places >= len(real), context.device)
            yield Batch(images=referee.shown(detector, images), is_fake=is_fake)

    detector.start(Plan(purpose="defend", steps=1, batch=size, rate=arguments.rate or None))
    measured = referee.check_measured(detector.fit(batches, rng=rng), step=None)
    return {"curves": {name: [value] for name, value in measured.items()}, "steps": 1}


def _one(real: Pool, fake: Pool, place: int) -> Tensor:
    """One image of two pools laid one after the other; float32 ``(1, 3, h, w)``."""
    pool, place = (real, place) if place < len(real) else (fake, place - len(real))
    return pool[place : place + 1]  # no more of it: a pool turns into numbers what it is asked for


def _look_at_val(detector: Detector, mixed: _Mixed, *, perfect: str, precision: Precision) -> _Look:
    """Accuracy is the mean of those on reals and on fakes, over patches where the detector judges patches.

    In the training's precision: a look in float32 took as long as three steps in bfloat16, and decides no score.
    """
    try:
        images, patches = _judge_val(detector, mixed.pool, precision=precision)
    except Exception:
        # What scores in float32 is right by the interface, and need not work in anything else.
        if precision == "float32":
            raise
        images, patches = _judge_val(detector, mixed.pool, precision=None)
    scores = images if perfect == "images" else patches
    is_fake = mixed.is_fake[:, None]
    right = ((patches >= THRESHOLD) == is_fake).double().mean(1)
    accuracy = (right[mixed.is_fake].mean().item() + right[~mixed.is_fake].mean().item()) / 2
    return _Look(perfect=bool(((scores >= THRESHOLD) == is_fake).all()), accuracy=accuracy)


def _judge_val(detector: Detector, pool: Pool, *, precision: Precision | None) -> tuple[Tensor, Tensor]:
    """Scores of images, float32 ``(n, 1)``, and of their patches, ``(n, patches)``, or of the images once more."""
    if isinstance(detector, PatchDetector):
        images, patches = referee.judge_both(detector, pool, precision=precision)
        return images[:, None], patches.flatten(1)
    images = referee.judge(detector, pool, precision=precision)[:, None]
    return images, images


def _mixed(context: Context) -> _Mixed:
    """All reals of val, and about as many fakes, evenly spread over generator versions."""
    reals, fakes = _inputs(context, "real_val"), _inputs(context, "fake_val")
    each = max(_FEWEST_OF_A_VERSION, sum(map(len, reals)) // len(fakes))
    fakes = [images[np.linspace(0, len(images) - 1, min(each, len(images))).astype(int)] for images in fakes]
    real, fake = (sum(map(len, side)) for side in (reals, fakes))
    order = torch.randperm(real + fake, generator=context.rng("looks"))
    pool = Pool(*reals, *fakes, device=context.device, order=order.numpy())
    return _Mixed(pool=pool, is_fake=order >= real)


def _inputs(context: Context, name: str) -> list[Pixels]:
    found = sorted(
        (key for key in context.inputs if key.startswith(f"{name}_")), key=lambda key: int(key.rpartition("_")[2])
    )
    return [context.inputs[key].arrays["images"] for key in found]
