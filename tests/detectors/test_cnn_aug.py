"""Wang's ResNet-50: what it is trained on, and which files it starts from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.specs import load_weights, write_spec
from fakeoff.detectors import Batch, cnn_aug, players
from fakeoff.detectors.cnn_aug import AugmentedResNet50
from fakeoff.protocols.rules import referee

Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def imagenet() -> Weights:
    """A state dict as torchvision ships it; files of its first releases do not count batches."""
    with torch.device("meta"):
        shapes = resnet50(weights=None).state_dict()
    return {
        name: torch.full(value.shape, 0.001 * index)
        for index, (name, value) in enumerate(shapes.items())
        if not name.endswith("num_batches_tracked")
    }


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_features(player: nn.Module, theirs: Weights) -> None:
    ours = player.state_dict()
    compared = [name for name in theirs if not name.startswith("fc.")]
    assert len(compared) == 265  # 53 convolutions, each with 4 tensors of batch normalisation
    for name in compared:
        assert torch.equal(ours[f"network.{name}"], theirs[name]), name


def test_it_starts_from_torchvisions_weights_with_a_head_of_its_own(imagenet: Weights) -> None:
    player = AugmentedResNet50(probability=0.5)
    head = player.state_dict()["network.fc.weight"].clone()
    player.load_state_dict(dict(imagenet))
    assert_features(player, imagenet)
    assert torch.equal(player.state_dict()["network.fc.weight"], head)
    again = AugmentedResNet50(probability=0.5, init_seed=1)
    again.load_state_dict(player.state_dict())
    assert torch.equal(again.state_dict()["network.fc.weight"], head)


def test_the_authors_file_is_taken_whole_and_its_hash_is_in_the_recipe(imagenet: Weights, tmp_path: Path) -> None:
    theirs = {**imagenet, "fc.weight": torch.rand(1, 2048, generator=rng()), "fc.bias": torch.tensor([0.25])}
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(2))])
    path = tmp_path / "blur_jpg_prob0.5.pth"
    torch.save({"model": theirs, "optimizer": optimiser.state_dict(), "total_steps": 9}, path)
    spec = write_spec(players, name="wang", plugin="cnn_aug_p05", parameters={"weights": str(path)})
    assert spec.identity()["fingerprint"]["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()
    player = referee.build_detector(spec.identity(), places=spec.places())  # as on a worker
    assert_features(player, theirs)
    assert torch.equal(player.state_dict()["network.fc.weight"], theirs["fc.weight"])
    assert player.state_dict()["network.fc.bias"].item() == 0.25


def test_another_network_is_refused_with_what_differs(tmp_path: Path) -> None:
    player, path = AugmentedResNet50(probability=0.5), tmp_path / "else.pth"
    for theirs, why in (
        ({"weight": torch.zeros(2)}, "it has no 'conv1.weight'; give a ResNet-50"),
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, "its 'conv1.weight' is 64 x 3 x 3 x 3, which is no ResNet-50's"),
    ):
        torch.save(theirs, path)
        with pytest.raises(
            PluginError, match=f"the weights 'else.pth' do not fit AugmentedResNet50: .*{why}"
        ) as caught:
            load_weights(player, path)
        assert len(str(caught.value)) < 200


def test_each_image_is_cropped_by_itself_to_seven_eighths() -> None:
    player = AugmentedResNet50(probability=0.0)
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    image = torch.stack([rows, columns, torch.zeros(32, 32)]) / 100
    seen = player.augment(image.expand(200, -1, -1, -1), rng=rng())
    assert seen.shape == (200, 3, 28, 28)
    whole = (seen * 100).round().long()
    tops, lefts = whole[:, 0, 0, 0], whole[:, 1].amin((1, 2))
    assert set(tops.tolist()) == set(lefts.tolist()) == set(range(5))
    upright = torch.arange(28)
    flips = 0
    for each, top, left in zip(whole, tops, lefts, strict=True):
        assert (each[0] == (top + upright)[:, None]).all()
        across = left + upright
        flips += int(each[1, 0, 0] != left)
        assert (each[1] == (across.flip(0) if each[1, 0, 0] != left else across)).all()
    assert 60 < flips < 140
    assert len({(int(top), int(left)) for top, left in zip(tops, lefts, strict=True)}) == 25
    assert player.augment(torch.zeros(2, 3, 1, 1), rng=rng()).shape == (2, 3, 1, 1)


def test_it_is_trained_on_what_is_degraded_and_judges_what_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def black(images: Tensor, *, probability: float, rng: torch.Generator) -> Tensor:
        asked.append(probability)
        return torch.zeros_like(images)

    seen: list[Tensor] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logit = nn.Parameter(torch.zeros(1, 1))

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return self.logit.expand(len(x), 1)

    monkeypatch.setattr(cnn_aug, "degrade", black)
    player = AugmentedResNet50(probability=0.1)
    player.network = Watching()
    images = torch.ones(4, 3, 16, 16)
    measured = player.train_step(Batch(images=images, is_fake=torch.arange(4) < 2), rng=rng())
    player.eval().score(images)
    assert asked == [0.1]
    assert measured["loss"] == pytest.approx(0.6931, abs=1e-4)
    # Of ImageNet's mean and standard deviation.
    assert seen[0].shape == (4, 3, 14, 14)
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)
    assert seen[1].shape == (4, 3, 16, 16)
    assert seen[1][0, :, 0, 0].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], rel=1e-5)


def test_a_probability_is_one() -> None:
    with pytest.raises(ValueError, match=r"probability is 1\.5"):
        AugmentedResNet50(probability=1.5)
