"""Rows of scored pictures as text for people, as CSV and as JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from fakeoff.arena.typed import read_as
from fakeoff.protocols.scoring.scored import COLUMNS, ScoredPicture

Form: TypeAlias = Literal["text", "csv", "json"]
"""``json`` is JSON Lines: one object a row, so that rows can be read as they come."""

_EMPTY_IS_NONE = {"p_fake", "p_fake_max", "width", "height", "tiles"}


def header(form: Form, *, detector_width: int = 0) -> bytes:
    """What stands above the rows; nothing above JSON Lines.

    Args:
        form: Which.
        detector_width: Of the longest version's name, for text.
    """
    if form == "json":
        return b""
    if form == "csv":
        return _csv_line(COLUMNS)
    return (
        f"{'P(fake)':>7}  {'verdict':7}  {'detector':{detector_width}}  {'pixels':>11}  {'how':5}  picture\n".encode()
    )


def row_bytes(row: ScoredPicture, form: Form, *, detector_width: int = 0) -> bytes:
    """One row, with its line break; paths that are no text come out as the bytes that they are.

    Args:
        row: Which.
        form: How.
        detector_width: Of the longest version's name, for text.
    """
    if form == "text":
        return _text_line(row, detector_width)
    if form == "json":
        return json.dumps(vars(row)).encode() + b"\n"
    return _csv_line(["" if value is None else str(value) for value in vars(row).values()])


def parse_row(form: Form, values: Mapping[str, Any]) -> ScoredPicture:
    """Reads a row back.

    Args:
        form: ``csv``, where all values are text, or ``json``.
        values: By column.

    Raises:
        ValueError: It is no row of this kind.
    """
    if values.keys() != set(COLUMNS):
        raise ValueError("other columns")
    if form == "csv":
        values = {name: None if name in _EMPTY_IS_NONE and not value else value for name, value in values.items()}
    return read_as(ScoredPicture, values)


def _csv_line(values: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue().encode(errors="surrogateescape")


def _text_line(row: ScoredPicture, detector_width: int) -> bytes:
    p_fake = "-" if row.p_fake is None else f"{row.p_fake:.4f}"
    pixels = "-" if row.width is None else f"{row.width}x{row.height}"
    name = f"{row.picture}: {row.error}" if row.error else row.picture
    line = (
        f"{p_fake:>7}  {row.verdict or '-':7}  {row.detector:{detector_width}}  {pixels:>11}  {row.how or '-':5}  "
        f"{_printable(name)}\n"
    )
    return line.encode()


def _printable(text: str) -> str:
    # A file's name may hold what moves the cursor.
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


__all__ = ["Form", "header", "parse_row", "row_bytes"]
