"""What every generator must keep to, played by each that is built in."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fakeoff.arena.specs import load_arrays, state_arrays, weights_hash
from fakeoff.generators import Generator, capabilities, players

NAMES = [entry.name for entry in players if entry.origin == "fakeoff"]
SMALL: dict[str, dict[str, Any]] = {"pgan": {"resolution": 16, "features": 64, "most_features": 16, "latent_dim": 16}}

Build = Callable[..., Generator]


def having(capability: str) -> list[str]:
    return [name for name in NAMES if capability in capabilities(players.load(name))]


@pytest.fixture(params=NAMES)
def build(request: pytest.FixtureRequest) -> Build:
    return lambda **over: players.build(request.param, {**SMALL.get(request.param, {}), **over})


@pytest.fixture(params=having("trainable"))
def build_trainable(request: pytest.FixtureRequest) -> Build:
    return lambda **over: players.build(request.param, {**SMALL.get(request.param, {}), **over})


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reals(player: Generator, n: int = 8) -> Tensor:
    return torch.rand(n, 3, player.resolution, player.resolution, generator=rng(7))


def train(player: Generator, steps: int = 2, extra_loss: Callable[[Tensor], Tensor] | None = None) -> list[Any]:
    player.train()
    return [player.train_step(reals(player), rng=rng(step), extra_loss=extra_loss) for step in range(steps)]


def global_states() -> tuple[object, ...]:
    numpys = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), numpys[1].tolist(), numpys[2:]  # type: ignore[union-attr]


def test_the_papers_attacker_is_there_and_can_attack() -> None:
    assert "pgan" in having("trainable")
    assert "pgan" in having("latent")


@pytest.mark.parametrize("n", [1, 3])
def test_samples_are_images(build: Build, n: int) -> None:
    player = build().eval()
    images = player.sample(n, rng=rng())
    assert images.shape == (n, 3, player.resolution, player.resolution)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.001


def test_the_seed_decides_the_sample(build: Build) -> None:
    player = build().eval()
    assert torch.equal(player.sample(3, rng=rng(1)), player.sample(3, rng=rng(1)))
    assert not torch.equal(player.sample(3, rng=rng(1)), player.sample(3, rng=rng(2)))


def test_one_source_of_randomness_goes_on_and_does_not_repeat_itself(build: Build) -> None:
    player, source = build().eval(), rng(1)
    assert not torch.equal(player.sample(2, rng=source), player.sample(2, rng=source))


def test_sampling_changes_nothing(build: Build) -> None:
    player = build().eval()
    before = weights_hash(player.state_dict())
    player.sample(3, rng=rng())
    assert weights_hash(player.state_dict()) == before


def test_sampling_leaves_global_randomness_alone(build: Build) -> None:
    player = build().eval()
    before = global_states()
    player.sample(2, rng=rng())
    assert global_states() == before


def test_training_leaves_global_randomness_alone(build_trainable: Build) -> None:
    player = build_trainable()
    before = global_states()
    train(player)
    assert global_states() == before


def test_training_is_the_same_for_the_same_seed(build_trainable: Build) -> None:
    one, other = build_trainable(), build_trainable()
    assert train(one) == train(other)
    assert weights_hash(one.state_dict()) == weights_hash(other.state_dict())


def test_training_measures_finite_numbers_and_moves_the_samples(build_trainable: Build) -> None:
    player = build_trainable()
    before = player.eval().sample(2, rng=rng())
    for measured in train(player):
        assert measured
        assert all(isinstance(value, int | float) and np.isfinite(value) for value in measured.values())
    assert not torch.equal(player.eval().sample(2, rng=rng()), before)


def test_training_does_not_write_on_the_reals(build_trainable: Build) -> None:
    player = build_trainable()
    images = reals(player)
    kept = images.clone()
    player.train()
    player.train_step(images, rng=rng())
    assert torch.equal(images, kept)


def test_a_state_is_all_there_is_to_a_version(build_trainable: Build, tmp_path: Path) -> None:
    player = build_trainable()
    train(player)
    player.eval()
    save_file(player.state_dict(), tmp_path / "state.safetensors")
    from_file, from_arrays = build_trainable().eval(), build_trainable().eval()
    expected = player.sample(3, rng=rng())
    assert not torch.equal(from_file.sample(3, rng=rng()), expected)
    from_file.load_state_dict(load_file(tmp_path / "state.safetensors"))
    load_arrays(from_arrays, state_arrays(player))
    assert torch.equal(from_file.sample(3, rng=rng()), expected)
    assert torch.equal(from_arrays.sample(3, rng=rng()), expected)


def test_an_attack_sees_fakes_as_images_and_its_gradient_reaches_the_generator(build_trainable: Build) -> None:
    seen: list[Tensor] = []

    def darker(fakes: Tensor) -> Tensor:
        seen.append(fakes)
        return 100 * fakes.mean()

    plain, attacked = build_trainable(), build_trainable()
    train(plain, 6)
    measured = train(attacked, 6, extra_loss=darker)
    assert all(fakes.shape == reals(attacked).shape and fakes.requires_grad for fakes in seen)
    assert len(seen) == 6
    assert all("extra_loss" in step for step in measured)
    before, after = (player.eval().sample(16, rng=rng()).mean().item() for player in (plain, attacked))
    assert after < before - 0.005


@pytest.mark.parametrize("name", having("latent"))
def test_latents_decode_differentiably_and_as_sampling_does(name: str) -> None:
    player = players.build(name, SMALL.get(name, {})).eval()
    z = torch.randn(3, player.latent_dim, generator=rng()).requires_grad_()  # type: ignore[arg-type]
    images = player.decode(z)
    assert images.shape == (3, 3, player.resolution, player.resolution)
    assert torch.allclose(images.detach().clamp(0, 1), player.sample(3, rng=rng()), atol=1e-6)
    (gradient,) = torch.autograd.grad(images[0].sum(), z)
    assert gradient[0].abs().sum() > 0
    assert (gradient[1:] == 0).all()  # each latent makes its own image
