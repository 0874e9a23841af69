"""`fakeoff ui`: it says something at once, and opens a browser only where somebody sits before one."""

from __future__ import annotations

import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fakeoff.cli import main
from fakeoff.leaderboard.mlflow import ui

ADDRESSES = {
    "Leaderboard: detectors": "http://127.0.0.1:1/#/first",
    "Leaderboard: generators": "http://127.0.0.1:1/#/second",
}

AT_THE_FIRST_LINE = """
import sys, click
real = click.echo
def echo(*given, **more):
    real(*given, **more)
    print([name for name in ("torch", "mlflow", "pydantic") if name in sys.modules])
    raise SystemExit
click.echo = echo
from fakeoff.cli import main
main(["ui", "--home", "somewhere"])
"""


def test_the_first_line_comes_before_anything_that_takes_seconds() -> None:
    said = subprocess.run([sys.executable, "-c", AT_THE_FIRST_LINE], capture_output=True, text=True, check=False)
    assert said.stderr == "MLflow of 'somewhere', on 127.0.0.1: it takes some seconds to start ...\n"
    assert said.stdout == "[]\n"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser was opened on; on a terminal with a display."""
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return found


def test_a_browser_is_opened_on_a_terminal_with_a_display(opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ui.open_in_browser("http://127.0.0.1:1/")
    assert opened == ["http://127.0.0.1:1/"]
    monkeypatch.delenv("DISPLAY")
    assert not ui.open_in_browser("http://127.0.0.1:1/"), "a browser of text would come up in the terminal"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert ui.open_in_browser("http://127.0.0.1:1/")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not ui.open_in_browser("http://127.0.0.1:1/"), "in a pipe nobody sits before it"
    assert len(opened) == 2


@pytest.mark.parametrize("options", [(), ("--no-browser",)])
def test_it_opens_on_the_first_leaderboard_unless_it_is_told_not_to(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    class Ended:
        def wait(self) -> None:
            raise KeyboardInterrupt

    @contextmanager
    def shown(*_: Any, **__: Any) -> Iterator[tuple[dict[str, str], Ended]]:
        yield ADDRESSES, Ended()

    monkeypatch.setattr(ui, "shown", shown)
    monkeypatch.setattr(ui, "open_in_browser", lambda address: opened.append(address) or True)
    result: Result = CliRunner().invoke(main, ["ui", "--home", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    assert opened == ([] if options else [ADDRESSES["Leaderboard: detectors"]])
    assert result.stdout.splitlines()[:2] == [f"{name}: {address}" for name, address in ADDRESSES.items()]
