"""Where fresh processes come from: one process that never meets a player, and forks one for each job that asks.

An interpreter takes seconds to import PyTorch; a fork of one that has takes a tenth of a second.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.numpy import load, save

from fakeoff.arena.compute import less_secrets
from fakeoff.arena.jobs import Job, Outcome, Report, Result, execute, hand_over, import_house
from fakeoff.arena.players.provisions import ProvisionError
from fakeoff.arena.watch import GRACE_SECONDS, PATIENCE

_SECONDS_TO_START = 120.0
_LENGTH = struct.Struct("!Q")


class Nursery:
    """Starts at once and is ready some seconds later; one for each driver.

    Attributes:
        address: Of its socket; whoever holds it may use it, from other processes of this machine too.
    """

    _shared: ClassVar[Nursery | None] = None

    def __init__(self) -> None:
        # The path of a socket has room for 107 characters.
        self._folder = tempfile.mkdtemp(
            prefix="fakeoff-nursery-", dir=None if len(tempfile.gettempdir()) < 60 else "/tmp"
        )
        self.address = str(Path(self._folder) / "socket")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from fakeoff.arena.jobs.nursery import serve; serve(sys.argv[1])",
                self.address,
            ],
            stdin=subprocess.PIPE,  # its end is the driver's
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**less_secrets(os.environ), "PYTHONPATH": os.pathsep.join([*filter(None, sys.path)])},
            start_new_session=True,  # an interrupt at the terminal is the driver's to handle
        )
        atexit.register(self.close)

    @classmethod
    def shared(cls) -> Nursery:
        """This process's; it is started where there is none, or where it died."""
        if cls._shared is None or cls._shared._process.poll() is not None:
            cls._shared = Nursery()
        return cls._shared

    def execute(self, job: Job, inputs: Mapping[str, Result], report: Report) -> Outcome:
        """Runs a job in a process that ran nothing before; see :func:`execute_fresh`."""
        return execute_fresh(self.address, job, inputs, report)

    def close(self) -> None:
        """Ends it."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if Nursery._shared is self:
            Nursery._shared = None


def execute_fresh(address: str, job: Job, inputs: Mapping[str, Result], report: Report) -> Outcome:
    """Runs a job in a process that ran nothing before.

    Args:
        address: Of a nursery of this machine.
        job: What to run.
        inputs: What it reads.
        report: Told of no steps: such jobs are short.

    Returns:
        How it ended.
    """
    started = time.perf_counter()
    pid = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        try:
            _connect(talk, address)
            talk.settimeout(PATIENCE * job.seconds + GRACE_SECONDS if job.seconds else None)
            _send(talk, json.dumps({"task": job.task, "path": [*filter(None, sys.path)]}).encode())
            pid = int(_receive(talk))
            _send(talk, pickle.dumps(job))
            _send(talk, pickle.dumps({name: (dict(i.record), dict(i.arrays)) for name, i in inputs.items()}))
            answer: dict[str, Any] = json.loads(_receive(talk))
            arrays = load(_receive(talk)) if answer["record"] is not None else {}
        except TimeoutError:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            failure = f"was not done in a fresh process after {time.perf_counter() - started:.0f} s"
            return Outcome(job=job, result=None, failure=failure, seconds=time.perf_counter() - started)
        except (OSError, EOFError, ValueError):
            failure = "died in a fresh process (a crash in native code, or out of memory)"
            return Outcome(job=job, result=None, failure=failure, seconds=time.perf_counter() - started)
    record = answer.pop("record")
    result = None if record is None else Result(record=record, arrays=arrays)
    return Outcome(job=job, result=result, **{**answer, "seconds": time.perf_counter() - started})


def serve(address: str) -> None:
    """Forks a process for each job, until the driver is gone; then nothing is left of it, however the driver ended.

    Args:
        address: Of the socket to make, in a folder of its own.
    """
    try:
        _serve(address)
    finally:
        shutil.rmtree(Path(address).parent, ignore_errors=True)


def _serve(address: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        partial = f"{address}.partial"
        _prepare()
        door.bind(partial)
        door.listen(64)
        Path(partial).rename(address)
        while True:
            ready, _, _ = select.select([door, sys.stdin], [], [])
            if sys.stdin in ready:  # its other end was the driver's
                return
            talk, _ = door.accept()
            with talk:
                try:
                    asked = json.loads(_receive(talk))
                    # Ours alone: no player's code comes in here.
                    import_house(Job(task=asked["task"], version=0, payload={}))
                except Exception:  # whoever asked is told by the end of the talk
                    continue
                if os.fork() == 0:
                    door.close()
                    _live(talk, asked["path"])


def _prepare() -> None:
    """Loads what building a player loads: the optimisers bring half of a compiler."""
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def _live(talk: socket.socket, path: list[str]) -> None:
    """The short life of a fresh process; it does not return."""
    try:
        sys.path += [place for place in path if place not in sys.path]  # players may lie where only the driver looks
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _send(talk, str(os.getpid()).encode())
        job: Job = pickle.loads(_receive(talk))  # noqa: S301 - the driver's own words
        given: dict[str, Any] = pickle.loads(_receive(talk))  # noqa: S301
        if job.seconds:  # for code that does not come back to the interpreter
            most = int(job.seconds + 2 * GRACE_SECONDS)
            resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        inputs = {
            name: hand_over(Result(record=record, arrays=arrays), copy=False)
            for name, (record, arrays) in given.items()
        }
        try:
            outcome = execute(job, inputs, lambda done, total, note="": None)
        except ProvisionError as error:
            outcome = Outcome(job=job, result=None, failure=str(error), seconds=0.0)
        answer = {
            "record": None if outcome.result is None else dict(outcome.result.record),
            "failure": outcome.failure,
            "computed": outcome.computed,
            "printed": outcome.printed,
        }
        _send(talk, json.dumps(answer).encode())
        if outcome.result is not None:
            _send(talk, save({name: np.asarray(a, order="C") for name, a in outcome.result.arrays.items()}))
    finally:
        os._exit(0)


def _connect(talk: socket.socket, address: str) -> None:
    last = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            return talk.connect(address)
        except OSError:
            if time.monotonic() > last or not Path(address).parent.is_dir():
                raise
            time.sleep(0.05)


def _send(talk: socket.socket, data: bytes) -> None:
    talk.sendall(_LENGTH.pack(len(data)))
    talk.sendall(data)


def _receive(talk: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_read(talk, _LENGTH.size))
    return _read(talk, length)


def _read(talk: socket.socket, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        part = talk.recv(min(length, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


__all__ = ["Nursery", "execute_fresh", "serve"]
