"""MesoInception-4's weights in Keras' HDF5, written here as Keras writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.detectors import players
from fakeoff.detectors.meso import MesoInception4
from tests.exports import images, unlike_new

h5py = pytest.importorskip("h5py")

SIDE = 64
# The order of MesoInception_DF.h5: Keras sorts layers by their depth in the graph, not by when they were made.
ORDER = (
    "input_1 conv2d_2 conv2d_4 conv2d_6 conv2d_1 conv2d_3 conv2d_5 conv2d_7 concatenate_1 batch_normalization_1 "
    "max_pooling2d_1 conv2d_9 conv2d_11 conv2d_13 conv2d_8 conv2d_10 conv2d_12 conv2d_14 concatenate_2 "
    "batch_normalization_2 max_pooling2d_2 conv2d_15 batch_normalization_3 max_pooling2d_3 conv2d_16 "
    "batch_normalization_4 max_pooling2d_4 flatten_1 dropout_1 dense_1 leaky_re_lu_1 dropout_2 dense_2"
)


def weights_of(player: MesoInception4) -> dict[str, dict[str, np.ndarray]]:
    """By Keras' layer and name, in Keras' order of axes."""
    made: dict[str, list[nn.Module]] = {"conv2d": [], "batch_normalization": [], "dense": []}
    for layer in player.modules():
        for kind, cls in zip(made, (nn.Conv2d, nn.BatchNorm2d, nn.Linear), strict=True):
            if isinstance(layer, cls):
                made[kind].append(layer)

    def plain(value: Any) -> np.ndarray:
        return value.detach().numpy()

    found: dict[str, dict[str, np.ndarray]] = {}
    for number, layer in enumerate(made["conv2d"], 1):
        found[f"conv2d_{number}"] = {"kernel": plain(layer.weight).transpose(2, 3, 1, 0), "bias": plain(layer.bias)}
    for number, layer in enumerate(made["batch_normalization"], 1):
        keras = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
        values = {theirs: plain(getattr(layer, ours)) for theirs, ours in keras.items()}
        found[f"batch_normalization_{number}"] = values
    first, last = made["dense"]
    side = SIDE // 32
    # Each of the 16 outputs' map: Keras has its channels last.
    kernel = np.stack([plain(row).reshape(16, side, side).transpose(1, 2, 0).ravel() for row in first.weight], axis=1)
    found["dense_1"] = {"kernel": kernel, "bias": plain(first.bias)}
    found["dense_2"] = {"kernel": plain(last.weight).T, "bias": plain(last.bias)}
    return found


def write(
    path: Path, weights: dict[str, dict[str, np.ndarray]], *, names: Sequence[str] = ORDER.split(), inside: str = ""
) -> Path:
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        root.attrs["layer_names"] = np.array([name.encode() for name in names])
        root.attrs["keras_version"] = np.bytes_("2.1.5")
        for name in names:
            group = root.create_group(name)
            values = weights.get(name, {})
            group.attrs["weight_names"] = np.array([f"{name}/{key}:0".encode() for key in values], dtype="S64")
            for key, value in values.items():
                group[f"{name}/{key}:0"] = value
    return path


@pytest.fixture(scope="module")
def ours() -> MesoInception4:
    player = unlike_new("meso_inception4", side=SIDE)
    assert isinstance(player, MesoInception4)
    return player


def entered(path: Path, **parameters: Any) -> Any:
    given = {"model": str(path), "architecture": "meso_inception4", "side": SIDE, **parameters}
    players.complete("fixed", given)
    return players.build("fixed", given).eval()


def score(player: Any) -> Tensor:
    with torch.no_grad():
        return player.score(images(4, SIDE))  # type: ignore[no-any-return]


@pytest.mark.parametrize("inside", ["", "model_weights"])
def test_published_weights_are_ours(ours: MesoInception4, tmp_path: Path, inside: str) -> None:
    path = write(tmp_path / "meso.h5", weights_of(ours), inside=inside)
    assert score(ours).std() > 0.01
    torch.testing.assert_close(score(entered(path)), score(ours))
    # As published: the one output is P(real).
    torch.testing.assert_close(score(entered(path, fake_class=0)), 1 - score(ours))


def test_numbers_may_begin_anywhere_and_the_first_may_have_none(ours: MesoInception4, tmp_path: Path) -> None:
    def renamed(name: str) -> str:
        kind, _, number = name.rpartition("_")
        return kind if number == "1" else f"{kind}_{int(number) - 1}"

    weights = {renamed(name): values for name, values in weights_of(ours).items()}
    path = write(tmp_path / "meso.h5", weights, names=[renamed(name) for name in ORDER.split()])
    torch.testing.assert_close(score(entered(path)), score(ours))


def test_another_network_is_refused_with_what_does_not_fit(ours: MesoInception4, tmp_path: Path) -> None:
    path = tmp_path / "meso.h5"

    def refused(message: str, **over: Any) -> None:
        with pytest.raises(PluginError, match=message) as told:
            entered(path, **over)
        assert "\n" not in str(told.value)

    weights = weights_of(ours)
    write(path, weights, names=[name for name in ORDER.split() if name != "conv2d_16"])
    refused("15 layers of the kind conv2d, and a MesoInception-4 has 16")
    write(path, {name: values for name, values in weights.items() if name != "dense_2"})
    refused("no weight in layer 'dense_2'")
    write(path, weights)
    refused("64 x 16 values in layer 'dense_1', where 16 x 1024 are wanted", side=256)
    write(path, {**weights, "conv2d_3": weights["conv2d_1"]})
    refused("1 x 1 x 3 x 1 values in layer 'conv2d_3'")
    refused("of MesoInception-4 alone", architecture="xception", side=0)
    refused("of MesoInception-4 alone", architecture="")
    path.write_bytes(path.read_bytes()[:500])
    refused("the .h5 cannot be read")
    with h5py.File(path, "w"):
        pass
    refused("no 'layer_names'")


def test_links_and_sizes_lead_nowhere(ours: MesoInception4, tmp_path: Path) -> None:
    weights = weights_of(ours)
    secret = write(tmp_path / "secret.h5", weights)

    def kernel(file: Any, value: Callable[[Any], None]) -> None:
        group = file["conv2d_1/conv2d_1"]
        del group["kernel:0"]
        value(group)

    def huge(group: Any) -> None:
        group.create_dataset("kernel:0", shape=(2**20, 2**20), chunks=(64, 64), dtype="f4")

    def elsewhere(group: Any) -> None:
        group.create_dataset("kernel:0", shape=(12,), dtype="f4", external=[(str(secret), 0, 48)])

    def virtual(group: Any) -> None:
        layout = h5py.VirtualLayout(shape=(1, 1, 3, 1), dtype="f4")
        layout[:] = h5py.VirtualSource(str(secret), "conv2d_1/conv2d_1/kernel:0", shape=(1, 1, 3, 1))
        group.create_virtual_dataset("kernel:0", layout)

    def soft(group: Any) -> None:
        group["kernel:0"] = h5py.SoftLink("/conv2d_2/conv2d_2/kernel:0")

    def external(group: Any) -> None:
        group["kernel:0"] = h5py.ExternalLink(str(secret), "conv2d_1/conv2d_1/kernel:0")

    for change, message in (
        (huge, "more than 16777216 values"),
        (elsewhere, "no plain float32 values"),
        (virtual, "no plain float32 values"),
        (soft, "links 'kernel:0' to somewhere else"),
        (external, "links 'kernel:0' to somewhere else"),
    ):
        path = write(tmp_path / "evil.h5", weights)
        with h5py.File(path, "a") as file:
            kernel(file, change)
        with pytest.raises(PluginError, match=message):
            entered(path)
    path = write(tmp_path / "evil.h5", weights)
    with h5py.File(path, "a") as file:
        del file["dense_1"]
        file["dense_1"] = h5py.ExternalLink(str(secret), "dense_1")
    with pytest.raises(PluginError, match="links 'dense_1' to somewhere else"):
        entered(path)
