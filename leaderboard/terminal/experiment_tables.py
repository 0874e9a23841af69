"""An experiment's tables: on the terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.protocols.record.log import Cell, Row

IN_WORDS = "in words"
"""A table of this name has one column, of the same name: sentences, which are printed as such."""

_WIDEST = 9  # columns that a terminal can show; all of them are in the CSV


def print_experiment(result: Mapping[str, Any], console: Console, *, folder: Path) -> None:
    """Prints an experiment's tables, what was forfeited, and where its files are.

    Args:
        result: As :func:`fakeoff.leaderboard.experiments.play_experiment` returned it.
        console: Where to.
        folder: Where the experiment's files are: ``HOME/experiments``.
    """
    data, config = result["data"], result["config"]
    console.print()
    heading = Text(f"Experiment {result['experiment']}", style="bold")
    heading.append(f": {data['source']} faces, {config['arena']['resolution']} px, {data['colour']}", style="not bold")
    console.print(heading, soft_wrap=True)
    _print_leaks(result, console)
    for name, rows in result["tables"].items():
        console.print()
        if name == IN_WORDS:
            for row in rows:
                console.print(Text(str(row[IN_WORDS])), soft_wrap=True)
        else:
            console.print(_table(name, rows))
    if result["forfeits"]:
        console.print()
        console.print(_forfeits(result["forfeits"]))
    console.print()
    kept = [f"{name}.png" for name in result["figures"]] + list(result["files"])
    lines = [f"{folder / result['experiment']}.json", *(str(folder / result["experiment"] / name) for name in kept)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def csv_text(rows: Sequence[Row]) -> str:
    """A table as CSV: full precision, nothing for None."""
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def markdown_text(rows: Sequence[Row]) -> str:
    """A table as Markdown, to be read."""
    lines = ["| " + " | ".join(map(_escaped, rows[0])) + " |", "|" + " --- |" * len(rows[0])]
    lines += ["| " + " | ".join(_escaped(_shown(cell)) for cell in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _table(name: str, rows: Sequence[Row]) -> Table:
    table = Table(title=Text(name), title_justify="left", title_style="bold")
    columns = shown_columns(rows[0])
    if left_out := len(columns) - _WIDEST:
        if left_out > 0:
            table.caption = Text(f"{left_out} more columns are in the files below")
            table.caption_justify = "left"
        columns = columns[:_WIDEST]
    for column in columns:
        cells = [row[column] for row in rows]
        numbers = all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells)
        table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(with_interval(column, row)) for column in columns))
    return table


def _is_told_elsewhere(column: str, row: Row) -> bool:
    """Whether a column is an end of an interval, or a figure in words that another column has."""
    for separator in (" ", ", "):
        for ending in ("from", "to", "value"):
            whole = column.removesuffix(f"{separator}{ending}")
            if whole != column and whole in row:
                return True
    return False


def shown_columns(row: Row) -> list[str]:
    """The columns of a table that are shown: an interval stands beside its figure, and a figure in words for itself."""
    return [column for column in row if not _is_told_elsewhere(column, row)]


def with_interval(column: str, row: Row) -> str:
    """A cell of a table for people, with its interval where the row has its ends."""
    shown = _shown(row[column])
    low, high = (row.get(f"{column} {end}") for end in ("from", "to"))
    if isinstance(low, float) and isinstance(high, float) and isinstance(row[column], float):
        return f"{float(row[column] or 0):.3g} ({low:.3g} to {high:.3g})"
    return shown


def _print_leaks(result: Mapping[str, Any], console: Console) -> None:
    if result["config"]["audit"]["on_leak"] == "skip":
        console.print("[yellow]The pools were not audited: format alone may tell reals from fakes.[/yellow]")
    for label, sentences in result["leaks"].items():
        leak = f"LEAK: format alone tells {label} from its reals: {sentences[0]}"
        console.print(Text(leak, style="bold red"), soft_wrap=True)


def _forfeits(forfeits: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Forfeits: what was not played", title_justify="left", title_style="bold red")
    for heading in ("player", "stage", "why"):
        table.add_column(heading, overflow="fold")
    for forfeit in forfeits:
        against = f" on {forfeit['against']}" if forfeit["against"] else ""
        player = f"{forfeit['player']}@{forfeit['round']}"
        table.add_row(Text(player), Text(forfeit["stage"] + against), Text(forfeit["reason"]))
    return table


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1e4 else f"{cell:.0f}"
    return str(cell)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
