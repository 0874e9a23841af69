"""What every detector must keep to, played by each that is built in."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fakeoff.arena.specs import load_arrays, state_arrays, weights_hash
from fakeoff.detectors import Detector, PatchDetector, capabilities, players

NAMES = [entry.name for entry in players if entry.origin == "fakeoff"]
SIDE, STEPS = 32, 6

Build = Callable[[], Detector]


@dataclass(frozen=True, kw_only=True)
class School:
    """One training, shared by the tests of a detector, because it takes seconds."""

    build: Build
    player: Detector
    losses: list[float]
    weights_after: list[str]
    never_moved: list[str]
    left_global_randomness_alone: bool


@pytest.fixture(params=NAMES)
def build(request: pytest.FixtureRequest) -> Build:
    return _builder(request.param)


@pytest.fixture(scope="module", params=NAMES)
def school(request: pytest.FixtureRequest) -> School:
    build = _builder(request.param)
    player = build()
    first = {name: parameter.detach().clone() for name, parameter in player.named_parameters()}
    before = global_states()
    losses, weights_after = [], []
    for step in range(STEPS):
        losses.append(train_once(player, step))
        weights_after.append(weights_hash(player.state_dict()))
    left_alone = global_states() == before
    return School(
        build=build,
        player=player.eval(),
        losses=losses,
        weights_after=weights_after,
        never_moved=[name for name, now in player.named_parameters() if torch.equal(now, first[name])],
        left_global_randomness_alone=left_alone,
    )


def _builder(name: str) -> Build:
    def build() -> Detector:
        player = players.build(name, players.complete(name, {}))
        for module in player.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.5  # so that a few steps stand for many
        return player

    return build


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, SIDE, SIDE, generator=rng(seed))


def a_toy(n: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Reals are dark, fakes are bright."""
    is_fake = torch.arange(n) % 2 == 1
    return images(n, seed) * 0.3 + 0.6 * is_fake.view(-1, 1, 1, 1), is_fake


def train_once(player: Detector, step: int) -> float:
    player.train()
    measured = player.train_step(*a_toy(seed=step), rng=rng(step))
    assert all(isinstance(value, int | float) and np.isfinite(value) for value in measured.values())
    return measured["loss"]


def global_states() -> tuple[object, ...]:
    numpys = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), numpys[1].tolist(), numpys[2:]  # type: ignore[union-attr]


def test_all_six_of_the_papers_patch_detectors_are_there() -> None:
    assert ["resnet18_layer1", *(f"xception_block{block}" for block in range(1, 6))] == NAMES
    assert all(capabilities(players.load(name)) == ("trainable", "patch") for name in NAMES)


def test_scores_are_probabilities_one_for_each_image(build: Build) -> None:
    player = build().eval()
    with torch.no_grad():
        scores = player.score(images())
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert isinstance(player, PatchDetector)
    with torch.no_grad():
        patches = player.patch_scores(images())
    assert patches.shape[0] == 3
    assert patches.dtype == torch.float32
    assert torch.allclose(patches.mean((1, 2)), scores)


def test_an_image_is_judged_by_itself(school: School) -> None:
    batch = a_toy(3)[0]
    with torch.no_grad():
        together = school.player.score(batch)
        alone = torch.cat([school.player.score(batch[i : i + 1]) for i in range(3)])
    assert together.std() > 0
    assert torch.allclose(together, alone, atol=1e-5)


def test_judging_changes_nothing(school: School) -> None:
    player, batch = school.player, images()
    kept = batch.clone()
    with torch.no_grad():
        first, again = player.score(batch), player.score(batch)
    assert torch.equal(first, again)
    assert torch.equal(batch, kept)
    assert weights_hash(player.state_dict()) == school.weights_after[-1]
    assert not player.training


def test_neither_judging_nor_training_touches_global_randomness(school: School) -> None:
    assert school.left_global_randomness_alone
    before = global_states()
    school.player.score(images(1))
    school.player.evasion_loss(images(1))
    assert global_states() == before


def test_training_learns_a_toy(school: School) -> None:
    assert school.losses[-1] < 0.7 * school.losses[0]


def test_training_is_the_same_for_the_same_seed(school: School) -> None:
    again = school.build()
    assert train_once(again, 0) == school.losses[0]
    assert weights_hash(again.state_dict()) == school.weights_after[0]


def test_training_reaches_every_parameter(school: School) -> None:
    assert school.never_moved == []
    assert len(set(school.weights_after)) == STEPS


def test_a_state_is_all_there_is_to_a_version(school: School, tmp_path: Path) -> None:
    save_file(school.player.state_dict(), tmp_path / "state.safetensors")
    from_file, from_arrays = school.build().eval(), school.build().eval()
    assert weights_hash(from_file.state_dict()) != school.weights_after[-1]
    from_file.load_state_dict(load_file(tmp_path / "state.safetensors"))
    load_arrays(from_arrays, state_arrays(school.player))
    with torch.no_grad():
        expected = school.player.score(images())
        assert torch.equal(from_file.score(images()), expected)
        assert torch.equal(from_arrays.score(images()), expected)


def test_evasion_leads_images_towards_passing_as_real(school: School) -> None:
    batch = a_toy(2)[0].requires_grad_()
    loss = school.player.evasion_loss(batch)
    assert loss.shape == ()
    (gradient,) = torch.autograd.grad(loss, batch)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0
    with torch.no_grad():
        steps = [1e-1, 1e-2, 1e-3]  # pixels at most; the loss is far from straight
        after = [school.player.evasion_loss(batch - step * gradient / gradient.abs().max()) for step in steps]
    assert min(after) < loss
