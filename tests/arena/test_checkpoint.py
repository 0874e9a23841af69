from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from fakeoff.arena.checkpoint import Checkpoint, is_whole
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.jobs.unfinished import Unfinished

STATE = {"weights": torch.arange(6.0).view(2, 3), "rng": torch.Generator().get_state(), "steps": [1, 2.5, None, "a"]}


def test_what_a_job_leaves_comes_back(tmp_path: Path) -> None:
    kept = Unfinished.of(Store(tmp_path / "store"))
    checkpoint = Checkpoint(every=0.001, write=lambda data: kept.write("a" * 64, data))
    assert checkpoint.state is None
    checkpoint.save(STATE)
    again = Checkpoint(every=0.001, left=kept.read("a" * 64))
    assert again.state is not None
    assert torch.equal(again.state["weights"], STATE["weights"])
    assert torch.equal(again.state["rng"], STATE["rng"])
    assert again.state["steps"] == STATE["steps"]


def test_what_it_took_before_is_counted(tmp_path: Path) -> None:
    written: list[bytes] = []
    first = Checkpoint(every=0.001, write=written.append)
    time.sleep(0.05)
    first.save({})
    again = Checkpoint(every=0.001, left=written[0], write=written.append)
    assert again.before.seconds >= 0.05
    again.save({})
    assert Checkpoint(every=0.001, left=written[1]).before.seconds > again.before.seconds


def test_it_is_due_after_its_time_and_seldom_where_it_costs_much() -> None:
    assert not Checkpoint(every=0.0).due
    assert not Checkpoint(every=60.0).due
    checkpoint = Checkpoint(every=0.01, write=lambda data: time.sleep(0.02))
    time.sleep(0.02)
    assert checkpoint.due
    checkpoint.save({})
    time.sleep(0.02)
    assert not checkpoint.due  # it took 0.02 s: a twentieth of the time, at most


def test_a_flipped_bit_is_no_checkpoint(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    Checkpoint(every=1.0, write=lambda data: kept.write("key", data)).save(STATE)
    path = tmp_path / "key.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert kept.read("key") is None
    assert not is_whole(bytes(data))
    assert Checkpoint(every=1.0, left=bytes(data)).state is None


def test_nothing_in_it_is_run(tmp_path: Path) -> None:
    """What a hostile home holds in the place of one."""
    import hashlib
    import pickle

    class Hostile:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "run"),)

    data = pickle.dumps({"spent": {}, "state": Hostile()})
    assert Checkpoint(every=1.0, left=hashlib.sha256(data).digest() + data).state is None
    assert not (tmp_path / "run").exists()


def test_where_it_cannot_be_kept_the_job_goes_on(tmp_path: Path) -> None:
    (tmp_path / "unfinished").write_text("a file")
    kept = Unfinished(tmp_path / "unfinished")
    kept.write("key", b"data")
    kept.forget("key")
    assert kept.read("key") is None


def test_those_of_a_month_ago_are_swept(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    for key in ("old", "new"):
        Checkpoint(every=1.0, write=lambda data, key=key: kept.write(key, data)).save({})
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(tmp_path / "old.pt", (long_ago, long_ago))
    kept.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["new.pt"]
