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
from fakeoff.generators.stylegan.player import StyleGAN


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stylegan(*, noisy: float = 0.0, **over: Any) -> StyleGAN:
    """At its full size from the start, where nothing else is said."""
    small = {
        "resolution": 16, "features": 128, "most_features": 16, "latent_dim": 16, "mapping_layers": 2, "first_side": 16,
    }  # fmt: skip
    player = StyleGAN(**{**small, **over})  # type: ignore[arg-type]
    with torch.no_grad():
        for network in (player.generator, player.average):
            for layer in network.synthesis.layers(2):
                layer.noise_strength.fill_(noisy)
    return player


def reals(n: int = 8, side: int = 16, seed: int = 5) -> Tensor:
    return torch.rand(n, 1, side, side, generator=rng(seed)).expand(n, 3, side, side)


def train(player: StyleGAN, steps: int, **more: Any) -> list[dict[str, float]]:
    return [player.train_step(Batch(images=reals()), rng=rng(step), **more) for step in range(steps)]


@pytest.mark.parametrize("resolution", [16, 128, 1024])
def test_every_resolution_makes_images_of_that_size_at_every_level(resolution: int) -> None:
    for first_side in (4, resolution):
        player = stylegan(resolution=resolution, most_features=8, first_side=first_side)
        images = player.sample(1, rng=rng())
        assert images.shape == (1, 3, resolution, resolution)
        block = resolution // first_side
        small = images[..., ::block, ::block]
        assert torch.equal(images, small.repeat_interleave(block, 2).repeat_interleave(block, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"resolution": 8}, {"resolution": 48}, {"channels": 2}, {"noise": "loud"}, {"truncation": 1.5},
        {"style_mixing": -0.5}, {"first_side": 32}, {"first_side": 6},
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any]) -> None:
    ((_, value),) = wrong.items()
    with pytest.raises(ValueError, match=str(value)):
        stylegan(**({"first_side": 4} | wrong))


@pytest.mark.parametrize("never", ["latent_dim", "mapping_layers", "penalty_every"])
def test_what_must_be_at_least_one_is_refused_by_name(never: str) -> None:
    with pytest.raises(ValueError, match=never):
        stylegan(**{never: 0})


def test_one_channel_makes_grey_and_three_make_colour() -> None:
    grey, colour = (stylegan(channels=channels).sample(2, rng=rng()) for channels in (1, 3))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert not torch.allclose(colour[:, 0], colour[:, 1])


def test_samples_are_decoded_latents_with_the_noise_of_the_same_source() -> None:
    player, n = stylegan(noisy=0.5), 70  # more than are made at a time
    source = rng(3)
    z = player.latents(n, rng=source)
    decoded = player.decode(z, rng=source).clamp(0, 1)
    assert torch.equal(player.sample(n, rng=rng(3)), decoded)
    still = player.decode(z)
    assert (still.clamp(0, 1) - decoded).abs().mean() > 0.01
    silent = stylegan(noise="none")
    assert torch.equal(still, silent.decode(z))
    assert torch.equal(silent.decode(z, rng=rng(1)), still)


def test_it_grows_from_its_first_side_to_the_top() -> None:
    player = stylegan(first_side=4, fade_images=16, stable_images=16)
    levels, shown = [], []
    for step in range(8):
        train_one = player.train_step(Batch(images=reals()), rng=rng(step))
        assert all(np.isfinite(value) for value in train_one.values())
        levels.append(player.level)
        images = player.sample(2, rng=rng())
        shown.append(bool((images[..., ::2] == images[..., 1::2]).all()))
    assert levels == [0, 0.5, 1, 1, 1.5, 2, 2, 2]
    assert shown == [True, True, True, True, False, False, False, False]
    assert stylegan(first_side=8).level == 1


def test_layers_of_other_levels_rest() -> None:
    player = stylegan(first_side=8)
    before = {name: value.clone() for name, value in player.generator.state_dict().items()}
    train(player, 2)
    moved = {name for name, value in player.generator.state_dict().items() if not torch.equal(value, before[name])}
    resting = {name for name in before if name.startswith(("synthesis.blocks.1.", "synthesis.to_image.2."))}
    resting |= {name for name in before if name.startswith("synthesis.to_image.0.")}
    assert moved == set(before) - resting


def test_truncation_draws_samples_towards_the_mean_face() -> None:
    spread, trained = [], _trained()
    for psi in (1.0, 0.5, 0.0):
        player = stylegan(truncation=psi)
        player.load_state_dict(trained.state_dict())
        spread.append(player.decode(player.latents(8, rng=rng())).std(0).mean().item())
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 1e-5
    spared = stylegan(truncation=0.0, truncated_side=8)
    spared.load_state_dict(trained.state_dict())
    assert spread[0] > spared.decode(spared.latents(8, rng=rng())).std(0).mean().item() > 1e-3


def _trained(steps: int = 3) -> StyleGAN:
    player = stylegan()
    train(player, steps)
    return player


def test_the_mean_of_w_follows_the_first_latents_of_each_step() -> None:
    player = stylegan(generator_lr=0.0, style_mixing=1.0)
    mapping = player.generator.mapping
    expected = torch.zeros(16)
    for step in range(3):
        w = mapping(player.latents(8, rng=rng(step)))
        expected = 0.995 * expected + 0.005 * w.mean(0)
        player.train_step(Batch(images=reals()), rng=rng(step))
    assert torch.allclose(mapping.w_avg, expected, atol=1e-6)
    assert torch.equal(player.average.mapping.w_avg, mapping.w_avg)
    assert expected.abs().max() > 1e-3


def test_the_mapping_learns_at_a_hundredth_of_the_rate() -> None:
    player = stylegan(generator_lr=1e-3)
    before = copy.deepcopy(player.generator)
    train(player, 1)
    slow, fast = player.generator.mapping.get_submodule("fc0"), player.generator.synthesis.layer1.style
    # As the weights are used, scaled down; the slow ones with the gain of their leaky ReLU besides.
    pairs = ((slow, before.mapping.get_submodule("fc0")), (fast, before.synthesis.layer1.style))
    steps = [((now.weight - then.weight) * now.scale).abs().max().item() for now, then in pairs]
    assert steps[1] > 0
    assert steps[0] / 2**0.5 == pytest.approx(steps[1] / 100, rel=0.02)


def test_the_penalty_is_applied_as_often_as_asked() -> None:
    measured = train(stylegan(penalty_every=3), 5)
    assert [index for index, step in enumerate(measured) if "critic_penalty" in step] == [0, 3]


def test_the_penalty_is_in_float32_under_autocast() -> None:
    plain, cast = stylegan(), stylegan()
    (expected,) = train(plain, 1)
    with compute.autocast("bfloat16"):
        (measured,) = train(cast, 1)
    assert measured["critic_penalty"] == pytest.approx(expected["critic_penalty"], rel=1e-5)
    assert measured["critic_loss"] != expected["critic_loss"]


def test_the_critic_learns_to_tell_a_toy_from_the_generator() -> None:
    player = stylegan(augmentation=False, generator_lr=1e-6, critic_lr=1e-2)
    bright = torch.full((8, 3, 16, 16), 0.95)
    measured = [player.train_step(Batch(images=bright), rng=rng(step)) for step in range(10)]
    assert all(np.isfinite(list(step.values())).all() for step in measured)
    assert np.mean([step["critic_gap"] for step in measured[-3:]]) > 0.5
    assert measured[-1]["critic_loss"] < measured[0]["critic_loss"]


def test_the_generator_learns_the_brightness_of_its_reals() -> None:
    means = []
    for brightness in (0.15, 0.85):
        player = stylegan(augmentation=False, generator_lr=5e-3)
        flat = brightness + 0.1 * (reals() - 0.5)
        for step in range(40):
            player.train_step(Batch(images=flat), rng=rng(step))
        means.append(player.sample(32, rng=rng()).mean().item())
    assert means[0] < 0.35
    assert means[1] > 0.65


def test_an_extra_loss_moves_the_generator_and_not_the_critic() -> None:
    plain, attacked = stylegan(), stylegan()
    train(plain, 1)
    (measured,) = train(attacked, 1, extra_loss=lambda fakes: 10 * fakes.square().mean())
    assert measured["extra_loss"] > 0
    assert weights_hash(attacked.critic.state_dict()) == weights_hash(plain.critic.state_dict())
    assert weights_hash(attacked.generator.state_dict()) != weights_hash(plain.generator.state_dict())
    assert all(parameter.requires_grad for parameter in attacked.critic.blocks.parameters())


def test_without_noise_its_strengths_rest() -> None:
    silent, player = stylegan(noise="none"), stylegan()
    for one in (silent, player):
        train(one, 2)
    assert all((layer.noise_strength == 0).all() for layer in silent.generator.synthesis.layers(2))
    assert all((layer.noise_strength != 0).all() for layer in player.generator.synthesis.layers(2))


def test_plans_decide_the_rates() -> None:
    player = stylegan(generator_lr=0.1, critic_lr=0.2, attack_lr=0.3)
    for plan, rates in (
        (Plan(purpose="pretrain", steps=1, batch=8), [0.1, 0.2]),
        (Plan(purpose="attack", steps=1, batch=8), [0.3, 0.3]),
        (Plan(purpose="attack", steps=1, batch=8, rate=0.4), [0.4, 0.4]),
    ):
        player.start(plan)
        assert [one["param_groups"][0]["lr"] for one in player.training_state()["optimisers"]] == rates


def test_finetuning_goes_on_from_the_averaged_weights() -> None:
    player = stylegan(generator_lr=1e-2)
    train(player, 5)
    version = stylegan(generator_lr=0.0)
    version.load_state_dict(player.state_dict())
    averaged = player.average.synthesis.const
    assert not torch.equal(version.generator.synthesis.const, averaged)
    train(version, 1)
    assert torch.equal(version.generator.synthesis.const, averaged)


def test_a_resumed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    schedule = {"penalty_every": 2, "first_side": 8, "fade_images": 24, "stable_images": 16}
    player = stylegan(**schedule)
    train(player, 3)
    torch.save({"player": player.state_dict(), "training": player.training_state()}, tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = stylegan(**schedule, init_seed=9)
    resumed.load_state_dict(saved["player"])
    resumed.load_training_state(saved["training"])
    assert 1 < resumed.level < 2
    for step in range(3, 7):
        batch = Batch(images=reals())
        assert resumed.train_step(batch, rng=rng(step)) == player.train_step(batch, rng=rng(step))
    assert weights_hash(resumed.state_dict()) == weights_hash(player.state_dict())


def test_what_ships_is_half_a_state_and_makes_the_same_faces(tmp_path: Path) -> None:
    player = _trained()
    shipped = player.shipped_state()
    assert {value.dtype for value in shipped.values()} == {torch.float16, torch.int64, torch.float64}
    assert any(name.startswith("critic.") for name in shipped)
    save_file(shipped, tmp_path / "weights.safetensors")
    again = stylegan(init_seed=7, first_side=4)
    load_weights(again, tmp_path / "weights.safetensors")
    assert again.level == 2
    assert torch.allclose(again.sample(4, rng=rng()), player.sample(4, rng=rng()), atol=0.02)
    assert torch.equal(again.generator.mapping.w_avg, again.average.mapping.w_avg)
    assert not torch.allclose(again.sample(4, rng=rng()), stylegan(init_seed=7).sample(4, rng=rng()), atol=0.02)
    whole = sum(value.numel() * value.element_size() for value in player.state_dict().values())
    assert sum(value.numel() * value.element_size() for value in shipped.values()) < 0.36 * whole


def test_the_default_has_the_size_that_the_docs_say() -> None:
    player = StyleGAN()
    sizes = [sum(one.numel() for one in network.parameters()) for network in (player.average, player.critic)]
    assert sizes == [847_349, 852_529]
    assert sum(one.numel() for one in player.average.mapping.parameters()) == 66_048
    assert sum(value.numel() * value.element_size() for value in player.shipped_state().values()) < 4_000_000
