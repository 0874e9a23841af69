"""Half-lives: where a curve falls below a level, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeoff.protocols.score.replicates import Draws
from fakeoff.protocols.strength.half_life import HalfLife, measure_half_life

STEPS = (0.0, 10.0, 20.0, 40.0)


def half_life(*curve: float, spread: float = 0.0, seeds: int = 1, resamples: int = 400) -> HalfLife:
    rng = np.random.default_rng(0)
    ap: list[Draws] = [
        np.concatenate([np.full((seeds, 1), value), value + spread * rng.normal(size=(seeds, resamples))], axis=1)
        for value in curve
    ]
    return measure_half_life(STEPS, ap, level=0.75, confidence=0.95, rng=np.random.default_rng(1))


def test_between_two_budgets_the_curve_is_a_straight_line() -> None:
    found = half_life(1.0, 0.9, 0.6, 0.5)
    assert found.value == pytest.approx(15)  # half way from 0.9 to 0.6, between 10 and 20 steps
    assert (found.low, found.high) == (pytest.approx(15), pytest.approx(15))
    assert found.words == "15"


def test_the_first_fall_counts_and_not_a_later_one() -> None:
    assert half_life(1.0, 0.5, 0.9, 0.5).value == pytest.approx(5)


def test_who_is_never_broken_lies_beyond_the_largest_budget_and_who_is_broken_at_once_at_none() -> None:
    unbroken = half_life(1.0, 0.99, 0.9, 0.76)
    assert math.isinf(unbroken.value)
    assert unbroken.words == "> 40"
    assert half_life(0.7, 0.6, 0.6, 0.6).value == 0


def test_what_is_broken_in_some_resamples_alone_has_an_open_end() -> None:
    found = half_life(1.0, 0.9, 0.8, 0.74, spread=0.02)
    assert 30 < found.value < 40
    assert found.low < found.value
    assert math.isinf(found.high)
    assert "to > 40)" in found.words


def test_what_it_cost_by_then_is_told_also_where_more_steps_cost_less() -> None:
    ap = [np.full((1, 11), value) for value in (1.0, 0.9, 0.6, 0.5)]
    costs = (0.0, 0.08, 0.06, 0.09)
    found = measure_half_life(STEPS, ap, level=0.75, confidence=0.95, rng=np.random.default_rng(0), costs=costs)
    assert found.value == pytest.approx(0.07)  # at 15 steps
    assert found.words == "0.07"
    never = [np.full((1, 11), 0.9)] * 4
    unbroken = measure_half_life(STEPS, never, level=0.75, confidence=0.95, rng=np.random.default_rng(0), costs=costs)
    assert unbroken.words == "not reached"


def test_trainings_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    curve = np.array([1.0, 0.9, 0.6, 0.5])
    level = [rng.normal(0, 0.01, (1, 401)) + value for value in curve]
    apart = [np.concatenate([of - 0.1, of, of + 0.1]) for of in level]
    widths = [
        found.high - found.low
        for ap in (level, apart)
        for found in [measure_half_life(STEPS, ap, level=0.75, confidence=0.95, rng=np.random.default_rng(0))]
    ]
    assert widths[1] > 3 * widths[0]


@given(st.lists(st.floats(0.3, 1.0), min_size=4, max_size=4))
def test_it_lies_where_the_curve_is_at_the_level(curve: list[float]) -> None:
    found = half_life(*curve, resamples=2)
    if math.isinf(found.value):
        assert min(curve) >= 0.75
    elif found.value == 0:
        assert curve[0] <= 0.75
    else:
        assert np.interp(found.value, STEPS, curve) == pytest.approx(0.75, abs=1e-6)
