"""Scratch folders are private, and those of processes that were killed are taken away by the next."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakeoff.arena.jobs.scratch import Scratch

KILLED = """
import os, signal
from fakeoff.arena.jobs.scratch import Scratch
scratch = Scratch("test")
(scratch.path / "session").mkdir()
print(scratch.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s") as place:
        monkeypatch.setenv("TMPDIR", place)
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place)


def test_it_is_private_and_goes(folder: Path) -> None:
    scratch = Scratch("test")
    assert scratch.path.parent == folder
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    scratch.close()
    scratch.close()
    assert not list(folder.iterdir())


def test_what_a_killed_process_left_is_taken_away_and_what_is_held_stays(folder: Path) -> None:
    held = Scratch("test")
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert killed.returncode == -9
    assert (left / "session").is_dir()
    stranger = folder / "fakeoff-test-strangers"  # without a lock: nobody knows whose it is
    stranger.mkdir()
    (folder / "fakeoff-test-link").symlink_to(left)
    new = Scratch("test")
    assert not left.exists()
    assert held.path.is_dir()
    assert stranger.is_dir()
    for scratch in (held, new):
        scratch.close()


def test_a_long_path_has_no_room_for_sockets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = folder / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    scratch = Scratch("test")
    assert scratch.path.parent == Path("/tmp")
    scratch.close()
