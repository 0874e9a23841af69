from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger, write_ledger
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Forfeit


def test_a_record_comes_back_as_it_was(record: TournamentRecord, results: Store, tmp_path: Path) -> None:
    forfeit = Forfeit(
        kind="detector", player="first", round=1, stage="score", reason="raised", against="toy_generator@0"
    )
    with_forfeit = TournamentRecord(**{**vars(record), "forfeits": (forfeit,)})
    write_ledger(with_forfeit, Home(tmp_path))
    assert read_ledger(Home(tmp_path), results) == with_forfeit


def test_it_holds_no_figures(home: Path) -> None:
    ledger = json.loads((home / "tournament.json").read_text())
    del ledger["config"]
    assert not _floats(ledger)
    assert ledger["matches"]  # by key alone
    assert (len(ledger["looks"]), len(ledger["shifts"])) == (24, 4)
    assert "labels" not in ledger


def test_a_look_is_kept_by_the_keys_of_its_sides(home: Path, record: TournamentRecord) -> None:
    rows = json.loads((home / "tournament.json").read_text())["looks"]
    assert rows == [
        [look.generator.label, look.detector.label, {"real": look.keys["real"], "fake": look.keys["fake"]}]
        for look in record.looks
    ]
    # Six detector versions looked at the same reals once each, and at each of four generator versions' fakes.
    assert len({keys["real"] for _, _, keys in rows}) == 6
    assert len({keys["fake"] for _, _, keys in rows}) == 24


def test_no_tournament_says_what_to_do(tmp_path: Path, results: Store) -> None:
    with pytest.raises(StoreError, match=r"play first: fakeoff run --home"):
        read_ledger(Home(tmp_path), results)


DAMAGES = (
    "truncated",
    "not an object",
    "no versions",
    "unknown field",
    "unknown version",
    "no looks",
    "a look with one key",
    "strange shift",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(damage: str, home: Path, results: Store, tmp_path: Path) -> None:
    ledger: dict[str, Any] = json.loads((home / "tournament.json").read_text())
    if damage == "no versions":
        del ledger["versions"]
    elif damage == "unknown field":
        ledger["versions"][0]["colour"] = "red"
    elif damage == "unknown version":
        ledger["matches"][0][0] = "stranger@0"
    elif damage == "no looks":
        del ledger["looks"]
    elif damage == "a look with one key":
        ledger["looks"][0][2] = ledger["looks"][0][2]["fake"]
    elif damage == "strange shift":
        ledger["shifts"][0] = ledger["shifts"][0][:2]
    text = json.dumps([] if damage == "not an object" else ledger)
    (tmp_path / "tournament.json").write_text(text[: len(text) // 2] if damage == "truncated" else text)
    with pytest.raises(StoreError, match="is damaged; rebuild it with: fakeoff run"):
        read_ledger(Home(tmp_path), results)


def test_another_schema_is_refused_by_number(home: Path, results: Store, tmp_path: Path) -> None:
    ledger = json.loads((home / "tournament.json").read_text())
    ledger["schema_version"] = 99
    (tmp_path / "tournament.json").write_text(json.dumps(ledger))
    with pytest.raises(StoreError, match=r"schema 99, this Fakeoff reads 3"):
        read_ledger(Home(tmp_path), results)


@pytest.mark.parametrize(
    "gone",
    [
        lambda record: record.matches[0].key,
        lambda record: record.looks[0].keys["real"],
        lambda record: record.looks[0].keys["fake"],
        lambda record: record.shifts[0].key,
    ],
    ids=["match", "look at reals", "look at fakes", "shift"],
)
def test_a_result_that_is_gone_is_named(
    home: Path, record: TournamentRecord, tmp_path: Path, gone: Callable[[TournamentRecord], str]
) -> None:
    key = gone(record)
    copied = tmp_path / "store"
    shutil.copytree(home / "store", copied)
    shutil.rmtree(copied / key[:2] / key)
    with pytest.raises(StoreError, match=key):
        read_ledger(Home(home), Store(copied))


def _floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [found for item in value for found in _floats(item)]
    return [value] if isinstance(value, float) else []
