from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.parsers import PARTS, parsers
from fakeoff.arena.parsers.bisenet import BiSeNet
from fakeoff.arena.players.specs import load_weights, weights_hash, write_spec

# The order of the logits, from the test script of zllrunning/face-parsing.PyTorch and its issue 12.
PART_OF_CLASS = ["background", "skin", *["brow"] * 2, *["eye"] * 3, *["ear"] * 3, "nose", *["mouth"] * 3]
PART_OF_CLASS += [*["neck"] * 2, "clothes", "hair", "hat"]


def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for tensor in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{tensor}", (width,)
    yield f"{name}.num_batches_tracked", ()


def block(name: str, inputs: int, outputs: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.conv.weight", (outputs, inputs, kernel, kernel)
    yield from norm(f"{name}.bn", outputs)


def checkpoint() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names and shapes of 79999_iter.pth, from model.py of zllrunning/face-parsing.PyTorch."""
    yield "cp.resnet.conv1.weight", (64, 3, 7, 7)
    yield from norm("cp.resnet.bn1", 64)
    for layer, inputs, outputs in ((1, 64, 64), (2, 64, 128), (3, 128, 256), (4, 256, 512)):
        for number in (0, 1):
            name = f"cp.resnet.layer{layer}.{number}"
            yield f"{name}.conv1.weight", (outputs, outputs if number else inputs, 3, 3)
            yield f"{name}.conv2.weight", (outputs, outputs, 3, 3)
            yield from norm(f"{name}.bn1", outputs)
            yield from norm(f"{name}.bn2", outputs)
        if inputs != outputs:
            yield f"cp.resnet.layer{layer}.0.downsample.0.weight", (outputs, inputs, 1, 1)
            yield from norm(f"cp.resnet.layer{layer}.0.downsample.1", outputs)
    for arm, inputs in (("cp.arm16", 256), ("cp.arm32", 512)):
        yield from block(f"{arm}.conv", inputs, 128, 3)
        yield f"{arm}.conv_atten.weight", (128, 128, 1, 1)
        yield from norm(f"{arm}.bn_atten", 128)
    yield from block("cp.conv_head16", 128, 128, 3)
    yield from block("cp.conv_head32", 128, 128, 3)
    yield from block("cp.conv_avg", 512, 128, 1)
    yield from block("ffm.convblk", 256, 256, 1)
    yield "ffm.conv1.weight", (64, 256, 1, 1)
    yield "ffm.conv2.weight", (256, 64, 1, 1)
    for head, inputs, hidden in (("conv_out", 256, 256), ("conv_out16", 128, 64), ("conv_out32", 128, 64)):
        yield from block(f"{head}.conv", inputs, hidden, 3)
        yield f"{head}.conv_out.weight", (19, hidden, 1, 1)


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights that keep the signal alive, in the checkpoint's names."""
    rng = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in checkpoint():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            state[name] = torch.randn(shape, generator=rng) * (2 / fan_in) ** 0.5
        elif name.endswith(("running_mean", "bias")):
            state[name] = torch.randn(shape, generator=rng) * 0.1
        else:
            state[name] = torch.rand(shape, generator=rng) + 0.5
    return state


def loaded(*, working: int = 64, state: Mapping[str, Tensor] | None = None) -> BiSeNet:
    parser = BiSeNet(working=working)
    parser.load_state_dict(random_state() if state is None else state)
    return parser


def smooth(n: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Images of a few soft blobs, so that a resize loses little."""
    coarse = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def test_names_and_shapes_are_those_of_the_public_checkpoint() -> None:
    found = {name: tuple(value.shape) for name, value in BiSeNet().state_dict().items()}
    assert found == dict(checkpoint())
    assert len(found) == 191


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_users_file_is_loaded_by_the_arena(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    save_file(random_state(), path) if suffix == ".safetensors" else torch.save(random_state(), path)
    spec = write_spec(parsers, name="p", plugin="bisenet", parameters={"weights": str(path), "working": 32})
    assert spec.weights == path.resolve()
    assert spec.fingerprint["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()
    parser = parsers.build("bisenet", spec.parameters)
    load_weights(parser, spec.weights)
    assert weights_hash(parser.state_dict()) == weights_hash(random_state())
    images = smooth(2, 32, 32)
    assert torch.equal(parser.label(images), loaded(working=32).label(images))


def test_a_file_of_other_names_does_not_fit(tmp_path: Path) -> None:
    state = random_state()
    state["ffm.conv3.weight"] = state.pop("ffm.conv1.weight")
    save_file(state, tmp_path / "other.safetensors")
    parser = BiSeNet(working=32)
    with pytest.raises(PluginError, match=r"do not fit BiSeNet.*ffm\.conv"):
        load_weights(parser, tmp_path / "other.safetensors")
    with pytest.raises(PluginError, match="comes without weights"):
        parser.label(smooth(1, 32, 32))


def test_without_weights_it_refuses_rather_than_labels_at_random() -> None:
    spec = write_spec(parsers, name="p", plugin="bisenet", parameters={})
    assert spec.weights is None
    with pytest.raises(PluginError, match=r"'bisenet' comes without weights.*weights = FILE"):
        parsers.build("bisenet", spec.parameters).label(smooth(1, 32, 32))


def test_it_is_built_without_the_network_and_moves_no_global_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    before = torch.random.get_rng_state()
    BiSeNet()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_class_becomes_its_part() -> None:
    parser = loaded(working=32)
    images = smooth(1, 32, 32)
    for number, part in enumerate(PART_OF_CLASS):
        with torch.no_grad():
            # What comes before is a ReLU's, so this class is above the others' zero everywhere.
            parser.conv_out.conv_out.weight.zero_()
            parser.conv_out.conv_out.weight[number] = 1
        assert parser.label(images).unique().tolist() == [PARTS.index(part)], number


@pytest.mark.parametrize(
    ("height", "width", "seen"), [(16, 16, (64, 64)), (33, 47, (45, 64)), (96, 48, (64, 32)), (128, 8, (64, 32))]
)
def test_the_longer_side_becomes_the_working_size_and_labels_come_back_at_the_images_own(
    height: int, width: int, seen: tuple[int, int]
) -> None:
    parser = loaded()
    sizes: list[tuple[int, ...]] = []
    parser.cp.register_forward_pre_hook(lambda _, arguments: sizes.append(tuple(arguments[0].shape)))
    labels = parser.label(smooth(2, height, width))
    assert sizes == [(1, 3, *seen)] * 2
    assert labels.shape == (2, height, width)
    assert labels.dtype == torch.uint8


def test_the_default_working_size_is_that_of_the_public_weights() -> None:
    parser = loaded(working=512)
    sizes: list[tuple[int, ...]] = []
    parser.cp.register_forward_pre_hook(lambda _, arguments: sizes.append(tuple(arguments[0].shape)))
    assert BiSeNet().working == 512
    assert parser.label(smooth(1, 60, 90)).shape == (1, 60, 90)
    assert sizes == [(1, 3, 341, 512)]


def test_the_network_sees_imagenets_normalisation() -> None:
    parser = loaded(working=32)
    seen: list[Tensor] = []
    parser.cp.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    parser.label(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    parser.label(torch.ones(1, 3, 32, 32))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(seen[1].mean((0, 2, 3)), torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]))


def test_labels_keep_their_place_at_every_size() -> None:
    parser = loaded(working=128)
    large = parser.label(smooth(1, 64, 96))
    small = parser.label(smooth(1, 32, 48))
    assert len(large.unique()) > 2
    subsampled = large[:, 1::2, 1::2]
    assert (subsampled == small).float().mean() > 0.95
    for axis in (1, 2):
        assert (subsampled.flip(axis) == small).float().mean() < 0.92


def test_images_do_not_depend_on_their_neighbours_even_if_asked_to_train() -> None:
    parser = loaded().train()
    before = weights_hash(parser.state_dict())
    images = smooth(3, 40, 40)
    together = parser.label(images)
    assert len({labels.numpy().tobytes() for labels in together}) == 3
    for index in range(3):
        assert torch.equal(parser.label(images[index : index + 1])[0], together[index])
    assert weights_hash(parser.state_dict()) == before
    assert not any(parameter.requires_grad for parameter in parser.parameters())
    assert parser.label(images[:0]).shape == (0, 40, 40)


def test_a_working_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="32 pixels at least"):
        BiSeNet(working=16)
