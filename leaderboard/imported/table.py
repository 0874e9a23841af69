"""A CSV file of scores that somebody's own detector gave somewhere else."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from fakeoff.arena.errors import DataError, one_line
from fakeoff.arena.files import read_waiting
from fakeoff.protocols.score.patches import TRUTHS, Truth

Probability: TypeAlias = Literal["fake", "real"]
"""Of what a score is the probability."""

LABEL = "label"

_PATIENCE_SECONDS, _MOST_BYTES = 10.0, 1 << 30


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a file say what.

    Attributes:
        image: A path or a sha256.
        score: In [0, 1].
        probability: Of what the score is one.
    """

    image: str = "image"
    score: str = "score"
    probability: Probability = "fake"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A score of an image.

    Attributes:
        line: Of the file, from 1.
        image: As it is named there.
        p_fake: In [0, 1].
        truth: What the file says that it is; empty where it does not say.
    """

    line: int
    image: str
    p_fake: float
    truth: Truth | Literal[""] = ""


def read_rows(path: Path, columns: Columns) -> list[Row]:
    """Reads all scores of a file; other columns are left alone.

    Args:
        path: A CSV file with a header.
        columns: Which to read; a column ``label``, ``real`` or ``fake``, is read where there is one.

    Raises:
        DataError: It cannot be read, lacks a column, or a row is none.
    """
    try:
        # The mark that some programs begin a file with is no part of a column's name.
        text = read_waiting(path, seconds=_PATIENCE_SECONDS, most_bytes=_MOST_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        for option, column in (("--image-column", columns.image), ("--score-column", columns.score)):
            if column not in (reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "none"
                raise DataError(f"'{path}' has no column '{column}'; its columns: {found}. Name another: {option}")
        rows = [_row(row, columns, path=path, line=reader.line_num) for row in reader]
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}; give a CSV file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' cannot be read as CSV: {one_line(error)}") from error
    if not rows:
        raise DataError(f"'{path}' has no row; give a line with {columns.image} and {columns.score} for each image")
    return rows


def _row(row: Mapping[str, str | None], columns: Columns, *, path: Path, line: int) -> Row:
    where = f"'{path}', line {line}"
    image, said = (row.get(columns.image) or "").strip(), (row.get(columns.score) or "").strip()
    truth = (row.get(LABEL) or "").strip()
    if not image:
        raise DataError(f"{where}: no {columns.image}; name one in each row")
    try:
        score = float(said)
    except ValueError:
        raise DataError(f"{where}: {columns.score} '{said}' of '{image}' is no number; leave the row out") from None
    if math.isnan(score) or not 0 <= score <= 1:
        raise DataError(
            f"{where}: {columns.score} {said} of '{image}' is no probability; give P(fake) from 0 to 1 "
            "(or P(real), with --score-is real), and leave out images without a score"
        )
    if truth not in ("", *TRUTHS):
        raise DataError(f"{where}: {LABEL} '{truth}'; give real or fake, or leave the column out")
    return Row(
        line=line,
        image=image,
        p_fake=score if columns.probability == "fake" else 1 - score,
        truth=cast("Truth", truth),
    )


__all__ = ["LABEL", "Columns", "Probability", "Row", "read_rows"]
