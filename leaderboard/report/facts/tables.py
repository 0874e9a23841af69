"""Tables as the report shows them: figures with their intervals, each as text and as a place on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fakeoff.protocols.score.intervals import Interval
from fakeoff.protocols.score.telling import tell

NONE = "\N{EN DASH}"
"""What stands where there is no figure."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A figure drawn on its scale; all places are percent of the scale's width.

    Attributes:
        at: The figure.
        low: The lower end of its interval; the figure itself where there is none.
        high: The upper end.
        chance: Where guessing lies, or no change; None where there is no such place.
    """

    at: float
    low: float
    high: float
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its interval.

    Attributes:
        text: Both, in words.
        strip: Both, drawn; None where there is no scale.
    """

    text: str
    strip: Strip | None = None


Cell: TypeAlias = Figure | str
"""Of a table."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        head: What it is about.
        cells: One for each column after the first.
        note: What else is to be known of it; may be empty.
    """

    head: str
    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        columns: Headings; the first is that of the rows' heads.
        rows: From above.
        about: How to read it; may be empty.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    about: str = ""


def share(value: float | None, interval: Interval | None, *, chance: float | None = None) -> Cell:
    """A figure between 0 and 1 in percent, on a scale from 0 to 1."""
    if value is None:
        return NONE
    return Figure(text=tell(value, interval, digits=1, percent=True), strip=_strip(value, interval, chance=chance))


def score(value: float | None, interval: Interval | None, *, chance: float | None = 0.5) -> Cell:
    """A figure between 0 and 1 with three digits, on a scale from 0 to 1."""
    if value is None:
        return NONE
    return Figure(text=tell(value, interval), strip=_strip(value, interval, chance=chance))


def change(value: float | None, interval: Interval | None, *, percent: bool) -> Cell:
    """A difference of two shares or scores, with its sign, on a scale from -1 to 1."""
    if value is None:
        return NONE
    text = tell(value, interval, digits=1 if percent else 3, percent=percent, signed=True)
    low, high = interval or (value, value)
    low, at, high = (_place((end + 1) / 2) for end in (low, value, high))
    return Figure(text=_points(text) if percent else text, strip=Strip(at=at, low=low, high=high, chance=50.0))


def without_empty(table: Table) -> Table:
    """A table without the columns in which no row has anything: files of earlier releases lack some."""
    kept = [place for place in range(len(table.columns) - 1) if any(row.cells[place] != NONE for row in table.rows)]
    rows = [Row(head=row.head, cells=[row.cells[place] for place in kept], note=row.note) for row in table.rows]
    columns = [table.columns[0], *(table.columns[place + 1] for place in kept)]
    return Table(caption=table.caption, columns=columns, rows=rows, about=table.about)


def _strip(value: float, interval: Interval | None, *, chance: float | None) -> Strip:
    low, high = interval or (value, value)
    place = None if chance is None else _place(chance)
    return Strip(at=_place(value), low=_place(low), high=_place(high), chance=place)


def _place(share_: float) -> float:
    return round(100 * min(max(share_, 0.0), 1.0), 2)


def _points(text: str) -> str:
    """A difference of percentages is in points."""
    return text.replace("%", "") + " points"


__all__ = [
    "NONE",
    "Cell",
    "Figure",
    "Row",
    "Strip",
    "Table",
    "change",
    "score",
    "share",
    "without_empty",
]
