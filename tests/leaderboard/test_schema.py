"""The published schema of scoreboard.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fakeoff.leaderboard.formats.schema import scoreboard_schema
from fakeoff.leaderboard.scoreboard import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
STORED = sorted(
    [
        *ROOT.glob("docs/results/*scoreboard*.json"),
        *ROOT.glob("examples/*/results/*scoreboard.json"),
        *Path(__file__).parent.glob("golden/scoreboard-*.json"),
    ]
)


def _schema(version: int) -> dict[str, Any]:
    name = "scoreboard.schema.json" if version == SCHEMA_VERSION else f"scoreboard-{version}.schema.json"
    schema: dict[str, Any] = json.loads((ROOT / "docs" / name).read_text())
    return schema


def _closed(schema: Any) -> Any:
    """The schema, with nothing allowed that it does not name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(item) for name, item in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema and "type" in schema else closed


def test_it_is_what_the_records_say() -> None:
    script = ROOT / "scripts" / "write_schema.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    Draft202012Validator.check_schema(scoreboard_schema())


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_files_are_valid_under_the_schema_of_their_version(path: Path) -> None:
    data = json.loads(path.read_bytes())
    assert list(Draft202012Validator(_schema(data["schema_version"])).iter_errors(data)) == []


def test_it_names_everything_that_a_tournament_writes(scoreboard: dict[str, Any]) -> None:
    validator = Draft202012Validator(_closed(scoreboard_schema()))
    assert list(validator.iter_errors(scoreboard)) == []
    cell = {**scoreboard["cells"][0], "made_up": 1}
    assert list(validator.iter_errors({**scoreboard, "cells": [cell]})) != []


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("schema_version", 1),
        ("round", "two"),
        ("cells", [{"generator": "pgan"}]),
        ("standings", {"detectors": []}),
        ("data", {"source": "orl", "colour": "grey", "split": {"train": {}, "val": {}, "test": {}}}),
    ],
)
def test_it_refuses_what_is_no_scoreboard(scoreboard: dict[str, Any], section: str, value: Any) -> None:
    assert list(Draft202012Validator(scoreboard_schema()).iter_errors({**scoreboard, section: value})) != []


def test_fields_are_told_as_in_the_code() -> None:
    cell = scoreboard_schema()["$defs"]["MatchRow"]["properties"]
    assert cell["ap"]["description"] == "Average precision; fake is positive."
    assert cell["generator_round"]["description"] == "Its version."
    assert "`" not in json.dumps(scoreboard_schema())
