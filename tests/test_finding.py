"""The paper's finding (section 4.3), on the embedded tournament as ``make play`` plays it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import rebuild_scoreboard
from fakeoff.leaderboard.verdict.duels import find_duels


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_frozen_detector_falls_and_the_retrained_one_recovers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fakeoff.cli", "run", "--home", str(tmp_path / "home")]
    subprocess.run(command, check=True, capture_output=True)
    duels = find_duels(rebuild_scoreboard(Home(tmp_path / "home")))
    assert [duel.generator_round for duel in duels] == [1, 2]
    for duel in duels:
        assert duel.before is not None
        assert duel.retrained is not None
        fall = {metric: duel.before.value(metric) - duel.after.value(metric) for metric in ("accuracy", "ap")}
        assert duel.before.accuracy > 0.95
        assert duel.after.accuracy < 0.65
        assert fall["ap"] < fall["accuracy"]
        assert duel.retrained.ap > 0.95  # 600 steps are few: 0.98 to 1.000 were seen
        assert duel.retrained.accuracy > duel.after.accuracy + 0.2
