"""Which tournaments may be put side by side."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fakeoff.leaderboard.comparing import comparable, first_incomparable, same_players
from fakeoff.leaderboard.scoreboard import Scoreboard

Change = Callable[[dict[str, Any]], None]

PLAYER = {"plugin": "toy_detector", "name": "third", "parameters": {}}


@pytest.fixture
def changed(scoreboard: dict[str, Any]) -> Callable[[Change], Scoreboard]:
    """The played scoreboard with something changed in it."""

    def make(change: Change) -> Scoreboard:
        data = copy.deepcopy(scoreboard)
        change(data)
        return Scoreboard.from_json(data)

    return make


def _set(*path: str, to: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("data", "split", "test", "sha256", to="f" * 64), "other photographs in test (80 of orl, sha256 "),
        (_set("data", "colour", to="rgb"), "colour is grey in one and rgb in the other"),
        (_set("config", "arena", "resolution", to=32), "arena.resolution is 16 in one and 32 in the other"),
        (_set("config", "pools", "test_fakes", to=80), "pools.test_fakes is 16 in one and 80 in the other"),
        (_set("config", "attack", "steps", to=5), "attack.steps is 4 in one and 5 in the other"),
        (_set("config", "defend", "history", to="latest"), "defend.history is 'all' in one and 'latest' in the other"),
        (_set("round", to=1), "the last round played is 2 in one and 1 in the other"),
    ],
)
def test_what_differs_is_said(changed: Callable[[Change], Scoreboard], change: Change, said: str) -> None:
    why = comparable(changed(lambda _: None), changed(change))
    assert why is not None
    assert why.startswith(said)


@pytest.mark.parametrize(
    "change",
    [
        _set("config", "seed", to=7),
        _set("config", "compute", "precision", to="bfloat16"),
        _set("config", "parts", "parser", to=""),
        _set("config", "detectors", to=[PLAYER]),
        _set("config", "generators", to=[PLAYER]),
    ],
)
def test_what_decides_no_place_may_differ(changed: Callable[[Change], Scoreboard], change: Change) -> None:
    assert comparable(changed(lambda _: None), changed(change)) is None


def test_a_setting_that_came_later_counts_as_its_default(changed: Callable[[Change], Scoreboard]) -> None:
    def forget(data: dict[str, Any]) -> None:
        del data["config"]["attack"]["through"]

    assert comparable(changed(forget), changed(lambda _: None)) is None
    through = changed(_set("config", "attack", "through", to="jpeg:75"))
    assert comparable(changed(forget), through) == "attack.through is '' in one and 'jpeg:75' in the other"


def test_somebody_must_have_met_the_same(changed: Callable[[Change], Scoreboard]) -> None:
    def others(data: dict[str, Any]) -> None:
        data["config"] |= {"detectors": [PLAYER], "generators": [PLAYER]}

    one, other = changed(lambda _: None), changed(others)
    assert (
        comparable(one, other) == "they have neither the same generators nor the same detectors, so nobody met the same"
    )
    assert not same_players(one, other, "generator")
    backwards = changed(lambda data: data["config"]["detectors"].reverse())
    assert same_players(one, backwards, "detector")


def test_of_several_the_two_that_differ_are_named(changed: Callable[[Change], Scoreboard]) -> None:
    three = {"a": changed(lambda _: None), "b": changed(lambda _: None), "c": changed(_set("round", to=0))}
    why = first_incomparable(three)
    assert why == "'a' and 'c' cannot be compared: the last round played is 2 in one and 0 in the other"
    assert first_incomparable({"a": three["a"], "b": three["b"]}) is None
