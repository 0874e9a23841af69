"""Defend: a new detector is trained on reals and on the fakes of the generator versions so far."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fakeoff.arena import compute
from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.pool import Pool, batch_of
from fakeoff.arena.specs import state_arrays, weights_hash
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.protocols import referee
from fakeoff.protocols.metrics import THRESHOLD, area_under_roc, best_threshold

VERSION = 3

_TRIED_ON = 16
_FEWEST_OF_A_VERSION = 16


def defend(context: Context) -> Result:
    """Trains one detector with early stopping on val, and chooses its threshold there.

    Training stops at once when the detector is perfect on val, or when its accuracy there (of patches, where it judges
    patches) has not improved for ``patience`` looks; the best look's weights are kept (section 3.1). Perfect is, as
    ``perfect`` says, every image on the right side of 1/2 (``images``), or every patch (``patches``, the paper's).
    Looks take about as many fakes as there are reals, evenly from every version, so that they cost no more after many
    rounds. A detector that cannot be trained keeps the weights that it came with.

    All of val decides the threshold and, by ``val`` in the record (``aucs`` by generator version, ``accuracy``,
    ``margin``), who is champion. ``not_attackable`` says why no attack could follow it, and is empty where one could;
    ``state`` is the hash of its weights.

    Payload: ``detector`` (identity), ``steps``, ``batch``, ``check_every``, ``patience``, ``perfect``, ``precision``.
    Inputs: ``real_train_0`` ..., ``real_val_0`` ..., ``fake_train_0`` ..., ``fake_val_0`` .... Places: ``weights``.
    """
    payload = context.payload
    detector = referee.build_detector(payload["detector"], weights=context.places.get("weights"), device=context.device)
    pools = {name: _together(context, name) for name in ("real_train", "fake_train", "real_val", "fake_val")}
    pools["fake_look"] = _together(context, "fake_val", about=len(pools["real_val"]))
    record: dict[str, Any] = {"trained": referee.is_trainable(detector), "curves": {}, "val_curve": []}
    if record["trained"]:
        record |= _train(context, detector, pools)
    real, fake = (referee.judge(detector, pools[name]).double().numpy() for name in ("real_val", "fake_val"))
    record["threshold"] = best_threshold(real, fake)
    by_version = np.split(fake, np.cumsum([len(pixels) for pixels in _inputs(context, "fake_val")])[:-1])
    record["val"] = {
        "aucs": [area_under_roc(real, of_version) for of_version in by_version],
        "accuracy": float(((real < THRESHOLD).mean() + (fake >= THRESHOLD).mean()) / 2),
        "margin": float(fake.min() - real.max()),
    }
    half = _TRIED_ON // 2
    batch = torch.cat([pools[name][:half] for name in ("real_val", "fake_look")])
    record["state"] = weights_hash(detector.state_dict())
    record["not_attackable"] = referee.why_not_attackable(detector, batch)
    return Result(record=record, arrays=state_arrays(detector))


@dataclass(frozen=True, kw_only=True, order=True)
class _Look:
    """How a detector does on val; the best of several is their maximum."""

    perfect: bool
    accuracy: float


def _train(context: Context, detector: Detector, pools: Mapping[str, Pool]) -> dict[str, Any]:
    payload = context.payload
    rng = context.rng("defend")
    half = payload["batch"] // 2
    is_fake = compute.move(torch.arange(payload["batch"]) >= half, context.device)
    curves: dict[str, list[float]] = {}
    val_curve: list[list[float]] = []
    best, best_state, worse = _Look(perfect=False, accuracy=-1.0), copy.deepcopy(detector.state_dict()), 0
    for step in range(1, payload["steps"] + 1):
        batch = batch_of([pools["real_train"], pools["fake_train"]], half, rng=rng)
        detector.train()
        with compute.autocast(payload["precision"], context.device):
            measured = detector.train_step(batch, is_fake, rng=rng)
        for name, value in referee.check_measured(measured, step=step).items():
            curves.setdefault(name, []).append(value)
        if step % payload["check_every"] == 0 or step == payload["steps"]:
            look = _look_at_val(detector, pools, perfect=payload["perfect"])
            val_curve.append([step, look.accuracy])
            if look > best:
                best, best_state, worse = look, copy.deepcopy(detector.state_dict()), 0
            else:
                worse += 1
            if best.perfect or worse >= payload["patience"]:
                note = f"stopped at step {step}, val accuracy {best.accuracy:.3f}"
                context.report(payload["steps"], payload["steps"], note)
                break
        context.report(step, payload["steps"], f"val accuracy {best.accuracy:.3f}" if val_curve else "")
    detector.load_state_dict(best_state)
    return {
        "curves": curves,
        "val_curve": val_curve,
        "val_accuracy": best.accuracy,
        "val_perfect": best.perfect,
        "steps": step,
    }


def _look_at_val(detector: Detector, pools: Mapping[str, Pool], *, perfect: str) -> _Look:
    """Accuracy is the mean of those on reals and on fakes, over patches where the detector judges patches."""
    detector.eval()
    accuracies, all_right = [], True
    for name, is_fake in (("real_val", False), ("fake_look", True)):
        if isinstance(detector, PatchDetector):
            patches = referee.judge_patches(detector, pools[name])
            by_mean = type(detector).score is PatchDetector.score  # and needs no second look at the images
            image_scores = patches.mean((1, 2)) if by_mean else referee.judge(detector, pools[name])
            scores = image_scores if perfect == "images" else patches
        else:
            patches = scores = referee.judge(detector, pools[name])
        all_right &= bool(((scores >= 0.5) == is_fake).all())
        accuracies.append(((patches >= 0.5) == is_fake).double().mean().item())
    return _Look(perfect=all_right, accuracy=sum(accuracies) / 2)


def _together(context: Context, name: str, *, about: int | None = None) -> Pool:
    """A pool of several; of ``about`` images in all, evenly spread over each, where that is said."""
    pixels = _inputs(context, name)
    if about is not None:
        each = max(_FEWEST_OF_A_VERSION, about // len(pixels))
        pixels = [images[np.linspace(0, len(images) - 1, min(each, len(images))).astype(int)] for images in pixels]
    return Pool(*pixels, device=context.device)


def _inputs(context: Context, name: str) -> list[Pixels]:
    found = sorted(
        (key for key in context.inputs if key.startswith(f"{name}_")), key=lambda key: int(key.rpartition("_")[2])
    )
    return [context.inputs[key].arrays["images"] for key in found]
