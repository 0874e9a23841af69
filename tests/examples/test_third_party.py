"""A generator and a detector from outside, as installed packages, play through the command that users have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.images.assets import ASSETS, state

CONFIG = Path(__file__).parent / "third_party.toml"
FAKEOFF = Path(sys.executable).with_name("fakeoff")


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    for name in ("fakeoff-dcgan", "fakeoff-spectrum"):
        try:
            distribution(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed; run: pip install --no-deps --editable examples/{name}")
    if state(ASSETS["dcgan-digiface"]) != "pulled":
        pytest.skip("the published weights are not here; run: fakeoff assets pull dcgan-digiface")


def fakeoff(*arguments: str | Path, folder: Path) -> str:
    """Runs the command in a folder where nothing of the repository lies."""
    done = subprocess.run([FAKEOFF, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scoreboard(tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path]) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("third-party")
    make_home(folder / "home")
    # An installed package on Ray's workers is what tests/test_cluster.py plays.
    fakeoff("run", CONFIG, "--home", folder / "home", "--serial", folder=folder)
    return json.loads((folder / "home" / "scoreboard.json").read_text())  # type: ignore[no-any-return]


def cell(scoreboard: dict[str, Any], generator_round: int, detector_round: int) -> dict[str, Any]:
    (found,) = (
        cell
        for cell in scoreboard["cells"]
        if (cell["generator"], cell["generator_round"]) == ("dcgan", generator_round)
        and (cell["detector"], cell["detector_round"]) == ("spectrum", detector_round)
    )
    return found


def test_nobody_forfeits(scoreboard: dict[str, Any]) -> None:
    assert scoreboard["forfeits"] == []
    assert scoreboard["round"] == 1


def test_the_published_generator_is_caught_as_it_came(scoreboard: dict[str, Any]) -> None:
    assert cell(scoreboard, 0, 0)["ap"] > 0.95
    assert cell(scoreboard, 0, 0)["accuracy"] > 0.9


def test_its_attack_fools_the_frozen_detector_and_leaves_the_faces(scoreboard: dict[str, Any]) -> None:
    after = cell(scoreboard, 1, 0)
    assert after["is_target"]
    assert after["accuracy"] < 0.7
    assert after["recall_fake"] < 0.4
    (cost,) = (cost for cost in scoreboard["costs"] if cost["generator_round"] == 1)
    assert 0.9 < cost["ssim_to_first"] < 1


def test_the_retrained_detector_catches_it_again(scoreboard: dict[str, Any]) -> None:
    caught = cell(scoreboard, 1, 1)
    assert caught["ap"] > 0.95
    assert caught["recall_fake"] > cell(scoreboard, 1, 0)["recall_fake"] + 0.3


def test_they_are_listed_with_where_they_come_from(tmp_path: Path) -> None:
    listed = fakeoff("plugins", folder=tmp_path)
    for player, origin in (("dcgan", "fakeoff-dcgan"), ("spectrum", "fakeoff-spectrum")):
        (line,) = (line for line in listed.splitlines() if line.startswith(f"{player} "))
        assert origin in line
