from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from fakeoff.arena.errors import ConfigError
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.address import server_address
from fakeoff.leaderboard.mlflow.away import say_if_away, say_unlogged


@pytest.mark.parametrize("given", ["http://127.0.0.1:5000/", " https://mlflow.example.org/team ", "http://[::1]:5000"])
def test_an_address_is_taken_as_it_is(given: str) -> None:
    assert server_address(given) == given.strip().rstrip("/")


@pytest.mark.parametrize("given", ["", "sqlite:///mlflow.db", "postgresql://me:secret@host/db", "127.0.0.1:5000"])
def test_what_is_no_address_of_a_server_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="takes the address of an MLflow server") as caught:
        server_address(given)
    assert "secret" not in str(caught.value)


def test_a_password_does_not_belong_into_an_address() -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        server_address("http://me:secret@127.0.0.1:5000")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_said_in_one_line_before_the_game(tmp_path: Path, free_address: str) -> None:
    console = Console(record=True, width=40)
    say_if_away(console, home=Home(tmp_path), server=free_address)
    assert console.export_text() == (
        f"MLflow at {free_address} cannot be used: it does not answer; the game goes on, and is logged when it can be\n"
    )
    say_if_away(console, home=Home(tmp_path), server=None)
    assert console.export_text() == ""


def test_what_is_no_mlflow_is_an_error_before_the_game(tmp_path: Path, website: str) -> None:
    with pytest.raises(ConfigError, match="is --tracking-uri the address of an MLflow server") as caught:
        say_if_away(Console(record=True), home=Home(tmp_path), server=website)
    assert "\n" not in str(caught.value)


def test_what_was_not_logged_is_said_with_the_command_that_logs_it(tmp_path: Path) -> None:
    console = Console(record=True, width=40)
    say_unlogged(console, "", home=Home(tmp_path), server=None)
    assert console.export_text() == ""
    say_unlogged(console, "round 1 not logged", home=Home(Path("here")), server="http://127.0.0.1:5000")
    assert console.export_text() == (
        "round 1 not logged; log it with: fakeoff run --home here --tracking-uri http://127.0.0.1:5000\n"
    )
