"""Commands about players: who is here, whether they keep their contract, their weights."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fakeoff.commands.options import GivenPath, completes, json_option, load_plugins, plugin_option
from fakeoff.leaderboard.terminal.console import open_console


@click.group(invoke_without_command=True, short_help="List and check players, parsers and protocols.")
@plugin_option
@json_option
@click.pass_context
def plugins(context: click.Context, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the players, face parsers and protocols that are here; no code of theirs is run for that."""
    from fakeoff.leaderboard.catalogue.listing import players_text, print_players

    load_plugins(plugins)
    if context.invoked_subcommand is None:
        if as_json:
            click.echo(players_text(), nl=False)
        else:
            print_players(open_console())


@plugins.command("show", short_help="Show all about a player or a class.")
@click.argument("name", shell_complete=completes(""))
@plugin_option
@json_option
def show_plugin(name: str, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show all about NAME, which may also be a class: package.module:Class."""
    from fakeoff.leaderboard.catalogue.player_page import player_text, print_player

    load_plugins(plugins)
    if as_json:
        click.echo(player_text(name), nl=False)
    else:
        print_player(open_console(), name)


@plugins.command("check", short_help="Hold a player to the contract of its kind.")
@click.argument("name", shell_complete=completes(""))
@click.option("--kind", type=click.Choice(["generator", "detector", "parser"]), help="Where a name is in several.")
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE", help="Such as latent_dim=16.")
@click.option("--resolution", type=click.IntRange(min=16), help="Of the images, for a detector that does not take 64.")
@plugin_option
@json_option
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

    load_plugins(plugins)
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
    "--into", type=GivenPath(path_type=Path, file_okay=False), default=Path(), help="The folder to write it in."
)
def new_plugin(kind: str, name: str, into: Path) -> None:
    """Write a package with a generator or detector NAME that installs, passes its check and plays as it is."""
    from fakeoff.leaderboard.catalogue.new_package import next_steps, write_package

    folder = write_package(kind, name, into=into)
    click.echo(next_steps(folder, kind=kind, name=name), nl=False)


@click.group(short_help="Rewrite checkpoints from elsewhere.")
def weights() -> None:
    """Checkpoints that you have from elsewhere."""


@weights.command("convert", short_help="Rewrite a checkpoint as safetensors.")
@click.argument("file", type=GivenPath(path_type=Path))
@click.argument("out", metavar="OUT.safetensors", type=GivenPath(path_type=Path))
@click.option("--only", default="", metavar="PREFIX", help="Take the tensors below PREFIX, without it: g_ema.")
@click.option(
    "--strip", multiple=True, metavar="PREFIX", help="Take PREFIX off the names that have it: backbone. Again for more."
)
def convert_weights(file: Path, out: Path, only: str, strip: tuple[str, ...]) -> None:
    """Rewrite FILE, a pickle or PyTorch checkpoint, as safetensors, so that no run reads a pickle.

    Nothing in FILE is run. Names of weights stay where nothing else is asked; players that know them take OUT as they
    take FILE.
    """
    from fakeoff.arena.players.checkpoints import convert

    click.echo(f"{out}: {convert(file, out, only=only, strip=strip)}")
