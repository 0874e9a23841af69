"""A home of somebody else's, whose photographs and files are not on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses
from tests.exports import Small, to_onnx

pytestmark = pytest.mark.usefixtures("quick_pictures")


@pytest.fixture(scope="module")
def foreign(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    make_config: Callable[..., Any],
    play_in: Callable[..., Any],
) -> Path:
    """A game on a folder of photographs, with a detector from a file; both are gone since."""
    theirs = tmp_path_factory.mktemp("theirs")
    for photographs in orl_faces().photographs.values():
        for photograph in photographs[::3]:
            target = theirs / "people" / photograph.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photograph.path, target)
    model = to_onnx(Small(outputs=2), theirs / "model.onnx", side=16)
    home = make_home(tmp_path_factory.mktemp("foreign"))
    config = make_config(
        rounds=0,
        parts={"parser": ""},
        generators=[{"plugin": "toy_generator"}],
        detectors=[{"plugin": "toy_detector"}, {"plugin": "fixed", "parameters": {"model": model}}],
        reals={"source": str(theirs / "people")},
    )
    play_in(config, home, SerialExecutor())
    shutil.rmtree(theirs)
    return home


@pytest.fixture
def call(foreign: Path) -> Callable[..., Result]:
    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments), "--home", str(foreign)])

    return invoke


def test_it_is_read_without_them(foreign: Path, call: Callable[..., Result], tmp_path: Path) -> None:
    shown = call("leaderboard", "--json")
    assert (shown.exit_code, shown.stdout) == (0, (foreign / "scoreboard.json").read_text())
    report = call("report", "--out", tmp_path / "report.html")
    assert report.exit_code == 0, report.output
    assert call("export", tmp_path / "pools").exit_code == 0
    picture = next((tmp_path / "pools/real/test").iterdir())
    for detector in ("toy_detector", "fixed", "champion"):
        scored = call("score", picture, "--detector", detector)
        assert scored.exit_code == (2 if detector == "champion" and "no champion" in scored.output else 0), (
            scored.output
        )
    looked = call("look", picture, "--detector", "toy_detector", "--out", tmp_path / "look.png")
    assert looked.exit_code == 0, looked.output
    assert leaderboard_addresses(Home(foreign), "")


def test_what_needs_them_says_so_in_one_line(call: Callable[..., Result]) -> None:
    for command in (["run", "--serial"], ["challenge", "toy_detector", "--serial"]):
        refused = call(*command)
        assert refused.exit_code == 2
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert "photographs" in refused.stderr, refused.stderr
        assert "people" in refused.stderr, refused.stderr
