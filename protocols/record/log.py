"""What an experiment logs: points, tables, figures and files, checked where they come in."""

from __future__ import annotations

import math
import numbers
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from fakeoff.arena.errors import PluginError

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Cell]

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]{0,99}")


class Log(typing.Protocol):
    """Keeps what an experiment logs; all of it was checked."""

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        """Keeps figures of one step by name; each name comes once a step."""

    def table(self, name: str, rows: Sequence[Row]) -> None:
        """Keeps a table; every row has the same columns. A later one of the same name takes its place."""

    def figure(self, name: str, figure: Figure) -> None:
        """Keeps a figure; likewise."""

    def file(self, name: str, data: bytes) -> None:
        """Keeps a file; likewise."""


class Unlogged:
    """Keeps nothing: a tournament has a scoreboard."""

    def points(self, points: Mapping[str, float], *, step: int) -> None: ...
    def table(self, name: str, rows: Sequence[Row]) -> None: ...
    def figure(self, name: str, figure: Figure) -> None: ...
    def file(self, name: str, data: bytes) -> None: ...


class CheckedLog:
    """Checks what an experiment logs, and passes it on.

    Args:
        log: Who keeps it.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._points: dict[tuple[str, int], float] = {}
        self._files: dict[str, str] = {}

    def points(self, points: Mapping[str, Any], *, step: int) -> None:
        """Checks points.

        Raises:
            PluginError: The step is no whole number, a name is empty, a value is no finite number, or the same name
                was logged with another value for the same step.
        """
        if isinstance(step, bool) or not isinstance(step, numbers.Integral) or step < 0:
            raise PluginError(f"logged points at step {step!r}; a step is a whole number from 0")
        checked = {_point_name(name): _number(name, value, step) for name, value in points.items()}
        for name, value in checked.items():
            if self._points.setdefault((name, int(step)), value) != value:
                raise PluginError(f"logged '{name}' twice at step {step}, with different values; give each a step")
        self._log.points(checked, step=int(step))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Checks a table, and gives every row every column; what a row lacks is None.

        Raises:
            PluginError: It has no rows, or a cell is neither text, a finite number, a bool nor None.
        """
        self._claim(name, what="table", suffix=".csv")
        if not rows:
            raise PluginError(f"table '{name}' has no rows")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        for column in columns:
            if not isinstance(column, str):
                raise PluginError(f"table '{name}' has a column called {column!r}; give it a name")
        self._log.table(name, [{c: _cell(row.get(c), f"table '{name}', '{c}'") for c in columns} for row in rows])

    def figure(self, name: str, figure: Figure) -> None:
        """Checks a figure.

        Raises:
            PluginError: It is none.
        """
        self._claim(name, what="figure", suffix=".png")
        if not isinstance(figure, Figure):
            raise PluginError(f"figure '{name}' is {type(figure).__name__}, not a matplotlib.figure.Figure")
        self._log.figure(name, figure)

    def file(self, name: str, data: bytes) -> None:
        """Checks a file.

        Raises:
            PluginError: It is no bytes.
        """
        self._claim(name, what="file", suffix="")
        if not isinstance(data, bytes):
            raise PluginError(f"file '{name}' is {type(data).__name__}, not bytes")
        self._log.file(name, data)

    def _claim(self, name: str, *, what: str, suffix: str) -> None:
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name) or name != name.strip():
            raise PluginError(
                f"'{name}' cannot be the name of a {what}: use letters, digits, spaces and _ . -, 100 at most"
            )
        owner = self._files.setdefault(f"{name}{suffix}".casefold(), what)
        if owner != what:
            raise PluginError(f"{what} '{name}' and a {owner} would both be the file '{name}{suffix}'; rename one")


def _point_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise PluginError(f"logged a point called {name!r}; give it a name")
    return name


def _number(name: str, value: Any, step: int) -> float:
    plain = _plain(value)
    if not isinstance(plain, int | float) or isinstance(plain, bool) or not math.isfinite(plain):
        raise PluginError(f"logged '{name}' = {value!r} at step {step}; a point is a finite number")
    return float(plain)


def _cell(value: Any, where: str) -> Cell:
    plain = _plain(value)
    if plain is not None and not isinstance(plain, str | int | float):
        raise PluginError(f"{where} is {type(value).__name__}; a cell is text, a number, a bool or None")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise PluginError(f"{where} is {plain}; write None for what is not known")
    return plain


def _plain(value: Any) -> Any:
    """Turns a number of NumPy's into Python's."""
    return value.item() if isinstance(value, np.generic) else value
