"""From a home to a file: whole homes, copied ones, old ones, and those in which nothing was played."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from PIL import Image
from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.leaderboard import play as playing
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import play
from fakeoff.leaderboard.report.pictures import Album, data_uri
from fakeoff.leaderboard.report.report import build_page, write_report
from fakeoff.protocols.config import TournamentConfig
from tests.leaderboard.report.reading import Read, read

OLD = Path(__file__).parents[3] / "docs" / "results"
LIMIT = 5_000_000


def test_a_game_ends_with_its_report(home: Path) -> None:
    assert "<h1>Fakeoff report</h1>" in (home / "report.html").read_text()


def test_the_report_is_among_the_tournaments_artifacts(home: Path, client: Callable[[Path], MlflowClient]) -> None:
    mlflow = client(home)
    [run] = mlflow.search_runs(["1"], filter_string="tags.`arena.kind` = 'tournament'")
    assert "report.html" in [artifact.path for artifact in mlflow.list_artifacts(run.info.run_id)]


def test_the_same_home_gives_the_same_bytes(home: Path, report: Path, tmp_path: Path) -> None:
    assert write_report(Home(home), out=tmp_path / "again.html").read_bytes() == report.read_bytes()
    assert report.stat().st_size < LIMIT


def test_all_of_the_game_is_in_it(page: Read) -> None:
    for heading in ("Who won", "Standings", "payoff matrix", "Each attack", "Faces before and after",
                    "The state of the game", "Every figure", "How to play it again"):  # fmt: skip
        assert heading in page.text
    sliders = [one for one in page.named("input") if one["type"] == "range"]
    assert [one["max"] for one in sliders] == ["2"], "one generator learned in two rounds; the other is fixed"


def test_a_home_that_was_copied_without_its_results_is_told_from_its_scoreboard(home: Path, tmp_path: Path) -> None:
    for name in ("scoreboard.json", "tournament.json"):
        shutil.copy(home / name, tmp_path / name)
    found = read(write_report(Home(tmp_path)).read_text())
    assert "Only scoreboard.json could be read here" in found.text
    assert "Faces before and after" not in found.text
    assert "The payoff matrix" in found.text


def test_a_copied_home_needs_no_photographs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(home, copied, ignore=shutil.ignore_patterns("mlflow*", "report.html"))

    def gone(*_: Any, **__: Any) -> None:
        raise AssertionError("it looked for the reals")

    monkeypatch.setattr("fakeoff.arena.images.reals.open_source", gone)
    monkeypatch.setattr("fakeoff.arena.images.reals.orl_faces", gone)
    page = build_page(Home(copied))
    assert page.game is not None
    assert page.game.faces


@pytest.mark.parametrize("name", ["moved-scoreboard.json", "five-generators-scoreboard.json", "search-scoreboard.json"])
def test_scoreboards_of_earlier_releases_have_reports(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Album, "draw", lambda *_, **__: None)  # pictures are as those of today
    assert json.loads((OLD / name).read_text())["schema_version"] == 2
    shutil.copy(OLD / name, tmp_path / "scoreboard.json")
    found = read(write_report(Home(tmp_path)).read_text())
    assert "the intervals are too narrow" in found.text
    assert "The payoff matrix" in found.text
    assert "first in" not in [line.strip() for line in found.text.splitlines()], "a column of dashes"


def test_experiments_alone_have_a_report_too(tmp_path: Path) -> None:
    kept = json.loads((OLD / "strength.json").read_text())
    (tmp_path / "experiments" / "strength").mkdir(parents=True)
    (tmp_path / "experiments" / "strength.json").write_text(json.dumps(kept))
    Image.new("RGB", (40, 30), "red").save(tmp_path / "experiments" / "strength" / "strength.png")
    (tmp_path / "experiments" / "other.json").write_text("{}")  # not an experiment's
    page = build_page(Home(tmp_path))
    assert page.game is None
    [(experiment, pictures)] = page.experiments
    assert experiment.name == "strength"
    assert [picture.caption for picture in pictures] == ["strength"], "only what is there"
    assert [table.caption for table in experiment.tables] == list(kept["tables"])
    assert "AP from" not in experiment.tables[0].columns, "an interval stands beside its figure"
    assert "0.998 (0.955 to 1)" in read(write_report(Home(tmp_path)).read_text()).text


def test_an_experiments_file_cannot_show_other_files(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "secret.png")
    (tmp_path / "experiments" / "e").mkdir(parents=True)
    found = {"experiment": "e", "protocol": "p", "parameters": {}, "figures": ["../../secret"], "tables": {},
             "leaks": {}, "forfeits": []}  # fmt: skip
    (tmp_path / "experiments" / "e.json").write_text(json.dumps(found))
    [(_, pictures)] = build_page(Home(tmp_path)).experiments
    assert pictures == []


def test_nothing_was_played(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing was played in .* play first: fakeoff run"):
        write_report(Home(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_scoreboard_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "scoreboard.json").write_text('{"schema_version": 99}')
    with pytest.raises(StoreError, match="is no scoreboard file: its schema is 99"):
        write_report(Home(tmp_path))


def test_a_file_that_cannot_be_written_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written: .* give another --out"):
        write_report(Home(home), out=tmp_path / "file" / "report.html")


def test_a_report_that_fails_never_fails_the_game(
    new_home: Path,
    make_config: Callable[..., TournamentConfig],
    replaying: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of a plot")

    monkeypatch.setattr(playing, "write_report", broken)
    (new_home / "report.html").write_text("of another game")
    said = io.StringIO()
    console = Console(file=said, width=200)
    found = play(make_config(), home=Home(new_home), executor=replaying(), console=console)
    assert found.round == 2
    assert (
        "the report could not be written: ZeroDivisionError: of a plot; try again with: fakeoff report"
        in said.getvalue()
    )
    assert not (new_home / "report.html").exists(), "one of before tells of another game"


def test_an_album_takes_in_no_more_than_it_may() -> None:
    one = np.asarray(Image.effect_noise((64, 64), 100).convert("RGB"))
    size = len(data_uri(one))
    album = Album(budget=size + 10)
    assert album.take(one, alt="first") is not None
    assert album.take(one, alt="second") is None
    assert album.left_out == ["second"]
    full = Album(budget=0)
    drawn = []
    assert full.draw(lambda: drawn.append("drawn") or Figure(), alt="third") is None
    assert not drawn, "what has no room is not drawn"
