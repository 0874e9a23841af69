"""What a home keeps of a tournament that was refused on its way."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file

pytestmark = pytest.mark.usefixtures("quick_pictures")

Make = Callable[..., Any]

RESOLUTION = 64


@pytest.fixture
def of_jpegs(jpegs: Path, make_config: Make) -> Callable[..., Any]:
    def make(**over: Any) -> Any:
        given = {
            "rounds": 0,
            "generators": [{"plugin": "toy_generator", "parameters": {"resolution": RESOLUTION}}],
            "reals": {"source": str(jpegs)},
            "arena": {"resolution": RESOLUTION},
            "pools": {"train_fakes": 48, "val_fakes": 16, "test_fakes": 48},
            "parts": {"parser": ""},
        }
        return make_config(**{**given, **over})

    return make


def test_a_refused_leak_leaves_a_new_home_without_a_configuration(
    new_home: Path, of_jpegs: Make, play_in: Make
) -> None:
    with pytest.raises(ConfigError, match="--allow-leaks"):
        play_in(of_jpegs(), new_home, SerialExecutor())
    assert not (new_home / "config.toml").exists()
    # What was sampled is there for a run that reports the leak; that run's configuration is kept.
    play_in(of_jpegs(audit={"on_leak": "report"}), new_home, SerialExecutor())
    assert tomllib.loads((new_home / "config.toml").read_text())["audit"] == {"on_leak": "report"}


def test_a_refused_leak_leaves_a_played_home_with_its_own_configuration(
    new_home: Path, of_jpegs: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(rounds=0), new_home, replaying())
    kept = {path: path.read_bytes() for path in new_home.glob("*.*") if path.suffix in (".toml", ".json")}
    files = {"config.toml", "scoreboard.json", "tournament.json", "mlflow.json", "provenance.json", "plugins.json"}
    assert {path.name for path in kept} == files
    with pytest.raises(ConfigError, match="--allow-leaks"):
        play_in(of_jpegs(), new_home, SerialExecutor())
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_target_that_is_refused_after_round_0_leaves_a_played_home_as_it_was(
    new_home: Path, make_config: Make, play_in: Make, replaying: Make
) -> None:
    load_plugin_file(Path(__file__).parents[1] / "bad_players.py")
    detectors = [{"plugin": "toy_detector"}, {"plugin": "sees_without_gradient"}]
    config = {"detectors": detectors, "rounds": 1, "parts": {"parser": ""}}
    play_in(make_config(**config), new_home, replaying())
    kept = {
        new_home / name: (new_home / name).read_bytes()
        for name in ("config.toml", "scoreboard.json", "tournament.json")
    }
    # Round 0 is there already, and is told before anybody is to attack.
    with pytest.raises(ConfigError, match="cannot be attacked"):
        play_in(make_config(**config, attack={"target": "sees_without_gradient"}), new_home, replaying())
    assert {path: path.read_bytes() for path in kept} == kept


def test_an_interrupted_tournament_keeps_its_configuration_to_be_played_on(
    new_home: Path, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(rounds=0), new_home, replaying())
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(rounds=1), new_home, replaying(interrupt_at=("attack", 1)))
    assert tomllib.loads((new_home / "config.toml").read_text())["rounds"] == 1
