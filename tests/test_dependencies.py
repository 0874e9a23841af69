"""What Fakeoff is built on is listed, with licences that anybody may use it under, and with tested versions."""

from __future__ import annotations

import importlib.util
import re
import sys
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINS = {
    name: version
    for name, _, version in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:])
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_dependencies", ROOT / "scripts" / "write_dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # dataclasses look themselves up
    spec.loader.exec_module(loaded)
    return loaded


def rows(title: str) -> dict[str, list[str]]:
    """The cells of a table of docs/dependencies.md, by canonical name."""
    part = (ROOT / "docs" / "dependencies.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][1:]
    return {canonicalize_name(cells[0]): cells for cells in lines}


def test_every_direct_dependency_is_listed_with_its_extras(script: ModuleType) -> None:
    direct = rows("Direct")
    asked: dict[str, set[str]] = {}
    for extra, requirements in script.asked_for().items():
        for requirement in requirements:
            asked.setdefault(canonicalize_name(requirement.name), set()).add(extra)
    assert set(direct) == set(asked)
    for name, extras in asked.items():
        assert extras <= set(direct[name][2].split(", "))


def test_no_licence_forbids_commercial_use_and_each_is_said(script: ModuleType) -> None:
    listed = rows("Direct") | rows("Through others")
    assert len(listed) > 150
    for name, cells in listed.items():
        assert cells[1] != "not said", name
        assert not script.REFUSED.search(cells[1]), name
    for licence in ("CC-BY-NC-4.0", "CC BY-NC-SA 4.0", "Free for non-commercial use", "Research only"):
        assert script.REFUSED.search(licence)


def test_constraints_are_of_all_that_is_listed_allowed_and_of_no_machine(script: ModuleType) -> None:
    assert set(PINS) == {*rows("Direct"), *rows("Through others")}
    for version in PINS.values():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version)
    for requirements in script.asked_for().values():
        for requirement in cast("list[Requirement]", requirements):
            assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT", "License": "whatever"}, "MIT"),
        ({"License": "Apache 2.0", "Classifier": "License :: OSI Approved :: BSD License"}, "Apache 2.0"),
        ({"License": "a\nwhole text", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"Classifier": "Programming Language :: Python"}, "not said"),
    ],
)
def test_a_licence_is_read_from_what_the_metadata_have(
    script: ModuleType, fields: dict[str, str], licence: str
) -> None:
    found = Message()
    found["Name"] = "somebodys-package"
    for key, value in fields.items():
        found.add_header(key, value)
    assert script.licence_of(found) == licence


def test_what_is_reached_only_through_an_extra_of_a_package_is_followed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks: dict[str, Any] = {
        "a": ["b[fast]", 'c; python_version < "3"', 'd; extra == "other"'],
        "b": ["e", 'f; extra == "fast"'],
    }
    monkeypatch.setattr(metadata, "requires", lambda name: asks.get(name))
    monkeypatch.setattr(script, "look_up", lambda name: script.Dependency(name=name, version="1", licence="MIT"))
    monkeypatch.setattr(script, "asked_for", lambda: {"play": [Requirement("a")], "dev": [Requirement("e")]})
    found = script.installed()
    assert set(found) == {"a", "b", "e", "f"}
    assert found["e"].through == {"b", "fakeoff"}
    assert found["e"].extras == {"play", "dev"}
    assert found["f"].extras == {"play"}
