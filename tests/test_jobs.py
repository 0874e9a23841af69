"""The pages for a job and the notebook: run as they stand, and what they show is what was printed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "jobs").glob("*.md"))
FOLLOWED = ROOT / "docs" / "results" / "followed"
NOTEBOOK = ROOT / "examples" / "play_and_plot.ipynb"
NAMES = [page.stem for page in PAGES]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


def squeezed(text: str) -> str:
    """Where a line was broken and how wide it was does not matter, digits do."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load("follow_tutorial")


def test_there_is_a_page_for_each_job() -> None:
    jobs = ("bring-a-trained-network", "have-a-gan", "have-a-gpu-or-a-cluster", "review-a-result", "ship-a-detector")
    assert [f"i-{job}" for job in jobs] == NAMES


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_is_followed_and_shows_what_was_printed(page: Path, script: ModuleType) -> None:
    printed = squeezed((FOLLOWED / f"{page.stem}.txt").read_text())
    blocks = list(script.read_blocks(page.read_text()))
    assert len(blocks) > 3
    for block in blocks:
        if block.language == "text":  # figures that are of one machine, or commands that nobody follows
            shown = [line for line in block.text.splitlines() if not line.startswith(("$ ", "..."))]
            assert not [line for line in shown if squeezed(line) not in printed], f"line {block.line}"
            continue
        if block.language != "console":
            assert script._FILE.match(block.heading), f"line {block.line}"
            continue
        for command in script.read_commands(block):
            missing = [line for line in command.output if squeezed(line) not in printed]
            assert not missing, f"below line {command.line}"
            assert squeezed(f"$ {command.text}") in printed, f"line {command.line} was not followed: --publish"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_it_says_how_it_is_run(page: Path) -> None:
    text = page.read_text()
    assert f"python scripts/follow_tutorial.py docs/jobs/{page.name}" in text
    assert f"docs/results/followed/{page.stem}.txt" in text


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_it_can_be_followed(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "follow_tutorial.py", page, "--folder", tmp_path / "followed"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"{page.name} followed in" in done.stdout


def test_a_page_that_makes_no_environment_is_given_one_and_an_error_names_the_page(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    ran: list[str] = []

    def run(shell: Any, command: Any) -> str:
        ran.append(command.text)
        return ""

    monkeypatch.setattr(script, "build_wheel", lambda *_: None)
    monkeypatch.setattr(script, "link_dependencies", lambda *_: None)
    monkeypatch.setattr(script, "_borrow", lambda *_: None)
    monkeypatch.setattr(script, "_run", run)
    with pytest.raises(script.TutorialError, match="did not come from the wheel"):
        script.follow(page, tmp_path, fresh=False)
    assert ran == [*script._SETUP, "echo one"]
    page.write_text("```console\n$ python3 -m venv .venv\n```\n")
    ran.clear()
    (tmp_path / "reader").rmdir()
    with pytest.raises(script.TutorialError):
        script.follow(page, tmp_path, fresh=False)
    assert ran == ["python3 -m venv .venv"]


@pytest.fixture(scope="module")
def notebooks() -> ModuleType:
    return load("run_notebook")


def cells(*sources: str) -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]}


def test_a_notebook_keeps_what_its_cells_print_are_worth_and_draw(notebooks: ModuleType, tmp_path: Path) -> None:
    drawn = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"
    notebook = cells(
        "x = 1\nprint('said')\nx + 1", "x += 1", "import pathlib\npathlib.Path('here').write_text('a')", drawn
    )
    notebooks.run(notebook, tmp_path)
    first, second, third, last = (cell["outputs"] for cell in notebook["cells"])
    assert [one["output_type"] for one in first] == ["stream", "execute_result"]
    assert (first[0]["text"], first[1]["data"]["text/plain"]) == (["said\n"], ["2"])
    assert (second, third[0]["data"]["text/plain"]) == ([], ["1"])
    assert (tmp_path / "here").is_file()
    assert [list(one["data"]) for one in last] == [["image/png", "text/plain"]]
    with pytest.raises(ZeroDivisionError):
        notebooks.run(cells("1 / 0"), tmp_path)


def test_the_notebook_is_small_was_run_and_means_what_the_colours_mean() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    ran = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    assert all(cell["outputs"] for cell in ran)
    assert NOTEBOOK.stat().st_size < 250_000
    source = "".join("".join(cell["source"]) for cell in ran)
    assert not re.search(r"#[0-9a-f]{6}", source)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_runs() -> None:
    command = [sys.executable, ROOT / "scripts" / "run_notebook.py", NOTEBOOK]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
