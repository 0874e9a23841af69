"""Standings and cells as CSV: every figure in full precision, each interval as two columns."""

from __future__ import annotations

import collections.abc
import csv
import dataclasses
import io
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.home.challenges import Challenge, hardest_challenge
from fakeoff.leaderboard.imported.scores import ImportedCell
from fakeoff.protocols.measures import MEASURES, Match
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.rows import PairRow
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding

Table: TypeAlias = Literal["standings", "cells"]

_WHO = ("tournament", "kind", "player", "round", "imported")
_CELL_WHO = ("tournament", "generator", "generator_round", "detector", "detector_round", "imported")
_CHALLENGE = ("challenge_stands", "challenge_metric", "challenge_figure")
_PAIR = tuple(field.name for field in dataclasses.fields(PairRow))


def csv_text(boards: Sequence[Board], table: Table) -> str:
    """A row for each standing, or for each cell.

    ``worst_auc_ci`` comes as ``worst_auc_low`` and ``worst_auc_high``, what is nested as ``vote_ap``, and by
    chains as ``postprocessed_jpeg:75_mean_auc``; what there is nothing of is empty.

    Args:
        boards: The tournaments.
        table: Which.
    """
    rows = [row for board in boards for row in (_standings(board) if table == "standings" else _cells(board))]
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=_columns(table, rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def _columns(table: Table, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Those of the records, whether or not a row has anything there: the same of every tournament of a release."""
    kinds: tuple[type[Any], ...] = (DetectorStanding, GeneratorStanding) if table == "standings" else (MatchRow,)
    who = _WHO if table == "standings" else _CELL_WHO
    challenged = (*_CHALLENGE, *_ends("challenge_ci")) if table == "standings" else ()
    known = [*who, *(name for kind in kinds for name in _names(kind)), *challenged]
    return list(dict.fromkeys([*known, *(name for row in rows for name in row)]))


def _standings(board: Board) -> Iterator[dict[str, str]]:
    for kind, standings in (("detector", board.scoreboard.detectors), ("generator", board.scoreboard.generators)):
        for row in standings:
            flat = _flat(type(row), as_record(row))
            if kind == "detector" and (one := hardest_challenge(board.challenges, row.player, row.round)) is not None:
                flat |= _challenged(one)
            yield {"tournament": board.name, "kind": kind, "imported": "false", **flat}
    for scores in board.imported:
        who = {"tournament": board.name, "kind": "detector", "player": scores.detector, "imported": "true"}
        yield who | _flat(type(scores.standing), as_record(scores.standing))


def _challenged(one: Challenge) -> dict[str, str]:
    """What a stronger attack left of a detector: of the challenge that hit hardest."""
    low, high = _ends("challenge_ci")
    values = (one.stands, one.metric, one.after, *one.after_ci)
    return dict(zip([*_CHALLENGE, low, high], map(_text, values), strict=True))


def _cells(board: Board) -> Iterator[dict[str, str]]:
    beside = [measure for measure in MEASURES if measure.in_cell]
    of = {
        measure.section: {tuple(getattr(row, name) for name in _PAIR): row for row in board.scoreboard.of(measure)}
        for measure in beside
    }
    for cell in board.scoreboard.of(Match):
        flat = {"tournament": board.name, "imported": "false", **_flat(MatchRow, as_record(cell))}
        for section, rows in of.items():
            if (row := rows.get(tuple(getattr(cell, name) for name in _PAIR))) is not None:
                more = {name: value for name, value in as_record(row).items() if name not in _PAIR}
                flat |= _flat(type(row), more, prefix=f"{section}_")
        yield flat
    for scores in board.imported:
        for one in scores.cells:
            who = {"tournament": board.name, "detector": scores.detector, "imported": "true", "is_target": "false"}
            yield who | _flat(ImportedCell, as_record(one))


def _names(kind: type[Any], prefix: str = "") -> Iterator[str]:
    """The columns of a record: of an interval two, of a record within it its own."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = _record(hints[field.name])
        if inner is not None:
            yield from _names(inner, f"{prefix}{field.name}_")
        elif _records(hints[field.name]) is not None:
            continue  # by names that only rows know
        elif _is_interval(field.name):
            yield from _ends(f"{prefix}{field.name}")
        else:
            yield f"{prefix}{field.name}"


def _flat(kind: type[Any], values: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        inner = _record(hints[name])
        if value is None:
            continue
        each = _records(hints[name])
        if inner is not None:
            found |= _flat(inner, value, prefix=f"{prefix}{name}_")
        elif each is not None:
            for key, one in value.items():
                found |= _flat(each, one, prefix=f"{prefix}{name}_{key}_")
        elif _is_interval(name):
            found |= dict(zip(_ends(f"{prefix}{name}"), map(_text, value), strict=True))
        else:
            found[f"{prefix}{name}"] = _text(value)
    return found


def _record(hint: Any) -> type[Any] | None:
    """The dataclass that a field holds, or None where it holds something else."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((one for one in choices if dataclasses.is_dataclass(one) and isinstance(one, type)), None)


def _records(hint: Any) -> type[Any] | None:
    """The dataclass that a field holds several of, by name; None where it holds something else."""
    if typing.get_origin(hint) is not collections.abc.Mapping:
        return None
    return _record(typing.get_args(hint)[1])


def _is_interval(name: str) -> bool:
    return name == "ci" or name.endswith("_ci")


def _ends(name: str) -> tuple[str, str]:
    figure = name.removesuffix("ci")  # "auc_", or "mass_" of a record's own
    return f"{figure}low", f"{figure}high"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


__all__ = ["Table", "csv_text"]
