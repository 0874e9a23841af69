"""Scoreboards as Markdown, to be pasted into a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.formats.text_tables import TextTable, met_the_same, side_by_side, standings_tables
from fakeoff.leaderboard.verdict.summary import summarise
from fakeoff.protocols.record.versions import KINDS

_AMONG_NOTES = ("Challenged", "Forfeit", "Fragile traces", "Masked gradient", "Unranked")
"""Cautions that stand below the tables, and are not told twice."""


def markdown_text(boards: Sequence[Board]) -> str:
    """A tournament's standings and attacks; of several the standings, side by side.

    Args:
        boards: One, or several that can be compared.
    """
    tables = standings_tables(boards[0]) if len(boards) == 1 else side_by_side(boards)
    blocks = [_heading(board, several=len(boards) > 1) for board in boards]
    if len(boards) == 1:
        summary = summarise(boards[0].scoreboard, boards[0].challenges)
        warned = [f"{one.kind}: {one.text}" for one in summary.warned if one.kind not in _AMONG_NOTES]
        for heading, lines in (("", summary.said), ("Warnings", warned), ("Not known", summary.unknown)):
            title = f"**{heading}**\n\n" if heading and lines else ""
            blocks += [title + "\n".join(f"- {escape(line)}" for line in lines)] if lines else []
    blocks += map(table_markdown, tables)
    if len(boards) > 1:
        blocks += opponents_differ(boards)
    if notes := [f"- {escape(note)}" for board in boards for note in _notes(board, several=len(boards) > 1)]:
        blocks.append("\n".join(notes))
    blocks.append(f"In brackets: intervals of {boards[0].scoreboard.confidence:.0%}.")
    return "\n\n".join(blocks) + "\n"


def opponents_differ(boards: Sequence[Board]) -> list[str]:
    """Which standings are not shown side by side, and why.

    Args:
        boards: Several.
    """
    return [
        f"{kind.capitalize()}s are not shown side by side: the {opponents}s that they met are not the same."
        for kind, opponents in zip(KINDS, reversed(KINDS), strict=True)
        if not met_the_same(boards, opponents)
    ]


def _heading(board: Board, *, several: bool) -> str:
    return f"**{escape(board.name) if several else 'Scoreboard'}**: {escape(board.heading)}"


def _notes(board: Board, *, several: bool) -> Iterator[str]:
    for note in board.notes:
        yield f"{board.name}: {note}" if several else note


def table_markdown(table: TextTable) -> str:
    """A table."""
    lines = [
        f"**{escape(table.title)}**\n",
        _line([escape(heading) for heading in table.headings]),
        _line(["---" if heading in table.names else "---:" for heading in table.headings]),
        *(
            _line(
                [
                    f"`{text}`" if heading in table.names and text != "-" else escape(text)
                    for heading, text in zip(table.headings, row, strict=True)
                ]
            )
            for row in table.rows
        ),
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """A text in which nothing is markup and which stays in one line: reasons are what players' errors say."""
    escaped = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\S)(@\w+)", r"`\1`", escaped)  # which would call somebody on GitHub


__all__ = ["escape", "markdown_text", "opponents_differ", "table_markdown"]
