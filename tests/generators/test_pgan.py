from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.players.specs import weights_hash
from fakeoff.generators import Batch
from fakeoff.generators.gan import losses as gan_losses
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.generators.pgan_networks import (
    EqualisedConv2d,
    EqualisedLinear,
    draw_weights,
    minibatch_stddev,
    pixel_norm,
    widths,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pgan(*, level: float = 0.0, **over: Any) -> ProgressiveGAN:
    small = {"resolution": 16, "features": 64, "most_features": 16, "latent_dim": 16, "weights": None}
    player = ProgressiveGAN(**{**small, **over})  # type: ignore[arg-type]
    player.grown.fill_(level)
    return player


def reals(n: int = 8, side: int = 16, seed: int = 5) -> Tensor:
    return torch.rand(n, 1, side, side, generator=rng(seed)).expand(n, 3, side, side)


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256, 512, 1024])
def test_every_resolution_makes_images_of_that_size(resolution: int) -> None:
    top = int(math.log2(resolution)) - 2
    for level in (0.0, top - 0.5, float(top)):
        player = pgan(resolution=resolution, most_features=8, level=level)
        assert player.sample(1, rng=rng()).shape == (1, 3, resolution, resolution)
        images = player.decode(torch.randn(1, 16, generator=rng()))
        # Every level below the top is shown in larger pixels.
        block = resolution // (4 * 2 ** math.ceil(level))
        small = images[..., ::block, ::block]
        assert torch.equal(images, small.repeat_interleave(block, 2).repeat_interleave(block, 3))


@pytest.mark.parametrize("wrong", [{"resolution": 8}, {"resolution": 48}, {"channels": 2}, {"loss": "hinge"}])
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any]) -> None:
    ((_, value),) = wrong.items()
    with pytest.raises(ValueError, match=str(value)):
        pgan(**wrong)


def test_feature_maps_halve_with_the_side_as_published() -> None:
    assert widths(1024, base=8192, most=512) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert widths(64, base=512, most=128) == [128, 128, 64, 32, 16]
    assert min(widths(1024, base=64, most=8)) == 8


def test_one_channel_makes_grey_and_three_make_colour() -> None:
    grey, colour = (pgan(channels=channels, level=2.0).sample(2, rng=rng()) for channels in (1, 3))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert not torch.allclose(colour[:, 0], colour[:, 1])


@pytest.mark.parametrize("level", [0, 1])
def test_a_new_level_fades_in_without_a_jump(level: int) -> None:
    player, z = pgan(level=level), torch.randn(4, 16, generator=rng())
    coarse = player.synthesis(z, level=float(level))
    first = player.synthesis(z, level=level + 1e-7)
    assert torch.allclose(first, F.interpolate(coarse, scale_factor=2.0, mode="nearest"), atol=1e-4)
    almost, whole = player.synthesis(z, level=level + 1 - 1e-7), player.synthesis(z, level=level + 1.0)
    assert torch.allclose(almost, whole, atol=1e-4)
    assert not torch.allclose(first, whole, atol=1e-2)
    assert torch.allclose(
        player.critic(first, level=level + 1e-7), player.critic(coarse, level=float(level)), atol=1e-3
    )
    assert torch.allclose(
        player.critic(whole, level=level + 1 - 1e-7), player.critic(whole, level=level + 1.0), atol=1e-3
    )


def test_the_reals_fade_in_as_well() -> None:
    player, images = pgan(), reals()
    coarse = F.interpolate(F.avg_pool2d(images[:, :1] * 2 - 1, 2), scale_factor=2.0)
    assert torch.allclose(player._to_level(images, 1 + 1e-7), coarse, atol=1e-5)
    assert torch.allclose(player._to_level(images, 2.0), images[:, :1] * 2 - 1, atol=1e-6)
    assert player._to_level(images, 0.0).shape == (8, 1, 4, 4)
    assert torch.allclose(player._to_level(images, 1.5), (coarse + images[:, :1] * 2 - 1) / 2, atol=1e-5)


def test_levels_are_trained_until_stable_then_faded_in_up_to_the_top() -> None:
    player = pgan(fade_images=16, stable_images=16)
    levels = []
    for step in range(10):
        player.train_step(Batch(images=reals(8)), rng=rng(step))
        levels.append(player.level)
    assert levels == [0, 0.5, 1, 1, 1.5, 2, 2, 2, 2, 2]
    assert int(player.images_seen) == 80


def test_a_version_stays_as_grown_as_it_is_under_another_schedule() -> None:
    grown = pgan(level=2.0)
    other = pgan(fade_images=1_000_000, stable_images=1_000_000)
    other.load_state_dict(grown.state_dict())
    assert other.level == 2
    assert torch.equal(other.sample(2, rng=rng()), grown.sample(2, rng=rng()))


@pytest.mark.parametrize(("loss", "weight"), [("non_saturating", 1.0), ("wgan_gp", 10.0)])
@pytest.mark.parametrize("level", [1.0, 1.5])
def test_the_critic_learns_to_tell_a_toy_from_the_generator(loss: str, weight: float, level: float) -> None:
    player = pgan(
        loss=loss, level=level, penalty_weight=weight, augmentation=False, generator_lr=1e-6, critic_lr=1e-2,
        fade_images=10**9, stable_images=10**9,
    )  # fmt: skip
    bright = torch.full((8, 3, 16, 16), 0.95)
    measured = [player.train_step(Batch(images=bright), rng=rng(step)) for step in range(15)]
    assert all(np.isfinite(list(step.values())).all() for step in measured)
    assert np.mean([step["critic_gap"] for step in measured[-3:]]) > 0.5
    assert measured[-1]["critic_loss"] < measured[0]["critic_loss"]


@pytest.mark.parametrize(("loss", "every"), [("non_saturating", [0, 3]), ("wgan_gp", [0, 1, 2, 3])])
def test_the_penalty_is_applied_as_often_as_asked(loss: str, every: list[int]) -> None:
    player = pgan(loss=loss, penalty_every=3)
    measured = [player.train_step(Batch(images=reals()), rng=rng(step)) for step in range(4)]
    assert [index for index, step in enumerate(measured) if "critic_penalty" in step] == every


def test_the_penalties_are_those_of_the_papers() -> None:
    slope = torch.tensor([3.0, 4.0])

    def critic(images: Tensor) -> Tensor:
        return (images.flatten(1) * slope).sum(1)

    real, fake = torch.rand(5, 1, 1, 2, generator=rng(1)), torch.rand(5, 1, 1, 2, generator=rng(2))
    assert gan_losses.gradient_penalty(critic, real, fake, rng=rng()).item() == pytest.approx((5 - 1) ** 2)
    assert gan_losses.r1_penalty(critic, real).item() == pytest.approx(25 / 2)


def test_the_losses_are_those_of_the_papers() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    assert gan_losses.critic_loss("wgan_gp", real, fake).item() == pytest.approx(-0.5 - 2 + 1e-3 * 5)
    assert gan_losses.generator_loss("wgan_gp", fake).item() == pytest.approx(0.5)
    expected = np.mean(np.log1p(np.exp([-1.0, -3.0]))) + np.mean(np.log1p(np.exp([-1.0, 0.0])))
    assert gan_losses.critic_loss("non_saturating", real, fake).item() == pytest.approx(expected)
    expected = np.mean(np.log1p(np.exp([1.0, 0.0])))
    assert gan_losses.generator_loss("non_saturating", fake).item() == pytest.approx(expected)


def test_an_extra_loss_moves_the_synthesis_and_not_the_critic() -> None:
    plain, attacked = pgan(level=2.0), pgan(level=2.0)
    plain.train_step(Batch(images=reals()), rng=rng())
    measured = attacked.train_step(
        Batch(images=reals()), rng=rng(), extra_loss=lambda fakes: 10 * fakes.square().mean()
    )
    assert measured["extra_loss"] > 0
    assert weights_hash(attacked.critic.state_dict()) == weights_hash(plain.critic.state_dict())
    assert weights_hash(attacked.synthesis.state_dict()) != weights_hash(plain.synthesis.state_dict())


def test_the_average_looks_back_further_the_longer_training_goes_on() -> None:
    player = pgan(ema_images=12.0, fade_images=10**9, stable_images=10**9)
    for step in range(1, 40):
        before = copy.deepcopy(player.average.dense.weight)
        player.train_step(Batch(images=reals()), rng=rng(step))
        keep = 0.5 ** (8 / min(12.0, 0.05 * 8 * step))
        expected = torch.lerp(player.synthesis.dense.weight, before, keep)
        assert torch.allclose(player.average.dense.weight, expected, atol=1e-6)
    assert keep == pytest.approx(0.5 ** (8 / 12))
    assert all(not parameter.requires_grad for parameter in player.average.parameters())


def test_finetuning_goes_on_from_the_averaged_weights() -> None:
    player = pgan(generator_lr=1e-2)
    for step in range(5):
        player.train_step(Batch(images=reals()), rng=rng(step))
    version = pgan(generator_lr=0.0)
    version.load_state_dict(player.state_dict())
    assert not torch.equal(version.synthesis.dense.weight, version.average.dense.weight)
    version.train_step(Batch(images=reals()), rng=rng())
    assert torch.equal(version.synthesis.dense.weight, player.average.dense.weight)


def test_a_resumed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    schedule = {"fade_images": 24, "stable_images": 16, "penalty_every": 2}
    player = pgan(**schedule)
    for step in range(3):
        player.train_step(Batch(images=reals()), rng=rng(step))
    torch.save({"player": player.state_dict(), "training": player.training_state()}, tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = pgan(**schedule, init_seed=9)
    resumed.load_state_dict(saved["player"])
    resumed.load_training_state(saved["training"])
    for step in range(3, 7):
        assert resumed.train_step(Batch(images=reals()), rng=rng(step)) == player.train_step(
            Batch(images=reals()), rng=rng(step)
        )
    assert weights_hash(resumed.state_dict()) == weights_hash(player.state_dict())


def test_pixel_norm_gives_every_pixel_unit_mean_square() -> None:
    x = torch.randn(3, 7, 4, 5, generator=rng()) * 30 + 5
    normed = pixel_norm(x)
    assert torch.allclose(normed.square().mean(1), torch.ones(3, 4, 5), atol=1e-4)
    assert torch.allclose(F.cosine_similarity(normed, x, dim=1), torch.ones(3, 4, 5), atol=1e-5)
    assert torch.isfinite(pixel_norm(torch.zeros(1, 3))).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 8])
def test_the_critic_is_told_how_much_the_images_of_a_group_differ(n: int) -> None:
    x = torch.randn(n, 5, 4, 4, generator=rng())
    out = minibatch_stddev(x)
    assert torch.equal(out[:, :5], x)
    group, step = math.gcd(n, 4), n // math.gcd(n, 4)
    for index in range(n):
        members = x[index % step :: step].numpy()
        assert len(members) == group
        expected = np.sqrt(members.var(0) + 1e-8).mean()
        assert torch.allclose(out[index, 5], torch.full((4, 4), float(expected)), atol=1e-5)


def test_equal_images_differ_by_nothing() -> None:
    assert minibatch_stddev(torch.ones(4, 3, 2, 2))[:, 3].max() < 1e-3


def test_the_learning_rate_is_equalised_by_scaling_at_run_time() -> None:
    layers = (EqualisedConv2d(64, 200, 3, padding=1), EqualisedLinear(64, 4000))
    inputs = (torch.randn(4, 64, 8, 8, generator=rng(1)), torch.randn(40, 64, generator=rng(1)))
    for layer, x, fan_in in zip(layers, inputs, (64 * 9, 64), strict=True):
        draw_weights(layer, rng=rng())
        assert layer.weight.std().item() == pytest.approx(1, rel=0.02)
        assert layer.scale == pytest.approx(math.sqrt(2 / fan_in))
        inner = layer(x)[..., 1:-1, 1:-1] if x.ndim == 4 else layer(x)
        assert inner.std().item() == pytest.approx(math.sqrt(2), rel=0.1)
    assert (layers[0].bias == 0).all()
