from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.attack import AttackArguments, attack

GENERATOR: Identity = {"plugin": "toy_generator", "parameters": {"generator_lr": 0.05}, "fingerprint": {}}
DETECTOR: Identity = {"plugin": "toy_detector", "parameters": {}, "fingerprint": {}}

MakeContext = Callable[..., Context]


@pytest.fixture
def context(toys: Path) -> MakeContext:
    """Makes the context of an attack on a detector that has not been trained."""

    def make(**over: Any) -> Context:
        rng = np.random.default_rng(0)
        arguments = AttackArguments(
            generator=GENERATOR,
            targets=(DETECTOR,),
            weight=1.0,
            steps=3,
            batch=4,
            rate=0.0,
            until=1.0,
            look_every=10,
            seed=0,
            precision="float32",
            arena_resolution=16,
            colour="rgb",
        )
        generator, detector = referee.build_generator(GENERATOR), referee.build_detector(DETECTOR)
        return Context(
            key="an attack",
            payload=asdict(replace(arguments, **over)),
            places={},
            inputs={
                "version": Result(record={}, arrays=state_arrays(generator)),
                "target_0": Result(record={}, arrays=state_arrays(detector)),
                "reals": Result(record={}, arrays={"images": rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)}),
            },
            report=lambda done, total, note="": None,
        )

    return make


def test_the_evasion_loss_is_weighed_in(context: MakeContext) -> None:
    weak, strong = (attack(context(weight=weight)).record["curves"]["extra_loss"][0] for weight in (1.0, 3.0))
    assert strong == pytest.approx(3 * weak)


def test_a_weight_of_zero_leaves_the_generators_own_objective(context: MakeContext) -> None:
    pulled, free = attack(context(steps=20)), attack(context(steps=20, weight=0.0))
    assert not np.array_equal(pulled.arrays["mean"], free.arrays["mean"])
    assert pulled.record["curves"]["own_loss"][-1] > free.record["curves"]["own_loss"][-1]


def test_the_same_job_gives_the_same_bytes(context: MakeContext) -> None:
    one, other = attack(context()), attack(context())
    assert one.arrays["mean"].tobytes() == other.arrays["mean"].tobytes()
    assert one.record == other.record


def test_the_attack_lowers_the_evasion_loss(context: MakeContext) -> None:
    curve = attack(context(steps=60, weight=10.0)).record["curves"]["extra_loss"]
    assert np.mean(curve[-5:]) < 0.7 * np.mean(curve[:5])


def test_a_frozen_detector_that_is_written_to_is_noticed(toys: Path) -> None:
    detector = referee.build_detector(DETECTOR)
    with pytest.raises(JobFailed, match="frozen detector"), referee.frozen([detector]), torch.no_grad():
        next(detector.parameters()).add_(1)


def test_a_frozen_detector_takes_no_gradient_and_passes_it_on(toys: Path) -> None:
    detector = referee.build_detector(DETECTOR)
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    with referee.frozen([detector]):
        detector.evasion_loss(images).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in detector.parameters())
