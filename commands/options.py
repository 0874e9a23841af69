"""Options and openings that commands have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fakeoff.arena.errors import ConfigError

DEFAULT_HOME = Path("fakeoff-home")


F = TypeVar("F", bound=Callable[..., Any])

_EMPTY = "it is empty; is a shell variable not set?"


class GivenPath(click.Path):
    """A path that is not empty, which would be the folder where somebody happens to stand."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


def refuse_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuses an option that is given and empty; its callback."""
    if value == "":
        raise click.BadParameter(_EMPTY, ctx=context, param=parameter)
    return value


def completes(kind: str, *, several: bool = False) -> Any:
    """Completes the names of what is registered; nothing of theirs is run for that."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from fakeoff.leaderboard.catalogue.completing import complete_name

        return complete_name(kind, incomplete, several=several)

    return complete


def home_option(command: F) -> F:
    """Adds ``--home``."""
    return click.option(
        "--home",
        type=GivenPath(path_type=Path, file_okay=False),
        default=DEFAULT_HOME,
        show_default=True,
        envvar="FAKEOFF_HOME",
        show_envvar=True,
        help="Where everything is kept.",
    )(command)


def tournament_option(command: F) -> F:
    """Adds ``--tournament``."""
    return click.option(
        "--tournament", metavar="NAME", default="", help="One of several in the home; see leaderboard --list."
    )(command)


def plugin_option(command: F) -> F:
    """Adds ``--plugin``."""
    return click.option(
        "--plugin",
        "plugins",
        type=GivenPath(path_type=Path),
        multiple=True,
        help="A Python file whose players register themselves. It is run: give only files that you trust. The home "
        "remembers it.",
    )(command)


def tracking_option(command: F) -> F:
    """Adds ``--tracking-uri``."""
    return click.option(
        "--tracking-uri",
        envvar="FAKEOFF_TRACKING_URI",
        show_envvar=True,
        metavar="http://HOST:PORT",
        help="An MLflow server, in place of the home's own MLflow.",
    )(command)


def json_option(command: F) -> F:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(command)


def saying_options(command: F) -> F:
    """Adds ``--quiet`` and ``--verbose``."""
    quiet = click.option("--quiet", "-q", is_flag=True, help="Print the result, warnings and errors, and no progress.")
    verbose = click.option(
        "--verbose", "-v", is_flag=True, help="Print of each job what it was told, and where its result is kept."
    )
    return quiet(verbose(command))


def verbosity_of(*, quiet: bool, verbose: bool) -> Any:
    """How much is said, by these two.

    Raises:
        ConfigError: Both are given.
    """
    if quiet and verbose:
        raise ConfigError("--quiet and --verbose exclude each other; give one")
    return "quiet" if quiet else "verbose" if verbose else "normal"


def open_jobs(*, serial: bool, workers: int | None, address: str | None) -> Any:
    """The executor that was asked for.

    Raises:
        ConfigError: More than one was, or a cluster cannot be joined.
    """
    given = {"--serial": serial, "--workers": workers, "--ray-address": address}
    if len(chosen := [option for option, value in given.items() if value]) > 1:
        raise ConfigError(f"{' and '.join(chosen)} exclude each other; give one")
    from fakeoff.arena.jobs.executors import open_executor

    return open_executor(serial=serial, workers=workers, address=address)


def load_plugins(plugins: tuple[Path, ...], *, home: Path | None = None, named: tuple[Path, ...] = ()) -> None:
    """Loads plugin files: those given, those that a configuration names, and those that a home remembers.

    Args:
        plugins: Given on the command line.
        home: Whose plugin files are loaded, too.
        named: By a configuration.
    """
    from fakeoff.leaderboard.conduct.plugins import open_plugins
    from fakeoff.leaderboard.home.home import Home

    def ask(question: str) -> bool:
        return click.confirm(question, err=True)

    open_plugins(
        plugins,
        named=named,
        home=None if home is None else Home(home),
        ask=ask if sys.stdin.isatty() and sys.stderr.isatty() else None,
        say=lambda line: click.echo(line, err=True),
    )


def say_what_is_missing(*places: Any) -> None:
    """Of homes that were packed without all that was in them; files are whole."""
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.travel.packing import missing_from

    for place in places:
        if isinstance(place, Home) and (line := missing_from(place)):
            click.echo(line, err=True)
