"""Distances between images, and the weights of one out of a pickle that can only hold arrays."""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
import tarfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.errors import AssetError, JobFailed
from fakeoff.arena.images import assets, to_tensor
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.players.checkpoints import Unreadable
from fakeoff.arena.players.checkpoints.arrays import read_arrays
from fakeoff.protocols.rules import lpips
from fakeoff.protocols.rules.lpips import Layer, LpipsNetwork
from fakeoff.protocols.rules.perceptual import ChosenDistance, LpipsDistance, PyramidDistance, choose_distance

PULLED = assets.state(assets.find_asset("lpips")) == "pulled"
needs_lpips = pytest.mark.skipif(not PULLED, reason="the asset 'lpips' is not pulled; run: fakeoff assets pull lpips")

LAYERS = (Layer(stride=2, padding=1), Layer(padding=0, compared=False), Layer(pool=(3, 2)))


def tiny() -> tuple[LpipsNetwork, dict[str, list[Tensor]]]:
    """Three convolutions, of which the first and the last are compared."""
    rng = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 3, 3), (5, 4, 3, 3), (6, 5, 3, 3)]
    weights = {
        "kernels": [torch.randn(*shape, generator=rng) / 4 for shape in shapes],
        "biases": [torch.randn(shape[0], generator=rng) / 4 for shape in shapes],
        "heads": [torch.rand(count, generator=rng) for count in (4, 6)],
    }
    return LpipsNetwork(LAYERS, **weights), weights


def random_images(n: int, seed: int) -> Tensor:
    return torch.rand(n, 3, 24, 24, generator=torch.Generator().manual_seed(seed))


def reference(weights: dict[str, list[Tensor]], one: Tensor, other: Tensor) -> float:
    """Eq. 1 of Zhang et al., a place and a channel at a time, in float64."""

    def activations(image: Tensor) -> list[np.ndarray[Any, Any]]:
        mean, deviation = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
        at = (2 * image.double().numpy() - 1 - mean[:, None, None]) / deviation[:, None, None]
        kernels, biases = ([w.double().numpy() for w in weights[name]] for name in ("kernels", "biases"))
        first = convolve(at, kernels[0], biases[0], stride=2, padding=1)
        second = convolve(first, kernels[1], biases[1], stride=1, padding=0)
        return [first, convolve(largest(second), kernels[2], biases[2], stride=1, padding=1)]

    total = 0.0
    for head, a, b in zip(weights["heads"], activations(one), activations(other), strict=True):
        places = []
        for y in range(a.shape[1]):
            for x in range(a.shape[2]):
                u, v = (f[:, y, x] / (np.linalg.norm(f[:, y, x]) or 1.0) for f in (a, b))
                places.append(float((head.double().numpy() * (u - v) ** 2).sum()))
        total += float(np.mean(places))
    return total


def convolve(at: Any, kernel: Any, bias: Any, *, stride: int, padding: int) -> Any:
    at = np.pad(at, ((0, 0), (padding, padding), (padding, padding)))
    size = kernel.shape[-1]
    side = (at.shape[1] - size) // stride + 1
    out = np.empty((len(kernel), side, side))
    for y in range(side):
        for x in range(side):
            seen = at[:, y * stride : y * stride + size, x * stride : x * stride + size]
            out[:, y, x] = (kernel * seen).sum((1, 2, 3)) + bias
    return np.maximum(out, 0)


def largest(at: Any) -> Any:
    side = (at.shape[1] - 3) // 2 + 1
    windows = [[at[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].max((1, 2)) for x in range(side)] for y in range(side)]
    return np.asarray(windows).transpose(2, 0, 1)


def test_lpips_is_what_its_paper_says() -> None:
    network, weights = tiny()
    images, others = random_images(3, 1), random_images(3, 2)
    expected = [reference(weights, one, other) for one, other in zip(images, others, strict=True)]
    found = LpipsDistance(network)(images, others)
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    assert len(set(expected)) == 3
    assert LpipsDistance(network)(images, images).tolist() == [0, 0, 0]


def test_where_nothing_is_active_its_gradient_is_finite() -> None:
    network, _ = tiny()
    for index in range(3):
        network.get_buffer(f"bias_{index}").fill_(-100)
    images = random_images(2, 1).requires_grad_()
    network(images, random_images(2, 2)).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "kernels", "sides"),
    [("alexnet", (11, 5, 3, 3, 3), (15, 7, 3, 3, 3)), ("vgg16", (3,) * 13, (64, 32, 16, 8, 4))],
)
def test_its_networks_are_those_that_were_published(
    name: str, kernels: tuple[int, ...], sides: tuple[int, ...]
) -> None:
    """By the sides of the compared activations of an image of 64 pixels."""
    side, compared = 64, []
    for layer, kernel in zip(lpips.BACKBONES[name].layers, kernels, strict=True):
        if layer.pool is not None:
            side = (side - layer.pool[0]) // layer.pool[1] + 1
        side = (side + 2 * layer.padding - kernel) // layer.stride + 1
        if layer.compared:
            compared.append(side)
    assert tuple(compared) == sides


@needs_lpips
def test_the_published_weights_tell_a_blur_from_another_face() -> None:
    source = open_source("orl")
    faces = to_tensor(source.load("val", resolution=64, colour="grey"))[:20]
    persons = source.persons("val")[:20]
    assert persons[:10] != persons[10:]
    distance = choose_distance("lpips", side=64)[0].open()
    kernel = torch.tensor([0.25, 0.5, 0.25])
    window = (kernel[:, None] * kernel)[None, None].expand(3, 1, 3, 3)
    blurred = F.conv2d(faces, window, padding=1, groups=3)
    with torch.no_grad():
        found = [distance(faces, other).mean().item() for other in (faces, blurred, faces.roll(10, 0))]
    assert found[0] == 0
    assert 0.02 < found[1] < 0.8 * found[2]
    assert 0.1 < found[2] < 0.4


def test_what_cannot_be_had_is_the_pyramid_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path))
    for wanted in ("lpips", "lpips_vgg"):
        chosen, instead = choose_distance(wanted, side=64)  # type: ignore[arg-type]
        assert chosen == ChosenDistance(name="pyramid")
        assert instead == "the asset 'lpips' is missing; run: fakeoff assets pull lpips"
    assert "needs images of 31 pixels" in choose_distance("lpips", side=30)[1]
    assert choose_distance("pyramid", side=64) == (ChosenDistance(name="pyramid"), "")
    assert isinstance(choose_distance("pyramid", side=64)[0].open(), PyramidDistance)
    pinned = assets.find_asset("lpips").sha256
    with pytest.raises(AssetError, match="run: fakeoff assets pull lpips"):  # as on a worker that has none
        ChosenDistance(name="lpips", sha256=pinned).open()


def test_other_weights_than_those_in_the_payload_are_refused() -> None:
    with pytest.raises(JobFailed, match="of the weights 000000000000, and here they are"):
        ChosenDistance(name="lpips", sha256="0" * 64).open()


# The weights, in a pickle


def packed(pickled: bytes) -> bytes:
    """A source archive with one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("weights.ckpt")
        info.size = len(pickled)
        archive.addfile(info, io.BytesIO(pickled))
    return buffer.getvalue()


def flax_weights() -> dict[str, Any]:
    """The weights of :func:`tiny` as flax keeps them: kernels ``(k, k, in, out)``."""
    _, weights = tiny()
    convolutions = {
        f"Conv_{index}": {"kernel": np.ascontiguousarray(kernel.permute(2, 3, 1, 0).numpy()), "bias": bias.numpy()}
        for index, (kernel, bias) in enumerate(zip(weights["kernels"], weights["biases"], strict=True))
    }
    heads = {
        f"NetLinLayer_{index}": {"Conv_0": {"kernel": head.numpy().reshape(1, 1, -1, 1)}}
        for index, head in enumerate(weights["heads"])
    }
    return {"Tiny_0": convolutions, **heads}


@pytest.fixture
def tiny_asset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An asset 'lpips' with the tiny network, pulled; returns the cache folder."""
    content = packed(pickle.dumps(flax_weights(), protocol=4))
    asset = replace(
        assets.find_asset("lpips"), size=len(content), sha256=hashlib.sha256(content).hexdigest(), members=()
    )
    monkeypatch.setitem(assets.ASSETS, "lpips", asset)
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "cache"))
    (tmp_path / "archive").write_bytes(content)
    assert assets.pull("lpips", file=tmp_path / "archive")
    backbone = lpips.Backbone(member="weights.ckpt", scope="Tiny_0", layers=LAYERS, least=24, sha256="")
    monkeypatch.setitem(lpips.BACKBONES, "alexnet", backbone)  # type: ignore[arg-type]
    return tmp_path / "cache"


def test_weights_out_of_the_asset_are_those_of_the_network(tiny_asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, others = random_images(2, 1), random_images(2, 2)
    expected = tiny()[0](images, others)
    chosen, instead = choose_distance("lpips", side=24)
    assert not instead
    assert torch.equal(chosen.open()(images, others), expected)
    [kept] = tiny_asset.glob("*.safetensors")
    # What was converted is read from then on, without the pickle, and mended where it was changed.
    pinned = replace(lpips.BACKBONES["alexnet"], sha256=hashlib.sha256(kept.read_bytes()).hexdigest())
    monkeypatch.setitem(lpips.BACKBONES, "alexnet", pinned)  # type: ignore[arg-type]
    whole = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(lpips, "read_arrays", pytest.fail)
        assert torch.equal(chosen.open()(images, others), expected)
    kept.write_bytes(whole[:-1] + b"x")
    assert torch.equal(chosen.open()(images, others), expected)
    assert kept.read_bytes() == whole


def test_arrays_are_read_as_they_were_written() -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": {"c": np.array([1, 2], dtype=np.int64)}}
    arrays["a"] = np.asfortranarray(arrays["a"])
    for protocol in (3, 4):
        found = read_arrays(pickle.dumps(arrays, protocol=protocol))
        assert set(found) == {"a", "b.c"}
        assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found["b.c"].tolist() == [1, 2]


class Plain:
    """A class that an unpickler would have to import."""


class Called:
    """Pickled as a call of a harmless function."""

    def __reduce__(self) -> Any:
        return (sum, ([1, 2],))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": Plain()}, "it names '.*Plain'"),
        ({"a": Called()}, "it names 'builtins.sum'"),
        ({"a": Plain}, "it names '.*Plain'"),
        ({"a": OrderedDict()}, "it names 'collections.OrderedDict'"),
        ({"a": np.float32(1)}, "it names 'numpy.*scalar'"),
        ({"a": np.array([1, "x"], dtype=object)}, "array of objects"),
        ({"a": np.array(["text"])}, "it holds a NumpyArray under 'a'"),
        ({"a": [np.zeros(2)]}, "it holds a list under 'a'"),
        ({"a": 1.5}, "it holds a float under 'a'"),
        ({1: np.zeros(2)}, "it holds a dict"),
        (np.zeros(2), "it holds a NumpyArray under ''"),
    ],
)
def test_anything_else_is_refused(value: Any, told: str) -> None:
    content = pickle.dumps(value, protocol=4)
    with pytest.raises(Unreadable, match=told) as caught:
        read_arrays(content)
    assert "\n" not in str(caught.value)


def test_what_follows_a_pickle_or_is_none_is_refused() -> None:
    content = pickle.dumps({"a": np.zeros(2)}, protocol=4)
    with pytest.raises(Unreadable, match="something follows"):
        read_arrays(content + pickle.dumps(Plain()))
    with pytest.raises(Unreadable):
        read_arrays(content[:-20])
    with pytest.raises(Unreadable):
        read_arrays(b"no pickle")


@needs_lpips
def test_the_asset_s_pickles_name_numpy_s_three_alone() -> None:
    content = assets.open_asset("lpips").read(lpips.BACKBONES["alexnet"].member)
    named = {argument for opcode, argument, _ in pickletools.genops(content) if opcode.name == "GLOBAL"}
    assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    kept = assets.assets_folder() / f"lpips-{assets.find_asset('lpips').sha256[:12]}-alexnet.safetensors"
    lpips.read_network("alexnet")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == lpips.BACKBONES["alexnet"].sha256
