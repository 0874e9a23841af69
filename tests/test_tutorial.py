"""The tutorial, followed word for word; and what follows it, held to its own rules."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from rich.console import Console

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.tables import print_scoreboard

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "follow_tutorial.py"
TUTORIAL = ROOT / "docs" / "tutorial.md"
RESULTS = ROOT / "docs" / "results"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("follow_tutorial", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_who_follows_the_tutorial_is_on_the_leaderboard(tmp_path: Path) -> None:
    folder = tmp_path / "followed"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--folder", folder],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # on a busy machine, threads wait for each other
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "tutorial.md followed in" in done.stdout
    scoreboard = json.loads((folder / "reader" / "fakeoff-home" / "scoreboard.json").read_text())
    assert {row["player"] for row in scoreboard["standings"]["generators"]} == {"my_gan", "pgan"}
    # The trained weights played, and not the initial ones: before any attack its fakes are nearer to the reals.
    trained = json.loads((folder / "reader" / "fakeoff-home" / "experiments" / "pretrain.json").read_text())
    ((row,),) = (table for table in trained["tables"].values())
    assert row["KID after"] < row["KID before"] / 4
    (cost,) = [c for c in scoreboard["costs"] if (c["generator"], c["generator_round"]) == ("my_gan", 0)]
    assert cost["kid_to_reals"] == pytest.approx(row["KID after"], rel=0.5)


def test_the_figures_that_it_shows_are_the_stored_ones(script: ModuleType) -> None:
    stored = json.loads((RESULTS / "tutorial-scoreboard.json").read_text())
    text = io.StringIO()
    print_scoreboard(Scoreboard.from_json(stored), Console(file=text, width=110))
    printed = {" ".join(line.split()) for line in text.getvalue().splitlines()}
    blocks = [block for block in script.read_blocks(TUTORIAL.read_text()) if block.language == "text"]
    (shown,) = [block.text for block in blocks if block.text.lstrip().startswith("Scoreboard after round 1")]
    lines = [line for line in shown.splitlines() if line.strip()]
    assert len(lines) > 30
    assert not [line for line in lines if " ".join(line.split()) not in printed]


def test_its_pictures_are_there_and_small() -> None:
    for name in ("tutorial-faces.png",):
        path = ROOT / "docs" / "pictures" / name
        assert f"pictures/{name}" in TUTORIAL.read_text()
        assert path.stat().st_size < 300_000
        with Image.open(path) as picture:
            assert min(picture.size) > 300


def test_every_block_of_it_is_followed_or_for_the_reader_alone(script: ModuleType, tmp_path: Path) -> None:
    followed = [block for block in script.read_blocks(TUTORIAL.read_text()) if block.language != "text"]
    assert len(followed) > 12
    for block in followed:
        assert block.language == "console" or script._FILE.match(block.heading), f"line {block.line}"


def blocks_of(script: ModuleType, *lines: str) -> list:
    return list(script.read_blocks("\n".join(lines)))


def test_a_block_knows_its_line_its_language_and_what_stands_above_it(script: ModuleType) -> None:
    one, other = blocks_of(
        script, "# Title", "**`a.py`**:", "", "```python", "x = 1", "", "```", "", "```text", "$ ls", "```"
    )
    assert (one.line, one.language, one.heading, one.text) == (4, "python", "**`a.py`**:", "x = 1\n\n")
    assert (other.line, other.language, other.heading, other.text) == (9, "text", "", "$ ls\n")
    with pytest.raises(script.TutorialError, match="line 1: this block has no end"):
        blocks_of(script, "```console", "$ ls")


def test_commands_their_output_and_their_end_are_read(script: ModuleType) -> None:
    (block,) = blocks_of(script, "```console", "$ one", "...", "said 1", "$ two \\", "  long", "# exit code 2", "```")
    one, two = script.read_commands(block)
    assert (one.text, one.output, one.exit_code, one.line) == ("one", ("said 1",), 0, 2)
    assert (two.text, two.output, two.exit_code, two.line) == ("two \\\n  long", (), 2, 5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("```console", "ls", "```"), "line 2: a console block starts with a command"),
        (("```console", "```"), "line 1: a console block without a command"),
    ],
)
def test_a_console_block_that_nobody_could_run_is_an_error(
    script: ModuleType, lines: tuple[str, ...], message: str
) -> None:
    (block,) = blocks_of(script, *lines)
    with pytest.raises(script.TutorialError, match=message):
        script.read_commands(block)


@pytest.mark.parametrize(
    "lines",
    [
        ("Look:", "```python", "x = 1", "```"),
        ("**`a.py`**:", "", "```python", "x = 1", "```", "```python", "y = 1", "```"),
        ("```bash", "ls", "```"),
        ("```", "ls", "```"),
    ],
)
def test_a_block_that_nobody_follows_is_an_error(script: ModuleType, tmp_path: Path, lines: tuple[str, ...]) -> None:
    block = blocks_of(script, *lines)[-1]
    with pytest.raises(script.TutorialError, match=r"nobody follows this block of '\w*': name its file"):
        script.edit(block, tmp_path)


SOURCE = """import x


class A:
    def f(self):
        return 1

    def g(self):
        return 2


def f():
    return 3
"""


def edited(script: ModuleType, folder: Path, heading: str, language: str, *lines: str) -> str:
    (folder / "a.py").write_text(SOURCE)
    (block,) = blocks_of(script, heading, "", f"```{language}", *lines, "```")
    script.edit(block, folder)
    return (folder / "a.py").read_text()


def test_a_file_is_written(script: ModuleType, tmp_path: Path) -> None:
    assert edited(script, tmp_path, "**`a.py`**:", "python", "x = 1") == "x = 1\n"
    edited(script, tmp_path, "**`new/b.toml`**:", "toml", "x = 1")
    assert (tmp_path / "new" / "b.toml").read_text() == "x = 1\n"


def test_a_method_is_replaced_and_nothing_else(script: ModuleType, tmp_path: Path) -> None:
    now = edited(
        script, tmp_path, "**`a.py`**, instead of `A.f`:", "python", "    @x", "    def f(self):", "        return 9"
    )
    assert now == SOURCE.replace("    def f(self):\n        return 1\n", "    @x\n    def f(self):\n        return 9\n")
    again = script.replace_definition(now, "A.f", "    def f(self): ...\n")
    assert again == SOURCE.replace("    def f(self):\n        return 1\n", "    def f(self): ...\n")
    with pytest.raises(script.TutorialError, match=r"line 3: 'a.py' has no A.h"):
        edited(script, tmp_path, "**`a.py`**, instead of `A.h`:", "python", "    def h(self): ...")


def test_lines_are_changed_where_they_occur_once(script: ModuleType, tmp_path: Path) -> None:
    now = edited(script, tmp_path, "**`a.py`**:", "diff", " def f():", "-    return 3", "+    return 4")
    assert now == SOURCE.replace("return 3", "return 4")
    with pytest.raises(script.TutorialError, match="has 0 places for this diff, and not one"):
        edited(script, tmp_path, "**`a.py`**:", "diff", "-    return 9")
    with pytest.raises(script.TutorialError, match="has 2 places"):
        edited(script, tmp_path, "**`a.py`**:", "diff", " (self):", "+    x")


def test_lines_that_are_shown_must_be_there_in_order(script: ModuleType, tmp_path: Path) -> None:
    heading = "**`a.py`** has:"
    assert edited(script, tmp_path, heading, "python", "class A:", "...", "    def g(self):") == SOURCE
    with pytest.raises(script.TutorialError, match=r"'a.py' has no such line there: class A:"):
        edited(script, tmp_path, heading, "python", "    def g(self):", "...", "class A:")
    (block,) = blocks_of(script, "**`none.py`** has:", "```python", "x", "```")
    with pytest.raises(script.TutorialError, match=r"line 2: there is no file 'none.py'"):
        script.edit(block, tmp_path)


def test_output_may_differ_in_numbers_times_places_and_widths_alone(script: ModuleType) -> None:
    shown = ("│ 1 │ my_gan@1 │  9.4% │ 0.361 │", " ok  It is quick (2 s)", "it  ends")
    assert not script.missing_lines(shown, "┃ 2 ┃ pgan@0 ┃ 100.0% ┃ 1.000 ┃\n ok  It is quick\nmore\nit ends\n")
    assert script.missing_lines(shown, "│ 1 │ my_gan@1 │ 9.4% │ 0.361 │\nFAIL It is quick (2 s)\nit ends") == [shown[1]]


def test_output_may_be_broken_elsewhere_but_must_come(script: ModuleType) -> None:
    assert not script.missing_lines(("a title that is", "long"), "a title\nthat is long")
    assert script.missing_lines(("a title that is", "long"), "a title\nthat was long") == ["a title that is"]


def test_a_shell_goes_on_and_tells_exit_codes(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    shell = script.Shell(tmp_path, dict(os.environ))
    try:
        assert shell.run("cd below") == (0, "")
        assert shell.run("X=1; pwd; cat; echo wrong >&2") == (0, f"{tmp_path / 'below'}\nwrong\n")
        assert shell.run('test "$X" = 2') == (1, "")
        with pytest.raises(script.TutorialError, match=r"the shell ended within 'exit 3'"):
            shell.run("exit 3")
    finally:
        shell.close()


def test_a_scoreboard_without_the_reader_is_an_error(script: ModuleType, tmp_path: Path) -> None:
    def outcome(**over: object) -> str:
        board = json.loads((RESULTS / "tutorial-scoreboard.json").read_text())
        (tmp_path / "scoreboard.json").write_text(json.dumps({**board, **over}))
        return script.check_outcome(tmp_path)

    assert '"my_gan"' in outcome()
    with pytest.raises(script.TutorialError, match="my_gan is not among the generators' standings"):
        outcome(standings={"generators": [], "detectors": []})
    with pytest.raises(script.TutorialError, match=r"my_gan has versions \[0\], not 0 and 1"):
        outcome(cells=[{"generator": "my_gan", "generator_round": 0}])
    with pytest.raises(script.TutorialError, match="somebody forfeited"):
        outcome(forfeits=[{"player": "pgan"}])
