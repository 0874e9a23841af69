from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.compute import Precision
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.defend import DefendArguments, _batch, _Look, _look_at_val, _Mixed, _mixed, defend

MakeContext = Callable[..., Context]


def _pool(n: int, brightness: float, seed: int) -> Result:
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(brightness, 20, (n, 16, 16, 3)), 0, 255).astype(np.uint8)
    return Result(record={}, arrays={"images": pixels})


@pytest.fixture
def context(toys: Path, bad_players: Path) -> MakeContext:
    """Makes the context of a defence against fakes that are brighter than the reals by ``gap``."""

    def make(*, gap: float = 80.0, plugin: str = "toy_detector", **over: Any) -> Context:
        arguments = DefendArguments(
            detector={"plugin": plugin, "parameters": {}, "fingerprint": {}},
            steps=200,
            batch=8,
            rate=0.0,
            check_every=10,
            patience=3,
            perfect="images",
            seed=0,
            precision="float32",
        )
        return Context(
            key="a defence",
            payload=dataclasses.asdict(dataclasses.replace(arguments, **over)),
            places={},
            inputs={
                "real_train_0": _pool(40, 90, 0),
                "real_val_0": _pool(20, 90, 1),
                "fake_train_0": _pool(40, 90 + gap, 2),
                "fake_val_0": _pool(20, 90 + gap, 3),
            },
            report=lambda done, total, note="": None,
        )

    return make


def test_training_stops_early_when_val_is_perfect(context: MakeContext) -> None:
    record = defend(context(gap=150.0)).record
    assert record["val_accuracy"] == 1.0
    assert record["steps"] < 200
    assert len(record["curves"]["loss"]) == record["steps"]


@pytest.mark.parametrize("plugin", ["toy_detector", "xception_block1"])
def test_perfect_images_stop_at_once_and_that_looks_weights_are_kept(context: MakeContext, plugin: str) -> None:
    made = context(gap=150.0, plugin=plugin, steps=60, check_every=5)
    result = defend(made)
    assert result.record["val_perfect"]
    judge = referee.build_detector(made.payload["detector"], version=result)
    for side, is_fake in (("real", False), ("fake", True)):
        scores = referee.judge(judge, Pool(made.inputs[f"{side}_val_0"].arrays["images"]))
        assert ((scores >= 0.5) == is_fake).all()
    # one look earlier it was not perfect, so that it did stop at once
    if result.record["steps"] > 5:
        assert not defend(context(gap=150.0, plugin=plugin, steps=result.record["steps"] - 5, check_every=5)).record[
            "val_perfect"
        ]


class Quadrants(PatchDetector):
    """Sees one patch in each quarter, and takes it for as fake as it is bright."""

    receptive_field = ReceptiveField(size=8, stride=8)

    def patch_scores(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images[:, 0], 8)


@pytest.mark.parametrize(("perfect", "expected"), [("images", True), ("patches", False)])
def test_the_papers_rule_waits_until_all_patches_are_perfect(perfect: str, expected: bool) -> None:
    """One quarter of each image is judged wrongly, and each image rightly."""
    pixels = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    pixels[:, :8, :8] = 255
    both = np.concatenate([pixels, 255 - pixels])[[0, 3, 1, 4, 5, 2]]
    is_fake = torch.tensor([False, True, False, True, True, False])
    mixed = _Mixed(pool=Pool(both), is_fake=is_fake)
    look = _look_at_val(Quadrants(), mixed, perfect=perfect, precision="float32")
    assert (look.perfect, look.accuracy) == (expected, 0.75)


class Products(PatchDetector):
    """Patches of one pixel; leaves its product as autocast made it, and remembers in what."""

    receptive_field = ReceptiveField(size=1, stride=1)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((1, 3, 1, 1), 1 / 3))
        self.made: list[torch.dtype] = []

    def patch_scores(self, images: Tensor) -> Tensor:
        scores = F.conv2d(images, self.weight)[:, 0]
        self.made.append(scores.dtype)
        return scores


class InFloat32Alone(Products):
    """Scores by way of numpy, which has no bfloat16."""

    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.from_numpy(super().patch_scores(images).numpy().copy())


def test_who_scores_in_float32_alone_is_looked_at_in_float32() -> None:
    pixels = np.concatenate([np.full((4, 16, 16, 3), 10, np.uint8), np.full((4, 16, 16, 3), 240, np.uint8)])
    detector, mixed = InFloat32Alone(), _Mixed(pool=Pool(pixels), is_fake=torch.arange(8) >= 4)
    look = _look_at_val(detector, mixed, perfect="images", precision="bfloat16")
    assert (look.perfect, look.accuracy) == (True, 1.0)
    assert detector.made == [torch.bfloat16, torch.float32]


class WholeImages(Products):
    """Likewise; its score of an image is not the mean of its patches."""

    def score(self, images: Tensor) -> Tensor:
        return self.patch_scores(images).amax((1, 2))


@pytest.mark.parametrize("plugin", [Products, WholeImages])
@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_looks_are_taken_in_the_trainings_precision(
    plugin: type[Products], precision: Precision, dtype: torch.dtype
) -> None:
    pixels = np.concatenate([np.full((4, 16, 16, 3), 10, np.uint8), np.full((4, 16, 16, 3), 240, np.uint8)])
    detector, mixed = plugin(), _Mixed(pool=Pool(pixels), is_fake=torch.arange(8) >= 4)
    look = _look_at_val(detector, mixed, perfect="images", precision=precision)
    assert (look.perfect, look.accuracy) == (True, 1.0)
    assert set(detector.made) == {dtype}
    # and what is scored is scored in float32, whatever was trained in
    detector.made.clear()
    referee.judge(detector, mixed.pool)
    referee.judge_patches(detector, mixed.pool)
    assert set(detector.made) == {torch.float32}


def test_looks_cost_no_more_after_many_rounds_and_see_every_version(context: MakeContext) -> None:
    made = context()
    versions = 5
    pools = {f"fake_val_{index}": _numbered(40, index) for index in range(versions)}
    made = dataclasses.replace(made, inputs={**made.inputs, **pools})
    for reals, each in ((versions * 40, 40), (versions * 30, 30), (20, 16)):  # never fewer than 16 of a version
        mixed = _mixed(dataclasses.replace(made, inputs={**made.inputs, "real_val_0": _pool(reals, 90, 1)}))
        assert int((~mixed.is_fake).sum()) == reals
        assert 0.2 * reals < int((~mixed.is_fake[:reals]).sum()) < 0.98 * reals  # of both sides, from the first on
        seen = mixed.pool[:][mixed.is_fake]
        of_version, place = (seen[:, channel, 0, 0].mul(255).round().int().tolist() for channel in (0, 1))
        assert [of_version.count(index) for index in range(versions)] == [each] * versions
        for version in range(versions):
            places = sorted(at for at, of in zip(place, of_version, strict=True) if of == version)
            assert (places[0], places[-1]) == (0, 39)
            steps = np.diff(places)
            assert steps.max() - steps.min() <= 1


def _numbered(n: int, version: int) -> Result:
    """Images that say which version made them (red) and their place in its pool (green)."""
    pixels = np.zeros((n, 16, 16, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = version, np.arange(n)[:, None, None]
    return Result(record={}, arrays={"images": pixels})


@pytest.mark.parametrize(("of_them", "expected"), [(0, [0.0] * 4 + [0.4] * 4), (1, [0.0] * 4 + [0.4] * 3 + [0.8])])
def test_a_batch_is_reals_then_fakes_and_the_last_of_them_are_moved(of_them: int, expected: list[float]) -> None:
    def plain(level: int) -> Pool:
        return Pool(np.full((9, 4, 4, 3), level, np.uint8))

    pools = {"real_train": plain(0), "fake_train": plain(102)}
    moved = plain(204) if of_them else None
    batch = _batch(pools, 4, moved=moved, of_them=of_them, rng=torch.Generator().manual_seed(0))
    assert batch[:, 0, 0, 0].tolist() == pytest.approx(expected)


def test_a_perfect_look_is_better_than_a_more_accurate_one() -> None:
    assert _Look(perfect=True, accuracy=0.7) > _Look(perfect=False, accuracy=0.9) > _Look(perfect=False, accuracy=0.8)


def test_training_stops_when_val_does_not_improve_for_the_patience(context: MakeContext) -> None:
    record = defend(context(gap=0.0)).record
    accuracies = [accuracy for _, accuracy in record["val_curve"]]
    best = accuracies.index(max(accuracies))
    assert len(accuracies) == best + 1 + 3
    assert record["val_accuracy"] == max(accuracies)


def test_the_best_looks_weights_are_kept(context: MakeContext) -> None:
    long = context(gap=0.0)
    result = defend(long)
    best_step = max(result.record["val_curve"], key=lambda look: look[1])[0]
    again = defend(context(gap=0.0, steps=best_step))
    for name, array in again.arrays.items():
        np.testing.assert_array_equal(array, result.arrays[name])


def test_who_learns_at_once_is_shown_every_image_once_and_only_that(
    context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    original = Pool._shown

    def counted(pool: Pool, levels: Tensor) -> Tensor:
        taken.append(len(levels))
        return original(pool, levels)

    monkeypatch.setattr(Pool, "_shown", counted)
    record = defend(context(plugin="power_spectrum", gap=0.0)).record
    assert record["trained"]
    assert record["steps"] == 1
    assert record["not_attackable"] == "it says of itself that it is not differentiable"
    # 40 reals, 40 fakes, and 16 of val on which is tried whether an attack could follow it.
    assert sum(taken) == 96


def test_a_detector_that_cannot_be_trained_stays_as_it_came(context: MakeContext) -> None:
    made = context(plugin="fixed_brightness")
    result = defend(made)
    assert not result.record["trained"]
    assert not result.record["curves"]
    came = referee.build_detector(made.payload["detector"])
    assert result.record["state"] == weights_hash(came.state_dict())


def test_the_plans_rate_reaches_the_detector(context: MakeContext) -> None:
    still, moved = (defend(context(gap=150.0, steps=20, rate=rate)).record["curves"]["loss"] for rate in (1e-9, 0.05))
    assert moved[-1] < 0.8 * moved[0]
    assert still[-1] > 0.9 * still[0]
    assert defend(context(gap=150.0, steps=20, rate=0.0)).record["curves"]["loss"] == moved  # its own is 0.05


def test_a_shuffled_label_does_not_train(context: MakeContext) -> None:
    """Fakes that are reals cannot be told from reals: the harness leaks no label."""
    record = defend(context(gap=0.0)).record
    assert record["val_accuracy"] < 0.75
