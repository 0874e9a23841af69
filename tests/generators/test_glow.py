from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fakeoff.arena import compute
from fakeoff.arena.players.specs import weights_hash
from fakeoff.generators import Batch, Plan
from fakeoff.generators.glow import Glow
from fakeoff.generators.glow_networks import ActNorm, AffineCoupling, Flow, FlowStep, InvertibleConv


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def glow(**over: Any) -> Glow:
    return Glow(**{"resolution": 16, "steps": 2, "width": 8, **over})


def shake(module: nn.Module, by: float = 0.1) -> None:
    """Moves every parameter, so that no layer is the identity that it starts as."""
    draw = rng(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += by * torch.randn(parameter.shape, generator=draw, dtype=parameter.dtype)
        for coupling in module.modules():
            if isinstance(coupling, AffineCoupling):
                last = coupling.network[-1].weight
                last += torch.randn(last.shape, generator=draw, dtype=last.dtype)  # type: ignore[operator]


def shaken(**over: Any) -> Glow:
    player = glow(**over)
    shake(player.average)
    player.flow.load_state_dict(player.average.state_dict())
    return player


def grey(n: int = 8, side: int = 16, seed: int = 5) -> Tensor:
    return torch.rand(n, 1, side, side, generator=rng(seed)).expand(n, 3, side, side)


def colour(n: int = 8, side: int = 16, seed: int = 5) -> Tensor:
    return torch.rand(n, 3, side, side, generator=rng(seed))


def soft(n: int = 8) -> Tensor:
    """Images with something to learn: dark above and light below, with a little noise."""
    return (torch.linspace(0.2, 0.8, 16)[:, None] + 0.1 * (grey(n) - 0.5)).clamp(0, 1)


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_resolution_makes_images_of_that_size(resolution: int, channels: int) -> None:
    player = glow(resolution=resolution, channels=channels, steps=1)
    assert player.latent_dim == channels * resolution**2
    assert player.flow.shapes[-1][1:] == (4, 4)
    images = player.sample(1, rng=rng())
    assert images.shape == (1, 3, resolution, resolution)
    assert torch.equal(images[:, 0], images[:, 1]) == (channels == 1)


@pytest.mark.parametrize(
    "wrong", [{"resolution": 48}, {"resolution": 512}, {"channels": 2}, {"bits": 6}, {"levels": 5}, {"width": 0}]
)
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        glow(**wrong)


@pytest.mark.parametrize("over", [{"resolution": 64}, {"channels": 3}, {"levels": 4}, {"resolution": 32, "bits": 8}])
def test_it_is_invertible_in_both_directions(over: dict[str, Any]) -> None:
    player = shaken(**over)
    side = player.resolution
    images = grey(4, side) if player.channels == 1 else colour(4, side)
    with torch.no_grad():
        latents = player.encode(images)
        assert latents.shape == (4, player.latent_dim)
        assert torch.allclose(player.decode(latents), images, atol=1e-4)
        drawn = player.latents(4, rng=rng())
        decoded = player.decode(drawn)
        # This network's images reach far beyond [0, 1], and an error of float32 grows with what it is an error of.
        scale = decoded.abs().max().clamp(min=1).item()
        assert torch.allclose(player.encode(decoded), drawn, atol=1e-4 * scale)
        assert not torch.allclose(latents, glow(**over).encode(images), atol=0.1)  # no identity was tested


def test_it_is_invertible_after_training_and_inside_of_bfloat16() -> None:
    player = glow(learning_rate=3e-3)
    for step in range(8):
        player.train_step(Batch(images=soft()), rng=rng(step))
    with torch.no_grad(), compute.autocast("bfloat16"):
        assert torch.allclose(player.decode(player.encode(soft())), soft(), atol=1e-4)
        drawn = player.latents(4, rng=rng())
        assert torch.allclose(player.encode(player.decode(drawn)), drawn, atol=1e-4)


@pytest.mark.parametrize(("channels", "levels"), [(1, 1), (1, 2), (3, 2)])
def test_the_log_determinant_is_that_of_the_jacobian(channels: int, levels: int) -> None:
    flow = Flow(channels=channels, side=4, levels=levels, steps=2, width=4, rng=rng()).double()
    x = torch.randn(16, channels, 4, 4, generator=rng(1), dtype=torch.float64)
    flow.start_from(3 * x)
    shake(flow)
    log_det = flow(x)[1]
    for index in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda image: flow(image[None])[0][0], x[index])
        expected = torch.linalg.slogdet(jacobian.reshape(channels * 16, channels * 16)).logabsdet
        assert log_det[index].item() == pytest.approx(expected.item(), abs=1e-9)
        assert abs(expected.item()) > 0.1


@pytest.mark.parametrize("part", [ActNorm(8), InvertibleConv(8, rng=rng()), FlowStep(8, side=4, width=4, rng=rng())])
def test_each_part_is_undone_by_its_inverse(part: nn.Module) -> None:
    part = part.double()
    shake(part)
    x = torch.randn(2, 8, 4, 4, generator=rng(1), dtype=torch.float64)
    y = part(x)
    y = y[0] if isinstance(y, tuple) else y
    assert torch.allclose(part.inverse(y), x, atol=1e-10)  # type: ignore[operator]
    assert not torch.allclose(y, x, atol=0.01)


def test_the_invertible_convolution_starts_as_a_rotation() -> None:
    mixing = InvertibleConv(12, rng=rng())
    x = torch.randn(2, 12, 4, 4, generator=rng(1))
    assert torch.allclose(mixing(x).square().sum(1), x.square().sum(1), rtol=1e-4)
    assert mixing.log_det(x).item() == pytest.approx(0, abs=1e-4)
    assert not torch.equal(mixing.permutation, torch.arange(12))


def test_a_coupling_starts_as_the_identity() -> None:
    x = torch.randn(2, 8, 4, 4, generator=rng(1))
    y, log_det = AffineCoupling(8, side=4, width=4, rng=rng())(x)
    assert torch.equal(y, x)
    assert not log_det.any()


def test_the_first_batch_leaves_every_actnorm_with_mean_zero_and_variance_one() -> None:
    player = glow()
    seen: list[Tensor] = []
    norms = [module for module in player.flow.modules() if isinstance(module, ActNorm)]
    x = player._dequantise(soft(), rng(9))
    player.flow.start_from(x)
    hooks = [norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output)) for norm in norms]
    player.flow(x)
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(norms) == 2 * 2 * 3
    for output in seen:
        variance, mean = torch.var_mean(output, (0, 2, 3), correction=0)
        assert mean.abs().max() < 1e-3
        assert (variance - 1).abs().max() < 1e-3


def test_only_the_first_step_of_a_fresh_network_starts_the_actnorms() -> None:
    player = glow(learning_rate=0.0)
    assert not player.flow.is_started
    player.train_step(Batch(images=soft()), rng=rng())
    first = {name: value.clone() for name, value in player.average.state_dict().items() if ".first_" in name}
    assert player.average.is_started
    assert any(value.any() for value in first.values())
    loaded = glow()
    loaded.load_state_dict(player.state_dict())
    for version in (player, loaded):
        version.start(Plan(purpose="attack", steps=2, batch=8))
        version.train_step(Batch(images=colour()), rng=rng(1))
        now = version.average.state_dict()
        assert all(torch.equal(now[name], value) for name, value in first.items())


@pytest.mark.parametrize("bits", [5, 8])
def test_uniform_noise_costs_an_untrained_flow_about_all_of_its_bits(bits: int) -> None:
    # a normal in place of a uniform density costs log2(2 pi e / 12) / 2 more
    expected = bits + 0.5 * math.log2(2 * math.pi * math.e / 12)
    player = glow(resolution=32, bits=bits, learning_rate=0.0)
    before = player.bits_per_dimension(grey(16, 32), rng=rng())
    assert before.shape == (16,)
    assert before.mean().item() == pytest.approx(expected, abs=0.02)
    player.train_step(Batch(images=grey(16, 32)), rng=rng())
    after = player.bits_per_dimension(grey(16, 32, seed=6), rng=rng())
    assert after.mean().item() == pytest.approx(expected, abs=0.05)


def test_bits_per_dimension_are_the_change_of_variables() -> None:
    player = shaken()
    images = soft(2)
    x = player._dequantise(images, rng(7))
    z, log_det = player.average(x)
    normal = torch.distributions.Normal(0.0, 1.0)
    # the density in the flow's units; a level of 5 bits is sqrt(12) / 32 of them
    log_probability = normal.log_prob(z).sum(1) + log_det + 256 * math.log(math.sqrt(12) / 32)
    expected = -log_probability / (256 * math.log(2))
    assert torch.allclose(player.bits_per_dimension(images, rng=rng(7)), expected, atol=1e-5)


@pytest.mark.parametrize("bits", [5, 8])
def test_noise_stays_within_a_level_and_its_mean_is_the_pixel(bits: int) -> None:
    player = glow(bits=bits)
    pixels = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    drawn = torch.stack([player._to_images(player._dequantise(pixels, rng(seed))) for seed in range(200)])
    level = 2 ** (8 - bits)
    lowest = (torch.arange(256).view(16, 16) // level * level - 0.5) / 255
    assert (drawn >= lowest - 1e-5).all()
    assert (drawn <= lowest + level / 255 + 1e-5).all()
    assert drawn.mean().item() == pytest.approx(pixels.mean().item(), abs=1e-3)
    whole = player._to_images(player._from_images(pixels))
    assert torch.allclose(whole, pixels[:, :1], atol=1e-6)


def test_training_makes_the_reals_more_likely_and_noise_less() -> None:
    player = glow(width=16)
    measured = [player.train_step(Batch(images=soft()), rng=rng(step)) for step in range(40)]
    assert measured[-1]["bits_per_dimension"] < measured[0]["bits_per_dimension"] - 0.3
    reals, noise = (player.bits_per_dimension(images, rng=rng()).mean() for images in (soft(), grey()))
    assert reals < noise - 0.5


def test_the_rate_warms_up_for_a_tenth_of_a_training_at_most() -> None:
    for steps, warm in ((1000, 50), (40, 4), (1, 0)):
        player = glow(warmup_steps=50)
        player.start(Plan(purpose="pretrain", steps=steps, batch=8, rate=1e-3))
        rates = []
        for step in range(6):
            player.train_step(Batch(images=soft()), rng=rng(step))
            assert player._optimiser is not None
            rates.append(player._optimiser.param_groups[0]["lr"])
        assert rates == pytest.approx([1e-3 * min(1, (step + 1) / max(1, warm)) for step in range(6)])


def test_a_plan_decides_the_rate() -> None:
    player = glow(learning_rate=1e-3, attack_rate=1e-4)
    for purpose, rate, expected in (("pretrain", None, 1e-3), ("attack", None, 1e-4), ("attack", 0.5, 0.5)):
        player.start(Plan(purpose=purpose, steps=1, batch=8, rate=rate))  # type: ignore[arg-type]
        assert player._rate == expected


def test_an_attack_lowers_its_extra_loss_and_keeps_the_likelihood() -> None:
    player = glow(width=16)
    for step in range(30):
        player.train_step(Batch(images=soft()), rng=rng(step))

    def left_is_dark(fakes: Tensor) -> Tensor:
        return 10 * fakes[..., :8].square().mean()

    player.start(Plan(purpose="attack", steps=30, batch=8, rate=1e-3))
    measured = [
        player.train_step(Batch(images=soft()), rng=rng(step), extra_loss=left_is_dark) for step in range(30, 60)
    ]
    assert measured[-1]["extra_loss"] < 0.8 * measured[0]["extra_loss"]
    assert measured[-1]["bits_per_dimension"] < measured[0]["bits_per_dimension"] + 0.5
    fakes = player.sample(32, rng=rng())
    assert fakes[..., :8].mean() < fakes[..., 8:].mean() - 0.03


def test_an_extra_loss_reaches_every_part_of_the_flow_through_its_inverse() -> None:
    player = shaken(levels=2)
    player.flow.is_started.fill_(True)
    plain = {name: parameter.grad for name, parameter in player.flow.named_parameters()}
    player._decode(player.flow, player.latents(4, rng=rng())).square().mean().backward()
    for name, parameter in player.flow.named_parameters():
        assert plain[name] is None
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_gradients_are_clipped() -> None:
    far = glow(gradient_clip=1e-3, learning_rate=0.0)
    seen = far.train_step(Batch(images=soft()), rng=rng(), extra_loss=lambda fakes: 1e4 * fakes.mean())
    norm = torch.cat([parameter.grad.flatten() for parameter in far.flow.parameters() if parameter.grad is not None])
    assert seen["gradient_norm"] > 1
    assert norm.norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_temperature_is_the_deviation_of_what_is_sampled() -> None:
    cold, warm = (glow(temperature=temperature) for temperature in (0.5, 1.0))
    assert torch.allclose(2 * cold.latents(3, rng=rng()), warm.latents(3, rng=rng()))
    assert cold.sample(8, rng=rng()).std() < 0.7 * warm.sample(8, rng=rng()).std()


def test_finetuning_goes_on_from_the_averaged_weights() -> None:
    player = glow(learning_rate=1e-2)
    for step in range(5):
        player.train_step(Batch(images=soft()), rng=rng(step))
    assert not torch.equal(player.flow.top.mean, player.average.top.mean)
    version = glow()
    version.load_state_dict(player.state_dict())
    version.start(Plan(purpose="attack", steps=1, batch=8, rate=0.0))
    version.train_step(Batch(images=soft()), rng=rng())
    assert torch.equal(version.flow.top.mean, player.average.top.mean)


def test_a_resumed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    player = glow()
    player.start(Plan(purpose="pretrain", steps=100, batch=8, rate=2e-3))
    for step in range(3):
        player.train_step(Batch(images=soft()), rng=rng(step))
    torch.save({"player": player.state_dict(), "training": player.training_state()}, tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = glow(init_seed=9)
    resumed.load_state_dict(saved["player"])
    resumed.load_training_state(saved["training"])
    for step in range(3, 7):
        assert resumed.train_step(Batch(images=soft()), rng=rng(step)) == player.train_step(
            Batch(images=soft()), rng=rng(step)
        )
    assert weights_hash(resumed.state_dict()) == weights_hash(player.state_dict())


def test_what_ships_samples_nearly_as_what_was_trained_and_can_be_trained_on(tmp_path: Path) -> None:
    player = glow()
    for step in range(5):
        player.train_step(Batch(images=soft()), rng=rng(step))
    save_file(player.shipped_state(), tmp_path / "weights.safetensors")
    loaded = glow(init_seed=9)
    loaded.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert (loaded.sample(4, rng=rng()) - player.sample(4, rng=rng())).abs().max() < 0.05
    assert torch.equal(loaded.flow.top.mean, loaded.average.top.mean)
    loaded.train_step(Batch(images=soft()), rng=rng())
