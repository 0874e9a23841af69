"""Commands that play: a tournament, a challenge, one again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from fakeoff.arena.errors import ConfigError
from fakeoff.commands.options import (
    GivenPath,
    completes,
    home_option,
    json_option,
    load_plugins,
    open_jobs,
    plugin_option,
    refuse_empty,
    saying_options,
    tournament_option,
    tracking_option,
    verbosity_of,
)
from fakeoff.leaderboard.terminal.console import open_console, open_error_console
from fakeoff.leaderboard.terminal.one_line_errors import end


@click.command(short_help="Play a tournament or another protocol.")
@click.argument("config", type=GivenPath(path_type=Path), required=False)
@click.option("--rounds", type=int, help="Attack-defend rounds after round 0.")
@click.option(
    "--generators",
    help="Names, or folders of fakes as ./fakes, separated by commas.",
    shell_complete=completes("generator", several=True),
)
@click.option(
    "--detectors",
    help="Names, or files as mine.onnx, separated by commas.",
    shell_complete=completes("detector", several=True),
)
@click.option("--reals", help="'orl' (embedded), 'celeba-999' (an asset) or a folder of images.", callback=refuse_empty)
@click.option(
    "--split-by",
    type=click.Choice(["folder", "file"]),
    help="What train, val and test never share: a person, who is a folder, or a file.",
)
@click.option("--group", metavar="PATTERN", help="Who is on an image: its name holds it, as '(.+)_[0-9]+' says.")
@click.option(
    "--table",
    type=GivenPath(),
    metavar="FILE.csv",
    help="Says it instead: columns path and group, split (train, val, test) or label (real, fake).",
)
@click.option(
    "--split-folders",
    type=click.Choice(["respect", "ignore"]),
    help="What folders called train, val and test are.  [default: respect, the split]",
)
@click.option("--skip-corrupt", is_flag=True, default=None, help="Leave damaged images out.")
@click.option("--seed", type=int, help="Of everything random.")
@click.option("--seeds", type=int, help="Play with as many seeds, and say what spreads over them.")
@click.option(
    "--allow-leaks/--refuse-leaks",
    default=None,
    help="Whether to play although format alone tells reals from fakes; the home remembers it.  [default: refuse]",
)
@home_option
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
@tracking_option
@click.option(
    "--protocol",
    help="What to play: one of 'fakeoff plugins', or an experiment of your own.",
    shell_complete=completes("protocol"),
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting, such as attack.steps=50.")
@plugin_option
@click.option("--print-config", "show_config", is_flag=True, help="Print the effective configuration and stop.")
@click.option("--plan", "show_plan", is_flag=True, help="Say what would be computed and how long it takes, and stop.")
@saying_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and progress on the error output.")
def run(
    config: Path | None,
    rounds: int | None,
    generators: str | None,
    detectors: str | None,
    reals: str | None,
    split_by: str | None,
    group: str | None,
    table: str | None,
    split_folders: str | None,
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
        group=group,
        table=table,
        split_folders=split_folders,
        skip_corrupt=skip_corrupt,
        on_leak=None if allow_leaks is None else "report" if allow_leaks else "refuse",
        protocol=protocol,
        device=device,
        settings=settings,
    )
    if seeds is not None:
        from fakeoff.protocols.replicates import repeat

        load_plugins(plugins, home=home, named=named)  # the protocol may be one of theirs
        effective = repeat(effective, seeds)
    if show_config:
        click.echo(print_config(effective, plugins=(*named, *plugins)), nl=False)
        return
    executor = open_jobs(serial=serial, workers=workers, address=ray_address)
    load_plugins(plugins, home=home, named=named)

    from fakeoff.leaderboard.experiments import experiment_text, play_experiment
    from fakeoff.leaderboard.plan import tell_plan
    from fakeoff.leaderboard.play import play, plays_a_tournament
    from fakeoff.leaderboard.scoreboard import scoreboard_text
    from fakeoff.leaderboard.terminal.experiment_tables import print_experiment
    from fakeoff.leaderboard.terminal.tables import print_scoreboard

    console, verbosity = open_error_console() if as_json else open_console(), verbosity_of(quiet=quiet, verbose=verbose)
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
        where = f"fakeoff ui --tracking-uri {shlex.quote(server)}" if server else f"fakeoff ui {place.options}"
        console.print(f"\nIn MLflow, with charts and pictures: {where}", markup=False, soft_wrap=True)
        if place.report.is_file():
            console.print(f"For who was not there, one page: {place.report}", markup=False, soft_wrap=True)
    if forfeits:
        end(f"{forfeits} forfeit(s); see above", code=1)


class _Times(click.ParamType[float]):
    """A factor, as `4` or `4x`."""

    name = "times"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(str(value).removesuffix("x"))
        except ValueError:
            self.fail(f"'{value}' is no factor; write 4x for four times as much", param, ctx)


@click.command(short_help="Attack an entry harder, or let a newcomer in.")
@click.argument("entry", metavar="[DETECTOR[@ROUND]]", required=False)
@click.option("--detector", help="A newcomer instead: it learns what this home's detectors learned, and meets all.")
@click.option("--generator", help="A newcomer instead: it enters, attacks whom this home's generators attacked.")
@click.option("--as", "called", metavar="NAME", help="What the newcomer is called.  [default: as its plugin]")
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE", help="Of the newcomer, as model=FILE.")
@home_option
@tournament_option
@click.option("--steps", type=_Times(), default="4x", show_default=True, help="Of finetuning, times those played.")
@click.option("--restarts", type=click.IntRange(min=1), default=3, show_default=True, help="With a seed each.")
@click.option("--rate", "rates", type=float, multiple=True, help="Of learning, 0 is generators' own; again for more.")
@click.option("--search/--no-search", default=True, show_default=True, help="Look through generators' latents, too.")
@click.option("--queries", type=_Times(), default="4x", show_default=True, help="Of a search, times those configured.")
@click.option("--metric", type=click.Choice(["auc", "ap"]), default="auc", show_default=True, help="What decides.")
@click.option("--workers", type=click.IntRange(min=1), help="Cores for Ray.  [default: all]")
@click.option("--serial", is_flag=True, help="One job after the other, without Ray.")
@tracking_option
@plugin_option
@saying_options
@json_option
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
    executor = open_jobs(serial=serial, workers=workers, address=None)
    load_plugins(plugins, home=home)
    place, console = Home(home, tournament), open_error_console() if as_json else open_console()
    saying = verbosity_of(quiet=quiet, verbose=verbose)
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


@click.command(short_help="Play a tournament again, and say whether it holds.")
@click.argument("scoreboard", metavar="SCOREBOARD.json", type=GivenPath(path_type=Path))
@click.option(
    "--home",
    type=GivenPath(path_type=Path, file_okay=False),
    default=Path("fakeoff-reproduced"),
    show_default=True,
    help="Where it is played again: a folder of its own.",
)
@click.option("--reals", help="The folder of images, where the reals were one: its path is not on record.")
@click.option("--table", type=GivenPath(), metavar="FILE.csv", help="That of the images, where there was one.")
@click.option(
    "--provenance",
    type=GivenPath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What it was played with.  [default: provenance.json beside the scoreboard]",
)
@click.option("--workers", type=click.IntRange(min=1), help="Cores for Ray.  [default: all]")
@click.option("--serial", is_flag=True, help="One job after the other, without Ray.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Another device than the one on record.")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def reproduce(
    scoreboard: Path,
    home: Path,
    reals: str | None,
    table: str | None,
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

    load_plugins(plugins, home=scoreboard.parent)
    reproduced = reproduce_and_tell(
        scoreboard,
        provenance=provenance,
        home=Home(home),
        executor=open_jobs(serial=serial, workers=workers, address=None),
        reals=reals,
        table=table,
        device=device,
        console=open_error_console() if as_json else open_console(),
        as_json=as_json,
    )
    if not reproduced:
        sys.exit(1)
