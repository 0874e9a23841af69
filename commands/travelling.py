"""Commands that take something out of a home, or all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from fakeoff.arena.errors import ConfigError
from fakeoff.commands.options import (
    GivenPath,
    home_option,
    load_plugins,
    plugin_option,
    tournament_option,
    tracking_option,
)


@click.command(short_help="Write the pools or a player of a home as files.")
@click.argument("folder", required=False, type=GivenPath(path_type=Path, file_okay=False))
@home_option
@tournament_option
@click.option(
    "--split",
    "splits",
    type=click.Choice(["train", "val", "test"]),
    multiple=True,
    help="Which images; may be given again.  [default: test]",
)
@click.option("--player", metavar="NAME[@ROUND]|champion", help="A player instead of images.")
@click.option("--kind", type=click.Choice(["generator", "detector"]), help="Where two players have the same name.")
@click.option("--out", type=GivenPath(path_type=Path, file_okay=False), help="The same as FOLDER.")
@click.option("--register", is_flag=True, help="Put the player's files into MLflow's registry of models, too.")
@tracking_option
@plugin_option
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

    load_plugins(plugins, home=home)
    server = None if tracking_uri is None else server_address(tracking_uri)
    for line in export_and_tell(player, Home(home, tournament), target, kind=kind, register=register, server=server):
        click.echo(line)


@click.command(short_help="Pack a home into one file.")
@click.argument("home", type=GivenPath(path_type=Path, file_okay=False))
@click.argument("file", type=GivenPath(path_type=Path))
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


@click.command(short_help="Unpack a home that was packed.")
@click.argument("file", type=GivenPath(path_type=Path))
@click.argument("home", type=GivenPath(path_type=Path, file_okay=False))
def unpack(file: Path, home: Path) -> None:
    """Unpack FILE, which 'fakeoff pack' wrote, to HOME: a folder that is not there yet.

    All of it is checked first: nothing of an archive that is damaged, or would write elsewhere, is left.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.travel.packing import unpack_home
    from fakeoff.leaderboard.travel.told import unpacked_lines

    for line in unpacked_lines(unpack_home(file, Home(home)), home):
        click.echo(line)
