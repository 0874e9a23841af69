"""Runs a command and watches what it and all that it started take."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fakeoff.arena import compute

_TICK = os.sysconf("SC_CLK_TCK")
_EVERY_SECONDS = 0.1
_HELD = re.compile(r"^(RssAnon|RssShmem):\s+(\d+) kB", re.MULTILINE)
_TREE_EVERY = 3  # samples; looking through all processes takes longer


@dataclass(kw_only=True)
class Run:
    """A command that was run.

    Attributes:
        code: Its exit code.
        wall: Seconds from its start to its end.
        cpu: Seconds that it and all that it started computed; sampled three times a second, so that the last moments of
            what it started are missed.
        lines: What it printed, each with the seconds since the start.
        cores: Samples: seconds since the start, idle and all core time of the machine so far, in seconds.
        own_megabytes: The most memory that the command's first process held, without what it shares.
        workers_megabytes: The most that any of Ray's workers held, likewise; sampled three times a second.
        shared_megabytes: The most shared memory that any one of the command's processes had touched; likewise.
    """

    code: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    lines: list[tuple[float, str]] = field(default_factory=list)
    cores: list[tuple[float, float, float]] = field(default_factory=list)
    own_megabytes: float = 0.0
    workers_megabytes: float = 0.0
    shared_megabytes: float = 0.0

    def idle(self, first: float, last: float) -> float:
        """The share of the machine's core time that was idle between two times; 0 where they are too close to tell."""
        within = [sample for sample in self.cores if first <= sample[0] <= last]
        if len(within) < 2 or within[-1][2] == within[0][2]:
            return 0.0
        return (within[-1][1] - within[0][1]) / (within[-1][2] - within[0][2])


def run(command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Runs a command to its end.

    Args:
        command: What to run.
        folder: Where it starts.
        environment: Variables over those of this process.
    """
    found = Run()
    before, started = _waited_for(), time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )
    tree = _Tree(process.pid)
    watch = threading.Thread(target=_watch, args=(process, started, found, tree), daemon=True)
    watch.start()
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            found.lines.append((time.monotonic() - started, line.rstrip("\n")))
    found.code = process.wait()
    found.wall = time.monotonic() - started
    watch.join()
    # The kernel's own count misses what nobody waited for, and the samples miss the end: neither counts too much.
    found.workers_megabytes, found.shared_megabytes = tree.workers_megabytes, tree.shared_megabytes
    found.cpu = max(tree.seconds(), _waited_for() - before)
    return found


def machine() -> dict[str, object]:
    """What a stored result says of the machine."""
    return {"processor": compute.describe(compute.survey()), "cores": os.cpu_count(), "torch": torch.__version__}


class _Tree:
    """CPU time of a process and of all that it started, as far as they were seen.

    Args:
        root: Its id.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._known: dict[tuple[int, int], float] = {}  # by id and start, CPU seconds when last seen
        self.workers_megabytes = 0.0
        self.shared_megabytes = 0.0

    def look(self) -> None:
        alive: dict[int, tuple[int, int, float]] = {}  # by id: parent, start, CPU seconds
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue  # it ended meanwhile
                alive[int(folder.name)] = (
                    int(fields[1]),
                    int(fields[19]),
                    (int(fields[11]) + int(fields[12])) / _TICK,
                )
        for pid, (_, start, seconds) in alive.items():
            # Who was seen once still counts when its parent ended before it.
            if (pid, start) in self._known or self._belongs(pid, alive):
                self._known[pid, start] = seconds
                self._weigh(pid)

    def _weigh(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_text()
            held = {
                key: int(kilobytes) / 1000 for key, kilobytes in _HELD.findall(Path(f"/proc/{pid}/status").read_text())
            }
            self.shared_megabytes = max(self.shared_megabytes, held.get("RssShmem", 0.0))
            if command.startswith("ray::") and not command.split("\0")[0].endswith("Agent"):
                self.workers_megabytes = max(self.workers_megabytes, held.get("RssAnon", 0.0))

    def seconds(self) -> float:
        return sum(self._known.values())

    def _belongs(self, pid: int, alive: Mapping[int, tuple[int, int, float]]) -> bool:
        while pid in alive and pid != self._root:
            parent, start, _ = alive[pid]
            if (pid, start) in self._known:
                return True
            pid = parent
        return pid == self._root


def _watch(process: subprocess.Popen[str], started: float, found: Run, tree: _Tree) -> None:
    sample = 0
    while process.poll() is None:
        fields = [int(value) / _TICK for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        found.cores.append((time.monotonic() - started, fields[3] + fields[4], sum(fields)))
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        if held := re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE):
            found.own_megabytes = max(found.own_megabytes, int(held[1]) / 1000)
        if sample % _TREE_EVERY == 0:
            tree.look()
        sample += 1
        time.sleep(_EVERY_SECONDS)


def _waited_for() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
