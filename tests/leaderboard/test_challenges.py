"""Challenges of a home: which of them count, what is said of them, and what is no challenge."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.leaderboard.boards import board_text
from fakeoff.leaderboard.challenge import Strength, challenge_config
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.home.challenges import hardest_challenge, read_challenges
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.report.facts.standings import standings_tables
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.challenges import print_challenges
from fakeoff.leaderboard.verdict.cautions import find_cautions
from fakeoff.protocols.measures.tournament import TournamentRecord

GOLDEN = Path(__file__).parent / "golden"

ROW = {
    "detector": "judge@1",
    "stands": False,
    "metric": "AUC",
    "on the scoreboard": 0.971,
    "on the scoreboard from": 0.93,
    "on the scoreboard to": 1.0,
    "worst against": "maker@1",
    "under stronger attacks": 0.709,
    "under stronger attacks from": 0.62,
    "under stronger attacks to": 0.80,
    "attacked by": "maker@0 searched, 256 queries",
    "state": "1" * 64,
    "sentence": "judge@1 fell",
    "rule": "An entry stands unless it falls.",
}


@pytest.fixture
def place(tmp_path: Path) -> Home:
    """A home with two versions of a detector, and no challenge yet."""
    home = Home(tmp_path)
    versions = [{"kind": "detector", "player": "judge", "round": round_, "key": str(round_) * 64} for round_ in (0, 1)]
    home.tournament.write_text(json.dumps({"versions": versions}))
    home.experiments.mkdir()
    return home


def keep(place: Home, name: str, *, protocol: str = "challenge", **over: Any) -> None:
    result = {"protocol": protocol, "tables": {"verdict": [{**ROW, **over}]}}
    place.experiment_result(name).write_text(json.dumps(result))


def printed(place: Home) -> str:
    out = io.StringIO()
    print_challenges(read_challenges(place), Console(file=out, width=160))
    return out.getvalue()


def test_a_fall_is_marked_with_both_figures_and_told_in_a_row(place: Home) -> None:
    keep(place, "one")
    [told] = read_challenges(place)
    assert told.mark() == "fell to 0.71 (0.62 to 0.80)"
    assert hardest_challenge([told], "judge", 1) is told
    assert hardest_challenge([told], "judge", 0) is None
    text = printed(place)
    assert "judge@1" in text
    assert "fell" in text
    assert "maker@0 searched, 256 queries" in text
    assert text.rstrip().endswith("An entry stands unless it falls.")


def test_of_several_challenges_the_hardest_blow_is_the_mark(place: Home) -> None:
    keep(place, "a", stands=True, **{"under stronger attacks": 0.6})
    [told] = read_challenges(place)
    assert told.mark() == "stands at 0.60 (0.62 to 0.80)"
    keep(place, "b", **{"under stronger attacks": 0.8})
    keep(place, "c", **{"under stronger attacks": 0.7})
    found = read_challenges(place)
    assert [one.after for one in found] == [0.7, 0.8, 0.6]
    assert hardest_challenge(found, "judge", 1) is found[0]
    # A rule that all were judged by is said once.
    assert printed(place).count(ROW["rule"]) == 1


def test_what_is_no_challenge_of_a_version_that_is_there_is_left_out(place: Home) -> None:
    keep(place, "another version", state="0" * 64)
    keep(place, "nobody", detector="nobody@0")
    keep(place, "an experiment", protocol="strength")
    keep(place, "no figures", metric=None)
    place.experiment_result("damaged").write_text("{")
    place.experiment_result("a list").write_text("[]")
    assert read_challenges(place) == ()
    assert printed(place) == ""


def test_where_nothing_was_played_nothing_is_said(tmp_path: Path) -> None:
    assert read_challenges(Home(tmp_path)) == ()
    assert printed(Home(tmp_path)) == ""


@pytest.fixture
def board(place: Home) -> Board:
    """A tournament of which one detector was challenged."""
    found = Scoreboard.from_json(json.loads((GOLDEN / "scoreboard-3.json").read_bytes()))
    first = found.detectors[0]
    versions = [{"kind": "detector", "player": first.player, "round": first.round, "key": "1" * 64}]
    place.tournament.write_text(json.dumps({"versions": versions}))
    keep(place, "one", detector=f"{first.player}@{first.round}")
    return Board(name="game", scoreboard=found, challenges=read_challenges(place))


def test_it_stands_beside_the_player_in_every_format(board: Board) -> None:
    player = f"{board.scoreboard.detectors[0].player}@{board.scoreboard.detectors[0].round}"
    on_terminal = next(line for line in board_text([board], "terminal").splitlines() if "fell to 0.71" in line)
    in_markdown = next(line for line in board_text([board], "markdown").splitlines() if "fell to 0.71" in line)
    assert player in on_terminal
    assert player in in_markdown
    assert "fell to 0.71 (0.62 to 0.80)" in in_markdown
    assert "Challenged: judge@1 fell" in board_text([board], "markdown")
    rows_of_csv = list(csv.DictReader(io.StringIO(board_text([board], "csv"))))
    of_csv = [(row["challenge_stands"], row["challenge_figure"], row["challenge_high"]) for row in rows_of_csv]
    assert of_csv[0] == ("false", "0.709", "0.8")
    assert set(of_csv[1:]) == {("", "", "")}
    both = json.loads(board_text([board, replace(board, name="again", challenges=())], "json"))["tournaments"]
    assert [len(one["challenges"]) for one in both] == [1, 0]


def test_of_several_tournaments_each_has_its_own_table(board: Board) -> None:
    text = board_text([board, replace(board, name="again")], "terminal")
    assert [line.split(":")[0] for line in text.splitlines() if "attacked anew" in line] == [
        "Challenges in game",
        "Challenges in again",
    ]


def test_where_nobody_was_challenged_there_is_no_column(board: Board) -> None:
    plain = replace(board, challenges=())
    assert "challenged" not in board_text([plain], "terminal").lower()
    assert "challenged" not in board_text([plain], "markdown").lower()


def test_the_report_warns_of_a_fall_and_marks_the_player(board: Board) -> None:
    [caution] = [one for one in find_cautions(board.scoreboard, board.challenges) if one.kind == "Challenged"]
    assert caution.grave
    assert caution.text == "judge@1 fell"
    detectors, generators = standings_tables(board.scoreboard, board.challenges)
    assert detectors.columns[-1] == "challenged"
    assert str(detectors.rows[0].cells[-1]) == "fell to 0.71 (0.62 to 0.80)"
    assert "challenged" not in generators.columns
    assert "challenged" not in standings_tables(board.scoreboard)[0].columns


def test_each_strength_has_a_name_of_its_own_and_a_name_alone_is_the_newest(record: TournamentRecord) -> None:
    default = challenge_config("first", record, strength=Strength()).protocol
    assert default.parameters["detector"] == "first@2"
    assert default.name.startswith("challenge-first-2-")
    assert challenge_config("first@2", record, strength=Strength()).protocol == default
    harder = challenge_config("first", record, strength=Strength(steps=8)).protocol
    assert harder.name != default.name
