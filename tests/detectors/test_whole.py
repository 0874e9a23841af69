"""Networks that judge whole images: their sizes, and what they share."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch, PatchDetector, players
from fakeoff.detectors.cnn_aug import AugmentedResNet50
from fakeoff.detectors.whole import WholeNetwork
from fakeoff.detectors.xception import xception

NAMES = ("resnet18", "xception", "meso_inception4", "cnn_aug_p01", "cnn_aug_p05")
# Of a thousand classes, without what batch normalisation only follows.
PUBLISHED = {"resnet18": 11_689_512, "xception": 22_855_952, "cnn_aug_p05": 25_557_032}
PAGE = Path(__file__).parents[2] / "docs" / "detectors.md"


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


class Reds(nn.Module):
    """Logits of real and fake are the first pixel's green and red, so that training can be computed by hand."""

    def __init__(self, *, one: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.one = one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fake, real = x[:, 0, 0, 0] * self.scale, x[:, 1, 0, 0] * self.scale
        return (fake - real)[:, None] if self.one else torch.stack([real, fake], 1)


def by_hand(*, one: bool = False) -> WholeNetwork:
    return WholeNetwork(Reds(one=one), learning_rate=0.0)


def colours(*pairs: tuple[float, float]) -> torch.Tensor:
    """Images of one pixel by red and green."""
    return torch.tensor([[red, green, 0.0] for red, green in pairs]).view(-1, 3, 1, 1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name: str) -> None:
    ours = players.build(name, {})
    assert isinstance(ours, WholeNetwork)
    (*_, head) = (layer for layer in ours.modules() if isinstance(layer, nn.Linear))
    missing = (1000 - head.out_features) * (head.in_features + 1)
    assert size(ours) + missing == PUBLISHED[name]
    documented = next(line for line in PAGE.read_text().splitlines() if line.startswith("| ") and f"`{name}`" in line)
    assert documented.split(" | ")[2:4] == [f"{size(ours):,}", f"{PUBLISHED[name]:,}"]


def test_the_whole_xception_of_a_thousand_classes_is_the_published_one() -> None:
    network = xception(classes=1000).eval()
    assert size(network) == 22_855_952
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    # 36 convolutional layers are the base, 34 of them separable (section 4 of its paper); 4 more are shortcuts.
    assert sum(layer.groups > 1 for layer in convolutions) == 34
    assert len(convolutions) == 2 + 2 * 34 + 4
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 71, 71)).shape == (1, 1000)


def test_every_rival_is_seated_and_judges_images_of_32_pixels() -> None:
    for name in NAMES[:-1]:  # the last one is the same network as the one before
        player = players.build(name, {}).eval()
        assert isinstance(player, WholeNetwork)
        assert not isinstance(player, PatchDetector)
        side = player.side or 32
        with torch.no_grad():
            scores = player.score(torch.rand(2, 3, side, side, generator=rng()))
        assert scores.shape == (2,)
        assert ((scores > 0) & (scores < 1)).all()


def test_an_image_that_is_too_small_is_refused_by_size() -> None:
    player = players.build("xception", {}).eval()
    assert isinstance(player, WholeNetwork)
    with torch.no_grad():
        player.score(torch.zeros(1, 3, 7, 7))
        with pytest.raises(ValueError, match="images of 7 pixels a side or more, not of 6 x 9"):
            player.score(torch.zeros(1, 3, 6, 9))
        assert players.build("resnet18", {}).eval().score(torch.zeros(1, 3, 1, 1)).shape == (1,)


@pytest.mark.parametrize("one", [False, True])
def test_a_score_is_the_softmax_of_two_logits_or_the_sigmoid_of_one(one: bool) -> None:
    images = colours((1.0, 0.0), (0.5, 0.5), (0.2, 0.7))
    # The network sees [-1, 1]: the difference of two logits is twice that of the colours.
    expected = [1 / (1 + math.exp(-2 * (red - green))) for red, green in ((1.0, 0.0), (0.5, 0.5), (0.2, 0.7))]
    assert by_hand(one=one).score(images).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("one", [False, True])
def test_training_lowers_the_cross_entropy_and_evasion_that_against_real(one: bool) -> None:
    player = by_hand(one=one)
    images, is_fake = colours((0.9, 0.1), (0.3, 0.6), (0.8, 0.2)), torch.tensor([True, True, False])
    scores = player.score(images).detach()
    measured = player.train_step(Batch(images=images, is_fake=is_fake), rng=rng())
    right = torch.where(is_fake, scores, 1 - scores)
    assert measured["loss"] == pytest.approx(-right.log().mean().item(), rel=1e-5)
    assert measured["accuracy"] == pytest.approx(1 / 3)
    assert player.evasion_loss(images).item() == pytest.approx(-(1 - scores).log().mean().item(), rel=1e-5)


def test_evasion_has_a_gradient_where_the_score_is_one() -> None:
    player = by_hand()
    with torch.no_grad():
        player.network.scale.fill_(100.0)  # type: ignore[union-attr, operator]
    images = colours((1.0, 0.0)).requires_grad_()
    assert player.score(images).item() == 1
    (gradient,) = torch.autograd.grad(player.evasion_loss(images), images)
    assert gradient[0, 0].item() == pytest.approx(200)


def test_half_of_the_images_are_flipped_in_training() -> None:
    seen: list[torch.Tensor] = []

    class Watching(WholeNetwork):
        def logits(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return super().logits(images)

    images = torch.rand(64, 3, 4, 4, generator=rng())
    Watching(Reds(), learning_rate=0.0).train_step(Batch(images=images, is_fake=torch.arange(64) % 2 == 0), rng=rng())
    same = [torch.equal(a, b) for a, b in zip(images, seen[0], strict=True)]
    flipped = [torch.equal(a.flip(-1), b) for a, b in zip(images, seen[0], strict=True)]
    assert all(a != b for a, b in zip(same, flipped, strict=True))
    assert 16 <= sum(flipped) <= 48


def test_weights_are_xaviers_with_a_small_gain_and_the_seed_decides_them() -> None:
    player = players.build("xception", {"init_seed": 3})
    for layer in player.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in, fan_out = layer.weight[0].numel(), layer.weight[:, 0].numel()
            expected = 0.02 * math.sqrt(2 / (fan_in + fan_out))
            # The estimate's own error, at five sigma.
            rel = 5 / math.sqrt(2 * layer.weight.numel()) + 0.01
            assert layer.weight.std().item() == pytest.approx(expected, rel=rel)
            assert layer.bias is None or (layer.bias == 0).all()
    torch.manual_seed(1)
    again, other = (players.build("xception", {"init_seed": seed}) for seed in (3, 4))
    assert weights_hash(again.state_dict()) == weights_hash(player.state_dict())
    assert weights_hash(other.state_dict()) != weights_hash(player.state_dict())


def test_the_two_of_wang_differ_in_their_probability_alone() -> None:
    rare, frequent = (players.build(name, {}) for name in ("cnn_aug_p01", "cnn_aug_p05"))
    assert isinstance(rare, AugmentedResNet50)
    assert isinstance(frequent, AugmentedResNet50)
    assert (rare.probability, frequent.probability) == (0.1, 0.5)
    assert weights_hash(rare.state_dict()) == weights_hash(frequent.state_dict())
