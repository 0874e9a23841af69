"""What `fakeoff leaderboard` does: opens tournaments, holds them to each other, and shows them in a format."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from rich.console import Console
from rich.text import Text

from fakeoff.arena.errors import ConfigError
from fakeoff.leaderboard.comparing import first_incomparable
from fakeoff.leaderboard.formats.board import Board, imported_note
from fakeoff.leaderboard.formats.csv_tables import Table, csv_text
from fakeoff.leaderboard.formats.json_text import json_text
from fakeoff.leaderboard.formats.markdown import markdown_text, opponents_differ
from fakeoff.leaderboard.formats.printing import print_table
from fakeoff.leaderboard.formats.text_tables import imported_tables, side_by_side
from fakeoff.leaderboard.home.challenges import Challenge, LateEntry, read_challenges, read_late_entries
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.results import check_scoreboard
from fakeoff.leaderboard.imported.scores import ImportedScores, read_imported
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, read_scoreboard
from fakeoff.leaderboard.terminal.challenges import print_challenges, print_late_entries
from fakeoff.leaderboard.terminal.console import PIPE_WIDTH
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord

Form: TypeAlias = Literal["terminal", "markdown", "csv", "json"]

_ENDING = "-scoreboard"


def open_boards(places: Sequence[Path | Home]) -> tuple[list[Board], list[str]]:
    """Opens tournaments: homes, whose scoreboards are rebuilt from their stored scores, and scoreboard files.

    Args:
        places: Homes, folders and files; of a folder, the tournament without a name.

    Returns:
        The tournaments, and what is left out of them and why.

    Raises:
        ConfigError: Several of them cannot be compared; it says what differs.
        StoreError: One of them is no tournament, or is damaged.
    """
    opened = [_open(place) for place in places]
    names = names_of(places)
    boards = [
        Board(
            name=name,
            scoreboard=scoreboard,
            imported=imported,
            challenges=_challenges(place),
            late_entries=_late_entries(place),
        )
        for name, place, (scoreboard, imported, _) in zip(names, places, opened, strict=True)
    ]
    why = first_incomparable({board.name: board.scoreboard for board in boards})
    if why is not None:
        raise ConfigError(f"{why}; show them one by one")
    return boards, [warning for _, _, warnings in opened for warning in warnings]


def board_text(boards: Sequence[Board], form: Form, *, table: Table = "standings") -> str:
    """Tournaments in a format.

    Args:
        boards: One, or several that can be compared.
        form: Which; ``terminal`` without colours, as wide as a pipe.
        table: Of CSV.
    """
    if form == "json":
        return json_text(boards)
    if form == "csv":
        return csv_text(boards, table)
    if form == "markdown":
        return markdown_text(boards)
    written = io.StringIO()
    print_boards(boards, Console(file=written, width=PIPE_WIDTH, force_jupyter=False))
    return written.getvalue()


def print_boards(boards: Sequence[Board], console: Console) -> None:
    """Prints a tournament's tables; of several the standings, side by side."""
    if len(boards) == 1:
        print_scoreboard(boards[0].scoreboard, console, challenges=boards[0].challenges)
    else:
        for board in boards:
            console.print(Text.assemble((board.name, "bold"), f": {board.heading}"), soft_wrap=True)
        for table in side_by_side(boards):
            print_table(table, console)
        for line in opponents_differ(boards):
            console.print(Text(f"\n{line}"), soft_wrap=True)
    print_imported([one for board in boards for one in board.imported], console, tables=len(boards) == 1)
    for board in boards:
        print_challenges(board.challenges, console, of=board.name if len(boards) > 1 else "")
        print_late_entries(board.late_entries, console, of=board.name if len(boards) > 1 else "")


def print_imported(imported: Sequence[ImportedScores], console: Console, *, tables: bool = True) -> None:
    """Prints detectors that gave their scores elsewhere.

    Args:
        imported: Which; nothing is printed where there are none.
        console: Where to.
        tables: Whether to print their figures, and not only what must be known of them.
    """
    for table in imported_tables(imported) if tables else ():
        print_table(table, console)
    for scores in imported:
        console.print(Text(f"\n{imported_note(scores)}"), soft_wrap=True)


def _open(place: Path | Home) -> tuple[Scoreboard, tuple[ImportedScores, ...], list[str]]:
    home = _home_of(place)
    if home is None:
        assert isinstance(place, Path)
        return read_scoreboard(place), (), []
    if isinstance(place, Path) and place.is_file():
        record = read_ledger(home, home.open_store(), figures=False) if home.tournament.is_file() else None
        check_scoreboard(home)
        return read_scoreboard(place), *_imported(home, record)
    record = read_ledger(home, home.open_store())
    return build_scoreboard(record), *_imported(home, record)


def _imported(home: Home, record: TournamentRecord | None) -> tuple[tuple[ImportedScores, ...], list[str]]:
    """What was imported into a home, less what is about other images than it has now."""
    kept, warnings = [], []
    for scores in read_imported(home.imported):
        if record is not None and (why := scores.stale(record)):
            warnings.append(f"imported scores of {scores.detector} are left out: {why}")
        else:
            kept.append(scores)
    return tuple(kept), warnings


def _challenges(place: Path | Home) -> tuple[Challenge, ...]:
    home = _home_of(place)
    return () if home is None else read_challenges(home)


def _late_entries(place: Path | Home) -> tuple[LateEntry, ...]:
    home = _home_of(place)
    return () if home is None else read_late_entries(home)


def _home_of(place: Path | Home) -> Home | None:
    """Whose tournament it is: the home itself, or that in which a scoreboard file lies; None of a file elsewhere."""
    if isinstance(place, Home):
        return place
    return Home.around(place) if place.is_file() else Home(place)


def names_of(places: Sequence[Path | Home]) -> list[str]:
    """What tournaments are called: after their folders or files, and where two are called the same, with a number.

    Args:
        places: See :func:`open_boards`.
    """
    names = [_name_of(place) for place in places]
    several = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name} ({names[: at + 1].count(name)})" if name in several else name for at, name in enumerate(names)]


def _name_of(place: Path | Home) -> str:
    home = _home_of(place)
    if home is not None:
        folder = home.folder.resolve().name
        return f"{folder}:{home.name}" if home.name else folder
    assert isinstance(place, Path)
    stem = place.resolve().stem
    return place.resolve().parent.name if stem == "scoreboard" else stem.removesuffix(_ENDING)


__all__ = ["Form", "board_text", "names_of", "open_boards", "print_boards", "print_imported"]
