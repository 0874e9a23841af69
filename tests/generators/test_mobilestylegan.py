from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fakeoff.arena.images.assets import ASSETS, state
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import find_weights, load_weights
from fakeoff.generators import Batch
from fakeoff.generators.mobilestylegan.player import MobileStyleGAN

ATTACK = Plan(purpose="attack", steps=4, batch=4)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**over: Any) -> MobileStyleGAN:
    parameters = {
        "resolution": 16, "side": 32, "latent_dim": 8, "mapping_layers": 2, "features": 64, "most_features": 16,
        "critic_features": 64, "most_critic_features": 16, "weights": "",
    }  # fmt: skip
    return MobileStyleGAN(**{**parameters, **over})  # type: ignore[arg-type]


def reals(n: int = 4, side: int = 16) -> Tensor:
    return torch.rand(n, 3, side, side, generator=rng(7))


def darker(fakes: Tensor) -> Tensor:
    return 100 * fakes.mean()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"resolution": 64}, "resolution 64 .* from 16 to 32"), ({"resolution": 20}, "resolution 20"),
        ({"side": 16}, "side 16"), ({"truncation": 1.5}, "truncation 1.5"), ({"latent_dim": 0}, "latent_dim"),
        ({"most_features": 10}, "make 10 feature maps"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        small(**wrong)


def test_samples_are_decoded_latents_and_their_noise_is_in_the_weights() -> None:
    player = small()
    z = player.latents(5, rng=rng(3))
    assert torch.equal(player.sample(5, rng=rng(3)), player.decode(z).clamp(0, 1))
    assert torch.equal(player.decode(z, rng=rng(1)), player.decode(z))
    with torch.no_grad():
        before = player.decode(z)
        player.average.conv.noise.zero_()
        assert not torch.equal(player.decode(z), before)


def test_a_lower_resolution_is_the_mean_of_the_pixels_of_a_higher_one() -> None:
    full, half = small(resolution=32), small(resolution=16)
    half.load_state_dict({**half.state_dict(), **{k: v for k, v in full.state_dict().items() if "critic" not in k}})
    z = full.latents(3, rng=rng())
    expected = nn.functional.avg_pool2d(full.decode(z), 2)
    assert torch.allclose(half.decode(z), expected, atol=1e-6)


def test_truncation_draws_samples_towards_the_mean_face() -> None:
    z = small().latents(8, rng=rng())
    spread = [small(truncation=psi).decode(z).std(0).mean().item() for psi in (1.0, 0.5, 0.0)]
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 1e-5


def test_an_attack_moves_the_synthesis_network_and_leaves_the_mapping_network() -> None:
    player = small()
    before = {name: value.clone() for name, value in player.state_dict().items()}
    player.start(ATTACK)
    measured = player.train_step(Batch(images=reals()), rng=rng(), extra_loss=darker)
    assert {"generator_loss", "critic_loss", "critics_say", "teacher_loss", "extra_loss"} <= measured.keys()
    moved = {name for name, value in player.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("mapping.") or name.endswith(".noise") for name in moved)
    assert {"synthesis.const", "average.const", "images_seen"} <= moved
    assert any(name.startswith("critic.") for name in moved)


def test_the_teacher_holds_the_images_of_an_attack_where_they_were() -> None:
    def moved(teacher_weight: float) -> float:
        player = small(teacher_weight=teacher_weight, attack_lr=5e-3)
        before = player.sample(4, rng=rng())
        player.start(ATTACK)
        for step in range(8):
            measured = player.train_step(Batch(images=reals()), rng=rng(step), extra_loss=lambda fakes: fakes.mean())
            assert ("teacher_loss" in measured) == bool(teacher_weight)
        return (player.sample(4, rng=rng()) - before).abs().mean().item()

    assert 1.5 * moved(10.0) < moved(0.0)


def test_there_is_no_teacher_in_pretraining() -> None:
    player = small()
    player.start(Plan(purpose="pretrain", steps=1, batch=4))
    assert "teacher_loss" not in player.train_step(Batch(images=reals()), rng=rng())


def test_the_critics_say_grows_from_attack_to_attack() -> None:
    player = small(critic_weight=0.5, warm_up_images=16)
    says = [player.train_step(Batch(images=reals()), rng=rng())["critics_say"] for _ in range(2)]
    next_attack = small(critic_weight=0.5, warm_up_images=16)
    next_attack.load_state_dict(player.state_dict())
    next_attack.start(ATTACK)
    says += [next_attack.train_step(Batch(images=reals()), rng=rng())["critics_say"] for _ in range(3)]
    assert says == [0.125, 0.25, 0.375, 0.5, 0.5]


def test_a_pretraining_that_was_stopped_goes_on_to_the_same_weights() -> None:
    whole, stopped, went_on = small(), small(), small(init_seed=1)
    for step in range(3):
        whole.train_step(Batch(images=reals()), rng=rng(step))
    for step in range(2):
        stopped.train_step(Batch(images=reals()), rng=rng(step))
    went_on.load_state_dict(stopped.state_dict())
    went_on.load_training_state(stopped.training_state())
    went_on.train_step(Batch(images=reals()), rng=rng(2))
    assert all(torch.equal(value, went_on.state_dict()[name]) for name, value in whole.state_dict().items())


class _Watch(nn.Module):
    """A critic that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.detach())
        return self.weight * images.mean((1, 2, 3))


@pytest.mark.parametrize("grey", [True, False])
def test_among_grey_reals_the_critic_sees_no_colour(grey: bool) -> None:
    player = small()
    player.critic = _Watch()
    images = reals()[:, :1].expand(-1, 3, -1, -1) if grey else reals()
    player.train_step(Batch(images=images), rng=rng())
    assert len(player.critic.shown) == 4  # reals, fakes, reals for R1, and fakes again for the generator
    spreads = [(shown[:, :1] - shown).abs().max() for shown in player.critic.shown]
    assert all((spread < 1e-5) == grey for spread in spreads)


def test_what_ships_makes_the_same_images_in_half_precision_and_can_go_on() -> None:
    player, other = small(), small(init_seed=1)
    player.train_step(Batch(images=reals()), rng=rng())
    shipped = player.shipped_state()
    assert not any(name.startswith("synthesis.") for name in shipped)
    other.load_state_dict(shipped)
    assert torch.allclose(other.sample(2, rng=rng()), player.sample(2, rng=rng()), atol=1e-2)
    assert torch.equal(other.synthesis.const, other.average.const)


@pytest.mark.parametrize("month", ["july", "april"])
def test_the_published_weights_make_faces(month: str) -> None:
    name = f"mobilestylegan-{month}"
    if state(ASSETS[name]) != "pulled":
        pytest.skip(f"the published weights are not here; run: fakeoff assets pull {name}")
    player = MobileStyleGAN(truncation=0.5)
    load_weights(player, find_weights(f"asset:{name}", MobileStyleGAN))
    assert sum(parameter.numel() for parameter in player.synthesis.parameters()) == 7_306_380
    assert torch.equal(player.average.to_bands.conv.weight, player.synthesis.to_bands.conv.weight)
    face = player.sample(1, rng=rng())[0]
    # A face of FFHQ lies in the middle, its skin redder than it is blue.
    red, _, blue = face[:, 40:100, 40:88].mean((1, 2))
    assert red > blue + 0.1
    assert 0.15 < face.std() < 0.4
