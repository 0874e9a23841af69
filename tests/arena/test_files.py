"""Files and pipes are read to their end, and neither for ever nor without end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from fakeoff.arena.files import read_file, read_waiting


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content := os.urandom(200_000))
    assert read_waiting(path, seconds=1, most_bytes=1 << 20) == content
    with pytest.raises(OSError, match="longer than 0 MB"):
        read_waiting(path, seconds=1, most_bytes=100)


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_a_pipe_is_read_to_its_end_however_slow_its_writer_is(tmp_path: Path, pause: float) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for piece in (b"rounds ", b"= ", b"1"):
                time.sleep(pause)
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_waiting(path, seconds=20, most_bytes=1 << 20) == b"rounds = 1"
    writer.join()


def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="nobody has written to this pipe"):
        read_waiting(tmp_path / "pipe", seconds=0.2, most_bytes=1 << 20)


def test_a_pipe_whose_writer_never_ends_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)
    os.write(keep, b"rounds")
    try:
        with pytest.raises(OSError, match="not to its end, in time"):
            read_waiting(path, seconds=0.3, most_bytes=1 << 20)
    finally:
        os.close(keep)


def test_a_pipe_without_end_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)
    os.write(keep, b"x" * 50_000)
    try:
        with pytest.raises(OSError, match="longer"):
            read_waiting(path, seconds=5, most_bytes=10_000)
    finally:
        os.close(keep)


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/"])
def test_devices_and_folders_are_not_read(place: str) -> None:
    with pytest.raises(OSError):
        read_waiting(Path(place), seconds=1, most_bytes=1 << 20)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for place in ("pipe", "link", "/dev/zero"):
        with pytest.raises(OSError, match="it is a pipe or a device, and no file"):
            read_file(tmp_path / place)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing")


def test_a_file_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"content"
