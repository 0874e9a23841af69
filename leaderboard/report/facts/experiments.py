"""What experiments in the same home found, as tables: strength, replicates, whatever was played."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.results import read_results
from fakeoff.leaderboard.report.facts.tables import Row, Table
from fakeoff.leaderboard.terminal.experiment_tables import shown_columns, with_interval
from fakeoff.leaderboard.verdict.cautions import Caution

_MOST_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment.

    Attributes:
        name: What it is called in the home.
        protocol: What was played.
        parameters: Of it, as JSON.
        tables: What it logged.
        figures: Names of its pictures, and the files in which they lie.
        cautions: Leaks and forfeits.
    """

    name: str
    protocol: str
    parameters: str
    tables: tuple[Table, ...]
    figures: Mapping[str, Path]
    cautions: tuple[Caution, ...]


def find_experiments(home: Home) -> list[Experiment]:
    """All experiments of a home that can be read, by name."""
    found = []
    for _, result in read_results(home):
        try:
            found.append(_experiment(result, home))
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
        ):  # not ours, or of another release
            continue
    return found


def _experiment(result: Mapping[str, Any], home: Home) -> Experiment:
    name = str(result["experiment"])
    files = {str(figure): home.experiment_files(name) / f"{figure}.png" for figure in result["figures"]}
    inside = home.experiment_files(name).resolve()
    return Experiment(
        name=name,
        protocol=str(result["protocol"]),
        parameters=json.dumps(result["parameters"]),
        tables=tuple(_table(str(title), rows) for title, rows in result["tables"].items()),
        figures={title: file for title, file in files.items() if file.resolve().parent == inside and file.is_file()},
        cautions=tuple(_cautions(result)),
    )


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = shown_columns(rows[0])
    left_out = len(rows) - _MOST_ROWS
    return Table(
        caption=title,
        columns=columns,
        rows=[
            Row(head=with_interval(columns[0], row), cells=[with_interval(column, row) for column in columns[1:]])
            for row in rows[:_MOST_ROWS]
        ],
        about=f"{left_out} more rows are in the experiment's file." if left_out > 0 else "",
    )


def _cautions(result: Mapping[str, Any]) -> list[Caution]:
    leaks = [
        Caution(kind="Leak", text=f"Format alone tells {label} from its reals: {sentence}", grave=True)
        for label, sentences in result["leaks"].items()
        for sentence in sentences
    ]
    forfeits = [
        Caution(kind="Forfeit", text=f"{one['player']} in round {one['round']} ({one['stage']}): {one['reason']}")
        for one in result["forfeits"]
    ]
    return leaks + forfeits


__all__ = ["Experiment", "find_experiments"]
