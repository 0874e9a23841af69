"""A plugin file may do what it likes while it is imported: the import ends, in time, with one line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players import plugins
from fakeoff.arena.players.plugins import load_plugin_file

FILES = {
    "raises": ("raise BaseException('no')", "BaseException: no"),
    "leaves a generator": ("raise GeneratorExit", "GeneratorExit"),
    "exits": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "exits at once": ("import os\nos._exit(0)", r"os\._exit\(0\)"),
    "calls itself": ("def f(): f()\nf()", "RecursionError"),
    "is no Python": ("def", "SyntaxError"),
}


@pytest.mark.parametrize("what", FILES)
def test_whatever_it_raises_is_one_line(tmp_path: Path, what: str) -> None:
    text, why = FILES[what]
    path = tmp_path / "mine.py"
    path.write_text(text)
    leave = os._exit
    with pytest.raises(PluginError, match=rf"plugin file '.*mine\.py' does not load: .*{why}"):
        load_plugin_file(path)
    assert os._exit is leave


def test_one_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "MOST_SECONDS", 0.3)
    path = tmp_path / "endless.py"
    path.write_text("while True: pass")
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(PluginError, match=r"it has not ended after 0\.3 s; does it train, or wait for something\?"):
        load_plugin_file(path)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_interrupt_is_no_fault_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugin_file(path)


def test_processes_that_it_starts_end_as_they_like(tmp_path: Path) -> None:
    path = tmp_path / "forks.py"
    path.write_text(
        "import multiprocessing, os\n"
        "child = multiprocessing.get_context('fork').Process(target=os._exit, args=(7,))\n"
        "child.start()\nchild.join()\ncode = child.exitcode\nassert code == 7, code\n"
    )
    load_plugin_file(path)
