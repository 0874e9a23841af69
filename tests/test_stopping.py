"""A stop is polite: one line, an exit code, nothing left; a second Ctrl-C hits no cleaning up."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOYS = Path(__file__).parent / "toy_players.py"
LINE = "fakeoff: interrupted; what was computed is kept, the same command carries on\n"
CONFIG = """
rounds = 3
generators = [{ plugin = "toy_generator" }]
detectors = [{ plugin = "toy_detector" }]
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 8, batch = 4 }
defend = { steps = 20, batch = 8, check_every = 10 }
score = { resamples = 100, through = [], least_auc = 0.0 }
search.when = "never"
parts.parser = ""
audit.on_leak = "report"
compute = { attack_threads = 1, precision = "float32" }
"""
# What stands for a command: it is stopped, cleans up for a while, and ends as native code may end it.
STAND_IN = """
import sys, time, click
from fakeoff.leaderboard.terminal.one_line_errors import OneLineErrors
@click.group(cls=OneLineErrors)
def group(): pass
@group.command()
def works():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt as stop:
        time.sleep(1)
        print("cleaned", flush=True)
        raise ImportError("initialization failed") from stop
group(["works"])
"""


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGINT] * 3, 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGTERM, signal.SIGINT], 143),
        ([signal.SIGHUP], 129),
    ],
    ids=["once", "thrice", "asked to end", "and then interrupted", "the terminal closed"],
)
def test_the_first_one_counts_and_those_that_follow_do_no_harm(sent: list[signal.Signals], code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STAND_IN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=_deaf_no_more,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        for number in sent:
            process.send_signal(number)
            time.sleep(0.2)
        assert process.stdout.read() == "cleaned\n"
        process.send_signal(signal.SIGINT)  # at its very end
        assert process.wait(30) == code
        assert process.stderr.read() == LINE


def test_who_was_started_to_ignore_interrupts_ignores_them() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STAND_IN.replace("sleep(60)", "sleep(0.5)")], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture
def passing() -> Iterator[Path]:
    """A folder for what passes, with a path that has room for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s", ignore_cleanup_errors=True) as place:
        yield Path(place)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("interrupted twice at a terminal, on Ray"),
        pytest.param("asked to end, on Ray", marks=pytest.mark.slow),
        pytest.param("asked to end", marks=pytest.mark.slow),
    ],
)
def test_a_game_leaves_no_process_no_folder_and_no_run_that_runs(
    how: str, tmp_path: Path, passing: Path, make_home: Callable[[Path], Path]
) -> None:
    (tmp_path / "game.toml").write_text(CONFIG)
    home = make_home(tmp_path / "home")
    where = ("--workers", "2") if "Ray" in how else ("--serial",)
    command = [sys.executable, "-m", "fakeoff", "run", "game.toml", "--home", str(home), "--plugin", str(TOYS)]
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [*command, *where, "-q"], cwd=tmp_path, env={**os.environ, "TMPDIR": str(passing)}, stdin=terminal,
        stdout=terminal, stderr=terminal, start_new_session=True, preexec_fn=_deaf_no_more,
    ) as process:  # fmt: skip
        os.close(terminal)
        until = time.monotonic() + 240
        while not _runs(home) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        for number in [signal.SIGINT] * 2 if "interrupted" in how else [signal.SIGTERM]:
            os.killpg(process.pid, number)  # as a terminal does
            time.sleep(0.1)
        code = process.wait(120)
    said = _read(master)
    assert code == (130 if "interrupted" in how else 143), said
    assert said == LINE
    until = time.monotonic() + 20
    while (left := _left(passing)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []
    assert _runs(home) == {"KILLED"}


def _deaf_no_more() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # tests may run in the background, or without a terminal
        signal.signal(number, signal.SIG_DFL)


def _read(master: int) -> str:
    read = b""
    with contextlib.suppress(OSError):  # its other end is closed
        while part := os.read(master, 65536):
            read += part
    os.close(master)
    return read.decode().replace("\r\n", "\n").replace("\x1b[0m", "")  # click's, after a coloured or plain line


def _left(passing: Path) -> list[str]:
    """Processes that had the folder for what passes, and what is in it; PyTorch's cache stays for the next one."""
    found = [path.name for path in passing.iterdir() if not path.name.startswith("torchinductor")]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"TMPDIR={passing}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def _runs(home: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=ro", uri=True)) as connection:
        return {state for (state,) in connection.execute("SELECT DISTINCT status FROM runs")}
