"""The house's own code and stored results: whoever reaches for them is told, and nothing of it stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakeoff.arena import seeds
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.hands_off import hands_off
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.seeds import digest


def _put_a_function() -> None:
    seeds.digest = lambda value: "0" * 64  # type: ignore[assignment]


def _put_a_method() -> None:
    Store.read = lambda self, key: Result(record={})  # type: ignore[method-assign]


def _take_a_function_away() -> None:
    del seeds.canonical_json


def _do(change: Callable[[], None], *, fails: bool) -> None:
    with hands_off():
        change()
        if fails:
            raise ValueError("after it")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (_put_a_function, "fakeoff.arena.seeds.digest"),
        (_put_a_method, "fakeoff.arena.jobs.store.Store.read"),
        (_take_a_function_away, "fakeoff.arena.seeds.canonical_json"),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_the_houses_code_is_put_back(change: Callable[[], None], name: str, fails: bool) -> None:
    before = seeds.digest, seeds.canonical_json, Store.read
    with pytest.raises(JobFailed, match=f"in the place of {name};"):
        _do(change, fails=fails)
    assert (seeds.digest, seeds.canonical_json, Store.read) == before


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store")
    store.write(digest("a job"), Result(record={"value": 1}))
    return store.place(digest("a job"))


def _reach(kept: Path) -> None:
    with hands_off():
        for reach in ((kept / "record.json").read_bytes, lambda: list(kept.iterdir())):
            with pytest.raises(PermissionError):
                reach()


def test_a_stored_result_is_not_read_and_not_even_who_hides_it_gets_away(kept: Path) -> None:
    with pytest.raises(JobFailed, match="reached for a stored result"):
        _reach(kept)
    assert json.loads((kept / "record.json").read_bytes())["record"] == {"value": 1}  # outside of a job


def test_files_of_its_own_are_a_players_to_read(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    with hands_off():
        assert (tmp_path / "own.txt").read_text() == "mine"


def test_an_error_of_its_own_stays_that() -> None:
    with pytest.raises(ValueError, match="its own"), hands_off():
        raise ValueError("its own")
