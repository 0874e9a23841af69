"""What makes a result worth less than it looks is said beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.cautions import find_cautions
from fakeoff.leaderboard.verdict.summary import summarise, tell_precision
from fakeoff.protocols.measures.changes import ChangeRow

Whole = Callable[[Mapping[str, Any]], Scoreboard]

PAIR = {"detector": "d", "detector_round": 0, "generator": "g", "generator_round": 0}
AUDIT = {"generator": "g", "generator_round": 0, "leaks": [], "notes": []}


def _said(scoreboard: Scoreboard, kind: str) -> list[str]:
    return [caution.text for caution in find_cautions(scoreboard) if caution.kind == kind]


@pytest.mark.parametrize(
    ("auc", "interval", "round_", "warned"),
    [(0.3, (0.2, 0.4), 0, True), (0.45, (0.35, 0.55), 0, False), (0.3, (0.2, 0.4), 1, False)],
)
def test_a_judge_below_chance(
    whole: Whole, auc: float, interval: tuple[float, float], round_: int, warned: bool
) -> None:
    cell = {**PAIR, "generator_round": round_, "auc": auc, "auc_ci": interval}
    said = _said(whole({"cells": [cell], "audits": [AUDIT]}), "Below chance")
    assert bool(said) == warned
    if warned:
        assert said[0].startswith("d@0 is below chance on g@0")
        assert "P(real)" in said[0]


BELOW, ABOVE = {"auc": 0.25, "auc_ci": (0.2, 0.3)}, {"auc": 0.9, "auc_ci": (0.8, 0.95)}


def _config(**player: Any) -> dict[str, Any]:
    return {"score": {"confidence": 0.95}, "detectors": [{"name": "d", "plugin": "fixed", "parameters": {}, **player}]}


@pytest.mark.parametrize(
    ("player", "mend"),
    [
        ({}, "--set detectors.d.fake_class=0"),
        ({"parameters": {"fake_class": 0}}, "--set detectors.d.fake_class=1"),
        ({"plugin": "mine"}, "Let its score return P(fake)"),
    ],
)
def test_who_has_fake_and_real_swapped_is_told_once_and_how_to_turn_it_round(
    whole: Whole, player: dict[str, Any], mend: str
) -> None:
    cells = [{**PAIR, **BELOW, "generator": name} for name in ("g", "h")]
    [said] = _said(whole({"cells": cells, "audits": [AUDIT], "config": _config(**player)}), "Below chance")
    assert said.startswith("d@0 is below chance on g@0: AUC 0.250")
    assert "h@0" in said
    assert "every generator as it came" in said
    assert mend in said


@pytest.mark.parametrize(
    "cells",
    [
        [{**PAIR, **ABOVE}, {**PAIR, **BELOW, "generator_round": 1}],
        [{**PAIR, **ABOVE}, {**PAIR, **BELOW, "detector_round": 1}],
        [{**PAIR, **ABOVE}, {**PAIR, **BELOW, "generator": "h"}],
    ],
    ids=["an attack", "a later version", "one generator"],
)
def test_an_honest_judge_is_not_asked_whether_it_is_swapped(whole: Whole, cells: list[dict[str, Any]]) -> None:
    said = _said(whole({"cells": cells, "audits": [AUDIT], "config": _config()}), "Below chance")
    assert not [text for text in said if "P(real)" in text or "fake_class" in text]


@pytest.mark.parametrize(
    ("auc", "accuracy", "could", "recall", "word"),
    [
        (0.99, 0.5, 0.97, 0.0, "real"),
        (0.99, 0.52, 0.97, 1.0, "fake"),
        (0.99, 0.9, 0.97, 0.9, ""),
        (0.6, 0.5, 0.8, 0.0, ""),
    ],
)
def test_a_judge_whose_scores_lie_on_one_side(
    whole: Whole, auc: float, accuracy: float, could: float, recall: float, word: str
) -> None:
    cell = {**PAIR, "auc": auc, "accuracy": accuracy, "accuracy_val_threshold": could, "recall_fake": recall}
    said = _said(whole({"cells": [cell, {**cell, "generator": "h"}], "audits": [AUDIT]}), "Off centre")
    assert len(said) == bool(word), "once, whoever's fakes they are"
    if word:
        assert f"calls too much {word}" in said[0]
        assert "97% where val would put it. If it came finished: are mean, std and output as it was trained?" in said[0]


@pytest.mark.parametrize(
    ("ended", "accuracy", "warned"), [("limit", 0.6, True), ("limit", 0.97, False), ("no gain", 0.6, False)]
)
def test_a_judge_whose_steps_were_over(whole: Whole, ended: str, accuracy: float, warned: bool) -> None:
    training = {"kind": "detector", "player": "d", "round": 0, "steps": 40, "most_steps": 40, "ended": ended,
                "val_accuracy": accuracy}  # fmt: skip
    said = _said(whole({"trainings": [training]}), "Unfinished")
    assert bool(said) == warned
    if warned:
        assert "d@0 was still learning when its 40 steps were over (60% right on val)" in said[0]


def test_judges_whose_steps_were_over_are_told_together(whole: Whole) -> None:
    training = {"kind": "detector", "steps": 40, "most_steps": 40, "ended": "limit"}
    rows = [("d", 0, 0.6), ("d", 1, 0.7), ("d", 2, 0.65), ("e", 0, 0.5), ("e", 2, 0.8)]
    trainings = [{**training, "player": name, "round": at, "val_accuracy": right} for name, at, right in rows]
    [said] = _said(whole({"trainings": trainings}), "Unfinished")
    assert said.startswith(
        "d in rounds 0 to 2 and e in rounds 0 and 2 were still learning when their 40 steps were over (50% to 80%"
    )


def _attack(whole: Whole, *, change: float, ssim: float) -> Scoreboard:
    cells = [{**PAIR, "accuracy": 0.9}, {**PAIR, "generator_round": 1, "accuracy": 0.9 + change, "is_target": True}]
    row = ChangeRow(
        generator="g", generator_round=1, detector="d", detector_round=0, metric="accuracy", change=change,
        change_ci=(change - 0.05, change + 0.05), recovery=None, recovery_ci=None,
    )  # fmt: skip
    cost = {"generator": "g", "generator_round": 1, "ssim_to_first": ssim}
    training = {"kind": "generator", "player": "g", "round": 1, "steps": 5, "most_steps": 5, "ended": "limit"}
    found = whole({"cells": cells, "costs": [cost], "trainings": [training]})
    return dataclasses.replace(found, changes=(row,))


def test_an_attack_that_changed_nothing(whole: Whole) -> None:
    [said] = _said(_attack(whole, change=0.0, ssim=1.0), "Idle attack")
    assert said.startswith("The attack that made g@1 left the images as they were (SSIM 1.000)")
    [said] = _said(_attack(whole, change=-0.01, ssim=0.8), "Idle attack")
    assert said.startswith("The attack of 5 steps that made g@1 did not lower the accuracy of d@0 for sure")
    assert _said(_attack(whole, change=-0.3, ssim=0.8), "Idle attack") == []


def test_a_generator_that_nobody_trained(whole: Whole) -> None:
    rows = [{"generator": "g", "generator_round": 0, "faults": ("its faces are noise",)}]
    [said] = _said(whole({"quality": rows}), "Untrained")
    assert said.startswith("g makes no faces: its faces are noise.")
    assert "--protocol pretrain --generators g" in said
    attacked = [{"generator": "g", "generator_round": 1, "faults": ("its faces are noise",)}]
    assert _said(whole({"quality": attacked}), "Untrained") == [], "an attack made it so"


def test_how_small_a_difference_can_be_seen(whole: Whole) -> None:
    data = {"split": {"test": {"groups": ["a", "b"], "photographs": 20}}}
    cells = [{**PAIR, "auc_ci": (0.5, 0.5 + 2 * half)} for half in (0.02, 0.05, 0.2)]
    said = tell_precision(whole({"cells": cells, "data": data}))
    assert "20 photographs of 2 people" in said
    assert "of a match by itself is known to within 0.05 (the median match) or 0.20 (the worst; half of 95%" in said
    assert tell_precision(whole({"data": data})) == ""


def test_a_game_without_anything_is_told_without_anything(whole: Whole) -> None:
    told = summarise(whole({}))
    assert told.said == ("Nothing was scored: no match was played.",)
    assert (told.warned, told.unknown) == ((), ())
    forfeit = {"kind": "generator", "player": "g", "round": 0, "stage": "enter", "reason": "weights that do not fit"}
    [said] = summarise(whole({"forfeits": [forfeit]})).said
    assert said == "Nothing was scored: nobody was left to play; the forfeits say why."
