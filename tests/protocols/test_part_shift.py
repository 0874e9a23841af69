from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.score.distances import total_variation
from fakeoff.protocols.score.part_shift import PartShift, measure_shift

Parts = npt.NDArray[np.uint8]
Shares = npt.NDArray[np.float64]

# Like those of a patch detector on faces: much background, few eyes, no hats.
FACES = np.array([0.3, 0.15, 0.2, 0.05, 0.05, 0.02, 0.08, 0.05, 0.05, 0.05, 0])
BACKGROUND, NOSE = PARTS.index("background"), PARTS.index("nose")

SIDES = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=40).map(
    lambda pairs: np.array(pairs, dtype=np.uint8).T
)
SHARES = st.lists(st.integers(0, 20), min_size=11, max_size=11).filter(any).map(lambda n: np.array(n) / sum(n))


def measure(before: Parts, after: Parts, *, seed: int = 0, **over: Any) -> PartShift:
    given = {"resamples": 100, "confidence": 0.95, "rng": np.random.default_rng(seed)}
    return measure_shift(before, after, **{**given, **over})


def moved(points: float) -> Shares:
    """The distribution after some of the background has become noses."""
    shares = FACES.copy()
    shares[BACKGROUND] -= points
    shares[NOSE] += points
    return shares


def draw(shares: Shares, n: int, rng: np.random.Generator) -> Parts:
    return rng.choice(len(PARTS), size=n, p=shares).astype(np.uint8)


def pairs(n: int, *, times: int, points: float = 0.0, **over: Any) -> list[PartShift]:
    """Measured shifts between samples of which the second has moved."""
    rng = np.random.default_rng(n)
    return [measure(draw(FACES, n, rng), draw(moved(points), n, rng), rng=rng, **over) for _ in range(times)]


def test_the_distance_of_known_distributions() -> None:
    first, second = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert total_variation(first, second) == pytest.approx(0.5)
    assert total_variation(np.array([1.0, 0, 0]), np.array([0, 0.3, 0.7])) == pytest.approx(1.0)
    assert total_variation(FACES, moved(0.12)) == pytest.approx(0.12)
    # Along the last axis, of any number of distributions.
    both = total_variation(np.stack([first, first]), np.stack([second, first]))
    assert both.tolist() == pytest.approx([0.5, 0.0])


@given(first=SHARES, second=SHARES, third=SHARES)
@settings(max_examples=100, deadline=None)
def test_it_is_a_distance_between_0_and_1(first: Shares, second: Shares, third: Shares) -> None:
    there, back = total_variation(first, second), total_variation(second, first)
    assert there == back
    assert -1e-12 <= there <= 1 + 1e-12
    assert (there < 1e-12) == bool(np.allclose(first, second, atol=1e-12))
    assert there <= total_variation(first, third) + total_variation(third, second) + 1e-12


@given(sides=SIDES)
@settings(max_examples=50, deadline=None)
def test_figures_are_those_of_counting(sides: Parts) -> None:
    before, after = sides
    found = measure(before, after)
    shares = [{part: float((side == i).mean()) for i, part in enumerate(PARTS)} for side in (before, after)]
    assert found.differences == pytest.approx({part: shares[1][part] - shares[0][part] for part in PARTS})
    assert found.tv == pytest.approx(sum(abs(d) for d in found.differences.values()) / 2)
    assert 0 <= found.tv <= 1
    assert 0 <= found.tv_halves <= 1
    assert 0 < found.p_value <= 1
    assert not (found.exceeds_null and found.p_value > 0.06)
    assert 0 <= found.tv_null <= 1
    assert set(found.differences_ci) == set(PARTS)
    for low, high in found.differences_ci.values():
        assert -1 <= low <= high <= 1


@given(sides=SIDES)
@settings(max_examples=30, deadline=None)
def test_the_way_back_is_as_far_and_every_part_moves_the_other_way(sides: Parts) -> None:
    there, back = measure(sides[0], sides[1]), measure(sides[1], sides[0])
    assert back.tv == pytest.approx(there.tv)
    assert back.differences == pytest.approx({part: -moved for part, moved in there.differences.items()})
    assert (back.tv_null, back.p_value) == pytest.approx((there.tv_null, there.p_value))
    for part, (low, high) in there.differences_ci.items():
        assert back.differences_ci[part] == pytest.approx((-high, -low))


@given(side=SIDES)
@settings(max_examples=30, deadline=None)
def test_identical_sides_show_no_shift(side: Parts) -> None:
    found = measure(side[0], side[0])
    assert (found.tv, found.tv_null, found.p_value) == (0.0, 0.0, 1.0)
    assert (found.exceeds_null, found.exceeds_halves) == (False, False)
    assert set(found.differences.values()) == {0.0}
    # Pairs stay together: every resample of identical sides is identical.
    assert set(found.differences_ci.values()) == {(0.0, 0.0)}


def test_all_that_moves_is_a_distance_of_1() -> None:
    before, after = (np.full(60, part, dtype=np.uint8) for part in (BACKGROUND, NOSE))
    found = measure(before, after)
    assert (found.tv, found.tv_halves) == (1.0, 0.0)
    # Of 60 tosses of a coin, 95% are within 1.96 / sqrt(60) of balance.
    assert found.tv_null == pytest.approx(0.25, abs=0.06)
    assert found.exceeds_null
    assert found.exceeds_halves
    assert found.p_value == pytest.approx(1 / 101)
    assert (found.differences["background"], found.differences["nose"]) == (-1.0, 1.0)


@pytest.mark.parametrize("n", [80, 160])
def test_chance_alone_is_hardly_ever_called_a_shift(n: int) -> None:
    found = pairs(n, times=200)
    assert np.mean([shift.exceeds_null for shift in found]) <= 0.09
    assert np.mean([shift.p_value <= 0.5 for shift in found]) == pytest.approx(0.5, abs=0.12)
    assert np.mean([shift.exceeds_halves for shift in found]) <= 0.02


def test_nor_where_most_images_keep_their_part() -> None:
    rng = np.random.default_rng(0)
    called = []
    for _ in range(60):
        before = draw(FACES, 80, rng)
        after = np.where(rng.random(80) < 0.2, draw(FACES, 80, rng), before)
        called.append(measure(before, after, rng=rng).exceeds_null)
    assert np.mean(called) <= 0.12


def test_nor_between_two_halves_of_the_same_pool() -> None:
    rng = np.random.default_rng(0)
    pool = draw(FACES, 160, rng)
    found = []
    for _ in range(100):
        first, second = rng.permutation(pool).reshape(2, 80)
        found.append(measure(first, second, rng=rng))
    assert np.mean([shift.exceeds_null for shift in found]) <= 0.1
    assert not any(shift.exceeds_halves for shift in found)


@pytest.mark.parametrize("n", [80, 160])
def test_a_third_of_the_fakes_moving_is_found_nearly_always(n: int) -> None:
    found = pairs(n, times=60, points=0.3)
    assert np.mean([shift.exceeds_null for shift in found]) >= 0.98
    assert np.mean([shift.exceeds_halves for shift in found]) >= 0.75
    assert np.mean([shift.differences["nose"] for shift in found]) == pytest.approx(0.3, abs=0.02)


def test_more_images_make_chance_smaller_and_intervals_narrower() -> None:
    few, many = (pairs(n, times=10, points=0.1) for n in (60, 960))
    assert np.mean([f.tv_null for f in many]) < np.mean([f.tv_null for f in few]) / 3
    widths = [
        np.mean([f.differences_ci["nose"][1] - f.differences_ci["nose"][0] for f in side]) for side in (few, many)
    ]
    assert widths[1] < widths[0] / 3


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_intervals_of_parts_hold_the_truth_as_often_as_they_say(confidence: float) -> None:
    truth = dict.fromkeys(PARTS, 0.0) | {"background": -0.15, "nose": 0.15}
    found = pairs(100, times=150, points=0.15, confidence=confidence, resamples=200)
    common = [part for part, share in zip(PARTS, FACES, strict=True) if share >= 0.08]
    holds = [low <= truth[p] <= high for f in found for p in common for low, high in [f.differences_ci[p]]]
    assert np.mean(holds) == pytest.approx(confidence, abs=0.035)


def test_what_is_said_agrees_with_what_is_shown() -> None:
    for found in pairs(80, times=30, points=0.1):
        assert found.exceeds_null == (found.tv > found.tv_null + 1e-9)
        assert found.exceeds_halves == (found.tv > found.tv_halves + 1e-9)


def test_resamples_come_from_the_seed() -> None:
    rng = np.random.default_rng(5)
    before, after = draw(FACES, 80, rng), draw(moved(0.2), 80, rng)
    first, again, other = (measure(before, after, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.differences_ci != other.differences_ci
    assert first.tv == other.tv


def test_more_confidence_is_a_wider_interval_and_the_same_chance() -> None:
    rng = np.random.default_rng(5)
    before, after = draw(FACES, 80, rng), draw(moved(0.2), 80, rng)
    narrow, wide = (measure(before, after, confidence=c) for c in (0.6, 0.99))
    (low, high), (lower, higher) = (found.differences_ci["nose"] for found in (narrow, wide))
    assert lower < low < high < higher
    assert narrow.tv_null == wide.tv_null


@pytest.mark.parametrize(("before", "after"), [(1, 1), (0, 0), (5, 4), (4, 5)])
def test_sides_that_cannot_be_compared_are_refused(before: int, after: int) -> None:
    with pytest.raises(ValueError, match=f"{before} and {after} images cannot be compared"):
        measure(np.zeros(before, dtype=np.uint8), np.zeros(after, dtype=np.uint8))
