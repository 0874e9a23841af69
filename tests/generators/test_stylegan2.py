from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fakeoff.arena import compute
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import load_weights, weights_hash
from fakeoff.generators import Batch
from fakeoff.generators.stylegan2.path_length import path_lengths, path_penalty
from fakeoff.generators.stylegan2.player import StyleGAN2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stylegan2(*, noisy: float = 0.0, **over: Any) -> StyleGAN2:
    small = {"resolution": 16, "features": 128, "most_features": 16, "latent_dim": 16, "mapping_layers": 2}
    player = StyleGAN2(**{**small, **over})  # type: ignore[arg-type]
    with torch.no_grad():
        for network in (player.generator, player.average):
            for conv in network.synthesis.convs:
                conv.noise_strength.fill_(noisy)
    return player


def reals(n: int = 8, side: int = 16, seed: int = 5) -> Tensor:
    return torch.rand(n, 1, side, side, generator=rng(seed)).expand(n, 3, side, side)


def train(player: StyleGAN2, steps: int, **more: Any) -> list[dict[str, float]]:
    return [player.train_step(Batch(images=reals()), rng=rng(step), **more) for step in range(steps)]


@pytest.mark.parametrize("resolution", [16, 128, 1024])
def test_every_resolution_makes_images_of_that_size(resolution: int) -> None:
    player = stylegan2(resolution=resolution, most_features=8)
    assert player.sample(1, rng=rng()).shape == (1, 3, resolution, resolution)
    assert player.critic(torch.zeros(2, 1, resolution, resolution)).shape == (2,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resolution": 8}, {"resolution": 48}, {"channels": 2}, {"noise": "loud"}, {"truncation": 1.5},
        {"style_mixing": -0.5},
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any]) -> None:
    ((_, value),) = wrong.items()
    with pytest.raises(ValueError, match=str(value)):
        stylegan2(**wrong)


@pytest.mark.parametrize("never", ["latent_dim", "mapping_layers", "penalty_every", "path_every"])
def test_what_must_be_at_least_one_is_refused_by_name(never: str) -> None:
    with pytest.raises(ValueError, match=never):
        stylegan2(**{never: 0})


def test_one_channel_makes_grey_and_three_make_colour() -> None:
    grey, colour = (stylegan2(channels=channels).sample(2, rng=rng()) for channels in (1, 3))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert not torch.allclose(colour[:, 0], colour[:, 1])


def test_samples_are_decoded_latents_with_the_noise_of_the_same_source() -> None:
    player, n = stylegan2(noisy=0.5), 70  # more than are made at a time
    source = rng(3)
    z = player.latents(n, rng=source)
    decoded = player.decode(z, rng=source).clamp(0, 1)
    assert torch.equal(player.sample(n, rng=rng(3)), decoded)
    still = player.decode(z)
    assert (still.clamp(0, 1) - decoded).abs().mean() > 0.01
    silent = stylegan2(noise="none")
    assert torch.equal(still, silent.decode(z))
    assert torch.equal(silent.decode(z, rng=rng(1)), still)


def test_constant_noise_is_the_same_in_every_image_and_needs_no_source() -> None:
    constant, silent = stylegan2(noisy=0.5, noise="constant"), stylegan2(noise="none")
    z = constant.latents(3, rng=rng())
    assert torch.equal(constant.decode(z), constant.decode(z, rng=rng(1)))
    assert not torch.allclose(constant.decode(z), silent.decode(z), atol=1e-2)
    assert torch.equal(constant.sample(3, rng=rng()), constant.decode(z).clamp(0, 1))


def test_truncation_draws_samples_towards_the_mean_face() -> None:
    spread, trained = [], _trained()
    for psi in (1.0, 0.5, 0.0):
        player = stylegan2(truncation=psi)
        player.load_state_dict(trained.state_dict())
        spread.append(player.decode(player.latents(8, rng=rng())).std(0).mean().item())
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 1e-5


def _trained(steps: int = 3) -> StyleGAN2:
    player = stylegan2()
    train(player, steps)
    return player


def test_the_mean_of_w_follows_the_first_latents_of_each_step() -> None:
    player = stylegan2(generator_lr=0.0, style_mixing=1.0)
    mapping = player.generator.mapping
    expected = torch.zeros(16)
    for step in range(3):
        w = mapping(player.latents(8, rng=rng(step)))
        expected = 0.995 * expected + 0.005 * w.mean(0)
        player.train_step(Batch(images=reals()), rng=rng(step))
    assert torch.allclose(mapping.w_avg, expected, atol=1e-6)
    assert torch.equal(player.average.mapping.w_avg, mapping.w_avg)
    assert expected.abs().max() > 1e-3


def test_penalties_are_applied_as_often_as_asked() -> None:
    measured = train(stylegan2(penalty_every=3, path_every=2), 5)
    assert [index for index, step in enumerate(measured) if "critic_penalty" in step] == [0, 3]
    assert [index for index, step in enumerate(measured) if "path_penalty" in step] == [0, 2, 4]
    assert all("path_penalty" not in step for step in train(stylegan2(path_weight=0.0), 2))


def test_path_lengths_are_those_of_a_linear_generator() -> None:
    layers, dim, side = 2, 3, 4
    slope = torch.randn(layers * dim, side * side, generator=rng(1))
    ws = torch.randn(5, layers, dim, generator=rng(2)).requires_grad_()
    images = (ws.flatten(1) @ slope).view(5, 1, side, side)
    lengths = path_lengths(images, ws, rng=rng(3))
    direction = torch.randn(5, 1, side, side, generator=rng(3)).flatten(1) / side
    expected = (direction @ slope.t()).view(5, layers, dim).square().sum(2).mean(1).sqrt()
    assert torch.allclose(lengths, expected, atol=1e-5)
    mean = torch.tensor(2.0)
    penalty = path_penalty(lengths, mean)
    assert mean.item() == pytest.approx(0.99 * 2 + 0.01 * expected.mean().item(), rel=1e-5)
    assert penalty.item() == pytest.approx((expected - mean).square().mean().item(), rel=1e-4)


def test_the_path_penalty_has_its_own_gradient() -> None:
    """The gradient of a gradient, against differences: so small that no leaky ReLU changes its side."""
    player = stylegan2(noisy=0.1).double()
    weight = player.generator.synthesis.blocks[1].conv0.weight

    def value() -> Tensor:
        fake, ws = player._fakes(4, rng(1))
        return (path_lengths(fake, ws, rng=rng(2)) - 0.5).square().mean()

    (slope,) = torch.autograd.grad(value(), weight)
    step = 1e-6 * slope / slope.norm()
    found = []
    for sign in (1, -2):
        with torch.no_grad():
            weight.add_(sign * step)
        found.append(value().item())
    assert slope.norm() > 1e-3
    assert (found[0] - found[1]) / 2e-6 == pytest.approx(slope.norm().item(), rel=1e-4)


def test_penalties_are_in_float32_under_autocast() -> None:
    plain, cast = stylegan2(), stylegan2()
    (expected,) = train(plain, 1)
    with compute.autocast("bfloat16"):
        (measured,) = train(cast, 1)
    for name in ("critic_penalty", "path_penalty"):
        assert measured[name] == pytest.approx(expected[name], rel=1e-5)
    assert measured["critic_loss"] != expected["critic_loss"]


def test_the_path_penalty_makes_lengths_alike() -> None:
    spread = []
    for weight in (0.0, 20.0):
        player = stylegan2(path_weight=weight, path_every=1, style_mixing=0.0, augmentation=False, critic_lr=1e-6)
        train(player, 24)
        fake, ws = player._fakes(32, rng(99))
        lengths = path_lengths(fake, ws, rng=rng(98)).detach()
        spread.append(lengths.std().item())
    assert spread[1] < 0.7 * spread[0]


def test_the_critic_learns_to_tell_a_toy_from_the_generator() -> None:
    player = stylegan2(augmentation=False, generator_lr=1e-6, critic_lr=1e-2)
    bright = torch.full((8, 3, 16, 16), 0.95)
    measured = [player.train_step(Batch(images=bright), rng=rng(step)) for step in range(10)]
    assert all(np.isfinite(list(step.values())).all() for step in measured)
    assert np.mean([step["critic_gap"] for step in measured[-3:]]) > 0.5
    assert measured[-1]["critic_loss"] < measured[0]["critic_loss"]


def test_the_generator_learns_the_brightness_of_its_reals() -> None:
    means = []
    for brightness in (0.15, 0.85):
        player = stylegan2(augmentation=False, path_weight=0.0, generator_lr=5e-3)
        flat = brightness + 0.1 * (reals() - 0.5)
        for step in range(40):
            player.train_step(Batch(images=flat), rng=rng(step))
        means.append(player.sample(32, rng=rng()).mean().item())
    assert means[0] < 0.35
    assert means[1] > 0.65


def test_an_extra_loss_moves_the_generator_and_not_the_critic() -> None:
    plain, attacked = stylegan2(), stylegan2()
    train(plain, 1)
    (measured,) = train(attacked, 1, extra_loss=lambda fakes: 10 * fakes.square().mean())
    assert measured["extra_loss"] > 0
    assert weights_hash(attacked.critic.state_dict()) == weights_hash(plain.critic.state_dict())
    assert weights_hash(attacked.generator.state_dict()) != weights_hash(plain.generator.state_dict())
    assert all(parameter.requires_grad for parameter in attacked.critic.parameters())


def test_without_noise_its_strengths_rest() -> None:
    silent, player = stylegan2(noise="none"), stylegan2()
    for one in (silent, player):
        train(one, 2)
    assert all(conv.noise_strength == 0 for conv in silent.generator.synthesis.convs)
    assert all(conv.noise_strength != 0 for conv in player.generator.synthesis.convs)


def test_plans_decide_the_rates() -> None:
    player = stylegan2(generator_lr=0.1, critic_lr=0.2, attack_lr=0.3)
    for plan, rates in (
        (Plan(purpose="pretrain", steps=1, batch=8), [0.1, 0.2]),
        (Plan(purpose="attack", steps=1, batch=8), [0.3, 0.3]),
        (Plan(purpose="attack", steps=1, batch=8, rate=0.4), [0.4, 0.4]),
    ):
        player.start(plan)
        assert [one["param_groups"][0]["lr"] for one in player.training_state()["optimisers"]] == rates


def test_the_average_looks_back_further_the_longer_training_goes_on() -> None:
    player = stylegan2(ema_images=4.0)
    for step in range(1, 14):
        before = copy.deepcopy(player.average.synthesis.blocks[0].const)
        player.train_step(Batch(images=reals()), rng=rng(step))
        keep = 0.5 ** (8 / min(4.0, 0.05 * 8 * step))
        expected = torch.lerp(player.generator.synthesis.blocks[0].const, before, keep)
        assert torch.allclose(player.average.synthesis.blocks[0].const, expected, atol=1e-6)
    assert keep == pytest.approx(0.5 ** (8 / 4))
    assert all(not parameter.requires_grad for parameter in player.average.parameters())


def test_finetuning_goes_on_from_the_averaged_weights() -> None:
    player = stylegan2(generator_lr=1e-2)
    train(player, 5)
    version = stylegan2(generator_lr=0.0)
    version.load_state_dict(player.state_dict())
    averaged = player.average.synthesis.blocks[0].const
    assert not torch.equal(version.generator.synthesis.blocks[0].const, averaged)
    train(version, 1)
    assert torch.equal(version.generator.synthesis.blocks[0].const, averaged)


def test_a_resumed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    schedule = {"penalty_every": 2, "path_every": 3}
    player = stylegan2(**schedule)
    train(player, 3)
    torch.save({"player": player.state_dict(), "training": player.training_state()}, tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = stylegan2(**schedule, init_seed=9)
    resumed.load_state_dict(saved["player"])
    resumed.load_training_state(saved["training"])
    for step in range(3, 7):
        batch = Batch(images=reals())
        assert resumed.train_step(batch, rng=rng(step)) == player.train_step(batch, rng=rng(step))
    assert weights_hash(resumed.state_dict()) == weights_hash(player.state_dict())


def test_what_ships_is_half_a_state_and_makes_the_same_faces(tmp_path: Path) -> None:
    player = _trained()
    shipped = player.shipped_state()
    assert {value.dtype for value in shipped.values()} == {torch.float16, torch.int64}
    save_file(shipped, tmp_path / "weights.safetensors")
    again = stylegan2(init_seed=7)
    load_weights(again, tmp_path / "weights.safetensors")
    assert torch.allclose(again.sample(4, rng=rng()), player.sample(4, rng=rng()), atol=0.02)
    assert torch.equal(again.generator.mapping.w_avg, again.average.mapping.w_avg)
    assert not torch.allclose(again.sample(4, rng=rng()), stylegan2(init_seed=7).sample(4, rng=rng()), atol=0.02)
    whole = sum(value.numel() * value.element_size() for value in player.state_dict().values())
    assert sum(value.numel() * value.element_size() for value in shipped.values()) < 0.36 * whole
