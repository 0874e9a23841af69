"""`fakeoff challenge`: as a user types it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakeoff.cli import main

PLUGIN = Path(__file__).parent / "toy_challenges.py"
GAME = """
rounds = 1
generators = [{ plugin = "toy_lamps", name = "lamps" }]
detectors = [{ plugin = "toy_dazzled", name = "dazzled" }, { plugin = "toy_chess", name = "chess" }]
arena.resolution = 16
pools = { train_fakes = 16, val_fakes = 40, test_fakes = 60 }
attack = { target = "all", steps = 4, batch = 8, weight = 1.0 }
search = { queries = 8, fakes = 16 }
score = { resamples = 100, quality_gate = false, least_auc = 0, scored_again = 0, polarity_check = false }
parts.parser = ""
audit.on_leak = "skip"
compute = { attack_threads = 1, precision = "float32" }
"""

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def call(
    tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path], quick_pictures: None
) -> Iterator[Call]:
    """Calls the command line in a folder where a game was played."""
    folder = tmp_path_factory.mktemp("challenged")
    (folder / "game.toml").write_text(GAME)
    make_home(folder / "fakeoff-home")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    with contextlib.chdir(folder):
        played = invoke("run", "game.toml", "--serial", "--plugin", str(PLUGIN))
        assert played.exit_code == 0, played.output
        yield invoke


@pytest.fixture(scope="module")
def challenged(call: Call) -> Result:
    return call("challenge", "dazzled@0", "--serial", "--steps", "10x", "--restarts", "2", "--plugin", str(PLUGIN))


def one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    [line] = [line for line in result.stderr.splitlines() if line.strip()]
    return line


def test_it_says_who_fell_by_what_and_by_which_rule(challenged: Result) -> None:
    assert challenged.exit_code == 0, challenged.output
    assert "Attacks on dazzled@0" in challenged.output
    assert "dazzled@0 fell from" in challenged.output
    assert "An entry stands unless" in challenged.output
    assert "chosen on val" in challenged.output


def test_its_files_are_kept_beside_other_experiments(challenged: Result) -> None:
    [result] = Path("fakeoff-home/experiments").glob("challenge-dazzled-0-*.json")
    assert str(result) in challenged.output
    assert (result.with_suffix("") / "challenge.png").is_file()
    [verdict] = json.loads(result.read_text())["tables"]["verdict"]
    assert verdict["stands"] is False


def test_the_leaderboard_shows_it_below_the_tables(challenged: Result, call: Call) -> None:
    shown = call("leaderboard")
    assert shown.exit_code == 0, shown.output
    before, below = shown.output.split("Challenges: ")
    assert "Detectors, by worst-case" in before
    assert "dazzled@0" in below
    assert "fell" in below


def test_the_tournament_stays_as_it_was(challenged: Result, call: Call) -> None:
    config = Path("fakeoff-home/config.toml").read_text()
    assert 'plugin = "attack_defend"' in config
    scoreboard = json.loads(Path("fakeoff-home/scoreboard.json").read_text())
    assert scoreboard["config"]["protocol"]["plugin"] == "attack_defend"


def test_json_is_the_result_and_nothing_else(challenged: Result, call: Call) -> None:
    result = call("challenge", "chess", "--serial", "--restarts", "1", "--no-search", "--json", "--plugin", str(PLUGIN))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["tables"]["verdict"][0]["stands"] is True
    assert {row["attack"] for row in found["tables"]["attacks"]} == {"finetuned"}


FILES = ("tournament.json", "scoreboard.json", "config.toml", "provenance.json", "report.html")


def test_a_newcomer_stands_where_its_twin_stands_and_leaves_the_tournament_alone(call: Call) -> None:
    before = {name: Path("fakeoff-home", name).read_bytes() for name in FILES}
    learned = ("--serial", "--json", "--plugin", str(PLUGIN))
    result = call("challenge", "--detector", "toy_dazzled", "--as", "twin", *learned)
    assert result.exit_code == 0, result.output
    assert "done" not in result.stderr  # a name decides nothing: all of it is there
    tables = json.loads(result.stdout)["tables"]
    places = {row["player"]: row for row in tables["standings"]}
    same = ("place", "worst AUC", "worst AUC from", "worst AUC to", "worst against", "mean AUC")
    assert [places["twin@0"][name] for name in same] == [places["dazzled@0"][name] for name in same]
    scoreboard = json.loads(Path("fakeoff-home/scoreboard.json").read_text())
    cells = [row for row in scoreboard["cells"] if row["detector"] == "dazzled"]
    on_it = {f"{row['generator']}@{row['generator_round']}": row["auc"] for row in cells}
    assert {row["generator"]: row["AUC"] for row in tables["matches"]} == on_it
    [place] = tables["place"]
    assert (place["newcomer"], place["of"], place["best"]) == ("twin@0", 3, "chess@0")
    low, high = place["worst AUC, difference to the best from"], place["worst AUC, difference to the best to"]
    assert low < place["worst AUC, difference to the best"] < high
    assert {name: Path("fakeoff-home", name).read_bytes() for name in FILES} == before
    shown = call("leaderboard").output
    assert "Late entries: " in shown
    assert "detector twin@0 would stand at place" in shown


def test_a_generator_that_comes_late_attacks_whom_the_others_attacked(call: Call) -> None:
    arguments = ("--generator", "toy_lamps", "--as", "brighter", "--set", "resolution=16", "--serial")
    result = call("challenge", *arguments, "--plugin", str(PLUGIN))
    assert result.exit_code == 0, result.output
    assert "brighter@1" in result.output
    assert "its target" in result.output
    assert "brighter@1 would take no place: it attacked every detector that is there" in result.output


def test_a_newcomer_needs_a_name_of_its_own_and_alone(call: Call) -> None:
    plugin = ("--serial", "--plugin", str(PLUGIN))
    line = one_line(call("challenge", "--detector", "toy_dazzled", "--as", "chess", *plugin))
    assert "'chess' plays in this home already" in line
    assert "--as" in line
    assert "there is nobody to challenge" in one_line(call("challenge", *plugin))
    assert "give one: " in one_line(call("challenge", "dazzled", "--detector", "toy_chess", *plugin))
    assert "are of a newcomer" in one_line(call("challenge", "dazzled", "--as", "twin", *plugin))
    assert "unknown detector 'nobody'" in one_line(call("challenge", "--detector", "nobody", *plugin))


def test_what_cannot_be_challenged_is_one_line(call: Call) -> None:
    plugin = ("--serial", "--plugin", str(PLUGIN))
    assert "did you mean 'dazzled'" in one_line(call("challenge", "dazled", *plugin)).lower()
    assert "'lamps@1' is a generator, and detectors are challenged" in one_line(call("challenge", "lamps@1", *plugin))
    assert "play first: fakeoff run --home elsewhere" in one_line(
        call("challenge", "dazzled", "--home", "elsewhere", *plugin)
    )
    refused = call("challenge", "dazzled", "--steps", "four", *plugin)
    assert refused.exit_code == 2
    assert "write 4x for four times as much" in refused.stderr
