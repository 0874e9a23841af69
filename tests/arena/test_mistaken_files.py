"""What is given for weights and is none is named for what it is, wherever weights are read."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from torch import nn

from fakeoff import detectors, generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints import Unreadable, read_checkpoint
from fakeoff.arena.players.checkpoints.recognising import explain_safetensors, recognise
from fakeoff.arena.players.specs import load_weights, write_spec
from fakeoff.cli import main

GOOD = save({"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3)})
HEADER = int.from_bytes(GOOD[:8], "little")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return file.getvalue()


def torch_saved() -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.ones(3, 4), "bias": torch.ones(3)}, file)
    return file.getvalue()


def with_header(change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    table = json.loads(GOOD[8 : 8 + HEADER])
    change(table)
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + GOOD[8 + HEADER :]


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 25557032\n"
MISTAKEN = {
    "empty": (b"", "an empty file; copy or download it again"),
    "zeros": (bytes(5000), "full of zeros"),
    "lfs": (LFS, "a pointer of Git LFS to 25557032 bytes, and not the file itself; run git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s1--a.safetensors\n", "a pointer of git-annex"),
    "html": (b"\n<!DOCTYPE html><html><title>Sign in</title></html>", r"a web page \(HTML\)"),
    "html in Latin-1": ("<html><body>accès refusé</body></html>".encode("latin-1"), r"a web page \(HTML\)"),
    "long text cut in a letter": (b'["' + "é".encode() * 3000, r"JSON that begins '\[\"éé"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML, such as the error of a store"),
    "json": (b'{"error": "Repository not found"}', r"JSON that begins '\{\"error\""),
    "index": (b'{"metadata": {}, "weight_map": {"a": "b"}}', "the index of weights in several files"),
    "zip": (
        zipped("model/weights.bin"),
        "a ZIP archive with 'model/weights.bin' in it, and no checkpoint of PyTorch's",
    ),
    "npz": (zipped("a.npy", "b.npy"), r"arrays of NumPy's \(.npz\)"),
    "cut zip": (torch_saved()[:400], "a ZIP archive .* cut off or damaged"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x032.6:\x00", "a model in ONNX; enter it as the detector fixed"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(50), "a gzip archive; unpack it"),
    "npy": (array(), "an array of NumPy's"),
    "picture": (picture(), r"a picture \(PNG\)"),
}
LIES = {
    "cut in its header": (GOOD[:40], f"cut off: its header has {HEADER} bytes, and the whole file 40; copy"),
    "cut in its tensors": (GOOD[:-10], "cut off: its header tells of 60 bytes of tensors, and 50 are there; copy"),
    "more than it tells": (GOOD + bytes(8), "its header lies: it tells of 60 bytes of tensors, and 68 are there"),
    "another shape": (
        with_header(lambda table: table["weight"].update(shape=[3, 5])),
        r"its header lies: 'weight' \(F32, 3 x 5\) takes 60 bytes, and 48",
    ),
    "no place": (with_header(lambda table: table["weight"].pop("data_offsets")), "its header says of 'weight' neither"),
    "no JSON": (GOOD[:9] + b"!" * (HEADER - 1) + GOOD[8 + HEADER :], "its header is no JSON"),
}


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(3))


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "bin"])
@pytest.mark.parametrize("what", MISTAKEN)
def test_a_mistaken_file_is_named_and_says_what_to_do(tmp_path: Path, what: str, suffix: str) -> None:
    content, message = MISTAKEN[what]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(PluginError, match=f"the weights 'a.{suffix}' cannot be read: .*{message}") as told:
        load_weights(Linear(), path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("what", LIES)
def test_safetensors_that_are_cut_off_or_lie_say_where(tmp_path: Path, what: str) -> None:
    content, message = LIES[what]
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(Unreadable, match=message):
        read_checkpoint(tmp_path / "a.safetensors")


def test_forms_of_weights_under_another_name_say_their_own(tmp_path: Path) -> None:
    for content in (torch_saved(), pickle.dumps({"a": 1}, protocol=2)):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(Unreadable, match=r"no safetensors, but a .*PyTorch checkpoint; .*fakeoff weights convert"):
            read_checkpoint(tmp_path / "a.safetensors")
    (tmp_path / "a.pt").write_bytes(GOOD)
    with pytest.raises(Unreadable, match=r"it is safetensors; let its name end in \.safetensors"):
        read_checkpoint(tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes(b"just words, no weights at all")
    with pytest.raises(Unreadable, match="it is text that begins 'just words"):
        read_checkpoint(tmp_path / "a.pt")


def test_weights_are_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(GOOD)
    (tmp_path / "a.pt").write_bytes(torch_saved())
    for protocol in (0, 1, 2, 4):  # protocol 0 is text
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps({"weight": np.ones((3, 4))}, protocol=protocol))
    for path in tmp_path.iterdir():
        assert read_checkpoint(path).tensors["weight"].shape == (3, 4)


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x8B1F])  # how a pickle begins, and how gzip does
def test_a_headers_length_is_no_magic_number(tmp_path: Path, length: int) -> None:
    header = GOOD[8 : 8 + HEADER].ljust(length)
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + header + GOOD[8 + HEADER :])
    assert read_checkpoint(tmp_path / "a.safetensors").tensors["weight"].shape == (3, 4)


def test_bytes_of_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\xfe\xdc\xba" * 50)
    with pytest.raises(Unreadable, match="it is no safetensors, nor anything else that is known"):
        read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("registry", "plugin"), [(generators.players, "pgan"), (detectors.players, "torchvision:resnet18")]
)
def test_a_game_says_it_before_it_begins(tmp_path: Path, registry: object, plugin: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(LFS)
    with pytest.raises(PluginError, match=f"'{plugin}': the weights '.*' cannot be read: .*git lfs pull"):
        write_spec(registry, name="a", plugin=plugin, parameters={"weights": str(path)})  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["empty", "lfs", "html", "zip", "picture"])
def test_a_finished_detector_and_its_probe_say_it(tmp_path: Path, what: str) -> None:
    content, message = MISTAKEN[what]
    path = tmp_path / "model"
    path.write_bytes(content)
    name = message.partition(";")[0]
    with pytest.raises(PluginError, match=f"the model is {name}"):
        detectors.players.complete("fixed", {"model": str(path)})
    if content:
        with pytest.raises(PluginError, match=f"the probe cannot be read: it is {name}"):
            detectors.players.build("fixed", {"probe": str(path)})


def test_cut_off_safetensors_of_a_finished_detector(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(GOOD[:-10])
    with pytest.raises(PluginError, match="it is cut off: its header tells of 60 bytes"):
        detectors.players.complete("fixed", {"model": str(path), "architecture": "torchvision:resnet18"})


def test_the_command_says_it(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(LFS)
    arguments = ["weights", "convert", str(tmp_path / "a.pt"), str(tmp_path / "b.safetensors")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "a pointer of Git LFS to 25557032 bytes" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_any_bytes_are_something(content: bytes, at: int) -> None:
    for bytes_ in (content, GOOD[:at] + content):
        assert str(recognise(io.BytesIO(bytes_))).isprintable()
        assert "\n" not in explain_safetensors(io.BytesIO(bytes_))
