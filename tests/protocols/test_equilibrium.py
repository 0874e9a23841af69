"""The game of detectors against generators: games whose solution is known, and what must not move it."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog

from fakeoff.protocols.score.equilibrium import (
    Values,
    exploit_detectors,
    exploit_generators,
    find_complete,
    solve_game,
)

# AUCs as they are: many of them equal, many of them 1.
shares = st.one_of(
    st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    st.integers(0, 100).map(lambda percent: percent / 100),
    st.integers(0, 12800).map(lambda pairs: pairs / 12800),
)
games = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=shares)
orders = st.randoms(use_true_random=False)
several = settings(max_examples=25, deadline=None)


def _shuffled(size: int, order: Random) -> list[int]:
    places = list(range(size))
    order.shuffle(places)
    return places


def test_of_matching_pennies_each_side_draws_both_equally_often() -> None:
    solved = solve_game(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert solved.value == pytest.approx(0.5, abs=1e-9)
    np.testing.assert_allclose(solved.detectors, [0.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(solved.generators, [0.5, 0.5], atol=1e-9)


def test_of_rock_paper_scissors_each_is_drawn_a_third_of_the_time() -> None:
    solved = solve_game(np.array([[0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.5]]))
    assert solved.value == pytest.approx(0.5, abs=1e-9)
    np.testing.assert_allclose(solved.detectors, np.full(3, 1 / 3), atol=1e-9)
    np.testing.assert_allclose(solved.generators, np.full(3, 1 / 3), atol=1e-9)


def test_a_game_of_two_by_two_is_solved_as_by_hand() -> None:
    # p * 0.9 + (1 - p) * 0.6 = p * 0.5 + (1 - p) * 0.8, so p = 1/3; q * 0.9 + (1 - q) * 0.5 = q * 0.6 + (1 - q) * 0.8.
    solved = solve_game(np.array([[0.9, 0.5], [0.6, 0.8]]))
    assert solved.value == pytest.approx(0.7, abs=1e-9)
    np.testing.assert_allclose(solved.detectors, [1 / 3, 2 / 3], atol=1e-9)
    np.testing.assert_allclose(solved.generators, [0.5, 0.5], atol=1e-9)


def test_who_is_dominated_is_not_played() -> None:
    solved = solve_game(np.array([[1.0, 0.0, 0.9], [0.0, 1.0, 0.9], [0.4, 0.4, 0.4]]))
    np.testing.assert_allclose(solved.detectors, [0.5, 0.5, 0], atol=1e-9)
    np.testing.assert_allclose(solved.generators, [0.5, 0.5, 0], atol=1e-9)


def test_a_detector_that_wins_everything_is_played_alone_and_generators_do_not_care() -> None:
    solved = solve_game(np.array([[1.0, 1.0, 1.0], [0.9, 0.95, 0.7]]))
    assert solved.value == 1
    np.testing.assert_allclose(solved.detectors, [1, 0], atol=1e-9)
    np.testing.assert_allclose(solved.generators, np.full(3, 1 / 3), atol=1e-9)


@pytest.mark.parametrize(
    ("payoff", "value", "detectors", "generators"),
    [
        ([[0.7]], 0.7, [1], [1]),
        ([[0.9, 0.4, 0.6]], 0.4, [1], [0, 1, 0]),
        ([[0.9], [0.4], [0.6]], 0.9, [1, 0, 0], [1]),
        ([[0.9], [0.4], [0.9]], 0.9, [0.5, 0, 0.5], [1]),
        (np.full((3, 2), 0.8), 0.8, np.full(3, 1 / 3), [0.5, 0.5]),
        (np.ones((2, 4)), 1.0, [0.5, 0.5], np.full(4, 0.25)),
        (np.zeros((4, 2)), 0.0, np.full(4, 0.25), [0.5, 0.5]),
    ],
)
def test_degenerate_games_have_a_solution(payoff: Values, value: float, detectors: Values, generators: Values) -> None:
    solved = solve_game(np.asarray(payoff))
    assert solved.value == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(solved.detectors, detectors, atol=1e-9)
    np.testing.assert_allclose(solved.generators, generators, atol=1e-9)


def test_of_many_optimal_mixtures_it_is_the_most_even_one() -> None:
    # The third and the half of the first two win the same of both: any mixture of the two ways is optimal.
    solved = solve_game(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    np.testing.assert_allclose(solved.detectors, np.full(3, 1 / 3), atol=1e-9)


def test_copies_of_who_may_be_left_out_have_its_weight_together() -> None:
    payoff = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(solve_game(payoff).detectors, [1 / 6, 1 / 6, 1 / 3, 1 / 3], atol=1e-9)
    np.testing.assert_allclose(solve_game(1 - payoff.T).generators, [1 / 6, 1 / 6, 1 / 3, 1 / 3], atol=1e-9)


@several
@given(payoff=games)
def test_neither_side_can_be_exploited_and_the_value_is_that_of_the_other_sides_program(payoff: Values) -> None:
    solved = solve_game(payoff)
    for mixture in (solved.detectors, solved.generators):
        assert mixture.min() >= 0
        assert mixture.sum() == pytest.approx(1)
    assert exploit_detectors(payoff, solved.detectors, value=solved.value) < 2e-6
    assert exploit_generators(payoff, solved.generators, value=solved.value) < 2e-6
    m, n = payoff.shape
    least = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.hstack([payoff, -np.ones((m, 1))]),
        b_ub=np.zeros(m),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1],
        bounds=[(0, None)] * n + [(None, None)],
    )
    assert solved.value == pytest.approx(least.fun, abs=1e-6)


@several
@given(payoff=games, order=orders)
def test_nothing_depends_on_the_order_of_players(payoff: Values, order: Random) -> None:
    rows, columns = (_shuffled(size, order) for size in payoff.shape)
    solved, shuffled = solve_game(payoff), solve_game(payoff[np.ix_(rows, columns)])
    assert shuffled.value == pytest.approx(solved.value, abs=1e-9)
    np.testing.assert_allclose(shuffled.detectors, solved.detectors[rows], atol=1e-5)
    np.testing.assert_allclose(shuffled.generators, solved.generators[columns], atol=1e-5)


@several
@given(payoff=games, data=st.data())
def test_a_copy_shares_the_weight_of_the_first_and_changes_nothing_else(payoff: Values, data: st.DataObject) -> None:
    row, column = (data.draw(st.integers(0, size - 1)) for size in payoff.shape)
    copied = np.vstack([payoff, payoff[row]])
    copied = np.hstack([copied, copied[:, [column]]])
    first, second = solve_game(payoff), solve_game(copied)
    assert second.value == pytest.approx(first.value, abs=1e-9)
    m, n = payoff.shape
    for before, after, versions in (
        (first.detectors, second.detectors, copied[:, :n]),
        (first.generators, second.generators, copied[:m].T),
    ):
        kinds = np.unique(versions.round(6), axis=0, return_inverse=True)[1].ravel()
        together = np.bincount(kinds, weights=after)
        np.testing.assert_allclose(together, np.bincount(kinds[:-1], weights=before), atol=1e-5)
        np.testing.assert_allclose(after, (together / np.bincount(kinds))[kinds], atol=1e-9)  # in equal parts


def test_what_a_known_choice_gives_away_is_what_the_best_answer_takes() -> None:
    payoff = np.array([[0.9, 0.5], [0.6, 0.8]])  # of value 0.7
    assert exploit_detectors(payoff, np.array([1.0, 0.0]), value=0.7) == pytest.approx(0.2)
    assert exploit_detectors(payoff, np.array([0.5, 0.5]), value=0.7) == pytest.approx(0.05)
    assert exploit_generators(payoff, np.array([0.0, 1.0]), value=0.7) == pytest.approx(0.1)
    assert exploit_generators(payoff, np.array([0.5, 0.5]), value=0.7) == pytest.approx(0.0)


def test_who_misses_most_matches_is_left_out_first() -> None:
    payoff = np.full((3, 4), 0.5)
    assert find_complete(payoff).rows.tolist() == [0, 1, 2]
    payoff[1, 2] = np.nan  # a third of that column, a quarter of that row
    found = find_complete(payoff)
    assert (found.rows.tolist(), found.columns.tolist()) == ([0, 1, 2], [0, 1, 3])
    payoff[1, :3] = np.nan
    found = find_complete(payoff)
    assert (found.rows.tolist(), found.columns.tolist()) == ([0, 2], [0, 1, 2, 3])


def test_who_played_nothing_is_left_out_and_nothing_is_left_of_nothing() -> None:
    payoff = np.full((2, 2), np.nan)
    assert find_complete(payoff).rows.size == find_complete(payoff).columns.size == 0
    payoff[1, 0] = 0.5
    found = find_complete(payoff)
    assert (found.rows.tolist(), found.columns.tolist()) == ([1], [0])


@several
@given(payoff=games, data=st.data())
def test_whatever_is_missing_what_is_left_is_complete_and_not_empty(payoff: Values, data: st.DataObject) -> None:
    gaps = data.draw(hnp.arrays(bool, payoff.shape))
    payoff[gaps] = np.nan
    found = find_complete(payoff)
    left = payoff[np.ix_(found.rows, found.columns)]
    assert not np.isnan(left).any()
    assert left.size or gaps.all()


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.02, 0.1, 0.5]))
def test_a_large_game_is_solved(seed: int, spread: float) -> None:
    payoff = np.clip(np.random.default_rng(seed).normal(0.9, spread, (50, 200)), 0, 1)
    began = time.process_time()
    solved = solve_game(payoff)
    assert time.process_time() - began < 20  # 0.1 s; a guard against an algorithm that explodes, not a benchmark
    assert exploit_detectors(payoff, solved.detectors, value=solved.value) < 2e-6
    assert exploit_generators(payoff, solved.generators, value=solved.value) < 2e-6
