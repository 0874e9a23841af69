"""A CSV file that says of pictures in a folder who is on them, in which split they are, and whether they are real."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.errors import DataError, one_line
from fakeoff.arena.images.folders import printable
from fakeoff.arena.images.splits import Split, split_named

_PATH, _SAYS = "path", ("group", "split", "label")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a table says of a picture.

    Attributes:
        line: Where in the file.
        group: Who is on it; empty where the table does not say.
        split: None where it does not say.
        is_fake: Its label is ``fake``.
    """

    line: int
    group: str = ""
    split: Split | None = None
    is_fake: bool = False

    def says_as(self, other: Row) -> bool:
        """Whether two rows of a picture do not contradict each other."""
        return (self.group, self.split, self.is_fake) == (other.group, other.split, other.is_fake)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of pictures.

    Attributes:
        name: Of its file, for people.
        rows: By the names of pictures below their folder.
        has_groups: Whether it says who is on them.
        has_splits: Whether it says in which split they are.
    """

    name: str
    rows: Mapping[str, Row]
    has_groups: bool
    has_splits: bool


def read_table(path: Path, *, root: Path) -> Table:
    """Reads a table with a column ``path`` and one at least of ``group``, ``split`` and ``label``.

    Args:
        path: The file; other columns are left alone. What a column says, it says in each row.
        root: The folder of the pictures, from which paths are read; or else from that of the file.

    Raises:
        DataError: It cannot be read, lacks a column, names a file that is not there or not in the folder, says two
            things of one picture, or something else than it may.
    """
    rows: dict[str, Row] = {}
    top = os.path.realpath(root)
    try:
        # Paths need not be text; the mark that some programs begin a file with is no part of a column's name.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            columns = [column for column in (_PATH, *_SAYS) if column in (reader.fieldnames or ())]
            if _PATH not in columns or len(columns) < 2:
                missing = "'path'" if _PATH not in columns else "'group', 'split' or 'label'"
                raise DataError(
                    f"'{path}' has no column {missing}; it needs a header with path and one or more of group, split "
                    "and label"
                )
            for cells in reader:
                where = f"'{path}', line {reader.line_num}"
                name = _name(cells.get(_PATH) or "", where=where, root=root, top=top, folder=path.parent)
                row = _row(cells, columns, line=reader.line_num, where=where)
                before = rows.setdefault(name, row)
                if not row.says_as(before):
                    raise DataError(
                        f"{where}: '{name}' has another {_difference(before, row)} than in line {before.line}"
                    )
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}; give a CSV file") from error
    except csv.Error as error:
        raise DataError(f"'{path}' cannot be read as CSV: {one_line(error)}") from error
    if not rows:
        raise DataError(f"'{path}' has no row; give a line for each picture")
    return Table(name=path.name, rows=rows, has_groups="group" in columns, has_splits="split" in columns)


def _name(given: str, *, where: str, root: Path, top: str, folder: Path) -> str:
    """A picture's name below its folder."""
    if not given:
        raise DataError(f"{where}: no path")
    if "\0" in given:
        raise DataError(f"{where}: a path with a NUL in it")
    for start in (root, folder):
        # Without following the last link: a picture is what it is called.
        place = os.path.normpath(start / given)
        if not os.path.lexists(place):
            continue
        place = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))  # noqa: PTH118, PTH119, PTH120
        if not place.startswith(top.rstrip(os.sep) + os.sep):
            raise DataError(f"{where}: '{printable(given)}' is not in '{root}'; give paths below it")
        return printable(Path(place).relative_to(top).as_posix())
    raise DataError(f"{where}: there is no '{printable(given)}' in '{root}'")


def _row(cells: Mapping[str, str | None], columns: list[str], *, line: int, where: str) -> Row:
    said = {column: (cells.get(column) or "").strip() for column in columns[1:]}
    if empty := next((column for column, value in said.items() if not value), ""):
        raise DataError(f"{where}: no {empty}; say it in each row, or leave the column out")
    split = split_named(said["split"]) if "split" in said else None
    if "split" in said and split is None:
        raise DataError(f"{where}: split '{printable(said['split'])}'; give train, val or test")
    if said.get("label", "real").lower() not in ("real", "fake"):
        raise DataError(f"{where}: label '{printable(said['label'])}'; give real or fake")
    fake = said.get("label", "").lower() == "fake"
    return Row(line=line, group=printable(said.get("group", "")), split=split, is_fake=fake)


def _difference(before: Row, now: Row) -> str:
    if before.group != now.group:
        return "group"
    return "split" if before.split != now.split else "label"


__all__ = ["Row", "Table", "read_table"]
