from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.seeds import digest
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
    measured = ledger["measured"]
    assert measured["match"]  # by key alone
    assert (len(measured["look"]), len(measured["shift"])) == (24, 4)
    assert "labels" not in ledger


def test_a_look_is_kept_by_the_keys_of_its_sides(home: Path, record: TournamentRecord) -> None:
    rows = json.loads((home / "tournament.json").read_text())["measured"]["look"]
    assert rows == [
        {"of": [look.generator.label, look.detector.label], "results": dict(look.keys)} for look in record.looks
    ]
    # Six detector versions looked at the same reals once each, and at each of four generator versions' fakes.
    assert len({row["results"]["real"] for row in rows}) == 6
    assert len({row["results"]["fake"] for row in rows}) == 24


def test_no_tournament_says_what_to_do(tmp_path: Path, results: Store) -> None:
    with pytest.raises(StoreError, match=r"play first: fakeoff run --home"):
        read_ledger(Home(tmp_path), results)


DAMAGES = (
    "truncated",
    "not an object",
    "no versions",
    "unknown field",
    "unknown version",
    "nothing measured",
    "a look with one key",
    "strange shift",
    "nobody's version",
    "a name that climbs",
    "no pools",
    "another type",
    "edited by hand",
    "swapped results",
    "deep",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(damage: str, home: Path, results: Store, tmp_path: Path) -> None:
    ledger: dict[str, Any] = json.loads((home / "tournament.json").read_text())
    if damage == "no versions":
        del ledger["versions"]
    elif damage == "unknown field":
        ledger["versions"][0]["colour"] = "red"
    elif damage == "unknown version":
        ledger["measured"]["match"][0]["of"][0] = "stranger@0"
    elif damage == "nothing measured":
        del ledger["measured"]
    elif damage == "a look with one key":
        del ledger["measured"]["look"][0]["results"]["real"]
    elif damage == "strange shift":
        ledger["measured"]["shift"][0]["of"] = ledger["measured"]["shift"][0]["of"][:1]
    elif damage == "nobody's version":
        ledger["versions"][0]["player"] = "stranger"
    elif damage == "a name that climbs":
        ledger["versions"][0]["player"] = "../../evil"
    elif damage == "no pools":
        ledger["real_pools"] = {"64": None}
    elif damage == "another type":
        ledger["round"] = "two"
    elif damage == "edited by hand":
        ledger["round"] = 1
    elif damage == "swapped results":
        first, second = ledger["measured"]["match"][:2]
        first["results"], second["results"] = second["results"], first["results"]
    if damage not in ("edited by hand", "swapped results"):  # as who wrote it would have written it
        ledger["sha256"] = digest({key: value for key, value in ledger.items() if key != "sha256"})
    text = json.dumps([] if damage == "not an object" else ledger)
    if damage == "deep":
        text = "[" * 200_000
    (tmp_path / "tournament.json").write_text(text[: len(text) // 2] if damage == "truncated" else text)
    with pytest.raises(StoreError, match="is damaged; rebuild it with: fakeoff run"):
        read_ledger(Home(tmp_path), results)


def test_another_schema_is_refused_by_number(home: Path, results: Store, tmp_path: Path) -> None:
    ledger = json.loads((home / "tournament.json").read_text())
    ledger["schema_version"] = 99
    (tmp_path / "tournament.json").write_text(json.dumps(ledger))
    with pytest.raises(StoreError, match=r"schema 99, this Fakeoff reads 4"):
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
