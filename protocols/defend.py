"""Defend: a new detector is trained on reals and on the fakes of the generator versions so far."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.specs import state_arrays
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.protocols import referee
from fakeoff.protocols.metrics import best_threshold

VERSION = 1


def defend(context: Context) -> Result:
    """Trains one detector with early stopping on val, and chooses its threshold there.

    Training stops when accuracy on val (of patches, where the detector judges patches) has not improved for
    ``patience`` looks, or is perfect; the best look's weights are kept (section 3.1). A detector that cannot
    be trained keeps the weights that it came with and only gets its threshold.

    Payload: ``detector`` (identity), ``steps``, ``batch``, ``check_every``, ``patience``, ``precision``.
    Inputs: ``real_train_0`` ..., ``real_val_0`` ..., ``fake_train_0`` ..., ``fake_val_0`` .... Places: ``weights``.
    """
    payload = context.payload
    detector = referee.build_detector(payload["detector"], weights=context.places.get("weights"))
    pools = {name: _together(context.inputs, name) for name in ("real_train", "fake_train", "real_val", "fake_val")}
    record: dict[str, Any] = {"trained": referee.is_trainable(detector), "curves": {}, "val_curve": []}
    if record["trained"]:
        record |= _train(context, detector, pools)
    real, fake = referee.judge(detector, pools["real_val"]), referee.judge(detector, pools["fake_val"])
    record["threshold"] = best_threshold(real.numpy(), fake.numpy())
    return Result(record=record, arrays=state_arrays(detector))


def _train(context: Context, detector: Detector, pools: Mapping[str, Tensor]) -> dict[str, Any]:
    payload = context.payload
    rng = context.rng("defend")
    half = payload["batch"] // 2
    is_fake = torch.arange(payload["batch"]) >= half
    curves: dict[str, list[float]] = {}
    val_curve: list[list[float]] = []
    best, best_state, worse = -1.0, copy.deepcopy(detector.state_dict()), 0
    for step in range(1, payload["steps"] + 1):
        real = pools["real_train"][torch.randint(len(pools["real_train"]), (half,), generator=rng)]
        fake = pools["fake_train"][torch.randint(len(pools["fake_train"]), (half,), generator=rng)]
        batch = compute.image_layout(torch.cat([real, fake]))
        detector.train()
        with compute.autocast(payload["precision"]):
            measured = detector.train_step(batch, is_fake, rng=rng)
        for name, value in referee.check_measured(measured, step=step).items():
            curves.setdefault(name, []).append(value)
        if step % payload["check_every"] == 0 or step == payload["steps"]:
            accuracy = _val_accuracy(detector, pools)
            val_curve.append([step, accuracy])
            if accuracy > best:
                best, best_state, worse = accuracy, copy.deepcopy(detector.state_dict()), 0
            else:
                worse += 1
            if best >= 1.0 or worse >= payload["patience"]:
                context.report(payload["steps"], payload["steps"], f"stopped at step {step}, val accuracy {best:.3f}")
                break
        context.report(step, payload["steps"], f"val accuracy {best:.3f}" if best >= 0 else "")
    detector.load_state_dict(best_state)
    return {"curves": curves, "val_curve": val_curve, "val_accuracy": best, "steps": step}


def _val_accuracy(detector: Detector, pools: Mapping[str, Tensor]) -> float:
    """The mean of the accuracy on reals and on fakes, over patches where the detector judges patches."""
    detector.eval()
    shares = []
    for name, is_fake in (("real_val", False), ("fake_val", True)):
        if isinstance(detector, PatchDetector):
            with torch.no_grad():
                scores = torch.cat([detector.patch_scores(batch).flatten() for batch in pools[name].split(64)])
        else:
            scores = referee.judge(detector, pools[name])
        shares.append(((scores >= 0.5) == is_fake).double().mean().item())
    return sum(shares) / 2


def _together(inputs: Mapping[str, Result], name: str) -> Tensor:
    found = sorted((key for key in inputs if key.startswith(f"{name}_")), key=lambda key: int(key.rpartition("_")[2]))
    return torch.cat([images.to_tensor(inputs[key].arrays["images"]) for key in found])
