"""Commands that judge a user's own pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fakeoff.arena.errors import ConfigError
from fakeoff.commands.options import GivenPath, home_option, load_plugins, plugin_option, tournament_option
from fakeoff.leaderboard.terminal.console import open_console, open_error_console
from fakeoff.leaderboard.terminal.one_line_errors import end


@click.command(short_help="Draw where a detector sees a fake in your images.")
@click.argument("images", metavar="IMAGES...", nargs=-1, required=True, type=GivenPath())
@click.option("--detector", required=True, help="A patch detector of the home, such as xception_block1 or ...@1.")
@home_option
@tournament_option
@click.option(
    "--out",
    type=GivenPath(path_type=Path, dir_okay=False),
    default=Path("fakeoff-look.png"),
    show_default=True,
    help="The picture to write.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@plugin_option
def look(
    images: tuple[str, ...],
    detector: str,
    home: Path,
    tournament: str,
    out: Path,
    as_json: bool,
    plugins: tuple[Path, ...],
) -> None:
    """Judge your own IMAGES with a trained patch detector, and draw where it sees a fake.

    IMAGES are files, folders, 'orl' or an asset such as 'celeba-999'; of more than 60, 60 are drawn.
    """
    from fakeoff.leaderboard.home.home import Home
    from fakeoff.leaderboard.look import look_at, print_verdicts, verdicts_text

    load_plugins(plugins, home=home)
    verdicts = look_at(
        images,
        detector=detector,
        home=Home(home, tournament),
        out=out,
        say=lambda line: click.echo(line, err=True),
    )
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
            both = second < len(args) and not args[second].startswith("-")
            if both and not Path(args[second - 1]).is_file():
                args = [*args[:second], "--labels", *args[second:]]
        return super().parse_args(ctx, args)


@click.command(cls=_TwoLabels, short_help="Say P(fake) of your own pictures, a row each.")
@click.argument("paths", metavar="PATH...", nargs=-1)
@click.option(
    "--detector",
    metavar="NAME[@ROUND]|champion",
    help="A detector of the home, or the one that is best on val.  [default: champion]",
)
@click.option("--all", "everybody", is_flag=True, help="The newest version of each detector, a row for each.")
@home_option
@tournament_option
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
    type=GivenPath(path_type=Path, dir_okay=False),
    help="A file for the rows, CSV unless --json. If it is there it is continued: what has rows is not judged again.",
)
@click.option(
    "--labels",
    "labelled",
    type=GivenPath(path_type=Path),
    multiple=True,
    metavar="REAL_DIR FAKE_DIR|FILE",
    help="What is known of the pictures: two folders, or a CSV file with columns picture, label (real or fake) and, if "
    "known, person. AP, AUC, intervals and a reliability diagram follow. Without PATH, these pictures are judged.",
)
@click.option(
    "--heatmaps",
    type=GivenPath(path_type=Path, file_okay=False),
    help="A folder for a picture of each picture, with what a patch detector sees in it.",
)
@click.option("-0", "--null", "nulls", is_flag=True, help="The list on the standard input is separated by NUL.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads.  [default: one for each core]")
@plugin_option
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

    PATH is a file, a folder, 'orl', an asset such as 'celeba-999', or '-' for a list of paths on the standard input.
    A picture that cannot be judged is a row
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
    load_plugins(plugins, home=home)
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


@click.command(short_help="Say whether format alone tells two folders apart.")
@click.argument("real", metavar="REAL_DIR", type=GivenPath())
@click.argument("fake", metavar="FAKE_DIR", type=GivenPath())
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads.  [default: one for each core]")
def audit(real: str, fake: str, as_json: bool, seed: int, workers: int | None) -> None:
    """Say whether two folders of images can be told apart by their format alone.

    Where there is one, 'orl' and an asset such as 'celeba-999' are folders, too.

    Exit code 1 if they can: sizes, codecs, JPEG traces after decoding, resizing, metadata, duplicates.
    """
    from fakeoff.leaderboard.terminal.audit_progress import AuditProgress
    from fakeoff.leaderboard.terminal.audit_tables import audit_text, print_audit
    from fakeoff.protocols.forensics.audit import audit_folders

    with AuditProgress(open_error_console()) as progress:
        report = audit_folders(real, fake, seed=seed, workers=workers, watch=progress)
    if as_json:
        click.echo(audit_text(report), nl=False)
    else:
        print_audit(report, open_console())
    if report.leaks:
        sys.exit(1)
