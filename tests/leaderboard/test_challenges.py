"""Challenges of a home: which of them count, what is said of them, and what is no challenge."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.leaderboard.challenge import Strength, challenge_config
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.terminal.challenges import challenge_mark, print_challenges, read_challenges
from fakeoff.protocols.measures.tournament import TournamentRecord

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
    print_challenges([place.folder], Console(file=out, width=160))
    return out.getvalue()


def test_a_fall_is_marked_with_both_figures_and_told_in_a_row(place: Home) -> None:
    keep(place, "one")
    [told] = read_challenges(place)
    assert told.mark == "challenged: fell from 0.97 to 0.71 (0.62 to 0.80)"
    assert challenge_mark([told], "judge", 1) == told.mark
    assert challenge_mark([told], "judge", 0) == ""
    text = printed(place)
    assert "judge@1" in text
    assert "fell" in text
    assert "maker@0 searched, 256 queries" in text
    assert text.rstrip().endswith("An entry stands unless it falls.")


def test_of_several_challenges_the_hardest_blow_is_the_mark(place: Home) -> None:
    keep(place, "a", stands=True, **{"under stronger attacks": 0.6})
    assert challenge_mark(read_challenges(place), "judge", 1) == "challenged: stands at 0.60 (0.62 to 0.80)"
    keep(place, "b", **{"under stronger attacks": 0.8})
    keep(place, "c", **{"under stronger attacks": 0.7})
    told = read_challenges(place)
    assert [one.after for one in told] == [0.7, 0.8, 0.6]
    assert challenge_mark(told, "judge", 1).startswith("challenged: fell from 0.97 to 0.70")
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
    out = io.StringIO()
    print_challenges([tmp_path, tmp_path / "scoreboard.json"], Console(file=out))
    assert out.getvalue() == ""


def test_each_strength_has_a_name_of_its_own_and_a_name_alone_is_the_newest(record: TournamentRecord) -> None:
    default = challenge_config("first", record, strength=Strength()).protocol
    assert default.parameters["detector"] == "first@2"
    assert default.name.startswith("challenge-first-2-")
    assert challenge_config("first@2", record, strength=Strength()).protocol == default
    harder = challenge_config("first", record, strength=Strength(steps=8)).protocol
    assert harder.name != default.name
