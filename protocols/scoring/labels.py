"""What is known of a user's own pictures: which are fakes, and who is on them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fakeoff.arena.errors import ConfigError, DataError, one_line
from fakeoff.arena.images.reals import find_files, is_named
from fakeoff.protocols.score.patches import TRUTHS, Truth

# The words after the first are those of a table of reals: `fakeoff run --table`.
_PICTURE, _LABEL, _PERSON = ("picture", "path"), ("label",), ("person", "group")


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of one picture.

    Attributes:
        truth: ``real`` or ``fake``.
        person: Who is on it; empty where nobody says.
    """

    truth: Truth
    person: str = ""


class Labels(Protocol):
    """Knows pictures by their paths."""

    has_people: bool

    def of(self, name: str) -> Label | None:
        """What is known of a picture; None where it is not among them."""

    def pictures(self) -> Iterator[str]:
        """All pictures that it knows, and folders of them, for whoever names no others."""


class FolderLabels:
    """Two folders: what lies in one is real, what lies in the other is fake.

    Args:
        real: The folder of reals; ``orl`` and an asset by its name, too.
        fake: The folder of fakes; likewise.

    Raises:
        AssetError: An asset is not pulled yet, or it is damaged.
        ConfigError: One is no folder, or one lies in the other.
    """

    has_people = False

    def __init__(self, real: Path, fake: Path) -> None:
        for folder in (real, fake):
            if not is_named(str(folder)) and not folder.is_dir():
                raise ConfigError(f"no folder at '{folder}'; give --labels REAL_DIR FAKE_DIR, or a CSV file")
        self._given = (str(real), str(fake))
        self._roots = tuple(_absolute(_root(folder)) for folder in self._given)
        inside, outside = sorted(self._roots, key=len, reverse=True)
        if (inside + os.sep).startswith(outside.rstrip(os.sep) + os.sep):
            raise ConfigError(f"'{real}' and '{fake}' hold the same pictures; give --labels two folders apart")

    def of(self, name: str) -> Label | None:
        path = _absolute(name)
        for truth, root in zip(TRUTHS, self._roots, strict=True):
            if path.startswith(root + os.sep):
                return Label(truth=truth)
        return None

    def pictures(self) -> Iterator[str]:
        return iter(self._given)


class TableLabels:
    """A CSV file with columns ``picture``, ``label`` (``real`` or ``fake``) and, if it is known, ``person``.

    ``picture`` may be called ``path``, and ``person`` ``group``, as in a table of reals. Paths are read from the file's
    own folder.

    Args:
        path: The file; other columns are left alone.

    Raises:
        DataError: It cannot be read, lacks a column or a side, is of one person only, or says two things of one
            picture.
    """

    def __init__(self, path: Path) -> None:
        self._labels: dict[str, Label] = {}
        self._names: list[str] = []
        try:
            # Paths need not be text; the mark that some programs begin a file with is no part of a column's name.
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                columns = reader.fieldnames or ()
                found = {names[0]: [name for name in names if name in columns] for names in (_PICTURE, _LABEL, _PERSON)}
                if missing := [name for name in (_PICTURE[0], _LABEL[0]) if not found[name]]:
                    raise DataError(
                        f"'{path}' has no column '{missing[0]}'; it needs a header with picture, label and, if known, "
                        "person"
                    )
                if twice := next((names for names in found.values() if len(names) > 1), None):
                    raise DataError(f"'{path}' has columns {' and '.join(twice)}, which say the same; leave one out")
                self._columns = {name: names[0] for name, names in found.items() if names}
                self.has_people = _PERSON[0] in self._columns
                for row in reader:
                    self._enter(row, where=f"'{path}', line {reader.line_num}", folder=path.parent)
        except OSError as error:
            raise DataError(f"'{path}' cannot be read: {error.strerror}; give a CSV file, or two folders") from error
        except csv.Error as error:
            raise DataError(f"'{path}' cannot be read as CSV: {one_line(error)}") from error
        self._check(path)

    def of(self, name: str) -> Label | None:
        return self._labels.get(_absolute(name))

    def pictures(self) -> Iterator[str]:
        return iter(self._names)

    def _check(self, path: Path) -> None:
        """Refuses labels that no figures can follow from, before anything is judged."""
        if not self._names:
            raise DataError(f"'{path}' has no row; give a line with picture and label for each picture")
        for truth in TRUTHS:
            if all(label.truth != truth for label in self._labels.values()):
                raise DataError(f"'{path}' has no row with label '{truth}'; AP and AUC need both sides")
        people = {label.person for label in self._labels.values()}
        if self.has_people and len(people) < 2:
            raise DataError(
                f"all rows of '{path}' are of one person, '{people.pop()}'; intervals over people need two, or a file "
                "without the column person"
            )

    def _enter(self, row: Mapping[str, str | None], *, where: str, folder: Path) -> None:
        picture, truth, person = (
            row.get(self._columns.get(names[0], "")) or "" for names in (_PICTURE, _LABEL, _PERSON)
        )
        if not picture:
            raise DataError(f"{where}: no picture")
        if truth not in TRUTHS:
            raise DataError(f"{where}: label '{truth}'; give real or fake")
        if self.has_people and not person:
            raise DataError(f"{where}: no person; name one in each row, or leave the column out")
        name = str(folder / picture)
        label = Label(truth="fake" if truth == "fake" else "real", person=person)
        if self._labels.setdefault(_absolute(name), label) != label:
            raise DataError(f"{where}: '{picture}' was there before, with another label or person")
        self._names.append(name)


def read_labels(given: Sequence[Path]) -> FolderLabels | TableLabels:
    """Reads what is known of pictures.

    Args:
        given: A folder of reals and a folder of fakes, or one CSV file.

    Raises:
        ConfigError: Neither.
        DataError: The file is no such table.
    """
    if len(given) == 2:
        return FolderLabels(*given)
    if len(given) != 1 or given[0].is_dir():
        raise ConfigError("--labels takes a folder of reals and a folder of fakes, or one CSV file")
    return TableLabels(given[0])


def _root(folder: str) -> str:
    """The folder that a source of reals is read from."""
    return os.path.commonpath([entry.path for entry in find_files(folder)]) if is_named(folder) else folder


def _absolute(name: str) -> str:
    # By its name alone: links are not followed, so that a picture is what it is called.
    return os.path.normpath(Path(name).absolute())


__all__ = ["FolderLabels", "Label", "Labels", "TableLabels", "read_labels"]
