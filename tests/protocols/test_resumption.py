"""A training that is killed goes on from its last checkpoint, to the same bytes as undisturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff import detectors
from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import state_arrays
from fakeoff.protocols.pretrain import PretrainArguments, pretrain
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.adversarial import AdversarialArguments, Adversary
from fakeoff.protocols.rules.attack import AttackArguments, attack
from fakeoff.protocols.rules.defend import DefendArguments, defend

GENERATORS: dict[str, dict[str, Any]] = {
    "pgan": {"resolution": 16, "features": 64, "most_features": 16, "latent_dim": 16, "weights": None},
    "glow": {"resolution": 16, "levels": 2, "steps": 1, "width": 8, "weights": None},
    "gmm": {"resolution": 16, "components": 2, "factors": 2, "weights": None},
}
DETECTORS: dict[str, dict[str, Any]] = {
    "resnet18_layer1": {},
    "ensemble": {"members": ["xception_block1", "resnet18_layer1"]},
    "rounds": {"member": "resnet18_layer1"},
}


class Killed(BaseException):
    """As a kill, at an instant of the test's choice."""


def _identity(plugin: str, parameters: Mapping[str, Any] = {}) -> Any:
    return {"plugin": plugin, "parameters": dict(parameters), "fingerprint": {}}


def _images(n: int, brightness: float, seed: int) -> Result:
    pixels = np.clip(np.random.default_rng(seed).normal(brightness, 40, (n, 16, 16, 3)), 0, 255)
    return Result(record={}, arrays={"images": pixels.astype(np.uint8)})


def _killed_at(
    task: Callable[[Context], Result], context: Context, *, checkpoint: int, left: bytes | None = None
) -> bytes:
    """What a job left that was killed after so many checkpoints, at each step one."""
    written: list[bytes] = []

    def write(data: bytes) -> None:
        written.append(data)
        if len(written) == checkpoint:
            raise Killed

    with pytest.raises(Killed):
        task(replace(context, checkpoint=Checkpoint(every=1e-9, left=left, write=write, cost_at_most=1e9)))
    return written[-1]


def _check(task: Callable[[Context], Result], context: Context) -> None:
    """Kills a job twice, and holds what comes of it to the undisturbed one."""
    undisturbed = task(context)
    left = _killed_at(task, context, checkpoint=3)
    left = _killed_at(task, context, checkpoint=2, left=left)
    steps: list[int] = []
    resumed = task(
        replace(
            context,
            checkpoint=Checkpoint(every=1e9, left=left),
            report=lambda done, total, note="": steps.append(done),
        )
    )
    assert steps[0] == 6  # five were there
    assert resumed.record == undisturbed.record
    assert repr(resumed.record) == repr(undisturbed.record)  # 10 is not 10.0
    assert resumed.arrays.keys() == undisturbed.arrays.keys()
    for name, array in undisturbed.arrays.items():
        assert array.tobytes() == resumed.arrays[name].tobytes(), name


def _attack(generator: Any, detector: Any, **over: Any) -> Context:
    arguments = AttackArguments(
        generator=generator,
        targets=(detector,),
        weight=1.0,
        steps=8,
        batch=4,
        rate=0.0,
        until=1.0,
        look_every=10,
        seed=0,
        precision="float32",
        arena_resolution=16,
        colour="rgb",
    )
    return Context(
        key="an attack",
        payload=asdict(replace(arguments, **over)),
        places={},
        inputs={
            "version": Result(record={}, arrays=state_arrays(referee.build_generator(generator))),
            "target_0": Result(record={}, arrays=state_arrays(referee.build_detector(detector))),
            "reals": _images(12, 120, 0),
        },
        report=lambda done, total, note="": None,
    )


def _defence(detector: Any, *, adversary: Any = None) -> Context:
    inputs = {
        "real_train_0": _images(20, 120, 0),
        "real_val_0": _images(12, 120, 1),
        "fake_train_0": _images(20, 124, 2),
        "fake_val_0": _images(12, 124, 3),
    }
    adversarial = None
    if adversary is not None:
        adversarial = AdversarialArguments(
            adversaries=(Adversary(generator=adversary, reals=0, persons=None),),
            share=0.5,
            every=3,
            steps=2,
            weight=1.0,
            batch=4,
            rate=0.05,
            arena_resolution=16,
            colour="rgb",
        )
        inputs["adversary_0"] = Result(record={}, arrays=state_arrays(referee.build_generator(adversary)))
        inputs["attack_reals_0"] = _images(12, 120, 4)
    arguments = DefendArguments(
        detector=detector,
        steps=8,
        batch=8,
        rate=0.0,
        check_every=2,
        patience=9,
        perfect="patches",
        seed=0,
        precision="float32",
        adversarial=adversarial,
    )
    payload = {name: value for name, value in asdict(arguments).items() if value is not None}
    return Context(key="a defence", payload=payload, places={}, inputs=inputs, report=lambda done, total, note="": None)


@pytest.mark.parametrize("plugin", GENERATORS)
def test_an_attack_goes_on_where_it_was_killed(plugin: str) -> None:
    _check(attack, _attack(_identity(plugin, GENERATORS[plugin]), _identity("resnet18_layer1")))


def test_so_do_its_looks_at_how_many_pass(toys: Path) -> None:
    """The toy takes what is bright for fake, and half of them are."""
    over = {"until": 0.99, "look_every": 2, "rate": 1e-5}
    context = _attack(_identity("gmm", GENERATORS["gmm"]), _identity("toy_brightness"), **over)
    assert [step for step, _ in attack(context).record["passed"]] == [2, 4, 6, 8]
    _check(attack, context)


@pytest.mark.parametrize("plugin", DETECTORS)
def test_a_defence_goes_on_where_it_was_killed(plugin: str) -> None:
    _check(defend, _defence(_identity(plugin, DETECTORS[plugin])))


def test_so_does_one_against_moved_fakes(toys: Path) -> None:
    context = _defence(_identity("resnet18_layer1"), adversary=_identity("toy_generator"))
    assert len(defend(context).record["adversarial"]["sessions"]) == 2
    _check(defend, context)


def test_so_does_pretraining() -> None:
    arguments = PretrainArguments(
        generator=_identity("pgan", GENERATORS["pgan"]), steps=8, batch=4, rate=0.0, precision="float32"
    )
    inputs = {
        "version": Result(record={}, arrays=state_arrays(referee.build_generator(arguments.generator))),
        "reals": _images(12, 120, 0),
    }
    payload = {name: value for name, value in asdict(arguments).items() if value is not None}
    _check(
        pretrain,
        Context(key="a session", payload=payload, places={}, inputs=inputs, report=lambda done, total, note="": None),
    )


def test_whom_nobody_can_resume_begins_anew(toys: Path) -> None:
    """A toy tells no training state: it leaves no checkpoint."""
    context = _attack(_identity("toy_generator"), _identity("toy_detector"))
    written: list[bytes] = []
    attack(replace(context, checkpoint=Checkpoint(every=1e-9, write=written.append)))
    assert not written


@pytest.mark.parametrize("spoil", ["another player's", "of another release", "no whole one"])
def test_a_checkpoint_that_cannot_be_used_costs_time_alone(spoil: str) -> None:
    context = _attack(_identity("gmm", GENERATORS["gmm"]), _identity("resnet18_layer1"))
    undisturbed = attack(context)
    left = _killed_at(attack, context, checkpoint=3)
    if spoil == "another player's":
        other = _attack(_identity("pgan", GENERATORS["pgan"]), _identity("resnet18_layer1"))
        left = _killed_at(attack, other, checkpoint=3)
    elif spoil == "of another release":
        written: list[bytes] = []
        state = dict(Checkpoint(every=1.0, left=left).state or {})
        Checkpoint(every=1.0, write=written.append).save({**state, "own": {"steps": "many"}})
        left = written[0]
    else:
        left = left[:-100]
    again = attack(replace(context, checkpoint=Checkpoint(every=1e9, left=left)))
    assert again.record == undisturbed.record
    assert all(again.arrays[name].tobytes() == array.tobytes() for name, array in undisturbed.arrays.items())


def test_a_player_whose_training_state_raises_is_told(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def training_state(self: Any) -> Any:
        raise ValueError("no optimiser")

    toy = detectors.players.load("toy_detector")
    monkeypatch.setattr(toy, "training_state", training_state)
    monkeypatch.setattr(toy, "load_training_state", lambda self, state: None)
    with pytest.raises(JobFailed, match=r"raised ValueError: no optimiser in training_state\(\)"):
        defend(replace(_defence(_identity("toy_detector")), checkpoint=Checkpoint(every=1e-9)))
