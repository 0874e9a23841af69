"""Checkpoints are read as PyTorch itself reads them, and what it does not read by its names."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints import (
    FACTS,
    Checkpoint,
    NoTensors,
    Unreadable,
    convert,
    flatten,
    read_checkpoint,
)
from fakeoff.arena.players.specs import load_weights
from fakeoff.cli import main

DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16,
)  # fmt: skip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def every_kind() -> dict[str, Tensor]:
    base = torch.randn(4, 6, generator=rng())
    kinds = {str(dtype): (base * 3).to(dtype) for dtype in DTYPES}
    return kinds | {
        "transposed": base.t(),
        "a part": base[1:3, ::2],
        "empty": torch.zeros(0, 3),
        "a number": torch.tensor(2.5),
        "parameter": nn.Parameter(base + 1),
        "channels_last": torch.randn(2, 3, 4, 4, generator=rng(1)).to(memory_format=torch.channels_last),
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_what_torch_reads(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pt"
    kinds = every_kind()
    if not zipped:  # torch writes these in its older format, and cannot read them there
        del kinds["torch.float8_e4m3fn"], kinds["torch.uint16"]
    torch.save(kinds, path, _use_new_zipfile_serialization=zipped)
    expected = torch.load(path, weights_only=True)
    got = read_checkpoint(path)
    assert list(got.tensors) == list(expected)
    assert (got.facts, got.left_out) == ({}, {})
    for name, value in got.tensors.items():
        assert value.dtype == expected[name].dtype, name
        assert value.stride() == expected[name].stride(), name
        assert torch.equal(_comparable(value), _comparable(expected[name])), name


def _comparable(value: Tensor) -> Tensor:
    value = value.detach()
    return value.view(torch.uint8) if value.itemsize == 1 else value


def test_tensors_of_one_storage_still_share_it(tmp_path: Path) -> None:
    row = torch.arange(6.0)
    torch.save({"all": row, "tail": row[4:]}, tmp_path / "weights.pt")
    tensors = read_checkpoint(tmp_path / "weights.pt").tensors
    tensors["all"][5] = 9
    assert tensors["tail"].tolist() == [4, 9]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    tensors = {name: value for name, value in every_kind().items() if value.is_contiguous()}
    numbers: dict[str, Any] = {
        f"numpy {code}": np.arange(6).reshape(2, 3).astype(code) for code in ("f4", ">f8", "i8", "u1", "?")
    }
    numbers |= {"by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "none": np.zeros((0, 2), np.float32)}
    said = {"rate": np.float64(0.01), "count": np.int64(3), "name": "lrelu", "on": True, "nothing": None, "step": 2**70}
    beside = {
        "set": {1, 2},
        "bytes": b"ab",
        "array": bytearray(b"ab"),
        "texts": np.array(["a"]),
        "frozen": frozenset("a"),
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({**tensors, **numbers, **said, **beside}, protocol))
    got = read_checkpoint(tmp_path / "x.pkl")
    assert set(got.tensors) == set(tensors) | set(numbers)
    for name, value in tensors.items():
        assert torch.equal(_comparable(got.tensors[name]), _comparable(value)), name
    for name, array in numbers.items():
        np.testing.assert_array_equal(got.tensors[name].numpy(), array)
        assert got.tensors[name].numpy().dtype == array.dtype.newbyteorder("=")
    assert got.facts == {name: value for name, value in said.items() if value is not None}


def test_what_torch_refuses_is_left_out_and_told(tmp_path: Path) -> None:
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}
    path = tmp_path / "000100.pt"
    saved = {
        "g": OrderedDict(w=torch.ones(2)),
        "g_optim": {"state": {0: moments}, "param_groups": [{"lr": 0.002, "params": [0]}]},
        "args": argparse.Namespace(size=256, ckpt=None, path=Path("data"), lr=0.002),
        "ada_aug_p": 0.5,
        "kinds": [torch.ones(1)],
    }
    torch.save(saved, path)
    with pytest.raises(pickle.UnpicklingError, match=r"argparse\.Namespace"):
        torch.load(path, weights_only=True)
    got = read_checkpoint(path)
    assert set(got.tensors) == {"g.w"}
    assert got.facts == {"args.size": 256, "args.lr": 0.002, "ada_aug_p": 0.5}
    assert got.left_out == {"optimisers' states": 1, "argparse.Namespace": 1, "lists": 1}


def test_a_whole_module_is_its_state_dict(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    module.register_buffer("passing", torch.ones(1), persistent=False)
    for name, write in (("whole.pt", torch.save), ("whole.pkl", _pickled)):
        write({"net": module}, tmp_path / name)
        got = read_checkpoint(tmp_path / name)
        expected = module.state_dict()
        assert set(got.tensors) == {f"net.{key}" for key in expected}
        for key, value in expected.items():
            assert torch.equal(got.tensors[f"net.{key}"], value)
        assert got.facts["net.1.eps"] == 1e-5


def _pickled(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


class Hooked(nn.Module):
    """A module that keeps what its hook is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.shown: dict[str, Any] = {}
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            lambda module, state, prefix, metadata, *_: module.shown.update(metadata)
        )


@pytest.mark.parametrize("converted", [False, True])
def test_a_players_hook_is_shown_the_facts(tmp_path: Path, converted: bool) -> None:
    source, player = Hooked(), Hooked()
    nn.init.normal_(source.norm.weight, generator=rng())
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({**source.state_dict(), "alpha": 0.25, "loss": "WGANGP"}))
    if converted:
        convert(path, tmp_path / "weights.safetensors")
        path = tmp_path / "weights.safetensors"
    load_weights(player, path)
    assert torch.equal(player.norm.weight, source.norm.weight)
    assert player.shown[FACTS] == {"alpha": 0.25, "loss": "WGANGP"}


def test_the_same_file_is_converted_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({"weight": torch.ones(2), **{f"fact {number}": number for number in range(6)}}))
    made = []
    for number in range(4):
        convert(path, tmp_path / f"{number}.safetensors")
        made.append((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(set(made)) == 1  # its hash is part of a player's recipe


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["g.net.a", "g_ema.net.a", "g_ema.net.b"]),
        ({"only": "g_ema."}, ["net.a", "net.b"]),
        ({"only": "g_ema.", "strip": ["net."]}, ["a", "b"]),
        ({"strip": ["g_ema.", "net."]}, ["a", "b", "g.net.a"]),
    ],
)
def test_names_are_taken_off_their_prefixes(tmp_path: Path, asked: dict[str, Any], names: list[str]) -> None:
    net = {"net.a": torch.zeros(1), "net.b": torch.ones(2)}
    torch.save({"g": {"net.a": torch.full((1,), 9.0)}, "g_ema": net}, tmp_path / "gan.pt")
    convert(tmp_path / "gan.pt", tmp_path / "gan.safetensors", **asked)
    found = load_file(tmp_path / "gan.safetensors")
    assert sorted(found) == names
    [last] = [value for name, value in found.items() if name.endswith("b")]
    assert torch.equal(last, torch.ones(2))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"only": "d."}, r"no tensor of .*'d\.'; they begin with: g 1, g_ema 1"),
        ({"strip": ["g.", "x."]}, r"begins with 'x\.'"),
        ({"strip": ["g.", "g_ema."]}, r"several tensors would be called 'a'"),
    ],
)
def test_prefixes_that_do_not_fit_are_told(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    torch.save({"g": {"a": torch.zeros(1)}, "g_ema": {"a": torch.zeros(1)}}, tmp_path / "gan.pt")
    with pytest.raises(PluginError, match=message):
        convert(tmp_path / "gan.pt", tmp_path / "gan.safetensors", **asked)
    assert not (tmp_path / "gan.safetensors").exists()


def test_versions_of_modules_reach_them(tmp_path: Path) -> None:
    torch.save(nn.BatchNorm1d(2).state_dict(), tmp_path / "norm.pt")
    state = read_checkpoint(tmp_path / "norm.pt").state_dict()
    assert state._metadata == {"": {"version": 2, FACTS: {}}}  # type: ignore[attr-defined]


def test_files_without_tensors_say_what_they_hold(tmp_path: Path, fake_module: Callable[..., Any]) -> None:
    network = fake_module("dnnlib.tflib.network", "Network")
    (tmp_path / "tf.pkl").write_bytes(pickle.dumps((network(), network(), network())))
    with pytest.raises(NoTensors, match=r"networks of TensorFlow: convert it once with legacy\.py"):
        read_checkpoint(tmp_path / "tf.pkl")
    with pytest.raises(PluginError, match=r"'tf\.pkl' do not fit Linear: there are no tensors by name"):
        load_weights(nn.Linear(1, 1), tmp_path / "tf.pkl")
    torch.save({"a": torch.ones(1)}, tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "script.pt", "a") as archive:
        archive.writestr("script/constants.pkl", pickle.dumps(()))  # which TorchScript's archives have
    with pytest.raises(Unreadable, match="TorchScript"):
        read_checkpoint(tmp_path / "script.pt")


@pytest.fixture
def fake_module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a class that pickles name as if it lay in a module that is not installed here."""

    def make(module: str, name: str) -> Any:
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
        made = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, made)
        return made

    return make


def test_the_command_converts_once_and_says_what_was_left_out(tmp_path: Path) -> None:
    row = torch.arange(6.0)
    saved = {"g_ema": {"a": row, "b": row[:3], "c": torch.ones(2, 2).t()}, "d": {"a": torch.ones(1)}, "step": 7}
    torch.save({**saved, "args": argparse.Namespace()}, tmp_path / "in.pt")
    arguments = ["weights", "convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (line,) = result.output.splitlines()
    assert "4 tensors, 0.0 MB (g_ema 3, d 1); left out: argparse.Namespace 1" in line
    before, after = read_checkpoint(tmp_path / "in.pt"), read_checkpoint(tmp_path / "out.safetensors")
    assert after.facts == before.facts == {"step": 7}
    assert all(torch.equal(value, after.tensors[name]) for name, value in before.tensors.items())
    assert len(after.tensors) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"in.pt", "out.safetensors"}

    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1
    for source, target, reason in (
        ("in.pt", "out.pt", "let it end in .safetensors"),
        ("missing.pt", "new.safetensors", "cannot be read"),
        ("in.pt", "nowhere/new.safetensors", "cannot be written"),
    ):
        wrong = CliRunner().invoke(main, ["weights", "convert", str(tmp_path / source), str(tmp_path / target)])
        assert wrong.exit_code == 2
        assert reason in wrong.stderr
        assert len(wrong.stderr.strip().splitlines()) == 1


def test_a_header_that_says_no_facts_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for said in ("[1]", "no json", json.dumps({"a": [1]})):
        save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata={"fakeoff.facts": said})
        with pytest.raises(Unreadable):
            read_checkpoint(tmp_path / "x.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata={"format": "pt"})
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert read_checkpoint(tmp_path / "x.safetensors") == Checkpoint({"a": torch.ones(1)})


def test_a_file_is_the_same_bytes_in_memory(tmp_path: Path) -> None:
    """A pickle behind which other bytes lie is read up to its end, as Python does."""
    buffer = io.BytesIO()
    pickle.dump({"a": torch.ones(2)}, buffer)
    (tmp_path / "x.pkl").write_bytes(buffer.getvalue() + b"more")
    assert read_checkpoint(tmp_path / "x.pkl").tensors["a"].tolist() == [1, 1]


def test_a_hook_is_shown_dicts_as_they_stand_in_the_file(tmp_path: Path) -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)
            self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
                lambda _, state, *__: state.update(state.pop("model"))
            )

    source, player = nn.Module(), Nested()
    source.norm = nn.BatchNorm1d(2)
    nn.init.normal_(source.norm.weight, generator=rng())
    path = tmp_path / "weights.pt"
    torch.save({"model": source.state_dict(), "epoch": 3}, path)
    load_weights(player, path)
    assert torch.equal(player.norm.weight, source.norm.weight)
    state: dict[str, Any] = dict(read_checkpoint(path).state_dict())
    assert list(state) == ["model"]
    flatten(state)
    assert torch.equal(state["model.norm.weight"], source.norm.weight)
