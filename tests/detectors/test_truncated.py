from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch, PatchDetector, players
from fakeoff.detectors.truncated import TruncatedNetwork

NAMES = [
    entry.name
    for entry in players
    if entry.origin == "fakeoff" and issubclass(players.load(entry.name), TruncatedNetwork)
    if entry.name != "truncated"  # its weights are its library's
]


def build(name: str = "xception_block1", **parameters: float) -> TruncatedNetwork:
    player = players.build(name, parameters)
    assert isinstance(player, TruncatedNetwork)
    return player


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class OneNumber(TruncatedNetwork):
    """A patch's logit of fake is its red value, so that what training sees can be computed by hand."""

    def __init__(self) -> None:
        super().__init__(nn.Identity(), features=3, learning_rate=0.0, init_seed=0)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0]]).view(2, 3, 1, 1))


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_xaviers_with_a_small_gain(name: str) -> None:
    player = build(name)
    for layer in player.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in, fan_out = layer.weight[0].numel(), layer.weight[:, 0].numel()
            expected = 0.02 * math.sqrt(2 / (fan_in + fan_out))
            spread = layer.weight.std().item()
            # The estimate's own error, at five sigma.
            assert spread == pytest.approx(expected, rel=5 / math.sqrt(2 * layer.weight.numel()) + 0.01)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert (layer.bias == 0).all()


def test_the_seed_decides_the_initial_weights_alone() -> None:
    torch.manual_seed(1)
    first = weights_hash(build(init_seed=3).state_dict())
    torch.manual_seed(2)
    assert weights_hash(build(init_seed=3).state_dict()) == first
    assert weights_hash(build(init_seed=4).state_dict()) != first


def test_an_images_score_is_the_mean_of_its_patches_softmax() -> None:
    player = build().eval()
    images = torch.rand(3, 3, 32, 32, generator=rng())
    logits = player.patch_logits(images)
    patches = player.patch_scores(images)
    assert logits.shape == (3, 2, *patches.shape[1:])
    expected = logits[:, 1].exp() / logits.exp().sum(1)
    assert torch.allclose(patches, expected)
    assert torch.allclose(player.score(images), expected.mean((1, 2)))


def test_patches_see_pixels_centred_on_zero() -> None:
    player = OneNumber()
    images = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    assert player.patch_logits(images)[:, 1].flatten().tolist() == [-1, 0, 1]


def test_the_training_loss_is_the_cross_entropy_of_every_patch() -> None:
    player = OneNumber()
    images = torch.rand(4, 3, 5, 6, generator=rng())
    is_fake = torch.tensor([True, False, True, False])
    measured = player.train_step(Batch(images=images, is_fake=is_fake), rng=rng())
    fake = torch.sigmoid(images[:, 0] * 2 - 1)
    right = torch.where(is_fake.view(-1, 1, 1), fake, 1 - fake)
    assert measured["loss"] == pytest.approx(-right.log().mean().item(), rel=1e-5)
    assert measured["patch_accuracy"] == pytest.approx((right > 0.5).float().mean().item(), abs=1e-6)


def test_evasion_is_the_cross_entropy_against_real_and_falls_where_patches_pass() -> None:
    player = OneNumber()
    images = torch.rand(2, 3, 4, 4, generator=rng())
    expected = -(1 - torch.sigmoid(images[:, 0] * 2 - 1)).log().mean()
    assert torch.allclose(player.evasion_loss(images), expected)
    assert player.evasion_loss(images * 0.5) < player.evasion_loss(images)


def test_about_half_of_the_images_are_flipped_and_none_is_changed_otherwise() -> None:
    seen: list[torch.Tensor] = []

    class Watching(OneNumber):
        def patch_logits(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return super().patch_logits(images)

    images = torch.rand(64, 3, 4, 4, generator=rng())
    Watching().train_step(Batch(images=images, is_fake=torch.arange(64) % 2 == 0), rng=rng())
    same = [torch.equal(a, b) for a, b in zip(images, seen[0], strict=True)]
    flipped = [torch.equal(a.flip(-1), b) for a, b in zip(images, seen[0], strict=True)]
    assert all(a != b for a, b in zip(same, flipped, strict=True))
    assert 16 <= sum(flipped) <= 48


def test_the_learning_rate_is_the_parameters() -> None:
    images, is_fake = torch.rand(4, 3, 32, 32, generator=rng()), torch.arange(4) < 2
    moves = []
    for rate in (1e-4, 1e-2):
        player = build(learning_rate=rate)
        before = player.head.weight.detach().clone()
        player.train_step(Batch(images=images, is_fake=is_fake), rng=rng())
        moves.append((player.head.weight - before).abs().max().item())
    # Adam's first step is its learning rate.
    assert moves == pytest.approx([1e-4, 1e-2], rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_deeper_cuts_say_how_many_patches_there_are(name: str) -> None:
    player = build(name).eval()
    assert isinstance(player, PatchDetector)
    with torch.no_grad():
        rows = player.patch_scores(torch.zeros(1, 3, 64, 64)).shape[-1]
    assert rows == pytest.approx(64 / player.receptive_field.stride, abs=1.01)
