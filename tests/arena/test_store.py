from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs import store as store_module
from fakeoff.arena.jobs.store import ARRAYS_FILE, LEFT_OUT_FILE, LeftOutError, Store, write_atomically
from fakeoff.arena.seeds import digest

KEY = digest("a job")

DTYPES = st.sampled_from([np.uint8, np.int64, np.int32, np.float16, np.float32, np.float64, np.bool_])
ARRAYS = st.dictionaries(
    st.text("abcdefg._0", min_size=1, max_size=8),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))),
    max_size=4,
)
RECORDS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def some_result(value: float = 1.0) -> Result:
    return Result(record={"value": value}, arrays={"x": np.full((2, 3), value, np.float32)})


def contents(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


@given(arrays=ARRAYS, record=RECORDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_arrays_and_any_record_come_back_as_they_were(
    tmp_path: Path, arrays: dict[str, np.ndarray], record: dict[str, Any]
) -> None:
    store = Store(tmp_path / "store")
    key = digest([record, {name: [str(a.dtype), a.shape, a.tobytes().hex()] for name, a in arrays.items()}])
    store.write(key, Result(record=record, arrays=arrays))
    back = store.read(key)
    assert back.record == record
    assert store.record(key) == record
    assert set(back.arrays) == set(arrays)
    for name, array in arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("view", [np.s_[:, ::2], np.s_[::-1], np.s_[..., 1]])
def test_views_that_are_not_contiguous_come_back_by_value(store: Store, view: Any) -> None:
    array = np.arange(24).reshape(4, 6)[view]
    store.write(KEY, Result(record={}, arrays={"x": array, "t": array.T}))
    back = store.read(KEY).arrays
    assert np.array_equal(back["x"], array)
    assert np.array_equal(back["t"], array.T)


def test_a_key_is_known_only_after_its_result_is_written(store: Store) -> None:
    assert KEY not in store
    store.write(KEY, some_result())
    assert KEY in store
    assert digest("another job") not in store
    assert KEY in Store(store.root)


def test_a_second_write_changes_nothing(store: Store) -> None:
    store.write(KEY, some_result(1))
    before = contents(store)
    store.write(KEY, some_result(2))
    assert contents(store) == before
    assert store.read(KEY).record == {"value": 1}


def test_a_result_that_cannot_be_written_leaves_no_key_behind(store: Store) -> None:
    with pytest.raises(ValueError):
        store.write(KEY, Result(record={"value": float("nan")}))
    assert KEY not in store
    store.sweep()
    assert not list(store.root.glob("writing-*"))
    store.write(KEY, some_result())
    assert store.read(KEY).record == {"value": 1}


def test_what_a_killed_driver_left_half_written_is_swept_up(store: Store) -> None:
    store.write(KEY, some_result())
    leftover = store.root / "writing-abc123"
    leftover.mkdir()
    (leftover / "arrays.safetensors").write_bytes(b"half")
    again = Store(store.root)
    assert leftover.exists()  # it may be another driver's, at this very moment
    again.sweep()
    assert not leftover.exists()
    assert again.read(KEY).record == {"value": 1}


def test_a_reader_leaves_every_byte_as_it_is(store: Store, tmp_path: Path) -> None:
    assert not (Store(tmp_path / "nothing") and (tmp_path / "nothing").exists())
    store.write(KEY, some_result())
    (store.root / "writing-abc123").mkdir()
    before = contents(store)
    reader = Store(store.root)
    reader.read(KEY)
    reader.record(KEY)
    assert KEY in reader
    assert contents(store) == before
    assert (store.root / "writing-abc123").is_dir()


def test_a_result_that_is_being_written_survives_a_reader(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = store_module._write_synced

    def look_meanwhile(path: Path, data: bytes) -> None:
        synced(path, data)
        assert KEY not in Store(store.root)

    monkeypatch.setattr(store_module, "_write_synced", look_meanwhile)
    store.write(KEY, some_result())
    assert store.read(KEY).record == {"value": 1}


def test_a_changed_digit_of_a_record_is_found(store: Store) -> None:
    store.write(KEY, some_result(1))
    path = store.root / KEY[:2] / KEY / "record.json"
    path.write_text(path.read_text().replace('"value":1', '"value":2'))
    for read in (store.read, store.record):
        with pytest.raises(StoreError, match=f"{KEY}' is damaged .*checksum.*play again to compute it anew"):
            read(KEY)


def test_two_entries_that_changed_places_are_found(store: Store) -> None:
    other = digest("another job")
    folders = []
    for key, value in ((KEY, 1), (other, 2)):
        store.write(key, some_result(value))
        folders.append(store.root / key[:2] / key)
    folders[0].rename(store.root / "aside")
    folders[1].rename(folders[0])
    (store.root / "aside").rename(folders[1])
    for key in (KEY, other):
        with pytest.raises(StoreError, match=f"{key}' is damaged .*checksum"):
            store.record(key)


def test_stores_from_before_the_checksum_are_read(store: Store) -> None:
    store.write(KEY, some_result(1))
    (store.root / "format.json").write_text('{"format": 1}')
    path = store.root / KEY[:2] / KEY / "record.json"
    kept = json.loads(path.read_text())
    del kept["sha256"]
    path.write_text(json.dumps(kept))
    assert Store(store.root).read(KEY).record == {"value": 1}
    (store.root / "format.json").write_text('{"format": 2}')
    with pytest.raises(StoreError, match="is damaged"):
        Store(store.root).read(KEY)


@pytest.mark.parametrize("position", [0, 8, 40, -1])
def test_one_flipped_bit_in_the_arrays_is_found(store: Store, position: int) -> None:
    store.write(KEY, some_result())
    path = store.root / KEY[:2] / KEY / "arrays.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=f"{KEY}' is damaged .*play again to compute it anew"):
        store.read(KEY)


@pytest.mark.parametrize("name", ["record.json", "arrays.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "missing", "empty"])
def test_a_cut_or_missing_file_is_a_store_error(store: Store, name: str, damage: str) -> None:
    store.write(KEY, some_result())
    path = store.root / KEY[:2] / KEY / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else -10])
    with pytest.raises(StoreError, match="damaged"):
        store.read(KEY)
    if name == "record.json":
        with pytest.raises(StoreError, match="damaged"):
            store.record(KEY)


def test_a_result_that_was_never_written_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError):
        store.read(KEY)


def test_the_record_holds_the_hash_of_the_arrays(store: Store) -> None:
    store.write(KEY, some_result())
    folder = store.root / KEY[:2] / KEY
    kept = json.loads((folder / "record.json").read_text())
    assert kept["arrays_sha256"] == hashlib.sha256((folder / "arrays.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("marker", ["", "{}", "[]", "3", '{"form'])
def test_a_damaged_marker_is_refused(tmp_path: Path, marker: str) -> None:
    (tmp_path / "format.json").write_text(marker)
    with pytest.raises(StoreError, match="is damaged; use another --home"):
        Store(tmp_path)


def test_a_store_of_a_later_version_is_refused(store: Store) -> None:
    store.write(KEY, some_result())
    (store.root / "format.json").write_text(json.dumps({"format": 3}))
    with pytest.raises(StoreError, match="format 3, this Fakeoff reads 2"):
        Store(store.root)


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "state.json", b"one")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "store").write(KEY, some_result())


def test_a_record_as_deep_as_no_parser_goes_is_damage(store: Store) -> None:
    store.write(KEY, some_result())
    [path] = store.root.rglob("record.json")
    path.write_text("[" * 200_000)
    with pytest.raises(StoreError, match="is damaged"):
        store.record(KEY)


def test_a_file_is_replaced_in_one_step_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    write_atomically(path, b"one")
    with path.open("rb") as reader:  # who has it open keeps the old one whole
        write_atomically(path, b"two, and longer")
        assert reader.read() == b"one"
    assert path.read_bytes() == b"two, and longer"
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


def test_arrays_that_were_left_out_are_computed_again_and_only_the_same_ones_are_taken(store: Store) -> None:
    store.write(KEY, some_result())
    [arrays] = store.root.rglob(ARRAYS_FILE)
    arrays.rename(arrays.with_name(LEFT_OUT_FILE)).write_text("images")
    assert KEY not in store
    assert store.left_out() == ["images"]
    assert store.record(KEY) == {"value": 1.0}
    with pytest.raises(LeftOutError, match=r"images were left out when .* computed again with: fakeoff run --home"):
        store.read(KEY)
    with pytest.raises(StoreError, match=r"the images that were left out of .* come out otherwise here"):
        store.write(KEY, some_result(2.0))
    assert KEY not in store
    store.write(KEY, some_result())
    assert store.left_out() == []
    assert store.read(KEY).arrays["x"].tolist() == some_result().arrays["x"].tolist()


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """Root may put a file in the place of /dev/full, which then is one for everybody."""
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for place in (pipe, folder):
        with pytest.raises(StoreError, match="something is there that is no file"):
            write_atomically(place, b"x")
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_of_a_link_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "away" / "real")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "away" / "real").read_bytes() == b"new"


@given(arrays=ARRAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_large_arrays_lie_in_the_same_bytes_as_small_ones_and_come_back_the_same(
    arrays: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    written = []
    for most in (1 << 22, -1):
        store = Store(tmp_path_factory.mktemp("store"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "_MAPPED_FROM", most)
            store.write(KEY, Result(record={}, arrays=arrays))
            read = store.read(KEY).arrays
        written.append((store.place(KEY) / ARRAYS_FILE).read_bytes())
        assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in read.items()} == {
            name: (a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for name, a in arrays.items()
        }
    assert written[0] == written[1]


def test_large_arrays_stay_on_the_disk_and_cannot_be_written_to(store: Store) -> None:
    images = np.arange(6_000_000, dtype=np.uint8)
    store.write(KEY, Result(record={}, arrays={"images": images}))
    read = store.read(KEY).arrays["images"]
    mapped = str(store.place(KEY) / ARRAYS_FILE)
    assert not sys.platform.startswith("linux") or mapped in Path("/proc/self/maps").read_text()
    assert np.array_equal(read, images)
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 1


@pytest.mark.parametrize("position", [9, 4_000_000])
def test_one_flipped_bit_in_large_arrays_is_found(store: Store, position: int) -> None:
    store.write(KEY, Result(record={}, arrays={"images": np.zeros(6_000_000, np.uint8)}))
    path = store.place(KEY) / ARRAYS_FILE
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        store.read(KEY)
