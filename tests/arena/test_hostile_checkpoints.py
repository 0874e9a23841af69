"""Files made to do harm do none: nothing is imported or called, no memory is taken, and one line says why."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random  # which hypothesis seeds
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints import Unreadable, read_checkpoint
from fakeoff.arena.players.checkpoints.containers import read_objects
from fakeoff.arena.players.checkpoints.pickles import StandIn
from fakeoff.arena.players.specs import load_weights

TENSOR = pickle.dumps({"a": torch.ones(2, 3)}, 2)
MARK = "sentinel"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def called(name: str, *arguments: bytes) -> bytes:
    """A global, and a call of it."""
    return b"c" + name.encode() + b"\n(" + b"".join(arguments) + b"tR"


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def program(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def beside_a_tensor(part: bytes) -> bytes:
    """A pickle of a table that holds a true tensor, and under "x" what ``part`` pushes."""
    return TENSOR[:-1] + text("x") + part + b"s."


def storage(
    count: int = 6, *, kind: str = "FloatStorage", content: bytes | None = None, said: int | None = None
) -> bytes:
    """``torch.storage._load_from_bytes`` of a storage in the older format, which may lie."""
    key = text("0")
    pid = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + key + text("cpu") + number(count) + b"NtQ"
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    body = head + program(pid) + program(b"]" + key + b"a")
    body += struct.pack("<q", count if said is None else said) + (bytes(4 * count) if content is None else content)
    return called("torch.storage\n_load_from_bytes", b"B" + struct.pack("<I", len(body)) + body)


def tensor(*, of: bytes, offset: int = 0, shape: tuple[Any, ...] = (2, 3), stride: tuple[Any, ...] = (3, 1)) -> bytes:
    sizes = b"".join(b"(" + b"".join(number(size) for size in sizes) + b"t" for sizes in (shape, stride))
    return called("torch._utils\n_rebuild_tensor_v2", of, number(offset), sizes, b"\x89", b"N")


def array(state: object, dtype: object = np.dtype("f4")) -> bytes:
    made = called("numpy.core.multiarray\n_reconstruct", b"cnumpy\nndarray\n", b"(K\x00t", b"C\x01b")
    shape, content = state  # type: ignore[misc]
    parts = [pickle.dumps(part, 2)[2:-1] for part in (1, shape, dtype, False, content)]
    return made + b"(" + b"".join(parts) + b"tb"


RUNS = {
    "os.system": called("os\nsystem", text(f"touch {MARK}")),
    "posix.system": called("posix\nsystem", text(f"touch {MARK}")),
    "builtins.eval": called("builtins\neval", text(f"open('{MARK}', 'w')")),
    "builtins.exec": called("__builtin__\nexec", text(f"open('{MARK}', 'w')")),
    "builtins.open": called("builtins\nopen", text(MARK), text("w")),
    "getattr": called("builtins\ngetattr", b"cos\nsystem\n", text("__call__")),
    "import": called("importlib\nimport_module", text("this")),
    "subprocess": b"(csubprocess\nPopen\n" + text(f"touch {MARK}") + b"o",
    "inst": b"(" + text(f"touch {MARK}") + b"ios\nsystem\n",
    "stack_global": text("os") + text("system") + b"\x93(" + text(f"touch {MARK}") + b"tR",
    "dotted": called("os.path\nos.system", text(f"touch {MARK}")),
    "pickle in it": called("pickle\nloads", b"C\x02N."),
    "set state of a module": b"csys\nmodules\n}" + text("os") + b"Nsb",
}


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Holds every test to it: no module more than before, and nobody made the file that the code here would make."""
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.ones(1)}, "true.pt")  # what saving and reading import when they are first needed
    read_checkpoint(Path("true.pt"))
    before = set(sys.modules)
    yield
    # zipfile reads names of members so that are not said to be UTF-8
    assert {name for name in set(sys.modules) - before if "hypothesis" not in name} <= {"encodings.cp437"}
    assert not Path(MARK).exists()


def _written(content: bytes) -> Path:
    path = Path("hostile.pkl")
    path.write_bytes(content)
    return path


def refused(content: bytes) -> str:
    with pytest.raises(PluginError) as caught:
        load_weights(nn.Linear(1, 1), _written(content))
    message = str(caught.value)
    assert "the weights 'hostile.pkl'" in message
    assert message.isprintable()
    assert len(message) < 400
    return message


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("beside", [False, True])
def test_code_is_refused_and_does_not_run(name: str, beside: bool) -> None:
    content = beside_a_tensor(RUNS[name]) if beside else program(RUNS[name])
    assert "which weights have no use for: whoever wrote it wanted code to run" in refused(content)


def test_the_same_code_would_run_in_pythons_own_machine() -> None:
    """Or the tests above would prove nothing."""
    pickle.loads(program(RUNS["builtins.open"])).close()  # noqa: S301
    assert Path(MARK).exists()
    Path(MARK).unlink()


INERT = {
    "a function": called("no.such.module\nfunction", text("a")),
    "a chain": called("no.such.module\nfunction", text("a")) + b"(" + text("b") + b"tR",
    "an object": b"cno.such.module\nClass\n)\x81",
    "an object with arguments": b"cno.such.module\nClass\n)}" + text("a") + b"Ks\x92".replace(b"K", b"K\x01"),
    "old objects": b"(ino.such.module\nClass\n",
    "older objects": b"(cno.such.module\nClass\no",
    "a state": b"cno.such.module\nClass\n)\x81}" + text("__class__") + text("a") + b"sb",
    "a state of slots": b"cno.such.module\nClass\n)\x81N}" + text("__dict__") + text("a") + b"s\x86b",
    "a __setstate__": b"cno.such.module\nClass\n)\x81}"
    + text("__setstate__")
    + b"cno.such\nfunction\nsb"
    + text("a")
    + b"b",
    "entries": b"cno.such.module\nClass\n)\x81" + text("a") + text("b") + b"s",
    "items": b"cno.such.module\nClass\n)\x81" + text("a") + b"a",
    "a module that is here": called("antigravity\nfly") + b"0" + called("ftplib\nFTP", text("localhost")),
    "torch's own functions": called("torch.hub\nload", text("a"), text("b")) + b"0" + called("torch\nload", text(MARK)),
    "numpy's own functions": called("numpy\nload", text(MARK)) + b"0" + called("numpy.testing\nrundocs", text(MARK)),
    "a name that is nearly allowed": called("torch._utils \n_rebuild_tensor_v2", b"N"),
    "another name that is nearly allowed": called("torch._utils\n_rebuild_tensor_v2.__globals__", b"N"),
}


@pytest.mark.parametrize("name", INERT)
def test_all_other_names_are_stand_ins_that_do_nothing(name: str) -> None:
    got = read_checkpoint(_written(beside_a_tensor(INERT[name])))
    assert list(got.tensors) == ["a"]
    assert list(got.left_out.values()) == [1]
    made = read_objects(program(INERT[name]))
    assert type(made) is StandIn
    assert type(made).__dict__.keys() == StandIn.__dict__.keys()


LIES = {
    "no arguments": called("torch._utils\n_rebuild_tensor_v2"),
    "no storage": called("torch._utils\n_rebuild_tensor_v2", b"N", number(0), b")", b")"),
    "a parameter of text": called("torch._utils\n_rebuild_parameter", text("a"), b"\x88", b"N"),
    "a tensor of a class": called(
        "torch._tensor\n_rebuild_from_type_v2", b"cos.path\njoin\n".replace(b"os.path", b"a"), b"N", b")", b"N"
    ),
    "arguments that are a list": b"ctorch._utils\n_rebuild_tensor_v2\n]R",
    "a call of a tensor": tensor(of=storage()) + b")R",
    "the state of a tensor": tensor(of=storage()) + b"}b",
    "an entry of a tensor": tensor(of=storage()) + number(0) + number(1) + b"s",
    "an item of a tensor": tensor(of=storage()) + number(0) + b"a",
    "a shape outside": tensor(of=storage(), shape=(7,), stride=(1,)),
    "an offset outside": tensor(of=storage(), offset=1),
    "a stride outside": tensor(of=storage(), stride=(4, 1)),
    "a negative offset": tensor(of=storage(), offset=-1),
    "a negative stride": tensor(of=storage(), stride=(-3, 1)),
    "a negative size": tensor(of=storage(), shape=(-2, -3)),
    "a size of text": called("torch._utils\n_rebuild_tensor_v2", storage(), number(0), text("ab"), text("ab")),
    "few bytes, many numbers": tensor(of=storage(), shape=(10**12,), stride=(0,)),
    "few bytes, very many": tensor(of=storage(), shape=(2**61, 2**61), stride=(0, 0)),
    "too many dimensions": tensor(of=storage(), shape=(1,) * 70, stride=(1,) * 70),
    "a huge storage": tensor(of=storage(2**40, content=bytes(24))),
    "a storage that says two sizes": tensor(of=storage(said=2**40)),
    "a storage that is cut off": tensor(of=storage(content=bytes(20))),
    "a storage of a kind that there is not": tensor(of=storage(kind="FloatStorage.__class__")),
    "a storage in a storage": called(
        "torch.storage\n_load_from_bytes", b"B" + struct.pack("<I", len(p := program(storage()))) + p
    ),
    "bytes that are no checkpoint": called("torch.storage\n_load_from_bytes", b"C\x04abcd"),
    "a path in place of bytes": called("torch.storage\n_load_from_bytes", text("/etc/passwd")),
    "a bytearray of any size": called("builtins\nbytearray", number(2**40)),
    "bytes of any size": called("builtins\nbytes", number(2**40)),
    "another codec": called("_codecs\nencode", text("a"), text("rot13")),
    "a set of a number": called("builtins\nset", number(3)),
    "a size of tensors": called("torch\nSize", b"N"),
    "a dictionary of a number": called("collections\nOrderedDict", number(3)),
    "an array of objects": array(((1,), ["a"]), np.dtype("O")),
    "an array that is too long": array(((2**40,), b"abcd")),
    "an array that is too short": array(((1,), b"abcdefgh")),
    "an array of half numbers": array(((1,), b"abcde")),
    "an array of texts as numbers": array(((1,), 3)),
    "a type with fields": array(((1,), b"abcd"), np.dtype([("a", "f4")])).replace(b"V4", b"f4"),
    "a subclass of an array": called("numpy.core.multiarray\n_reconstruct", b"cnumpy\nmemmap\n", b"(K\x00t", b"C\x01b"),
    "a scalar of two": called("numpy.core.multiarray\nscalar", called("numpy\ndtype", text("f4")), b"C\x08abcdefgh"),
    "something outside": text("a") + b"Q",
    "something outside by text": b"Pstorage\n",
    "the extension registry": b"\x82\x01",
    "a memo that is empty": b"h\x07",
    "a mark that is not there": b"0" * 9,
    "a key without a value": b"}(" + text("a") + b"u",
    "a module that is no text": number(1) + number(2) + b"\x93",
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name: str) -> None:
    refused(program(LIES[name]))
    refused(beside_a_tensor(LIES[name]))


def test_the_true_forms_of_these_lies_are_read() -> None:
    got = read_checkpoint(_written(beside_a_tensor(tensor(of=storage(), stride=(1, 2)))))
    assert got.tensors["x"].stride() == (1, 2)
    got = read_checkpoint(_written(beside_a_tensor(array(((1,), b"abcd")))))
    assert got.tensors["x"].shape == (1,)


def peak(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HUGE = {
    "text of 2 GB": b"X" + struct.pack("<I", 2**31) + b"a",
    "text of an exabyte": b"\x8d" + struct.pack("<Q", 2**60) + b"a",
    "bytes of an exabyte": b"\x8e" + struct.pack("<Q", 2**60) + b"a",
    "a bytearray of an exabyte": b"\x96" + struct.pack("<Q", 2**60) + b"a",
    "a number of 2 GB": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"a",
    "a frame of an exabyte": b"\x95" + struct.pack("<Q", 2**60) + b"a",
    "a memo index of 4 billion": b"Nr" + struct.pack("<I", 2**32 - 1) + b"0",
    "a memo index of any size": b"Np" + b"9" * 300 + b"\n0",
    "a number in 5,000 digits": b"L" + b"9" * 5000 + b"L\n",
}


@pytest.mark.parametrize("name", HUGE)
def test_what_a_file_says_of_sizes_takes_no_memory(name: str) -> None:
    assert peak(lambda: refused(program(HUGE[name]))) < 2**21


@pytest.mark.parametrize("deep", [b")" + b"\x85" * 50_000, b"]" * 50_000 + b"a" * 49_999, b"(" * 50_000])
def test_values_in_values_end_somewhere(deep: bytes) -> None:
    refused(program(deep))
    nested = b"}" + (text("a") + b"}") * 400 + b"s" * 400
    assert "deeper in each other than 100" in refused(program(nested))


def test_a_deep_key_is_not_hashed() -> None:
    got = read_checkpoint(_written(TENSOR[:-1] + b")" + b"\x85" * 100_000 + b"Ns."))
    assert list(got.tensors) == ["a"]


def test_circles_and_doublings_end() -> None:
    circle = b"}q\x00" + text("a") + b"h\x00s"
    assert "deeper in each other" in refused(program(circle))
    # each table holds the one before twice: 2 ** 60 ways
    doubled = b"}q\x00"
    for level in range(60):
        doubled += (
            b"}(" + text("a") + b"h" + bytes([level]) + text("b") + b"h" + bytes([level]) + b"uq" + bytes([level + 1])
        )
    assert "more than 500000 values" in refused(program(doubled))


def test_many_views_of_few_bytes_are_refused() -> None:
    views = tensor(of=storage() + b"q\x00") + b"q\x01"
    entries = b"".join(text(f"t{index}") + b"h\x01" for index in range(2000))
    assert read_checkpoint(_written(program(b"}(" + text("a") + views + b"u"))).tensors
    many = tensor(of=storage(2000) + b"q\x00", shape=(2000,), stride=(1,)) + b"q\x01"
    assert "larger than the file" in refused(program(b"}(" + text("a") + many + entries + b"u"))


def test_a_pickle_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakeoff.arena.players.checkpoints.containers.MOST_OPCODES", 1000)
    assert "more than 1000 opcodes" in refused(program(b"N0" * 1000))


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakeoff.arena.players.checkpoints.checkpoint.MOST_FILE_BYTES", 2**10)
    assert "larger than 0 GiB" in refused(TENSOR + bytes(2**10))


@pytest.mark.parametrize("form", ["pickle", "zip", "older"])
def test_a_file_that_is_cut_off_anywhere_is_refused(form: str) -> None:
    file = io.BytesIO()
    state = {"a": torch.ones(2, 3), "b": torch.zeros(4)}
    if form == "pickle":
        pickle.dump(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=form == "zip")
    whole = file.getvalue()
    assert read_checkpoint(_written(whole)).tensors.keys() == state.keys()
    for end in range(0, len(whole) - 1, max(1, len(whole) // 150)):
        refused(whole[:end])


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(["pickle", "zip", "older"]), data=st.data())
def test_damage_is_a_line_or_a_checkpoint(form: str, data: st.DataObject) -> None:
    file = io.BytesIO()
    state = {"a": torch.ones(2, 3), "b": np.ones(2, np.float32), "c": "text", "d": nn.Linear(1, 1)}
    if form == "pickle":
        pickle.dump(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=form == "zip")
    content = bytearray(file.getvalue())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    path = _written(bytes(content))
    said = ""
    try:
        read_checkpoint(path)
    except Unreadable as error:
        said = str(error)
    assert not said or said.isprintable()


def archive(members: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return file.getvalue()


def stored(*, count: int, key: str = "0") -> bytes:
    pid = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"
    return program(b"}" + text("a") + tensor(of=pid) + b"s")


def test_archives_are_read_where_their_bytes_lie() -> None:
    true = {"a/data.pkl": stored(count=6), "a/data/0": bytes(24)}
    assert read_checkpoint(_written(archive(true))).tensors["a"].shape == (2, 3)
    bomb = {"a/data.pkl": stored(count=2**24), "a/data/0": bytes(2**26)}
    squeezed = archive(bomb, compression=zipfile.ZIP_DEFLATED)
    assert len(squeezed) < 2**17
    assert peak(lambda: refused(squeezed)) < 2**21
    assert "compressed or encrypted" in refused(squeezed)
    for members in (
        {**true, "a/data.pkl": stored(count=7)},
        {**true, "a/data.pkl": stored(count=2**40)},
        {**true, "a/data.pkl": stored(count=6, key="../../../etc/passwd")},
        {**true, "b/data.pkl": stored(count=6)},
        {**true, "a/byteorder": b"big"},
        {"data.pkl": stored(count=6)},
        {"a/data.pkl": stored(count=6)},
        {"a/data.pkl": program(storage())},
        {"a/data.pkl": program(RUNS["os.system"])},
    ):
        refused(archive(members))


def test_an_archive_that_lies_of_where_its_members_are_is_refused() -> None:
    content = bytearray(archive({"a/data.pkl": stored(count=6), "a/data/0": bytes(24)}))
    entry = content.index(b"PK\x01\x02")
    for offset, value in ((42, 2**31), (24, 2**31), (20, 2**31)):  # place, size, compressed size
        lying = bytearray(content)
        struct.pack_into("<I", lying, entry + offset, value)
        refused(bytes(lying))


def test_control_characters_reach_no_terminal() -> None:
    bell = called("os\n\x1b[31m\x07system", text("a"))
    message = refused(program(bell))
    assert "\x1b" not in message
    assert "?[31m?system" in message


def test_the_opcodes_of_the_machine_are_all_that_there_are_but_the_dangerous() -> None:
    from fakeoff.arena.players.checkpoints.pickles import _LITERALS, _MADE, _STEPS

    known = set(_LITERALS) | set(_MADE) | set(_STEPS) | {"STOP"}
    left = {opcode.name for opcode in pickletools.opcodes} - known
    assert left == {"PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
    assert not known - {opcode.name for opcode in pickletools.opcodes}


def test_a_true_pickle_of_a_harmful_class_does_nothing(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / MARK),)

    refused(pickle.dumps({"a": torch.ones(1), "b": Harmful()}))
