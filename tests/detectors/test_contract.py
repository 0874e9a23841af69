"""What every detector must keep to, played by each that is built in."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fakeoff.arena.specs import load_arrays, state_arrays, weights_hash
from fakeoff.detectors import Detector, PatchDetector, capabilities, players

NAMES = [entry.name for entry in players if entry.origin == "fakeoff"]
SIDE = 64

Build = Callable[[], Detector]


@pytest.fixture(params=NAMES)
def build(request: pytest.FixtureRequest) -> Build:
    return lambda: players.build(request.param, players.complete(request.param, {}))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, SIDE, SIDE, generator=rng(seed))


def a_toy(n: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Reals are dark, fakes are bright."""
    is_fake = torch.arange(n) % 2 == 1
    return images(n, seed) * 0.3 + 0.6 * is_fake.view(-1, 1, 1, 1), is_fake


def trained(player: Detector, steps: int) -> list[float]:
    player.train()
    return [player.train_step(*a_toy(seed=step), rng=rng(step))["loss"] for step in range(steps)]


def global_states() -> tuple[object, ...]:
    numpys = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), random.getstate(), numpys[1].tolist(), numpys[2:]  # type: ignore[union-attr]


def test_all_six_of_the_papers_patch_detectors_are_there() -> None:
    assert NAMES == ["resnet18_layer1", *(f"xception_block{block}" for block in range(1, 6))]
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


def test_an_image_is_judged_by_itself(build: Build) -> None:
    player = build()
    trained(player, 1)
    player.eval()
    batch = images(3)
    with torch.no_grad():
        together = player.score(batch)
        alone = torch.cat([player.score(batch[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_judging_changes_nothing(build: Build) -> None:
    player = build().eval()
    before, batch = weights_hash(player.state_dict()), images()
    kept = batch.clone()
    with torch.no_grad():
        first, again = player.score(batch), player.score(batch)
    assert torch.equal(first, again)
    assert torch.equal(batch, kept)
    assert weights_hash(player.state_dict()) == before
    assert not player.training


def test_neither_judging_nor_training_touches_global_randomness(build: Build) -> None:
    player = build()
    before = global_states()
    trained(player, 1)
    player.eval()
    player.score(images(1))
    player.evasion_loss(images(1))
    assert global_states() == before


def test_training_falls_to_a_toy_and_sorts_it(build: Build) -> None:
    player = build()
    losses = trained(player, 6)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


def test_training_is_the_same_for_the_same_seed(build: Build) -> None:
    one, other = build(), build()
    assert trained(one, 2) == trained(other, 2)
    assert weights_hash(one.state_dict()) == weights_hash(other.state_dict())


def test_training_reaches_every_parameter(build: Build) -> None:
    player = build()
    before = {name: parameter.detach().clone() for name, parameter in player.named_parameters()}
    trained(player, 2)
    unmoved = [name for name, parameter in player.named_parameters() if torch.equal(parameter, before[name])]
    assert unmoved == []


def test_a_state_is_all_there_is_to_a_version(build: Build, tmp_path: Path) -> None:
    player = build()
    trained(player, 1)
    player.eval()
    save_file(player.state_dict(), tmp_path / "state.safetensors")
    from_file, from_arrays = build().eval(), build().eval()
    from_file.load_state_dict(load_file(tmp_path / "state.safetensors"))
    load_arrays(from_arrays, state_arrays(player))
    with torch.no_grad():
        expected = player.score(images())
        assert not torch.equal(build().eval().score(images()), expected)
        assert torch.equal(from_file.score(images()), expected)
        assert torch.equal(from_arrays.score(images()), expected)


def test_evasion_leads_images_towards_passing_as_real(build: Build) -> None:
    player = build()
    trained(player, 2)
    player.eval().requires_grad_(False)
    batch = a_toy(2)[0].requires_grad_()
    loss = player.evasion_loss(batch)
    assert loss.shape == ()
    (gradient,) = torch.autograd.grad(loss, batch)
    assert torch.isfinite(gradient).all()
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    step = 1e-3 / gradient.abs().max()
    with torch.no_grad():
        assert player.evasion_loss(batch - step * gradient) < loss
