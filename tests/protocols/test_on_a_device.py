"""Every task that computes on a device does there what it does here: real players, on a device that refuses to mix.

Where there is no GPU the device is simulated (:mod:`fakeoff.arena.contract.other_device`): it does the CPU's
arithmetic, so results are the same to the last byte, and a tensor that was left behind raises. Autocast looks at where
tensors really lie, so all of this is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fakeoff import detectors, generators
from fakeoff.arena.contract.other_device import elsewhere, real_device
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import Split
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.parsers import parsers
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import Identity, find_weights, state_arrays
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.protocols import pretrain
from fakeoff.protocols.looking import look
from fakeoff.protocols.rules import adversarial, attack, defend, judging, pools, search

pytestmark = pytest.mark.skipif(real_device() is not None, reason="a real device rounds differently")

SIDE = 32
load_plugin_file(Path(__file__).parents[1] / "toy_manipulators.py")
GAN = {"resolution": SIDE, "features": 64, "weights": ""}


def identity(registry: Registry[Any], plugin: str, **parameters: Any) -> Identity:
    return {"plugin": plugin, "parameters": registry.complete(plugin, parameters), "fingerprint": {}}


def pixels(seed: int, *, brighter: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    smooth = rng.integers(0, 200 - brighter, (12, SIDE // 8, SIDE // 8, 1), dtype=np.uint8) + np.uint8(brighter)
    return np.ascontiguousarray(np.broadcast_to(smooth.repeat(8, 1).repeat(8, 2), (12, SIDE, SIDE, 3)))


def pool(seed: int, *, brighter: int = 0) -> Result:
    return Result(record={}, arrays={"images": pixels(seed, brighter=brighter)})


def state_of(registry: Registry[Any], known: Identity, **record: Any) -> Result:
    return Result(record=record, arrays=state_arrays(registry.build(known["plugin"], known["parameters"])))


def generator() -> tuple[Identity, Result]:
    known = identity(generators.players, "pgan", **GAN)
    grown = generators.players.build("pgan", dict(known["parameters"]))
    assert isinstance(grown, ProgressiveGAN)
    grown.grown.fill_(3.0)
    grown.images_seen.fill_(1000)
    return known, Result(record={}, arrays=state_arrays(grown))


def detector() -> tuple[Identity, Result]:
    known = identity(detectors.players, "xception_block1")
    return known, state_of(detectors.players, known, threshold=0.5)


RESOLUTION = SIDE + 8
Case = tuple[Callable[[Context], Result], Any, dict[str, Result]]
"""A task, its arguments and its inputs."""


def attacked() -> Case:
    (maker, version), (target, frozen) = generator(), detector()
    arguments = attack.AttackArguments(
        generator=maker,
        targets=(target,),
        weight=0.2,
        steps=2,
        batch=4,
        rate=0.0,
        until=0.9,
        look_every=1,
        seed=0,
        precision="float32",
        arena_resolution=RESOLUTION,
        colour="grey",
    )
    return attack.attack, arguments, {"version": version, "target_0": frozen, "reals": pool(0)}


def pretrained() -> Case:
    maker, version = generator()
    arguments = pretrain.PretrainArguments(generator=maker, steps=2, batch=4, rate=0.0, precision="float32")
    return pretrain.pretrain, arguments, {"version": version, "reals": pool(0)}


def sampled() -> Case:
    maker, version = generator()
    arguments = pools.SampleArguments(
        generator=maker, n={"train": 2, "val": 1, "test": 5}, seed=0, arena_resolution=RESOLUTION, colour="grey"
    )
    return pools.fake_pools, arguments, {"version": version}


def manipulated() -> Case:
    known = identity(generators.players, "toy_learning_swap", resolution=SIDE)
    sizes: dict[Split, int] = {"train": 9, "val": 8, "test": 8}
    arguments = pools.SampleArguments(
        generator=known,
        n=sizes,
        seed=0,
        persons={split: tuple(index * 4 + place % 4 for place in range(12)) for index, split in enumerate(sizes)},
        arena_resolution=RESOLUTION,
        colour="grey",
    )
    reals = {f"real_{split}": pool(index) for index, split in enumerate(sizes)}
    return pools.fake_pools, arguments, {"version": state_of(generators.players, known), **reals}


def defended() -> Case:
    arguments = defend.DefendArguments(
        detector=detector()[0],
        steps=4,
        batch=8,
        rate=0.0,
        check_every=2,
        patience=5,
        perfect="images",
        seed=0,
        precision="float32",
    )
    inputs = {"real_train_0": pool(0), "real_val_0": pool(1), "fake_train_0": pool(2, brighter=90)}
    inputs |= {"fake_train_1": pool(3, brighter=90), "fake_val_0": pool(4, brighter=90)}
    return defend.defend, arguments, inputs


def defended_adversarially() -> Case:
    (maker, version), (task, plain, inputs) = generator(), defended()
    arguments = adversarial.AdversarialArguments(
        adversaries=(adversarial.Adversary(generator=maker, reals=0, persons=None),),
        share=0.5,
        every=3,
        steps=1,
        weight=0.2,
        batch=4,
        rate=0.0,
        arena_resolution=SIDE,
        colour="grey",
    )
    inputs |= {"adversary_0": version, "attack_reals_0": pool(5)}
    return task, replace(plain, adversarial=arguments), inputs


def judged() -> Case:
    judge, version = detector()
    return (
        judging.judge,
        judging.JudgeArguments(detector=judge, sample=3, patches=False),
        {"version": version, "images": pool(0)},
    )


def judged_with_patches() -> Case:
    judge, version = detector()
    arguments = judging.JudgeArguments(detector=judge, sample=0, patches=True)
    return judging.judge, arguments, {"version": version, "images": pool(0)}


def searched() -> Case:
    (maker, made), (judge, version) = generator(), detector()
    arguments = search.SearchArguments(
        generator=maker,
        detector=judge,
        fakes=5,
        queries=3,
        batch=3,
        follow=True,
        seed=0,
        arena_resolution=RESOLUTION,
        colour="grey",
    )
    return search.search, arguments, {"generator": made, "detector": version}


def parsed() -> Case:
    return look.parse, look.ParseArguments(parser=identity(parsers, "face_unet")), {"pool": pool(0)}


@pytest.mark.parametrize(
    "case",
    [
        attacked,
        pretrained,
        sampled,
        manipulated,
        defended,
        defended_adversarially,
        judged,
        parsed,
        judged_with_patches,
        searched,
    ],
)
def test_it_does_on_a_device_what_it_does_here(
    case: Callable[[], Case],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No other device has Lanczos.
    monkeypatch.setattr("fakeoff.arena.images.pipeline._has_lanczos", lambda: False)
    task, arguments, inputs = case()
    places = {"weights": str(find_weights("face-unet", parsers.load("face_unet")))} if case is parsed else {}
    used: list[torch.device] = []

    def do(device: torch.device) -> Result:
        payload = asdict(arguments)
        context = Context(key="k", payload=payload, places=places, inputs=inputs, report=lambda *_: None, device=device)
        used.append(device)
        return task(context)

    here = do(torch.device("cpu"))
    with elsewhere() as device:
        there = do(device)
    assert used[1].type == "cuda"
    assert there.record == here.record
    if case is defended_adversarially:  # nobody was left out for being on the wrong device, on both sides
        assert len(here.record["adversarial"]["sessions"]) == 1
    assert set(there.arrays) == set(here.arrays)
    for name, array in here.arrays.items():
        assert np.array_equal(there.arrays[name], array), name


def test_the_simulated_device_would_have_caught_a_batch_that_stays_behind() -> None:
    """The test above can fail: a task that forgets its device does."""
    with elsewhere() as device:
        judge = detectors.players.build("xception_block1", {}).to(device)
        with pytest.raises(Exception, match="cpu"):
            judge.score(torch.zeros(1, 3, SIDE, SIDE))
