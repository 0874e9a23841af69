"""Several tournaments in one home: each keeps its own, they share what was computed, and any two are compared."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.cli import main
from fakeoff.leaderboard.comparison.apart import Known, difference_interval
from fakeoff.leaderboard.comparison.compared import compare
from fakeoff.leaderboard.comparison.contrast import FIGURES, STANDINGS
from fakeoff.leaderboard.comparison.paired import redraw
from fakeoff.leaderboard.comparison.sides import Side, open_side
from fakeoff.leaderboard.game import load
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.places import find_place
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses
from fakeoff.leaderboard.play import play
from fakeoff.leaderboard.tournaments import list_tournaments
from fakeoff.protocols.config import effective_config
from fakeoff.protocols.score.intervals import quantile


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    make_config: Callable[..., Any],
    replaying: Callable[..., Any],
    quick_pictures: None,
) -> Path:
    """A home with a tournament without a name, of one round, and with one called 'harder'. Read it, do not write."""
    del quick_pictures
    home = make_home(tmp_path_factory.mktemp("both") / "game")
    quiet = Console(file=io.StringIO())
    config = make_config(rounds=1)
    play(config, home=Home(home), executor=replaying(), console=quiet)
    before = {path: path.read_bytes() for path in (home / "scoreboard.json", home / "config.toml")}
    kept = effective_config(None, kept=Home(home, "harder").configuration_to_begin_with, settings=["attack.steps=6"])
    assert kept.pools == config.pools, "a new name begins with what is there"
    executor = replaying()
    play(kept, home=Home(home, "harder"), executor=executor, console=quiet)
    assert "enter" not in executor.ran, "what is the same was computed before"
    assert executor.ran.count("attack") == 1
    assert {path: path.read_bytes() for path in before} == before
    return home


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_each_has_files_of_its_own(both: Path) -> None:
    harder = Home(both, "harder")
    for path in (harder.configuration, harder.tournament, harder.scoreboard, harder.report, harder.provenance):
        assert path.parent == both / "tournaments" / "harder"
        assert path.is_file()
    steps = [json.loads(home.scoreboard.read_text())["config"]["attack"]["steps"] for home in (Home(both), harder)]
    assert steps == [4, 6]
    assert [load(both, tournament=name).record.config.attack.steps for name in ("", "harder")] == [4, 6]


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "-a", "x" * 65, "a b", "a\n"])
def test_a_name_is_that_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a tournament: use letters"):
        Home(tmp_path, name)


def test_a_place_is_a_home_a_name_in_it_a_file_or_a_name_alone(both: Path, tmp_path: Path) -> None:
    harder = Home(both, "harder")
    assert find_place(str(both)) == Home(both)
    assert find_place(f"{both}:harder") == harder
    assert find_place(str(harder.place)) == harder
    assert find_place("harder", inside=both) == harder
    assert find_place(str(harder.scoreboard)) == harder.scoreboard
    assert Home.around(harder.scoreboard) == harder
    assert Home.around(both / "scoreboard.json") == Home(both)
    assert Home.around(tmp_path / "mine.json") is None
    assert find_place("nowhere", inside=both) == Home(Path("nowhere"))


def test_they_are_listed_with_how_far_they_were_played(both: Path, tmp_path: Path) -> None:
    [unnamed, harder] = list_tournaments(Home(both))
    assert (unnamed.name, harder.name) == ("", "harder")
    assert (harder.round, harder.rounds, harder.state) == (1, 1, "finished")
    assert harder.detectors == ("first", "second")
    assert harder.champion in ("first@1", "second@1")
    listed = _call("leaderboard", "--list", "--home", both, "--json")
    assert json.loads(listed.stdout)["tournaments"][1]["name"] == "harder"
    shown = _call("leaderboard", "--list", "--home", both).stdout
    assert "(without a name)" in shown
    assert f"fakeoff compare {both} {both}:harder" in shown
    copied = Home(tmp_path / "copied", "harder")  # a scoreboard without its scores
    copied.place.mkdir(parents=True)
    shutil.copy(Home(both, "harder").scoreboard, copied.scoreboard)
    [alone] = list_tournaments(copied)
    assert (alone.round, alone.champion, alone.state) == (1, "", "scoreboard alone: its scores cannot be read")
    with pytest.raises(StoreError, match="play first: fakeoff run --home"):
        list_tournaments(Home(tmp_path / "nowhere"))


def test_commands_show_the_one_that_is_meant(both: Path, tmp_path: Path) -> None:
    harder = Home(both, "harder").scoreboard.read_text()
    assert _call("leaderboard", "--home", both, "--tournament", "harder", "--json").stdout == harder
    assert _call("leaderboard", f"{both}:harder", "--json").stdout == harder
    assert _call("leaderboard", "--home", both, "--json").stdout == (both / "scoreboard.json").read_text()
    report = _call("report", "--home", both, "--tournament", "harder", "--out", tmp_path / "report.html")
    assert report.exit_code == 0, report.output
    missing = _call("leaderboard", "--home", both, "--tournament", "softer")
    assert missing.exit_code == 2
    assert "no tournament 'softer' in" in missing.stderr
    assert "one without a name, harder (fakeoff leaderboard --list)" in missing.stderr
    assert f"fakeoff run --home {both} --name softer" in missing.stderr
    side_by_side = _call("leaderboard", both, f"{both}:harder")
    assert side_by_side.exit_code == 2
    assert "attack.steps is 4 in one and 6 in the other" in side_by_side.stderr


def test_mlflow_keeps_a_named_one_under_views_of_its_own(both: Path, client: Callable[[Path], MlflowClient]) -> None:
    mlflow = client(both)
    [experiment] = [found for found in mlflow.search_experiments() if found.name != "Default"]
    runs = mlflow.search_runs([experiment.experiment_id], filter_string="tags.`arena.kind` = 'tournament'")
    ids = {run.data.tags["tournament"]: run.data.tags["arena.tournament"] for run in runs}
    assert "harder" in ids
    assert len(set(ids.values())) == 2
    addresses = leaderboard_addresses(Home(both, "harder"), "http://127.0.0.1:5000")
    assert next(iter(addresses)) == "Leaderboard: detectors, harder"
    assert addresses["Leaderboard: detectors, harder"].endswith(f"viewStateShareKey=detectors-{ids['harder']}")
    assert "Leaderboard: generators, harder" in experiment.tags["mlflow.note.content"]
    with pytest.raises(StoreError, match=r"nothing to show of '.*', tournament 'softer' yet"):
        leaderboard_addresses(Home(both, "softer"), "")


@pytest.fixture(scope="module")
def sides(both: Path) -> tuple[Side, Side]:
    return open_side(Home(both), name="plain"), open_side(Home(both, "harder"), name="harder")


def test_a_tournament_differs_from_itself_by_nothing(sides: tuple[Side, Side]) -> None:
    for side in sides:
        found = compare(side, side)
        assert (found.settings, found.grounds, found.only_in_a, found.only_in_b) == ((), (), (), ())
        assert {row.figure for row in found.cells} == set(FIGURES)
        assert {row.figure for row in found.standings} == {name for names in STANDINGS.values() for name in names}
        for row in (*found.cells, *found.standings):
            assert (row.difference, row.ci, row.simultaneous_ci) == (0.0, (0.0, 0.0), (0.0, 0.0))
            assert (row.holds, row.paired_over) == (False, "scores")


def test_turned_around_every_difference_is_turned_around(sides: tuple[Side, Side]) -> None:
    forth, back = compare(*sides), compare(*reversed(sides))
    assert [(one.name, one.a, one.b) for one in forth.settings] == [("attack.steps", "4", "6")]
    assert len(forth.cells) == len(back.cells) > 0
    turned = {(row.generator, row.detector, row.figure): row for row in (*back.cells, *back.standings)}
    uncertain = 0
    for row in (*forth.cells, *forth.standings):
        other = turned[row.generator, row.detector, row.figure]
        assert (row.a, row.b, row.difference) == (other.b, other.a, -other.difference)
        assert row.ci == pytest.approx(tuple(-end for end in reversed(other.ci)), abs=1e-12)
        assert row.simultaneous_ci[0] <= row.ci[0] <= row.difference <= row.ci[1] <= row.simultaneous_ci[1]
        uncertain += row.simultaneous_ci[0] < row.ci[0]
    assert uncertain


def test_figures_are_the_scoreboards_and_pairs_share_what_they_have_in_common(sides: tuple[Side, Side]) -> None:
    found = compare(*sides)
    for row in found.cells:
        for side, value in zip(sides, (row.a, row.b), strict=True):
            assert value == getattr(side.cells[row.generator, row.detector], row.figure)
        untouched = row.generator.endswith("@0") and row.detector.endswith("@0")
        assert row.paired_over == ("scores" if untouched else "people and fakes")
    rows = {name: sum(one.figure == name and one.paired_over != "scores" for one in found.cells) for name in FIGURES}
    assert set(rows.values()) == {len({(one.generator, one.detector) for one in found.cells}) - 4}


def test_another_seed_has_other_fakes_of_the_same_people(sides: tuple[Side, Side]) -> None:
    def reseeded(side: Side) -> Side:
        return replace(side, scoreboard=replace(side.scoreboard, config={**side.scoreboard.config, "seed": 7}))

    plain, harder = sides
    found = compare(plain, reseeded(harder))
    assert {row.paired_over for row in (*found.cells, *found.standings)} == {"scores", "people"}
    # The scores are the same here: what is drawn differs in the fakes alone.
    first, second = redraw(plain, reseeded(plain))
    pairs = [(one, second.redrawn[key]) for key, one in first.redrawn.items()]
    assert all(one.fakes != other.fakes for one, other in pairs)
    assert any((one.figures["tpr_at_5_fpr"].draws != other.figures["tpr_at_5_fpr"].draws).any() for one, other in pairs)
    for one, other in pairs:
        assert (one.figures["fpr_at_5_fpr"].draws == other.figures["fpr_at_5_fpr"].draws).all()


def test_a_file_alone_is_not_paired_and_it_is_said_why(both: Path, tmp_path: Path, sides: tuple[Side, Side]) -> None:
    alone = tmp_path / "mine.json"
    shutil.copy(Home(both, "harder").scoreboard, alone)
    found = compare(sides[0], open_side(alone, name="mine"))
    assert found.unpaired == f"'{alone}' is a file, and has no scores; give its home"
    assert {row.paired_over for row in (*found.cells, *found.standings)} == {""}
    assert open_side(Home(both, "harder").scoreboard, name="x").scores is not None, "in its home it has its scores"
    other = json.loads(alone.read_text())
    other["data"]["split"]["test"]["sha256"] = "f" * 64
    alone.write_text(json.dumps(other))
    ours, theirs = sides

    elsewhere = replace(theirs, scoreboard=open_side(alone, name="x").scoreboard)
    assert compare(ours, elsewhere).unpaired.startswith("other photographs in test (80 of orl, sha256 ")


def test_independent_intervals_add_at_right_angles() -> None:
    a = Known(value=0.5, ci=(0.4, 0.7), confidence=0.95, units=9)
    b = Known(value=0.9, ci=(0.6, 1.0), confidence=0.95, units=9)
    low, high = difference_interval(a, b, 0.95)
    assert low == pytest.approx(0.4 - (0.3**2 + 0.2**2) ** 0.5)
    assert high == pytest.approx(0.4 + (0.1**2 + 0.1**2) ** 0.5)
    times = quantile(0.99, 9) / quantile(0.95, 9)
    assert difference_interval(a, b, 0.99)[0] == pytest.approx(0.4 - times * (0.3**2 + 0.2**2) ** 0.5)


def test_compare_prints_tables_markdown_and_json(both: Path) -> None:
    shown = _call("compare", both, "harder", "--home", both)
    assert shown.exit_code == 0, shown.output
    for part in (
        "attack.steps",
        "Players that take a place in both",
        "0, the same scores",
        "(Bonferroni;",
        "Paired: the",
    ):
        assert part in shown.stdout
    told = json.loads(_call("compare", both, f"{both}:harder", "--json").stdout)
    assert {row["figure"] for row in told["cells"]} == set(FIGURES)
    assert told["settings"] == [{"name": "attack.steps", "a": "4", "b": "6"}]
    markdown = _call("compare", both, f"{both}:harder", "--format", "markdown", "--figure", "ap").stdout
    assert "**Matches that both have: AP**" in markdown
    assert "| `attack.steps` | `4` | `6` |" in markdown
    refused = _call("compare", both, f"{both}:harder", "--figure", "score")
    assert (refused.exit_code, "no figure 'score'; give ap, " in refused.stderr) == (2, True)
    same = _call("compare", both, both).stdout
    assert "Every score is the same." in same
