"""What `fakeoff leaderboard` does: opens tournaments, holds them to each other, and shows them in a format."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.leaderboard.comparing import first_incomparable
from fakeoff.leaderboard.formats.board import Board, imported_note
from fakeoff.leaderboard.formats.csv_tables import Table, csv_text
from fakeoff.leaderboard.formats.json_text import json_text
from fakeoff.leaderboard.formats.markdown import markdown_text, opponents_differ
from fakeoff.leaderboard.formats.text_tables import TextTable, imported_tables, side_by_side
from fakeoff.leaderboard.home.challenges import Challenge, LateEntry, read_challenges, read_late_entries
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.imported.scores import ImportedScores, read_imported
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.terminal.challenges import print_challenges, print_late_entries
from fakeoff.leaderboard.terminal.console import PIPE_WIDTH
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord

Form: TypeAlias = Literal["terminal", "markdown", "csv", "json"]

_ENDING = "-scoreboard"


def open_boards(places: Sequence[Path]) -> tuple[list[Board], list[str]]:
    """Opens tournaments: homes, whose scoreboards are rebuilt from their stored scores, and scoreboard files.

    Args:
        places: Folders and files.

    Returns:
        The tournaments, and what is left out of them and why.

    Raises:
        ConfigError: Several of them cannot be compared; it says what differs.
        StoreError: One of them is no tournament, or is damaged.
    """
    opened = [_open(place) for place in places]
    names = _names(places)
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


def read_scoreboard(path: Path) -> Scoreboard:
    """Reads a scoreboard file of this release or of an earlier one.

    Raises:
        StoreError: It cannot be read, or is none.
    """
    try:
        return Scoreboard.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"'{path}' is no scoreboard file: {one_line(error)}") from error


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
            _print(table, console)
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
        _print(table, console)
    for scores in imported:
        console.print(Text(f"\n{imported_note(scores)}"), soft_wrap=True)


def _print(table: TextTable, console: Console) -> None:
    shown = RichTable(title=table.title, title_justify="left", title_style="bold")
    for heading in table.headings:
        named = heading in table.names
        shown.add_column(heading, justify="left" if named else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print()
    console.print(shown)


def _open(place: Path) -> tuple[Scoreboard, tuple[ImportedScores, ...], list[str]]:
    home = _home_of(place)
    if home is None:
        return read_scoreboard(place), (), []
    if place.is_file():
        record = read_ledger(home, home.open_store(), figures=False) if home.tournament.is_file() else None
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


def _challenges(place: Path) -> tuple[Challenge, ...]:
    home = _home_of(place)
    return () if home is None else read_challenges(home)


def _late_entries(place: Path) -> tuple[LateEntry, ...]:
    home = _home_of(place)
    return () if home is None else read_late_entries(home)


def _home_of(place: Path) -> Home | None:
    """Whose tournament it is: the home itself, or that in which a scoreboard file lies; None of a file elsewhere."""
    if not place.is_file():
        return Home(place)
    home = Home(place.parent)
    return home if place.name == home.scoreboard.name else None


def _names(places: Sequence[Path]) -> list[str]:
    """What tournaments are called: after their folders or files, and where two are called the same, with a number."""
    names = []
    for place in map(Path.resolve, places):
        stem = place.stem if place.is_file() else place.name
        names.append(place.parent.name if stem == "scoreboard" else stem.removesuffix(_ENDING))
    several = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name} ({names[: at + 1].count(name)})" if name in several else name for at, name in enumerate(names)]


__all__ = ["Form", "board_text", "open_boards", "print_boards", "print_imported", "read_scoreboard"]
