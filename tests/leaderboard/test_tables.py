from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rich.console import Console

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.tables import print_scoreboard

GENERATORS = ("pgan_pretrained", "mobile_stylegan")
DETECTORS = ("xception_block1", "resnet18_layer1", "mesoinception4")


def _scoreboard(rounds: int = 2, **over: Any) -> dict[str, Any]:
    def cell(generator: str, g_round: int, detector: str, d_round: int) -> dict[str, Any]:
        is_target = g_round > 0 and d_round == g_round - 1 and detector == "xception_block1"
        figures = {"accuracy": 0.5, "ap": 0.8128} if is_target else {"accuracy": 0.9938, "ap": 0.9991}
        return {
            "generator": generator,
            "generator_round": g_round,
            "detector": detector,
            "detector_round": d_round,
            "is_target": is_target,
            **figures,
        }

    versions = itertools.product(GENERATORS, range(rounds + 1), DETECTORS, range(rounds + 1))
    return {
        "round": rounds,
        "config": {"arena": {"resolution": 64}, "pools": {"test_fakes": 160}, "score": {"confidence": 0.95}},
        "data": {
            "source": "orl",
            "colour": "grey",
            "split": {"test": {"photographs": 80, "groups": [f"s{i}" for i in range(8)]}},
        },
        "standings": {
            "detectors": [
                {
                    "player": name,
                    "round": rounds,
                    "worst_auc": 0.9123,
                    "mean_auc": 0.9876,
                    "worst_against": f"{GENERATORS[0]}@{rounds}",
                    "mean_ap": 0.9901,
                    "mean_accuracy": 0.9512,
                    "matches": 6,
                }
                for name in DETECTORS
            ],
            "generators": [
                {
                    "player": GENERATORS[0],
                    "round": rounds,
                    "evasion": 0.4375,
                    "target_evasion": 1.0 if rounds else None,
                    "matches": 8,
                }
            ],
        },
        "costs": [
            {
                "generator": GENERATORS[0],
                "generator_round": rounds,
                "ssim_to_first": 0.8123,
                "kid_to_reals": 312.4,
                "swd_to_reals": 21.5,
            }
        ],
        "forfeits": [],
        "cells": [cell(*version) for version in versions],
        "audits": [],
        "parts": [],
        "part_shifts": [],
        **over,
    }


def _shift(generator: str, round_: int, *, is_target: bool = True, exceeds: bool = True) -> dict[str, Any]:
    return {
        "generator": generator,
        "generator_round": round_,
        "detector": DETECTORS[0],
        "detector_round": round_ - 1,
        "is_target": is_target,
        "before": {"background": 0.125, "hair": 0.5, "skin": 0.375, "hat": 0.0},
        "retrained": {"background": 0.75, "hair": 0.0, "skin": 0.0, "hat": 0.25},
        "shift": {"tv": 0.875, "tv_null": 0.21, "exceeds_null": exceeds},
    }


@pytest.fixture
def printed(whole: Callable[[Mapping[str, Any]], Scoreboard]) -> Callable[..., str]:
    """A scoreboard's text, at a width."""

    def show(scoreboard: dict[str, Any], *, width: int = 100) -> str:
        out = io.StringIO()
        print_scoreboard(whole(scoreboard), Console(file=out, width=width, soft_wrap=False))
        return out.getvalue()

    return show


def _row(text: str, *words: str) -> str:
    [row] = [line for line in text.splitlines() if "│" in line and all(word in line for word in words)]
    return row


def test_it_says_which_detectors_had_pretrained_weights(printed: Callable[..., str]) -> None:
    scoreboard = _scoreboard()
    assert "weights" not in printed(scoreboard)
    scoreboard["config"]["detectors"] = [{"name": "wang", "plugin": "cnn_aug_p05", "parameters": {}}]
    assert "Pretrained weights: wang from scratch\n" in printed(scoreboard)


@pytest.mark.parametrize("rounds", [2, 12])
def test_nothing_is_cut_off_at_100_columns(rounds: int, printed: Callable[..., str]) -> None:
    shifts = [_shift(generator, round_ + 1) for generator in GENERATORS for round_ in range(rounds)]
    text = printed(_scoreboard(rounds, part_shifts=shifts))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    for name in (*(f"{detector}@{rounds}" for detector in DETECTORS), f"{GENERATORS[0]}@{rounds}"):
        assert name in text
    headings = ("worst AUC", "mean AUC", "mean AP", "accuracy", "evasion", "SSIM to @0", "KID", "SWD", "retrained")
    for heading in (*headings, "shift", "mostly before", "mostly after"):
        assert heading in text


def test_names_stay_whole_where_the_terminal_is_narrow(printed: Callable[..., str]) -> None:
    text = printed(_scoreboard(), width=80)
    assert "…" not in text
    assert all(f"{detector}@2" in text for detector in DETECTORS)


def test_the_figures_are_the_scoreboards(printed: Callable[..., str]) -> None:
    text = printed(_scoreboard())
    detector = _row(text, "xception_block1@2", "0.912")
    assert [cell.strip() for cell in detector.split("│")][1:-1] == [
        "1", "xception_block1@2", "0.912", "pgan_pretrained@2", "0.988", "0.990", "95.1%",
    ]  # fmt: skip
    generator = _row(text, "pgan_pretrained@2", "44%")
    assert [cell.strip() for cell in generator.split("│")][1:-1] == [
        "1", "pgan_pretrained@2", "44%", "100%", "0.81", "312", "21.5",
    ]  # fmt: skip


def test_an_attack_is_told_from_before_to_after_and_retrained(printed: Callable[..., str]) -> None:
    row = _row(printed(_scoreboard()), "pgan_pretrained@1", "xception_block1@0")
    assert [cell.strip() for cell in row.split("│")][1:-1] == [
        "pgan_pretrained@1", "xception_block1@0", "99.4% -> 50.0%", "0.999 -> 0.813", "0.999",
    ]  # fmt: skip


def test_what_an_attack_changed_is_told_with_its_interval(printed: Callable[..., str]) -> None:
    for rounds in (2, 12):
        board = _scoreboard(rounds, changes=_changes(rounds))
        text = printed(board)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 100
        wide = printed(board, width=120).partition("Attack by attack")[2]
        row = _row(wide, "pgan_pretrained@1", "xception_block1@0")
        assert [cell.strip() for cell in row.split("│")][3:-1] == [
            "99.4% -> 50.0%", "0.999 -> 0.813", "-0.19 (-0.25 to -0.12)", "0.999",
        ]  # fmt: skip
    assert "change of AP" not in printed(_scoreboard())


def test_ranks_and_figures_have_their_intervals_and_the_table_says_who_may_be_first(
    printed: Callable[..., str],
) -> None:
    board = _scoreboard()
    first, second = board["standings"]["detectors"][:2]
    del board["standings"]["detectors"][2:]
    board["config"]["score"] = {"confidence": 0.95}
    of_both = {"p_best": 0.5, "mean_ap_ci": [0.9, 1.0], "mean_accuracy_ci": [0.9, 1.0], "mean_auc_ci": [0.9, 0.997]}
    first |= {
        **of_both,
        "rank": 1,
        "rank_ci": [1, 2],
        "worst_auc_ci": [0.81, 0.966],
        "ahead": 0.1,
        "ahead_ci": [-0.1, 0.3],
    }
    second |= {**of_both, "rank": 2, "rank_ci": [1, 2], "worst_auc": 1.0, "worst_auc_ci": [0.966, 1.0]}
    text = printed(board)
    assert max(map(len, text.splitlines())) <= 100
    wide = printed(board, width=140)
    row = _row(wide, "xception_block1@2", "0.912")
    assert [cell.strip() for cell in row.split("│")][1:4] == [
        "1 (1 to 2)",
        "xception_block1@2",
        "0.912 (0.810 to 0.966)",
    ]
    assert "1.000, at least 0.966" in wide
    names = f"{first['player']}@2, {second['player']}@2"
    said = " ".join(wide.split())
    assert f"Any of {names} may be the best: 8 people or folders in test do not tell them apart." in said
    second["rank_ci"] = [2, 2]
    first["rank_ci"] = [1, 1]
    assert "xception_block1@2 is the best of 2: no other rank is possible" in printed(board)


def _changes(rounds: int) -> list[dict[str, Any]]:
    return [
        {
            "generator": GENERATORS[0],
            "generator_round": round_ + 1,
            "detector": DETECTORS[0],
            "detector_round": round_,
            "metric": metric,
            "change": -0.186,
            "change_ci": [-0.25, -0.12],
            "recovery": 0.186,
            "recovery_ci": [0.1, 0.2],
        }
        for round_ in range(rounds)
        for metric in ("accuracy", "ap", "auc")
    ]


def test_where_fakes_gave_themselves_away_is_told_for_the_attacks_targets(printed: Callable[..., str]) -> None:
    shifts = [
        _shift(GENERATORS[0], 1),
        _shift(GENERATORS[0], 2, exceeds=False),
        _shift(GENERATORS[1], 1, is_target=False),
    ]
    after = printed(_scoreboard(part_shifts=shifts), width=130).partition("Where in the face")[2]
    table = after.partition("In words")[0]
    row = _row(table, "pgan_pretrained@1", "xception_block1@0")
    assert [cell.strip() for cell in row.split("│")][3:-1] == [
        "88%", "up to 21%", "hair 50%, skin 38%", "background 75%, hat 25%",
    ]  # fmt: skip
    assert "pgan_pretrained@2" in table
    assert "mobile_stylegan" not in table


def test_without_parts_nothing_is_told_of_them(printed: Callable[..., str]) -> None:
    assert "Where in the face" not in printed(_scoreboard())


def test_what_was_never_measured_is_a_dash(printed: Callable[..., str]) -> None:
    scoreboard = _scoreboard(rounds=0, costs=[])
    row = _row(printed(scoreboard), "pgan_pretrained@0", "44%")
    assert [cell.strip() for cell in row.split("│")][4:-1] == ["-", "-", "-", "-"]
    assert "Attack by attack" not in printed(scoreboard)


def test_the_heading_says_what_the_figures_stand_on(printed: Callable[..., str]) -> None:
    text = " ".join(printed(_scoreboard()).split())
    assert "Scoreboard after round 2: orl faces, 64 px, grey" in text
    assert "80 reals of 8 people or folders, 160 fakes of each version" in text


def test_forfeits_are_shown_with_round_stage_opponent_and_the_whole_reason(printed: Callable[..., str]) -> None:
    reason = "raised ValueError: shapes [3, 64] and [/3, 32] do not fit; " + "a long explanation " * 8
    forfeits = [
        {
            "kind": "detector",
            "player": "xception_block1",
            "round": 1,
            "stage": "score",
            "reason": reason,
            "against": "pgan_pretrained@1",
        },
        {"kind": "generator", "player": "mine", "round": 2, "stage": "attack", "reason": "was killed", "against": ""},
    ]
    text = printed(_scoreboard(forfeits=forfeits))
    assert "Forfeits: what was not played, or not looked at" in text
    assert "…" not in text
    table = text.partition("Forfeits")[2]
    told = "".join(line.rpartition("│")[0].rpartition("│")[2] for line in table.splitlines())
    assert reason.replace(" ", "") in told.replace(" ", "")
    flat = re.sub(r"[\s│]+", "", table)
    assert "scoreonpgan_" in flat
    assert "attack" in _row(text, "mine", "was killed")


def test_who_was_passed_over_is_shown_with_the_whole_reason(printed: Callable[..., str]) -> None:
    passed = [{"detector": "forest@1", "round": 2, "reason": "no gradient flows from its [b]evasion_loss[/b]"}]
    text = printed(_scoreboard(passed_over=passed))
    assert "Passed over: whom no attack could follow" in text
    for words in ("2", "forest@1", "no gradient flows from its [b]evasion_loss[/b]"):
        assert words in text
    for nobody in (_scoreboard(passed_over=[]), _scoreboard()):
        assert "Passed over" not in printed(nobody)


def test_who_is_unranked_is_shown_with_the_whole_reason(printed: Callable[..., str]) -> None:
    unranked = [{"kind": "detector", "player": "crowd", "round": 1, "reason": "it gave the same image [b]0.1[/b]"}]
    text = printed(_scoreboard(unranked=unranked))
    assert "Unranked: who takes no place" in text
    for words in ("crowd@1", "it gave the same image [b]0.1[/b]"):
        assert words in text
    for nobody in (_scoreboard(unranked=[]), _scoreboard()):
        assert "Unranked" not in printed(nobody)


def test_a_probe_whose_interval_lies_below_chance_is_at_most_chance(printed: Callable[..., str]) -> None:
    def told(*interval: float) -> str:
        row = {
            "generator": GENERATORS[0],
            "generator_round": 0,
            "leaks": [],
            "notes": [],
            "probe_ap": 0.42,
            "probe_ap_ci": list(interval),
        }
        return next(line for line in printed(_scoreboard(audits=[row]), width=140).splitlines() if "Audit" in line)

    assert told(0.37, 0.47).endswith("a probe that sees format alone: AP at most chance, which is 0.50")
    assert told(0.37, 0.51).endswith("a probe that sees format alone: AP 0.42 at most, chance is 0.50")


def test_no_forfeits_no_table(printed: Callable[..., str]) -> None:
    assert "Forfeits" not in printed(_scoreboard())


def test_a_folders_name_is_not_read_as_markup(printed: Callable[..., str]) -> None:
    scoreboard = _scoreboard()
    scoreboard["data"]["source"] = "[/red] [bold]faces"
    assert "[/red] [bold]faces" in printed(scoreboard)


def test_it_ends_in_words(printed: Callable[..., str]) -> None:
    """What happened, and what is not known; what stands in tables is no warning a second time."""
    unranked = [{"kind": "generator", "player": "pgan_pretrained", "round": 1, "reason": "its faces are noise"}]
    before, _, words = printed(_scoreboard(unranked=unranked), width=130).partition("\nIn words\n")
    assert "its faces are noise" in before
    assert "pgan_pretrained attacked xception_block1@0 in round 1: accuracy 99.4% -> 50.0%" in words
    assert "Unranked" not in words
    assert "\nNot known\n- " in words
    assert all(line.startswith(("- ", "  ")) for line in words.splitlines() if line and not line[0].isupper())
