"""What a reader is warned of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.cautions import find_cautions, find_limits, what_intervals_are, who_was_tested

Whole = Callable[[Mapping[str, Any]], Scoreboard]

AUDIT = {"generator": "g", "generator_round": 1, "leaks": [], "notes": [], "probe_ap": 0.5, "probe_ap_ci": [0.4, 0.6]}


def _kinds(scoreboard: Scoreboard) -> list[str]:
    return [caution.kind for caution in find_cautions(scoreboard)]


def test_nothing_to_warn_of(whole: Whole) -> None:
    assert find_cautions(whole({"cells": [{}], "audits": [AUDIT]})) == []


def test_pools_that_nobody_audited(whole: Whole) -> None:
    [caution] = find_cautions(whole({"cells": [{}]}))
    assert caution.kind == "Not audited"
    assert caution.grave


def test_leaks_come_first(whole: Whole) -> None:
    found = whole(
        {
            "cells": [{}],
            "audits": [{**AUDIT, "leaks": ["JPEG grid"]}],
            "forfeits": [{"kind": "detector", "player": "d", "round": 1, "stage": "score", "reason": "NaN",
                          "against": "g@1"}],
            "unranked": [{"kind": "generator", "player": "g", "round": round_, "reason": "noise"} for round_ in (1, 2)],
            "passed_over": [{"detector": "d@0", "round": 1, "reason": "no gradient"}],
        }
    )  # fmt: skip
    assert _kinds(found) == ["Leak", "Forfeit", "Unranked", "Passed over"]
    texts = [caution.text for caution in find_cautions(found)]
    assert "g@1" in texts[0]
    assert "JPEG grid" in texts[0]
    assert texts[1] == "d failed in round 1 (score on g@1): NaN"
    assert texts[2] == "g@1 and g@2 take no place, and their matches count for nobody: noise"


@pytest.mark.parametrize(
    ("people", "photographs", "said"),
    [
        (1, 40, "Test shows one person: figures say nothing about anybody else."),
        (2, 2, "Test has 2 real photographs: figures on so few say nothing."),
        (2, 7, "Test has 7 real photographs: figures on so few say nothing."),
        (2, 8, ""),
    ],
)
def test_a_test_that_says_nothing_is_a_grave_caution(whole: Whole, people: int, photographs: int, said: str) -> None:
    groups = [f"s{index}" for index in range(people)]
    data = {"split": {"test": {"groups": groups, "photographs": photographs}}}
    found = [
        caution
        for caution in find_cautions(whole({"cells": [{}], "audits": [AUDIT], "data": data, "config": {}}))
        if caution.kind == "Too few"
    ]
    assert [(caution.text, caution.grave) for caution in found] == ([(said, True)] if said else [])


def test_photographs_that_are_each_a_group_are_no_people(whole: Whole) -> None:
    data = {"split": {"test": {"groups": [f"{n}.jpg" for n in range(12)], "photographs": 12}}}
    found = whole({"cells": [{}], "audits": [AUDIT], "data": data, "config": {"score": {"confidence": 0.95}}})
    assert who_was_tested(found) == "12 photographs"
    assert "Few people" not in _kinds(found)


@pytest.mark.parametrize(
    ("people", "split_by", "warned"), [(8, "folder", True), (40, "folder", False), (8, "file", False)]
)
def test_few_people_are_said_to_be_few(whole: Whole, people: int, split_by: str, warned: bool) -> None:
    data = {"split": {"test": {"groups": [f"s{index}" for index in range(people)], "photographs": 80}}}
    config = {"score": {"confidence": 0.95}, "reals": {"split_by": split_by}}
    found = whole({"cells": [{}], "audits": [AUDIT], "data": data, "config": config})
    assert ("Few people" in _kinds(found)) == warned
    assert who_was_tested(found) == ("80 photographs" if split_by == "file" else f"80 photographs of {people} people")


def test_limits_name_the_seed_and_the_attack(whole: Whole) -> None:
    config = {"score": {"confidence": 0.95}, "seed": 7, "attack": {"steps": 150}}
    attacks = [{"generator": "g", "round": 1, "targets": ["d@0"]}]
    limits = " ".join(find_limits(whole({"config": config, "attacks": attacks})))
    assert "one seed (7)" in limits
    assert "at most 150 steps" in limits
    assert "Nobody attacked" in " ".join(find_limits(whole({})))


def test_old_intervals_are_said_to_be_too_narrow(whole: Whole) -> None:
    cells = whole({"cells": [{}]})
    old = dataclasses.replace(
        cells, rows={**cells.rows, "match": tuple(dataclasses.replace(c, real_units=None) for c in cells.cells)}
    )
    assert "too narrow" in what_intervals_are(old)
    new = dataclasses.replace(
        cells, rows={**cells.rows, "match": tuple(dataclasses.replace(c, real_units=8) for c in cells.cells)}
    )
    assert "8 images, each by itself" in what_intervals_are(new)
    data = {"split": {"test": {"groups": [f"s{index}" for index in range(8)], "photographs": 80}}}
    assert "the 8 people of the test" in what_intervals_are(dataclasses.replace(new, data=data))
