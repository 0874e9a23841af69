"""Tables of text on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.formats.text_tables import TextTable


def print_table(table: TextTable, console: Console) -> None:
    """Prints a table, after an empty line.

    Args:
        table: It.
        console: Where.
    """
    shown = Table(title=table.title, title_justify="left", title_style="bold")
    for heading in table.headings:
        named = heading in table.names
        shown.add_column(heading, justify="left" if named else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print()
    console.print(shown)


__all__ = ["print_table"]
