"""Classifiers of torchvision and timm by name: whole, and cut."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.specs import load_weights, weights_hash, write_spec
from fakeoff.detectors import Batch, Detector, PatchDetector, ReceptiveField, players
from fakeoff.detectors.architectures import architectures, least_side_of, normalisation_of, own_side
from fakeoff.detectors.contract import DetectorContract

SMALL = "torchvision:shufflenet_v2_x0_5"
IMAGENET = torch.tensor([0.485, 0.456, 0.406])


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def build(name: str, **parameters: Any) -> Any:
    return players.build(name, players.complete(name, parameters))


def toy(n: int = 4, side: int = 64) -> Batch:
    images = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))
    return Batch(images=images, is_fake=torch.arange(n) % 2 == 1)


def published(path: Path, *, architecture: str = "shufflenet_v2_x0_5", classes: int = 1000) -> dict[str, Tensor]:
    """A file as a library publishes it: of its own names, for so many classes."""
    from torchvision.models import get_model

    state = get_model(architecture, weights=None, num_classes=classes).state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return dict(state)


def part(player: nn.Module, prefix: str) -> dict[str, Tensor]:
    state = player.state_dict()
    return {name.removeprefix(prefix): state[name].clone() for name in state if name.startswith(prefix)}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("torchvision:resnet19", {}, "torchvision has no classifier 'resnet19'; near: resnet18"),
        ("torchvision:fasterrcnn_resnet50_fpn", {}, "has no classifier"),
        (SMALL, {"mean": [0.5]}, "parameter 'mean' = .*: give three numbers"),
        (SMALL, {"side": -1}, "parameter 'side' = -1: Input should be"),
        ("torchvision:maxvit_t", {"side": 100}, "maxvit_t cannot be made for side = 100; give a multiple of 224, or 0"),
        ("torchvision:vit_b_16", {"side": 65}, "side = 65; give a multiple of 16, or 0 for its own 224 pixels"),
        ("torchvision:", {}, "'torchvision:' names no detector: write torchvision:ARCHITECTURE"),
        ("timm:hf-hub:a/b", {}, "timm has no classifier 'hf-hub:a/b'"),
        (SMALL, {"std": [0.5, 0, 1]}, "parameter 'std' = .*: give numbers above 0"),
        ("truncated", {"network": "resnet18"}, "'resnet18' names no network; write torchvision:ARCHITECTURE"),
        ("truncated", {"network": "torchvision:resnet19"}, "near: resnet18"),
        ("truncated", {"after": "layr1"}, "torchvision:resnet18 has no block 'layr1'; near: layer1"),
        ("truncated", {"after": "avgpool"}, "after 'avgpool' is no patch detector: operation AdaptiveAvgPool2d"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_played(
    name: str, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PluginError, match=reason) as caught:
        players.complete(name, parameters)
    assert "\n" not in str(caught.value)


def test_a_named_classifier_judges_and_learns_with_two_classes() -> None:
    player = build(SMALL)
    assert isinstance(player, Detector)
    assert player.network.fc.out_features == 2
    before = weights_hash(player.state_dict())
    player.train()
    measured = player.train_step(toy(), rng=torch.Generator().manual_seed(0))
    assert measured.keys() == {"loss", "accuracy"}
    assert weights_hash(player.state_dict()) != before
    player.eval()
    assert player.score(toy().images).shape == (4,)


def test_dropout_is_drawn_from_the_rng_alone() -> None:
    hashes = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        player = build("torchvision:squeezenet1_1").train()
        player.train_step(toy(2), rng=torch.Generator().manual_seed(5))
        hashes.add(weights_hash(player.state_dict()))
    assert len(hashes) == 1
    player = build("torchvision:squeezenet1_1").train()
    player.train_step(toy(2), rng=torch.Generator().manual_seed(6))
    assert weights_hash(player.state_dict()) not in hashes


def test_the_seed_decides_the_initial_weights_of_network_and_head() -> None:
    one, same_seed, other = (
        build("truncated", network=SMALL, after="conv1", init_seed=seed).state_dict() for seed in (0, 0, 1)
    )
    assert weights_hash(one) == weights_hash(same_seed)
    for name in ("backbone.network.conv1.0.weight", "head.weight"):
        assert not torch.equal(one[name], other[name])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_published_weights_are_taken_but_for_the_head_of_other_classes(tmp_path: Path, suffix: str) -> None:
    state = published(tmp_path / f"file{suffix}")
    player = build(SMALL)
    head = player.network.fc.weight.clone()
    assert player.mean.flatten().tolist() == [0.5] * 3
    load_weights(player, tmp_path / f"file{suffix}")
    taken = part(player, "network.")
    assert torch.equal(taken.pop("fc.weight"), head)
    taken.pop("fc.bias")
    assert same(taken, {name: value for name, value in state.items() if not name.startswith("fc.")})
    assert torch.equal(player.mean.flatten(), IMAGENET)
    again = build(SMALL)  # as a version of it is loaded
    again.load_state_dict(player.state_dict())
    assert torch.equal(again.mean, player.mean)
    given = build(SMALL, mean=[0.1, 0.2, 0.3])
    load_weights(given, tmp_path / f"file{suffix}")
    torch.testing.assert_close(given.mean.flatten(), torch.tensor([0.1, 0.2, 0.3]))
    assert not torch.equal(given.std, torch.full_like(given.std, 0.5))


def test_that_a_head_is_left_out_is_said(tmp_path: Path) -> None:
    published(tmp_path / "file.pth")
    published(tmp_path / "two.pth", classes=2)
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    classifier = players.load(SMALL)
    said = {
        file: classifier.left_out(tmp_path / file, {"architecture": "shufflenet_v2_x0_5", "side": 0})
        for file in ("file.pth", "two.pth", "broken.pth")
    }
    assert said == {"file.pth": "the head for 1000 classes (fc.bias, fc.weight)", "two.pth": "", "broken.pth": ""}


def test_a_head_of_two_classes_is_taken_and_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = published(tmp_path / "two.pth", classes=2)
    player = build(SMALL)
    load_weights(player, tmp_path / "two.pth")
    assert same(part(player, "network."), state)
    published(tmp_path / "other.pth", architecture="squeezenet1_1")
    published(tmp_path / "wider.pth", architecture="shufflenet_v2_x1_0")
    for name in ("other.pth", "wider.pth"):
        with pytest.raises(PluginError, match=rf"the weights '{name}' do not fit TorchvisionClassifier"):
            load_weights(player, tmp_path / name)


def test_a_cut_network_takes_the_layers_up_to_the_cut(tmp_path: Path) -> None:
    state = published(tmp_path / "file.pth")
    player = build("truncated", network=SMALL, after="stage2")
    head = player.head.weight.clone()
    load_weights(player, tmp_path / "file.pth")
    taken = part(player, "backbone.network.")
    assert same(taken, {name: value for name, value in state.items() if name in taken})
    assert {name.partition(".")[0] for name in taken} == {"conv1", "stage2"}
    assert torch.equal(player.head.weight, head)
    assert torch.equal(player.mean.flatten(), IMAGENET)


def test_densenets_published_names_are_known(tmp_path: Path) -> None:
    player = build("truncated", network="torchvision:densenet121", after="features.denseblock1.denselayer1")
    own = part(player, "backbone.network.")
    old = {re.sub(r"(denselayer1\.(?:norm|conv))([12])", r"\1.\2", name): value + 1 for name, value in own.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    load_weights(player, tmp_path / "old.pth")
    assert same(part(player, "backbone.network."), {name: value + 1 for name, value in own.items()})


def test_weights_are_part_of_the_recipe_by_their_content(tmp_path: Path) -> None:
    published(tmp_path / "a.pth")
    spec = write_spec(players, name="x", plugin=SMALL, parameters={"weights": str(tmp_path / "a.pth")})
    assert spec.fingerprint["preset"] == {"architecture": "shufflenet_v2_x0_5"}
    assert len(spec.fingerprint["weights"]) == 64
    assert "weights" not in spec.identity()["parameters"]


def test_a_cut_network_judges_patches_as_its_field_says() -> None:
    player = build("truncated", network="torchvision:mobilenet_v2", after="features.2").eval()
    assert isinstance(player, PatchDetector)
    assert player.receptive_field == ReceptiveField(size=11, stride=4, offset=-5)
    assert player.patch_scores(toy().images).shape == (4, 16, 16)
    assert build("truncated").receptive_field == players.load("resnet18_layer1").receptive_field  # type: ignore[attr-defined]


def test_architectures_that_take_one_size_are_shown_it() -> None:
    assert own_side("torchvision:vit_b_16") == own_side("torchvision:maxvit_t") == 224
    assert own_side("torchvision:resnet18") == 0
    assert build(SMALL).side is None
    assert build(SMALL, side=96).side == 96


def test_images_that_are_too_small_are_refused_in_words() -> None:
    assert least_side_of("torchvision:swin_t") == least_side_of("torchvision:resnet18") == 1
    assert least_side_of("torchvision:inception_v3") == 75
    player = build("torchvision:alexnet").eval()
    with pytest.raises(ValueError, match="it judges images of 63 pixels a side or more, not of 32 x 32"):
        player.score(toy(side=32).images)


def test_without_timm_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    architectures.cache_clear()
    with pytest.raises(PluginError, match=r"pip install 'fakeoff\[timm\]'"):
        players.complete("truncated", {"network": "timm:resnet18"})
    architectures.cache_clear()


class TestTruncatedContract(DetectorContract):
    player = "truncated"
    parameters: ClassVar = {"network": "torchvision:mobilenet_v2", "after": "features.1"}
    resolution = 32


@pytest.mark.slow
class TestTorchvisionContract(DetectorContract):
    player = SMALL
    resolution = 32


class TestTimm:
    """What is said of timm's networks, where timm is installed."""

    @pytest.fixture(autouse=True)
    def _timm(self) -> None:
        pytest.importorskip("timm", reason="needs timm: pip install 'fakeoff[timm]'")

    def test_names_that_timm_would_look_up_elsewhere_are_refused(self) -> None:
        for elsewhere in ("hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "resnet18.a1_in1k"):
            with pytest.raises(PluginError, match="timm has no classifier"):
                players.complete(f"timm:{elsewhere}", {})

    def test_one_judges_and_learns_whole_and_cut(self) -> None:
        player = build("timm:convnext_atto").train()
        player.train_step(toy(2), rng=torch.Generator().manual_seed(0))
        assert player.eval().score(toy().images).shape == (4,)
        cut = build("truncated", network="timm:convnext_atto", after="stages.0").train()
        # A stem of 4x4 by 4, and two depthwise 7x7s.
        assert cut.receptive_field == ReceptiveField(size=4 + 2 * 6 * 4, stride=4, offset=-2 * 3 * 4)
        assert cut.train_step(toy(2), rng=torch.Generator().manual_seed(0)).keys() == {"loss", "patch_accuracy"}
        assert cut.eval().patch_scores(toy(side=67).images).shape == (4, 16, 16)

    def test_one_that_takes_one_size_is_built_for_the_size_that_it_is_shown(self) -> None:
        assert own_side("timm:vit_tiny_patch16_224") == 224
        player = build("timm:vit_tiny_patch16_224", side=64).eval()
        assert player.side == 64
        assert player.score(toy(2).images).shape == (2,)

    def test_what_takes_one_size_is_no_patch_detector(self) -> None:
        with pytest.raises(PluginError, match=r"is no patch detector: .*; it is made for images of 224 px"):
            players.complete("truncated", {"network": "timm:vit_tiny_patch16_224", "after": "blocks.0"})

    def test_padding_that_depends_on_the_size_is_refused(self) -> None:
        with pytest.raises(PluginError, match=r"operation Conv2dSame .*: its padding depends on the image's size"):
            players.complete("truncated", {"network": "timm:tf_mixnet_s", "after": "blocks.0"})

    def test_normalisation_is_what_timm_says(self) -> None:
        assert normalisation_of("timm:mixer_b16_224").mean == (0.5, 0.5, 0.5)
        assert normalisation_of("timm:resnet18").mean == pytest.approx(IMAGENET.tolist())
