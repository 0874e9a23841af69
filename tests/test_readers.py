"""Whoever reads a home while a game is played there sees what is whole by then, or a line; the game goes on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakeoff.cli import main

TOYS = Path(__file__).parent / "toy_players.py"
CONFIG = """
rounds = 2
generators = [{ plugin = "toy_generator" }]
detectors = [{ plugin = "toy_detector" }, { plugin = "toy_brightness" }]
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


@pytest.mark.slow
def test_readers_beside_a_game(tmp_path: Path, make_home: Callable[[Path], Path], toys: Path) -> None:
    (tmp_path / "game.toml").write_text(CONFIG)
    home = make_home(tmp_path / "home")
    command = [sys.executable, "-m", "fakeoff", "run", "game.toml", "--home", str(home), "--plugin", str(TOYS)]
    read: Counter[str] = Counter()
    stopped = False
    with subprocess.Popen(
        [*command, "--serial", "-q"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as game:
        while game.poll() is None:
            if not stopped and read["leaderboard read"]:
                stopped = True
                game.send_signal(signal.SIGSTOP)  # in the middle of whatever it does: readers do not wait for it
            for words in _readings(home, tmp_path / str(read.total())):
                read[_read(words)] += 1
            game.send_signal(signal.SIGCONT)
            time.sleep(0.5)
        said = game.communicate()
    assert game.returncode == 0, said
    assert stopped
    assert json.loads((home / "scoreboard.json").read_text())["round"] == 2
    for words in _readings(home, tmp_path / "last"):
        assert _read(words).endswith(" read"), read


def _read(words: Sequence[object]) -> str:
    """Reads once; what was read, or that it is not there yet, which is a line and no traceback."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    if done.exit_code == 0:
        return f"{words[0]} read"
    assert done.exit_code == 2, (words, done.output)
    assert len(done.stderr.splitlines()) <= 2, (words, done.stderr)  # 'look' says how many it draws before that
    assert re.search(r"being played there|another fakeoff is playing|play first", done.stderr), (words, done.stderr)
    return f"{words[0]} not yet"


def _readings(home: Path, out: Path) -> list[list[object]]:
    return [
        ["leaderboard", "--home", home],
        ["leaderboard", "--home", home, "--format", "json"],
        ["report", "--home", home, "--out", out.with_suffix(".html")],
        ["export", "--home", home, out],
        ["look", "--home", home, "--detector", "toy_detector", "--out", out.with_suffix(".png"), "orl"],
        ["pack", home, out.with_suffix(".fakeoff")],
    ]
