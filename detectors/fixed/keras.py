"""MesoInception-4's published weights, which are in Keras' HDF5: read without Keras, without TensorFlow.

Afchar et al. publish ``MesoInception_DF.h5`` and ``MesoInception_F2F.h5``: a group for each layer, whose names are in
the attribute ``layer_names`` (bytes) in another order than the layers were made in; in each the layer's weights by
``weight_names``. Keras' convolutions are ``(height, width, in, out)``, PyTorch's ``(out, in, height, width)``, and
Keras flattens a map with its channels last.
"""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said, shown

_MOST_LAYERS = 1000
_MOST_VALUES = 16 * 2**20  # of all weights together: 500 times those of a MesoInception-4
_CHANNELS = 16  # of MesoInception-4's last map
_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")
_KINDS = {"conv2d": nn.Conv2d, "batch_normalization": nn.BatchNorm2d, "dense": nn.Linear}
_NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}

Array: TypeAlias = npt.NDArray[np.float32]


def load_keras(network: nn.Module, content: bytes) -> None:
    """Loads Keras' weights into a MesoInception-4.

    Layers of a kind are matched in the order in which they were made, which their numbers tell.

    Args:
        network: Of convolutions, batch normalisations and linear layers, made in Keras' order. It is written to.
        content: The file's bytes.

    Raises:
        PluginError: h5py is not installed, or the file is damaged, links to another, or holds another network.
    """
    layers = read_layers(content)
    for kind, cls in _KINDS.items():
        ours = [layer for layer in network.modules() if isinstance(layer, cls)]
        theirs = sorted((number, name) for name in layers for number in _number(name, kind))
        if len(ours) != len(theirs):
            raise PluginError(
                f"the .h5 has {len(theirs)} layers of the kind {kind}, and a MesoInception-4 has {len(ours)}: give "
                "weights of MesoInception-4 as Afchar et al. publish them"
            )
        for layer, (_, name) in zip(ours, theirs, strict=True):
            _load_layer(layer, name, layers[name])


def read_layers(content: bytes) -> dict[str, dict[str, Array]]:
    """Reads the weights of an HDF5 file of Keras'.

    Args:
        content: The file's bytes.

    Returns:
        By layer, and by what Keras calls each (``kernel``, ``bias``, ``gamma``, ...): float32.

    Raises:
        PluginError: See :func:`load_keras`.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise PluginError(f"Keras' .h5 needs h5py: pip install 'fakeoff[keras]' ({error})") from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            root = _group(h5py, file, "model_weights") if "model_weights" in file else file
            return dict(_read(h5py, root))
    except (KeyError, ValueError, TypeError, AttributeError, OSError, RuntimeError, OverflowError) as error:
        raise PluginError(f"the .h5 cannot be read: {said(error)}") from error


def _read(h5py: Any, root: Any) -> Iterator[tuple[str, dict[str, Array]]]:
    names = _texts(root, "layer_names")
    left = _MOST_VALUES
    for name in names:
        group = _group(h5py, root, name)
        weights: dict[str, Array] = {}
        for path in _texts(group, "weight_names"):
            *folders, last = path.split("/")
            inside = group
            for folder in folders:
                inside = _group(h5py, inside, folder)
            data = _linked(h5py, inside, last)
            if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.dtype != np.float32:
                raise PluginError(f"the .h5 has no plain float32 values in '{shown(path)}'")
            left -= data.size
            if left < 0:  # it may be compressed, or not be written at all
                raise PluginError(f"the .h5 has more than {_MOST_VALUES} values, and a MesoInception-4 has 29,000")
            weights[last.partition(":")[0]] = np.asarray(data[()])
        yield name, weights


def _texts(group: Any, attribute: str) -> list[str]:
    """An attribute of names, which Keras writes as bytes, or as text."""
    if attribute not in group.attrs:
        raise PluginError(f"the .h5 has no '{attribute}': give weights that Keras saved")
    values = list(group.attrs[attribute])
    if len(values) > _MOST_LAYERS:
        raise PluginError(f"the .h5 has more than {_MOST_LAYERS} layers")
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _group(h5py: Any, parent: Any, name: str) -> Any:
    found = _linked(h5py, parent, name)
    if not isinstance(found, h5py.Group):
        raise PluginError(f"the .h5 has no group '{shown(name)}'")
    return found


def _linked(h5py: Any, parent: Any, name: str) -> Any:
    """What lies in a group itself: a link would lead to another place, or out of the file."""
    kind = parent.get(name, getlink=True)
    if kind is not None and not isinstance(kind, h5py.HardLink):
        raise PluginError(f"the .h5 links '{shown(name)}' to somewhere else, which is not followed")
    return parent[name]


def _number(name: str, kind: str) -> Iterator[int]:
    found = _NUMBERED.fullmatch(name)
    if found is not None and found[1] == kind:
        yield int(found[2] or 0)  # Keras leaves the first one's number out, in later releases


def _load_layer(layer: nn.Module, name: str, weights: Mapping[str, Array]) -> None:
    own: dict[str, Tensor] = {key: value for key, value in layer.state_dict().items() if key != "num_batches_tracked"}
    given = {_NAMES.get(key, "weight" if key == "kernel" else key): value for key, value in weights.items()}
    for key, value in own.items():
        if key not in given:
            raise PluginError(f"the .h5 has no {key} in layer '{shown(name)}'")
        array = _turned(given[key])
        if array.shape != tuple(value.shape):
            theirs, ours = (" x ".join(map(str, shape)) for shape in (given[key].shape, value.shape))
            raise PluginError(
                f"the .h5 has {theirs} values in layer '{shown(name)}', where {ours} are wanted; is it a "
                "MesoInception-4, and of images of that side?"
            )
        value.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _turned(array: Array) -> Array:
    """Keras' order of axes as PyTorch's."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.ndim != 2:
        return array
    inputs, outputs = array.shape
    side = round((inputs / _CHANNELS) ** 0.5)
    if outputs == 1 or side * side * _CHANNELS != inputs:
        return array.T
    # The first layer after a map that was flattened with its channels last.
    return array.reshape(side, side, _CHANNELS, outputs).transpose(3, 2, 0, 1).reshape(outputs, inputs)


__all__ = ["load_keras", "read_layers"]
