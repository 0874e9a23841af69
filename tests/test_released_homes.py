"""Homes of every released version are read, and played on.

``released/homes.tar.xz`` holds a home of each, played by that release's own code (one round, a toy on each side, 24
tiny photographs), without the pixels of MLflow's pictures; and the photographs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.locations import locations_elsewhere

pytestmark = pytest.mark.usefixtures("quick_pictures")

HOMES = Path(__file__).parent / "released" / "homes.tar.xz"
# What a release wrote, all later ones until 0.4 wrote nearly alike; the first and the last are the sample.
RELEASES = [
    "0.1.0",
    pytest.param("0.2.0", marks=pytest.mark.slow),
    pytest.param("0.3.0", marks=pytest.mark.slow),
    pytest.param("0.4.0", marks=pytest.mark.slow),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with tarfile.open(HOMES) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def _call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_there_is_one_of_each_release_and_it_is_small(place: Path) -> None:
    log = (Path(__file__).parents[1] / "CHANGELOG.md").read_text().splitlines()
    released = {line.removeprefix("## ") for line in log if line.startswith("## ") and line != "## Unreleased"}
    assert released == {path.name for path in place.iterdir() if path.name != "reals"}
    assert HOMES.stat().st_size < 200_000


@pytest.mark.parametrize("release", ["0.1.0", "0.2.0", "0.3.0", "0.4.0"])
def test_who_asks_for_its_leaderboard_is_told_what_brings_it_up_to_date(place: Path, release: str) -> None:
    done = _call("leaderboard", "--home", place / release)
    assert done.exit_code == 2
    [line] = done.stderr.splitlines()
    assert "bring it up to date with: fakeoff run --home" in line
    assert "damaged" not in line


@pytest.mark.parametrize("release", RELEASES)
def test_it_is_played_on_and_nothing_is_there_twice(place: Path, toys: Path, release: str) -> None:
    home = Home(place / release)
    words = ("run", "--home", home, "--plugin", toys, "--reals", place / "reals", "--serial", "-q")
    before = _runs(home)
    for _ in range(2):  # what was played on is complete
        done = _call(*words)
        assert done.exit_code == 0, done.stderr
        assert "not logged" not in done.output
        runs = _runs(home)
        assert before <= runs, "nothing is taken away"
        assert set(Counter((tournament, label) for tournament, label, _ in runs.elements()).values()) == {1}
        assert {state for _, _, state in runs} == {"FINISHED"}
        assert locations_elsewhere(home.database, home.artifacts) == []
    assert _call("leaderboard", "--home", home).exit_code == 0


def _runs(home: Home) -> Counter[tuple[str, str, str]]:
    """Tournament, name or label, and state of each of MLflow's runs."""
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        rows = connection.execute(
            "SELECT t.value, COALESCE(l.value, r.name), r.status FROM runs r "
            "LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'arena.tournament' "
            "LEFT JOIN tags l ON l.run_uuid = r.run_uuid AND l.key = 'arena.label'"
        ).fetchall()
    return Counter(rows)
