"""The JSON schema of ``scoreboard.json``, made from the records that it is written from."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import griffe
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from fakeoff.leaderboard.scoreboard import SCHEMA_VERSION, Attack
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import MEASURES, Match, Measured
from fakeoff.protocols.measures.changes import ChangeRow
from fakeoff.protocols.measures.masking import Masking
from fakeoff.protocols.measures.rows import PairRow
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.measures.state import RoundState
from fakeoff.protocols.measures.trainings import Training
from fakeoff.protocols.record.versions import Forfeit, PassedOver, Unranked

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of the schema, by its name; nothing is fetched."""

_MODE: JsonSchemaMode = "validation"  # fields with a default need not be there: files of earlier releases lack them

_SECTIONS: dict[str, type[Any]] = {
    "attacks": Attack,
    "forfeits": Forfeit,
    "passed_over": PassedOver,
    "unranked": Unranked,
    "masking": Masking,
    "changes": ChangeRow,
    "state": RoundState,
    "trainings": Training,
}


def scoreboard_schema() -> dict[str, Any]:
    """The schema of the files that this release writes.

    Files of the same version that an earlier release wrote are valid, too; and so are those of a later one, which may
    hold more.
    """
    apart = [measure for measure in MEASURES if not measure.in_cell]
    inside = [measure for measure in MEASURES if measure.in_cell]
    kinds = [DetectorStanding, GeneratorStanding, *_SECTIONS.values(), *(measure.row_type for measure in MEASURES)]
    adapters: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind, _MODE, TypeAdapter(kind)) for kind in [*kinds, TournamentConfig]
    ]
    refs, shared = TypeAdapter.json_schemas(adapters)
    found: dict[str, Any] = shared["$defs"]
    for kind in _records(kinds):
        _describe(found[kind.__name__ if kind.__name__ in found else _long_name(kind)], kind)
    for measure in inside:
        cell, row = (_named(refs[one.row_type, _MODE], found) for one in (Match, measure))
        _put_inside(cell, row, measure, ref=refs[measure.row_type, _MODE])
    _named(refs[Masking, _MODE], found)["properties"]["sentence"] = {"type": "string", "description": "It in words."}
    sections = {
        **{name: _rows(refs[kind, _MODE]) for name, kind in _SECTIONS.items()},
        **{measure.section: _rows(refs[measure.row_type, _MODE]) for measure in apart},
    }
    standings = {"detectors": DetectorStanding, "generators": GeneratorStanding}
    return {
        "$schema": DIALECT,
        "title": f"Fakeoff's scoreboard.json, version {SCHEMA_VERSION}",
        "type": "object",
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            "config": {**refs[TournamentConfig, _MODE], "description": "What was played."},
            "data": _DATA,
            "round": {"type": "integer", "minimum": 0, "description": "The last one that was played."},
            "standings": {
                "type": "object",
                "description": "Of the newest version of each player, best first.",
                "properties": {name: _rows(refs[kind, _MODE]) for name, kind in standings.items()},
                "required": list(standings),
            },
            **sections,
        },
        "required": ["schema_version", "config", "data", "round", "standings", Match.section],
        "$defs": {"Split": _SPLIT, **{name: _open(found[name]) for name in sorted(found)}},
    }


def _rows(ref: Any) -> dict[str, Any]:
    return {"type": "array", "items": ref}


def _named(ref: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    definition: dict[str, Any] = found[ref["$ref"].rpartition("/")[2]]
    return definition


def _put_inside(cell: dict[str, Any], row: dict[str, Any], measure: type[Measured[Any]], *, ref: Any) -> None:
    """Puts the rows of a measure into cells, where they say no more whom they are about."""
    for name in (field.name for field in dataclasses.fields(PairRow)):
        row["properties"].pop(name)
        row["required"].remove(name)
    cell["properties"][measure.section] = {**ref, "description": measure.which_cells}


def _records(kinds: Iterable[Any]) -> dict[Any, None]:
    """Records, and those that they hold."""
    found: dict[Any, None] = {}
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            found[kind] = None
            found |= _records(part for hint in typing.get_type_hints(kind).values() for part in _parts(hint))
    return found


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in typing.get_args(hint):
        yield from _parts(part)


def _long_name(kind: type[Any]) -> str:
    """What pydantic calls one of two of the same name."""
    return f"{kind.__module__}.{kind.__name__}".replace(".", "__")


def _describe(definition: dict[str, Any], kind: type[Any]) -> None:
    """Says of a record and its fields what their docstrings say."""
    told: dict[str, str] = {}
    for known in reversed([one for one in kind.__mro__ if dataclasses.is_dataclass(one)]):
        docstring = griffe.Docstring(inspect.cleandoc(known.__doc__ or ""))
        for section in griffe.parse_google(docstring, warnings=False):
            if section.kind is griffe.DocstringSectionKind.attributes:
                told |= {attribute.name: attribute.description for attribute in section.value}
    definition["description"] = _plain((kind.__doc__ or "").partition("\n\nAttributes:")[0].partition("\n")[0])
    for name, schema in definition["properties"].items():
        if name in told:
            schema["description"] = _plain(told[name])


def _plain(text: str) -> str:
    """A docstring's text without its markup."""
    named = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", " ".join(text.split()))
    return named.replace("``", "")


def _open(schema: Any) -> Any:
    """A schema without what pydantic makes of names, ``Ap Ci`` of ``ap_ci``, and in which more may stand."""
    if isinstance(schema, list):
        return [_open(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {inner: _open(value) for inner, value in item.items()} if name == "properties" else _open(item)
        for name, item in schema.items()
        if not (name == "title" and isinstance(item, str)) and (name, item) != ("additionalProperties", False)
    }


_DATA = {
    "type": "object",
    "description": "The reals.",
    "properties": {
        "source": {"type": "string"},
        "colour": {"enum": ["grey", "rgb"]},
        "split": {
            "type": "object",
            "properties": {name: {"$ref": "#/$defs/Split"} for name in ("train", "val", "test")},
            "required": ["train", "val", "test"],
        },
        "left_out": {"type": "integer", "description": "Damaged files."},
    },
    "required": ["source", "colour", "split"],
}

_SPLIT = {
    "title": "Split",
    "type": "object",
    "properties": {
        "groups": {"type": "array", "items": {"type": "string"}, "description": "People or folders."},
        "photographs": {"type": "integer"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the hashes of all photographs."},
    },
    "required": ["groups", "photographs", "sha256"],
}


__all__ = ["DIALECT", "scoreboard_schema"]
