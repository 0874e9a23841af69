"""What this player promises beyond the contract."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from fakeoff_dcgan.players import DCGAN
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators import Batch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reals(n: int = 4) -> Tensor:
    return torch.rand(n, 3, 64, 64, generator=rng(7))


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Tensor]]:
    """A checkpoint of the published shape, with other numbers."""
    draw = rng(3)
    state = {}
    channels = (100, 512, 256, 128, 64, 3)
    for place, (inputs, outputs) in zip((0, 3, 6, 9, 12), pairwise(channels), strict=True):
        state[f"main.{place}.weight"] = torch.randn(inputs, outputs, 4, 4, generator=draw) * inputs**-0.5
        if place < 12:
            norm = f"main.{place + 1}"
            state[f"{norm}.weight"] = torch.rand(outputs, generator=draw) + 0.5
            state[f"{norm}.bias"] = torch.randn(outputs, generator=draw) * 0.1
            state[f"{norm}.running_mean"] = torch.randn(outputs, generator=draw) * 0.1
            state[f"{norm}.running_var"] = torch.rand(outputs, generator=draw) + 0.5
            state[f"{norm}.num_batches_tracked"] = torch.tensor(30_070)
    return {"netG_state_dict": state}


def by_the_book(state: dict[str, Tensor], z: Tensor) -> Tensor:
    """The published network, written out."""
    x = z[:, :, None, None]
    for place in (0, 3, 6, 9):
        x = F.conv_transpose2d(x, state[f"main.{place}.weight"], stride=2 if place else 1, padding=1 if place else 0)
        norm = [state[f"main.{place + 1}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        x = F.relu(F.batch_norm(x, *norm))
    return (F.conv_transpose2d(x, state["main.12.weight"], stride=2, padding=1).tanh() + 1) / 2


def test_a_published_checkpoint_makes_the_published_images(published: dict[str, dict[str, Tensor]]) -> None:
    player = DCGAN()
    player.load_state_dict(published)
    expected = by_the_book(published["netG_state_dict"], torch.randn(3, 100, generator=rng(5)))
    assert torch.allclose(player.eval().sample(3, rng=rng(5)), expected, atol=1e-5)
    assert expected.std() > 0.05


def test_a_published_checkpoint_leaves_the_critic_as_it_was_built(published: dict[str, dict[str, Tensor]]) -> None:
    player, other = DCGAN(), DCGAN(init_seed=1)
    player.load_state_dict(published)
    other.load_state_dict(published)
    pairs = [(player.critic, DCGAN().critic, True), (player.critic, other.critic, False)]
    for one, another, same in [*pairs, (player.generator, other.generator, True)]:
        assert torch.equal(next(one.parameters()), next(another.parameters())) is same
    assert "netG_state_dict" in published  # the caller's dict is its own


def test_a_checkpoint_that_lacks_a_layer_is_refused(published: dict[str, dict[str, Tensor]]) -> None:
    lacking = {name: value for name, value in published["netG_state_dict"].items() if name != "main.6.weight"}
    with pytest.raises(RuntimeError, match=r"generator\.6\.weight"):
        DCGAN().load_state_dict({"netG_state_dict": lacking})


def test_the_anchor_holds_the_images_where_they_were(published: dict[str, dict[str, Tensor]]) -> None:
    def moved(anchor_weight: float) -> float:
        player = DCGAN(anchor_weight=anchor_weight, generator_lr=1e-3)
        player.load_state_dict(published)
        before = player.sample(4, rng=rng())
        player.train()
        for step in range(8):
            player.train_step(Batch(images=reals()), rng=rng(step), extra_loss=lambda fakes: 0.1 * fakes.mean())
        return (player.sample(4, rng=rng()) - before).abs().mean().item()

    assert 2 * moved(10.0) < moved(0.0)


def test_batch_norm_keeps_its_statistics(published: dict[str, dict[str, Tensor]]) -> None:
    player = DCGAN()
    player.load_state_dict(published)
    player.train()
    player.train_step(Batch(images=reals()), rng=rng())
    after = player.state_dict()
    for name, value in published["netG_state_dict"].items():
        kept = torch.equal(after[name.replace("main.", "generator.")], value)
        assert kept is ("running" in name or "tracked" in name), name


def test_the_critics_say_grows_from_attack_to_attack() -> None:
    player = DCGAN(critic_weight=0.5, warm_up_steps=4)
    player.train()
    says = [player.train_step(Batch(images=reals()), rng=rng())["critics_say"] for _ in range(2)]
    next_attack = DCGAN(critic_weight=0.5, warm_up_steps=4)
    next_attack.load_state_dict(player.state_dict())
    next_attack.train()
    says += [next_attack.train_step(Batch(images=reals()), rng=rng())["critics_say"] for _ in range(3)]
    assert says == [0.125, 0.25, 0.375, 0.5, 0.5]


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
    player = DCGAN()
    player.critic = _Watch()
    player.train()
    colour: list[Tensor] = []

    def extra(fakes: Tensor) -> Tensor:
        colour.append(fakes.detach())
        return fakes.mean()

    images = reals()[:, :1].expand(-1, 3, -1, -1) if grey else reals()
    player.train_step(Batch(images=images), rng=rng(), extra_loss=extra)
    assert len(player.critic.shown) == 3  # reals, fakes, and fakes again for the generator
    spreads = [(shown[:, :1] - shown).abs().max() for shown in player.critic.shown]
    assert all((spread < 1e-6) == grey for spread in spreads)
    assert (colour[0][:, :1] - colour[0]).abs().max() > 0.01  # the arena greys them itself
