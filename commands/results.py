"""Commands that show what was played, and let scores of elsewhere in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fakeoff.arena.errors import ConfigError, FakeoffError
from fakeoff.commands.options import GivenPath, home_option, say_what_is_missing, tournament_option, tracking_option
from fakeoff.leaderboard.terminal.console import open_console


@click.command(short_help="Show the scoreboard of a home, or of several.")
@click.argument("places", metavar="[HOME_OR_FILE]...", nargs=-1)
@home_option
@tournament_option
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
@click.option("--out", type=GivenPath(path_type=Path, dir_okay=False), help="A file to write, instead of printing.")
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
    say_what_is_missing(*found)
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


@click.command(short_help="Say what differs between two tournaments.")
@click.argument("a")
@click.argument("b")
@home_option
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


@click.command(short_help="Write a page about a home for who was not there.")
@home_option
@tournament_option
@click.option(
    "--out",
    type=GivenPath(path_type=Path, dir_okay=False),
    help="The file to write.  [default: report.html in the home]",
)
def report(home: Path, tournament: str, out: Path | None) -> None:
    """Write a home's report: one HTML page for who was not there, which needs nothing else."""
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.report.report import write_report

    click.echo(f"report: {write_report(Home(home, tournament), out=out)}")
    say_what_is_missing(Home(home))


@click.command("import", short_help="Let in scores that a detector gave elsewhere.")
@click.argument("scores", metavar="SCORES.csv", type=GivenPath(path_type=Path))
@click.option("--detector", metavar="NAME", required=True, help="What the detector that gave them is to be called.")
@home_option
@tournament_option
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


@click.command(short_help="Show a home in MLflow.")
@home_option
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0 takes a free one.")
@tracking_option
@tournament_option
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
    say_what_is_missing(Home(home))
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
