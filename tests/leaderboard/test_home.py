"""A home alone knows its files, and is held by one driver at a time."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.experiments import play_experiment
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.ui import served

ROOT = Path(__file__).resolve().parents[2]
TOY_PROTOCOLS = ROOT / "tests/toy_protocols.py"

TALKATIVE = """
import torch
from fakeoff.generators import Generator, register

@register("talkative")
class Talkative(Generator):
    resolution = 16

    def sample(self, n, *, rng):
        print("here are some")
        return torch.rand(n, 3, 16, 16, generator=rng)
"""


def _named(home: Home) -> set[Path]:
    """Every path in a home that it has a name for."""
    properties = inspect.getmembers(Home, lambda member: isinstance(member, property))
    found = {getattr(home, name) for name, _ in properties}
    return {path for path in found if isinstance(path, Path)} - {home.folder}


@pytest.mark.usefixtures("quick_pictures")
def test_all_that_is_in_a_played_home_has_a_name_there(
    tmp_path: Path, new_home: Path, make_config: Callable[..., Any], play_in: Callable[..., Any]
) -> None:
    (tmp_path / "talkative.py").write_text(TALKATIVE)
    for path in (TOY_PROTOCOLS, tmp_path / "talkative.py"):
        load_plugin_file(path)
    config = make_config(rounds=0, generators=[{"plugin": "talkative"}])
    play_in(config, new_home, SerialExecutor())
    home = Home(new_home)
    experiment = config.model_copy(update={"protocol": config.protocol.model_copy(update={"plugin": "toy_experiment"})})
    play_experiment(experiment, home=home, executor=SerialExecutor(), console=Console(file=io.StringIO()))
    with served(home, port=0):
        pass
    # What only comes with a command of its own.
    others = {home.imported, home.reproduction, home.tournaments, home.unpacked}
    assert set(new_home.iterdir()) == _named(home) - others
    assert set(home.experiments.iterdir()) == {
        home.experiment_files("toy_experiment"),
        home.experiment_result("toy_experiment"),
    }


def test_nothing_else_puts_a_path_in_a_home_together(tmp_path: Path) -> None:
    names = {path.name for path in _named(Home(tmp_path))}
    for file in [
        ROOT / "cli.py",
        *(ROOT / "commands").glob("*.py"),
        *(ROOT / "leaderboard").rglob("*.py"),
        *(ROOT / "protocols").rglob("*.py"),
    ]:
        if file != Path(inspect.getfile(Home)).resolve():
            ends = [
                node.right.value
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant)
            ]
            assert not names.intersection(ends), file


def test_to_ask_where_its_files_are_makes_none(tmp_path: Path) -> None:
    home = Home(tmp_path / "nowhere")
    assert all(path.parent == tmp_path / "nowhere" for path in _named(home))
    with pytest.raises(StoreError, match=f"nothing was played in '{home}'; play first: fakeoff run --home {home}"):
        home.open_store()
    assert not home.folder.exists()


def test_who_looks_whether_somebody_plays_keeps_nobody_from_playing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.locked():
        pass
    with contextlib.ExitStack() as looks:
        looks.enter_context(home.unplayed())
        threading.Timer(0.03, looks.close).start()
        with home.locked():
            pass


def test_a_configuration_can_be_put_back_or_taken_away(tmp_path: Path) -> None:
    home = Home(tmp_path)
    nothing = home.replace_configuration(b"one")
    assert nothing.is_empty
    for path in (home.tournament, home.scoreboard):
        path.write_bytes(b"of one")
    one = home.replace_configuration(b"two")
    assert not one.is_empty
    for path in (home.tournament, home.scoreboard):
        path.write_bytes(b"of two")
    assert home.configuration.read_bytes() == b"two"
    home.put_back(one)
    assert home.configuration.read_bytes() == b"one"
    assert {home.tournament.read_bytes(), home.scoreboard.read_bytes()} == {b"of one"}
    home.put_back(nothing)
    assert not any(path.exists() for path in (home.configuration, home.tournament, home.scoreboard))


def test_a_home_where_nothing_can_be_kept_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="nothing can be kept in") as caught, Home(folder).locked():
            pass
        assert "\n" not in str(caught.value)


def test_a_home_is_held_by_one_driver_at_a_time_and_freed_when_it_ends(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code = (
        "import sys; from pathlib import Path; from fakeoff.arena.errors import StoreError\n"
        "from fakeoff.leaderboard.home.home import Home\n"
        "try:\n    with Home(Path(sys.argv[1])).locked(): print('held')\n"
        "except StoreError as error: print(error)\n"
    )
    with home.locked():
        with pytest.raises(StoreError, match="another fakeoff is playing"), home.locked():
            pass
        another = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
        assert b"another fakeoff is playing" in another.stdout
        with pytest.raises(StoreError, match=r"a game is being played there, .*: wait for it$"):  # and not: play first
            home.open_store()
    with pytest.raises(RuntimeError), home.locked():
        raise RuntimeError
    with home.locked():
        pass


def test_a_home_is_its_owners_alone_and_one_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    for folder, rights in ((tmp_path / "new", 0o700), (shared, 0o750)):
        with Home(folder).locked():
            assert folder.stat().st_mode & 0o777 == rights


def test_a_folder_that_is_no_text_is_no_home() -> None:
    with pytest.raises(ConfigError, match=r"'h\\xe9' cannot be a home"):
        Home(Path(os.fsdecode(b"h\xe9")))


def test_the_commands_that_it_names_can_be_copied_whatever_it_is_called() -> None:
    home = Home(Path("my games/$(first)"), "again")
    assert shlex.split(home.to_play) == ["fakeoff", "run", "--home", "my games/$(first)", "--name", "again"]
    assert shlex.split(home.options) == ["--home", "my games/$(first)", "--tournament", "again"]
