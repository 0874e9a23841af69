"""docs/python.md runs as it stands there, block by block in one namespace."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fakeoff

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_every_block_of_the_page_runs_and_its_results_are_as_it_says(
    tmp_path: Path, make_home: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    for home in ("my-game", "seed-1", "seed-2"):
        make_home(tmp_path / home)
    names: dict[str, Any] = {}
    for found in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        # Line numbers of a failure are those of the page.
        lines = text[: found.start(1)].count("\n")
        exec(compile("\n" * lines + found[1], str(PAGE), "exec"), names)
        assert "assert" in found[1]
    shown = re.search(r"^game  # (.*)\.\.\.(.*)$", text, re.MULTILINE)
    assert shown is not None
    assert repr(names["game"]).startswith(shown[1])
    assert repr(names["game"]).endswith(shown[2])
    assert isinstance(names["game"], fakeoff.Game)
