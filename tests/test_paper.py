"""The page of the paper's claims: written from what is stored, and judged by rules that are held here."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fakeoff.protocols import protocols

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def paper() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
        yield importlib.import_module("paper")


@pytest.fixture(scope="module")
def claims(paper: ModuleType) -> ModuleType:
    del paper  # scripts are found
    return importlib.import_module("paper_claims")


@pytest.fixture(scope="module")
def measures(paper: ModuleType) -> ModuleType:
    del paper  # scripts are found
    return importlib.import_module("paper_measures")


def test_the_page_is_what_the_stored_results_say(paper: ModuleType) -> None:
    drawn = paper.write(paper.read_results())
    assert drawn in paper.PAGE.read_text()


def test_every_figure_names_its_command_and_its_processor(paper: ModuleType) -> None:
    results = paper.read_results()
    for name, result in results.items():
        assert result["command"] == paper.EXPERIMENTS[name].command
        assert result["processor"]
    rows = [line for line in paper.write(results).splitlines() if re.search(r"\| [^|]*\d\.\d[^|]* \|[^|]*\|$", line)]
    assert rows
    for row in rows:
        assert "[stored](results/" in row


def test_what_is_played_is_there_to_play(paper: ModuleType) -> None:
    for experiment in paper.EXPERIMENTS.values():
        if experiment.config:
            config = tomllib.loads((ROOT / "examples" / experiment.config).read_text())
            if not experiment.played:  # a tournament
                assert "protocol" not in config
                continue
            plugin = config["protocol"]["plugin"]
            assert config["protocol"].get("name", plugin) == experiment.played
            protocols.complete(plugin, config["protocol"].get("parameters", {}))


def test_whoever_is_trained_first_is_whom_the_configurations_name(paper: ModuleType) -> None:
    trained = importlib.import_module("pretrain_small_pgans").ALL
    files = {f"scratch/small-pgans/{one.folder}/weights.safetensors" for one in trained}
    named = set()
    for name in ("resolutions", "initialisations"):
        experiment = paper.EXPERIMENTS[name]
        assert (ROOT / "scripts" / experiment.trained[0]).is_file()
        assert experiment.trained[1:] == ("--out", "scratch/small-pgans")
        config = tomllib.loads((ROOT / "examples" / experiment.config).read_text())
        given = [one.get("parameters", {}) for one in config["generators"]]
        named |= {parameters["weights"] for parameters in given if parameters}
    assert named == files


def test_every_picture_that_is_kept_is_there(paper: ModuleType) -> None:
    for name in paper.read_results():
        for title in paper.EXPERIMENTS[name].pictures.values():
            assert (paper.PICTURES / f"{title}.png").exists()


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0.01, 0.2, 1, "same"),
        (-0.2, -0.01, 1, "different"),
        (-0.1, 0.2, 1, "not shown"),
        (0.01, 0.2, -1, "different"),
        (-0.2, -0.01, -1, "same"),
        (-0.1, 0.2, -1, "not shown"),
        (0.0, 0.2, 1, "not shown"),
    ],
)
def test_an_interval_decides_and_not_a_figure(
    measures: ModuleType, low: float, high: float, expected: int, verdict: str
) -> None:
    text, found = measures.compare((low + high) / 2, low, high, expected=expected)
    assert found == verdict
    assert text == f"{(low + high) / 2:+.3f} ({low:+.3f} to {high:+.3f})"


def test_disagreements_stand_first_and_what_was_not_played_is_not_claimed(
    paper: ModuleType, claims: ModuleType
) -> None:
    empty = paper.write({})
    assert "Where ours agrees" not in empty
    assert empty.count("| Not played yet.") == sum(claim.measure is not None for claim in claims.CLAIMS)
    page = paper.write(paper.read_results())
    headings = re.findall(r"^## (.*)$", page, re.M)
    assert headings == [heading for heading in paper._HEADINGS.values() if heading in headings]


def test_the_fall_of_accuracy_is_judged_by_the_upper_end_of_its_interval(measures: ModuleType) -> None:
    def cells(high: float) -> dict[str, Any]:
        common = {"generator": "g", "detector": "d", "ap": 0.9, "ap_ci": [0.85, 0.95]}
        return {
            "cells": [
                {**common, "generator_round": 0, "detector_round": 0, "is_target": False, "accuracy": 1.0,
                 "accuracy_ci": [1, 1]},
                {**common, "generator_round": 1, "detector_round": 0, "is_target": True, "accuracy": 0.6,
                 "accuracy_ci": [0.55, high]},
                {**common, "generator_round": 1, "detector_round": 1, "is_target": False, "accuracy": 0.97,
                 "accuracy_ci": [0.9, 1]},
            ]
        }  # fmt: skip

    assert measures.accuracy_falls(cells(0.64)).verdict == "same"
    assert measures.accuracy_falls(cells(0.7)).verdict == "not shown"
    assert measures.recovers(cells(0.64)).verdict == "same"
    assert measures.recovers(cells(0.95)).verdict == "not shown"


def test_a_result_is_kept_with_its_command(paper: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "experiments").mkdir(parents=True)
    told = {"tables": {"every pair": []}, "points": {"ap/x": {"0": 1}}, "code": {}, "config": {"seed": 3}}
    (home / "experiments" / "generalize.json").write_text(json.dumps(told))
    monkeypatch.setattr(paper, "RESULTS", tmp_path)
    paper.keep("unseen-generators", home)
    kept = json.loads((tmp_path / "unseen-generators.json").read_text())
    assert kept["command"] == "fakeoff run examples/unseen_generators.toml"
    assert kept["config"] == {"seed": 3}
    assert kept["processor"]
    assert "points" not in kept


def test_all_at_once_are_held_against_the_champion_round_for_round(measures: ModuleType) -> None:
    rows = [
        {"round": round_, "mean AP attacked": 0.6, "mean AP attacked then": 0.7, "difference": -0.1,
         "difference from": -0.2, "difference to": 0.0}
        for round_ in range(1, 9)
    ]  # fmt: skip
    told = measures.ensemble_as_target({"tables": {"one target against another": rows}}).figure
    assert re.findall(r"round (\d)", told) == ["1", "2", "4", "8"]
    assert "0.600 against all, 0.700 against the champion, difference -0.100 (-0.200 to +0.000)" in told


def test_what_comes_first_is_told_beside_chance(measures: ModuleType) -> None:
    def played(source: str, hair: float) -> dict[str, Any]:
        parts = {
            "fake": {
                "parts": {"hair": hair, "background": 0.3, "nose": 0.2},
                "random_parts": {"hair": 0.3, "background": 0.2, "nose": 0.1},
            }
        }
        cell = {"generator": "g", "generator_round": 0, "detector": "d", "detector_round": 0, **parts}
        return {"cells": [cell], "parts": [cell], "config": {"reals": {"source": source}}}

    found = measures.hair_and_background(played("celeba-999", 0.5))
    assert (found.verdict, found.why) == ("same", "Shares of fakes.")
    assert "hair 50% (random 30%)" in found.figure
    assert measures.hair_and_background(played("celeba-999", 0.25)).verdict == "different"  # fewer than by chance
    assert "nearly all face" in measures.hair_and_background(played("orl", 0.5)).why
