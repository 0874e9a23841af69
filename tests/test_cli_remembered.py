"""Plugin files that a home or a configuration names: which of them are run, and what is said of the others."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fakeoff.arena.players.plugins import read_plugin_file
from fakeoff.arena.players.trust import Trust
from fakeoff.cli import main
from fakeoff.leaderboard.conduct.plugins import open_plugins
from fakeoff.leaderboard.home.home import Home

PLAYER = """
from pathlib import Path

from fakeoff.detectors import Detector, register
import torch

with Path(__file__).with_name("ran").open("a") as file:
    file.write("x")


@register("toy_remembered")
class ToyRemembered(Detector):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def score(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3)).clamp(0, 1)
"""
GAME = """
plugins = ["my_player.py"]
rounds = 0
generators = [{ plugin = "toy_generator" }]
detectors = [{ plugin = "toy_remembered" }]
arena.resolution = 16
pools = { train_fakes = 16, val_fakes = 8, test_fakes = 8 }
score = { resamples = 100, quality_gate = false, least_auc = 0, scored_again = 0, polarity_check = false }
parts.parser = ""
audit.on_leak = "skip"
compute = { precision = "float32" }
"""

Call = Callable[..., Result]


@pytest.fixture
def call(
    toys: Path, tmp_path: Path, make_home: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch, quick_pictures: None
) -> Iterator[Call]:
    """Calls the command line in a folder with a player of the user's own, and forgets the player each time."""
    (tmp_path / "state").mkdir()
    monkeypatch.setattr("fakeoff.arena.players.trust.state_folder", lambda: tmp_path / "state")
    monkeypatch.setattr("fakeoff.arena.players.registry._not_loaded", {})
    (tmp_path / "my_player.py").write_text(PLAYER)
    (tmp_path / "game.toml").write_text(GAME)
    make_home(tmp_path / "fakeoff-home")

    def forget() -> None:
        """As in a process that was started anew."""
        from fakeoff.arena.players import registry
        from fakeoff.detectors import players

        players.forget(str(tmp_path / "my_player.py"))
        players.forget(str(tmp_path / "moved" / "my_player.py"))
        registry._not_loaded.clear()
        for name in [name for name in sys.modules if name.startswith("fakeoff_plugin_my_player")]:
            del sys.modules[name]

    def invoke(*arguments: str) -> Result:
        forget()
        return CliRunner().invoke(main, arguments)

    with contextlib.chdir(tmp_path):
        yield invoke
        forget()


def ran(folder: Path) -> int:
    file = folder / "ran"
    return len(file.read_text()) if file.exists() else 0


def remembered_detector() -> dict[str, Any]:
    """What the home remembers of the file with the player; the generator's has a row of its own."""
    rows = json.loads(Path("fakeoff-home/plugins.json").read_text())
    [found] = [row for row in rows if "toy_remembered" in row["players"].get("detector", ())]
    return dict(found)


def one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    [line] = [line for line in result.stderr.splitlines() if line.strip()]
    return line


def test_a_configuration_alone_makes_no_file_run(call: Call, tmp_path: Path) -> None:
    line = one_line(call("run", "game.toml", "--serial"))
    assert f"plugin file '{tmp_path / 'my_player.py'}', which was never run on this machine" in line
    assert f"accept it with: --plugin {tmp_path / 'my_player.py'}" in line
    assert ran(tmp_path) == 0


def test_what_was_given_once_need_not_be_given_again(call: Call, tmp_path: Path) -> None:
    played = call("run", "game.toml", "--serial", "--plugin", "my_player.py")
    assert played.exit_code == 0, played.output
    remembered = remembered_detector()
    assert remembered["path"] == str(tmp_path / "my_player.py")
    assert remembered["players"] == {"detector": ["toy_remembered"]}
    # By the home, which has no plugin in its configuration; and by the configuration, in another home.
    again = call("run", "--serial")
    assert again.exit_code == 0, again.output
    assert call("run", "game.toml", "--serial", "--plan", "--home", "another").exit_code == 0
    scored = call("score", str(next(iter_images(tmp_path))), "--detector", "toy_remembered")
    assert scored.exit_code == 0, scored.output
    assert ran(tmp_path) == 4


def test_a_file_that_changed_is_not_run_until_somebody_says_so(call: Call, tmp_path: Path) -> None:
    assert call("run", "game.toml", "--serial", "--plugin", "my_player.py").exit_code == 0
    (tmp_path / "my_player.py").write_text(PLAYER + "# changed\n")
    line = one_line(call("run", "--serial"))
    assert "unknown detector 'toy_remembered': this home was played with plugin file" in line
    assert "which has changed since it was last run here" in line
    assert f"--plugin {tmp_path / 'my_player.py'}" in line
    assert "has changed since" in one_line(call("run", "game.toml", "--serial"))
    assert ran(tmp_path) == 1
    accepted = call("run", "--serial", "--plugin", "my_player.py")
    assert accepted.exit_code == 0, accepted.output
    assert ran(tmp_path) == 2
    assert call("run", "--serial").exit_code == 0


def test_on_a_terminal_it_is_asked_once(call: Call, tmp_path: Path) -> None:
    assert call("run", "game.toml", "--serial", "--plugin", "my_player.py").exit_code == 0
    (tmp_path / "my_player.py").write_text(PLAYER + "# changed\n")
    asked: list[str] = []
    said: list[str] = []
    call("--version")  # a process of its own

    def open_home(answer: bool) -> None:
        def ask(question: str) -> bool:
            asked.append(question)
            return answer

        open_plugins((), home=Home(tmp_path / "fakeoff-home"), ask=ask, say=said.append)

    open_home(False)
    assert ran(tmp_path) == 1
    open_home(True)
    assert ran(tmp_path) == 2
    assert [f"'{tmp_path / 'my_player.py'}' has changed since it was last run here" in one for one in asked] == [
        True
    ] * 2
    call("--version")
    open_home(True)
    assert len(asked) == 2  # it was said yes to, and is not asked for again
    assert ran(tmp_path) == 3
    assert "other players now" in said[-1]


def test_a_home_from_elsewhere_makes_no_file_run(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("run", "game.toml", "--serial", "--plugin", "my_player.py").exit_code == 0
    monkeypatch.setattr("fakeoff.arena.players.trust.state_folder", lambda: tmp_path / "somebody-else")
    for command in (("run", "--serial"), ("challenge", "toy_remembered", "--serial")):
        line = one_line(call(*command))
        assert "was never run on this machine" in line, line
    assert call("leaderboard").exit_code == 0  # its figures need nobody's code
    assert ran(tmp_path) == 1
    # Nor does one that names another file than the one that was run.
    shutil.move("my_player.py", tmp_path / "moved.py")
    assert "which is not there" in one_line(call("run", "--serial"))


def test_a_file_that_was_moved_takes_the_place_of_what_the_home_remembers(call: Call, tmp_path: Path) -> None:
    assert call("run", "game.toml", "--serial", "--plugin", "my_player.py").exit_code == 0
    (tmp_path / "moved").mkdir()
    shutil.copy("my_player.py", "moved/my_player.py")
    played = call("run", "--serial", "--plugin", "moved/my_player.py")
    assert played.exit_code == 0, played.output
    assert remembered_detector()["path"] == str(tmp_path / "moved" / "my_player.py")


def test_a_name_that_is_not_found_is_named_with_the_file_that_has_it(call: Call, tmp_path: Path) -> None:
    assert call("run", "game.toml", "--serial", "--plugin", "my_player.py").exit_code == 0
    line = one_line(call("run", "--detectors", "toy_remembered", "--serial", "--home", "elsewhere"))
    assert f"unknown detector 'toy_remembered': plugin file '{tmp_path / 'my_player.py'}' has one of that name" in line
    near = one_line(call("run", "--detectors", "toy_rememberd", "--serial", "--home", "elsewhere"))
    assert "unknown detector 'toy_rememberd'; did you mean 'toy_remembered'?" in near
    assert str(tmp_path / "my_player.py") in near


def test_what_a_foreign_home_says_commands_no_terminal_and_no_shell(call: Call, tmp_path: Path) -> None:
    evil = f"{tmp_path}/\x1b[2J; touch owned #.py"
    Path(evil).write_text(PLAYER)
    row = {"path": evil, "sha256": "0" * 64, "players": {"detector": ["toy_remembered"]}}
    Path("fakeoff-home/plugins.json").write_text(json.dumps([row]))
    line = one_line(call("run", "--detectors", "toy_remembered", "--serial"))
    assert "\x1b" not in line
    assert line.endswith(f"--plugin '{tmp_path}/?[2J; touch owned #.py'")
    assert ran(tmp_path) == 0
    Path("fakeoff-home/plugins.json").write_text('{"path": 3}')
    assert "unknown detector 'toy_remembered'" in one_line(call("run", "--detectors", "toy_remembered", "--serial"))


def test_print_config_names_the_files_that_it_needs(call: Call, tmp_path: Path) -> None:
    printed = call("run", "game.toml", "--print-config")
    assert printed.output.startswith(f'plugins = ["{tmp_path / "my_player.py"}"]')
    Path("again.toml").write_text(printed.output)
    assert call("run", "again.toml", "--print-config").output == printed.output
    Path("bad.toml").write_text('plugins = "my_player.py"\n')
    assert "is a list of Python files" in one_line(call("run", "bad.toml", "--serial"))


def test_trust_is_of_this_text_in_this_place(tmp_path: Path) -> None:
    path = tmp_path / "player.py"
    path.write_text("one = 1\n")
    trust = Trust(tmp_path / "state" / "plugins.json")
    trust.add(read_plugin_file(path), {})
    assert trust.holds(read_plugin_file(path))
    assert (tmp_path / "state" / "plugins.json").stat().st_mode & 0o077 == 0
    copy = tmp_path / "copy.py"
    copy.write_text("one = 1\n")
    assert not trust.holds(read_plugin_file(copy))
    path.write_text("one = 2\n")
    assert not trust.holds(read_plugin_file(path))
    assert trust.knew(str(path))
    (tmp_path / "state" / "plugins.json").write_text("[3]")
    assert trust.files == ()


def iter_images(folder: Path) -> Iterator[Path]:
    from PIL import Image

    path = folder / "picture.png"
    Image.new("L", (32, 32), 90).save(path)
    yield path
