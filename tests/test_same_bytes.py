"""The same tournament gives the same bytes, wherever and however often its jobs run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Minutes; toys do the same in tests/protocols/test_bench.py, test_tournament.py and tests/test_cluster.py.
pytestmark = pytest.mark.slow

# Real players at their real precision: it is their arithmetic that could depend on where it runs.
CONFIG = """
rounds = 1
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 3, batch = 8 }
defend = { steps = 12, batch = 16, check_every = 6 }
score.resamples = 200
"""


def _command(folder: Path, home: str, *how: str) -> list[str]:
    (folder / "small.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "fakeoff.cli", "run", str(folder / "small.toml")]
    return [*command, "--home", str(folder / home), *how]


def _play(folder: Path, home: str, *how: str) -> bytes:
    done = subprocess.run(_command(folder, home, *how), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / home / "scoreboard.json").read_bytes()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path]) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("same")
    for home in ("serial", "workers", "killed"):
        make_home(folder / home)
    return folder, _play(folder, "serial", "--serial")


def test_on_two_workers(serial: tuple[Path, bytes]) -> None:
    folder, expected = serial
    assert _play(folder, "workers", "--workers", "2") == expected


def test_after_a_kill_in_the_middle_and_a_resume_on_one_worker(serial: tuple[Path, bytes]) -> None:
    folder, expected = serial
    home = folder / "killed"
    command = _command(folder, "killed", "--serial")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "defend" in line and "done" in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    assert not (home / "scoreboard.json").exists()
    kept = {path.parent.name: path.stat().st_mtime_ns for path in (home / "store").rglob("record.json")}
    assert kept
    time.sleep(0.05)
    # Every kind of job but the pools comes again after the kill, so one worker has its say here.
    assert _play(folder, "killed", "--workers", "1") == expected
    now = {path.parent.name: path.stat().st_mtime_ns for path in (home / "store").rglob("record.json")}
    assert {key: now[key] for key in kept} == kept, "what was computed before the kill was computed again"
