"""Commands of Fakeoff's in processes of their own: started anew, or forked from one that has imported everything."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST_SECONDS = 60.0


def fakeoff(*words: object) -> list[str]:
    """The command line, as a process."""
    return [sys.executable, "-m", "fakeoff", *map(str, words)]


def forked(words: Sequence[str], folder: Path, *, seconds: float = MOST_SECONDS) -> tuple[int | None, str]:
    """Runs a command in a process that is forked from this one.

    Args:
        words: Of the command line.
        folder: Where it is run; ``said.txt`` in it is what it printed.
        seconds: It may take; it is killed then.

    Returns:
        Its exit code, None where it was killed, and what it said.
    """
    said = folder / "said.txt"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            with said.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.setsid()
            os.chdir(folder)
            code = _run(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, said.read_text(errors="replace")


def _run(words: Sequence[str]) -> int:
    from fakeoff.cli import main

    try:
        main(list(words), prog_name="fakeoff")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


def below(root: int) -> Iterator[tuple[int, str]]:
    """The processes that a process has started, and those that they have."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    waiting = list(parents.get(root, ()))
    while waiting:
        pid = waiting.pop()
        waiting += parents.get(pid, ())
        with contextlib.suppress(OSError):
            yield pid, (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


__all__ = ["MOST_SECONDS", "below", "fakeoff", "forked"]
