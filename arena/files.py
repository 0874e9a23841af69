"""Files that somebody else gives: read without waiting for ever, and without end."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from io import BufferedReader
from pathlib import Path

_BLOCK = 1 << 16


def read_waiting(path: Path, *, seconds: float, most_bytes: int) -> bytes:
    """Reads a file; from a pipe, as ``<(...)`` of a shell is one, what its writer sends in time.

    Args:
        path: Of a file or a pipe.
        seconds: How long a pipe is waited for.
        most_bytes: That are read.

    Raises:
        OSError: It cannot be read, is neither a file nor a pipe, nobody writes to it in time, or it is longer.
    """
    # Without O_NONBLOCK, a pipe that nobody writes to would be waited for before there is anything to give up.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISREG(mode):
            content = b"".join(iter(lambda: os.read(handle, _BLOCK), b"")) if _fits(handle, most_bytes) else None
        elif stat.S_ISFIFO(mode):
            content = _read_pipe(handle, time.monotonic() + seconds, most_bytes)
        else:
            raise OSError("it is neither a file nor a pipe")
    finally:
        os.close(handle)
    if content is None:
        raise OSError(f"it is longer than {most_bytes >> 20} MB")
    return content


def read_file(path: Path) -> bytes:
    """Reads a file; of a pipe or a device, which might be waited for, or read, without end, nothing is read.

    Args:
        path: Of a file, or of a link to one.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    with open_file(path) as file:
        return file.read()


def open_file(path: Path) -> BufferedReader:
    """Opens a file to be read; see :func:`read_file`.

    Args:
        path: Of a file, or of a link to one.

    Raises:
        OSError: It cannot be opened, or is no file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def _fits(handle: int, most_bytes: int) -> bool:
    return os.fstat(handle).st_size <= most_bytes


def _read_pipe(handle: int, until: float, most_bytes: int) -> bytes | None:
    content = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([handle], [], [], left)[0]:
            break
        try:
            block = os.read(handle, _BLOCK)
        except BlockingIOError:
            continue
        if not block and content:
            return content
        if not block:  # so says a pipe that nobody has opened for writing, too
            time.sleep(min(0.05, max(left, 0)))
        content += block
        if len(content) > most_bytes:
            return None
    raise OSError("nobody has written to this pipe, or not to its end, in time")


__all__ = ["open_file", "read_file", "read_waiting"]
