"""What manipulations of faces and detectors are worth: the figures, and that the pages have those that are stored."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fakeoff.arena.players.specs import write_spec
from fakeoff.generators import players

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def figures() -> Iterator[ModuleType]:
    """Scripts find each other, as where they are called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
        yield importlib.import_module("manipulation_figures")


def test_an_interval_is_over_people_and_not_over_their_photographs(figures: ModuleType) -> None:
    person = np.repeat(np.arange(4), 100)
    values = person.astype(float)  # everything that is made of a person is alike

    def mean(weights: np.ndarray) -> float:
        return float(np.average(values, weights=weights))

    found = figures.interval(mean, person)
    alone = figures.interval(mean, np.arange(400))
    assert found["is"] == alone["is"] == 1.5
    assert found["high"] - found["low"] > 4 * (alone["high"] - alone["low"])


def test_a_correlation_of_weighted_pairs_counts_them_as_often(figures: ModuleType) -> None:
    draw = np.random.default_rng(0)
    one, other, weights = draw.normal(size=30), draw.normal(size=30), draw.integers(0, 4, 30)
    expected = np.corrcoef(np.repeat(one, weights), np.repeat(other, weights))[0, 1]
    assert figures._correlation(one, other, weights.astype(float)) == pytest.approx(expected)


def test_the_page_has_the_figures_that_are_stored(figures: ModuleType) -> None:
    del figures  # scripts are found
    table = importlib.import_module("manipulation_table")
    drawn = table.tables(ROOT / "docs" / "results")
    assert drawn in (ROOT / "docs" / "generators.md").read_text()
    stored = json.loads((ROOT / "docs" / "results" / "faceswap-orl-64.json").read_text())["test"]
    who = stored["recognised as the source person"]
    assert f"{100 * who['is']:.0f}% ({100 * who['low']:.0f}% to {100 * who['high']:.0f}%)" in drawn.partition("test")[2]
    for name in table.NAMES:
        for people in ("all", "test"):
            measured = table.read_results(ROOT / "docs" / "results", people)[name]
            assert measured["levels changed outside of the mask"]["high"] == 0


def test_manipulators_were_judged_with_the_weights_that_ship(figures: ModuleType) -> None:
    del figures
    for name in importlib.import_module("manipulation_table").NAMES:
        spec = write_spec(players, name=name, plugin=name, parameters={})
        shipped = None if spec.weights is None else hashlib.sha256(spec.weights.read_bytes()).hexdigest()
        assert json.loads((ROOT / "docs" / "results" / f"{name}-orl-64.json").read_text())["sha256"] == shipped


def test_the_default_strength_is_the_largest_that_overdraws_nothing(figures: ModuleType) -> None:
    del figures
    rule = importlib.import_module("choose_strength")
    stored = json.loads((ROOT / "docs" / "results" / "expression-strength.json").read_text())
    assert set(stored["slopes"]["2.0"]) == {"train", "val"}  # of test nothing is chosen
    assert float(rule.choose(stored["slopes"])) == stored["chosen"]
    for name in ("face2face", "neural_textures"):
        [default] = [one.default for one in players.parameters(name) if one.name == "strength"]
        assert default == stored["chosen"]
    slopes = {"1.0": {"val": {"lips": 0.5, "brows": 0.9}}, "2.0": {"val": {"lips": 0.9, "brows": 1.2}}}
    assert rule.choose(slopes) == "1.0"
    assert rule.choose({"1.0": {"val": {"lips": 1.5}}, "2.0": {"val": {"lips": 2.5}}}) == "1.0"


@pytest.mark.parametrize("name", ["every-detector", "manipulators"])
def test_tournaments_are_on_their_pages_as_they_are_stored(figures: ModuleType, name: str) -> None:
    del figures
    tables = importlib.import_module("tournament_table")
    stored = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text())
    drawn = tables.table(stored, name)
    assert drawn in (ROOT / "docs" / tables.PAGES[name]).read_text()
    # A figure by hand: the frozen target on fakes after their attack.
    target = next(cell for cell in stored["cells"] if cell["is_target"])
    [row] = [line for line in drawn.splitlines() if line.startswith(f"| `{target['detector']}` |")]
    assert f" → {target['ap']:.2f} → " in row
