"""What people are told of an MLflow that is away, before a game and after it."""

from __future__ import annotations

import shlex

from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore
from fakeoff.leaderboard.mlflow.patience import may_pass


def say_if_away(console: Console, *, home: Home, server: str | None) -> None:
    """Says before a game that a server does not answer. The game is played all the same.

    Args:
        console: Where.
        home: Of the game.
        server: Its address; None is the home's own database, which is always there.

    Raises:
        ConfigError: It answers, and is no MLflow server or lets nobody in.
    """
    if server is None:
        return
    try:
        MlflowStore(home, server=server, patience=0).knock()
    except StoreError as error:
        if error.__cause__ is not None and not may_pass(error.__cause__):
            raise ConfigError(f"{error}; is --tracking-uri the address of an MLflow server?") from error
        _say(console, f"{error}; the game goes on, and is logged when it can be")


def say_unlogged(console: Console, unlogged: str, *, home: Home, server: str | None) -> None:
    """Says after a game what MLflow was not told, and how to tell it.

    Args:
        console: Where.
        unlogged: What and why; nothing is said where it is empty.
        home: Of the game.
        server: See :func:`say_if_away`.
    """
    if unlogged:
        where = f" --tracking-uri {shlex.quote(server)}" if server else ""
        _say(console, f"{unlogged}; log it with: {home.to_play}{where}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


__all__ = ["say_if_away", "say_unlogged"]
