"""A mean that near-copies of a generator do not move."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fakeoff.protocols.score.redundancy import SCALE, distinct_weights

shares = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]), st.integers(0, 1000).map(lambda n: n / 1000))
figures = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=shares)


def test_columns_that_are_all_different_weigh_the_same() -> None:
    np.testing.assert_allclose(
        distinct_weights(np.array([[0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])), np.full(3, 1 / 3), atol=1e-3
    )


def test_figures_that_look_like_distances_are_none() -> None:
    np.testing.assert_allclose(distinct_weights(np.array([[0.0, 0.5], [0.5, 0.0]])), [0.5, 0.5])


def test_identical_columns_share_one_weight() -> None:
    np.testing.assert_allclose(distinct_weights(np.ones((3, 4))), np.full(4, 0.25), atol=1e-12)
    weights = distinct_weights(np.array([[1.0, 1.0, 1.0, 0.2]]))
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2], atol=1e-6)


def test_versions_that_follow_each_other_in_equal_steps_weigh_the_same() -> None:
    first, second, third, other = distinct_weights(np.array([[0.5, 0.55, 0.6, 1.0]]))
    assert first == pytest.approx(second)
    assert second == pytest.approx(third)
    assert first + second + third > other > first


def test_the_closer_two_columns_are_the_less_both_weigh() -> None:
    seconds = [1.0, 1 - SCALE / 10, 1 - SCALE, 1 - 10 * SCALE]
    apart = [float(distinct_weights(np.array([[1.0, second, 0.0]]))[2]) for second in seconds]
    assert apart == sorted(apart, reverse=True)
    assert apart[0] == pytest.approx(1 / 2, abs=1e-6)
    assert apart[-1] == pytest.approx(1 / 3, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(matrix=figures)
def test_weights_are_those_of_a_mean(matrix: np.ndarray) -> None:
    weights = distinct_weights(matrix)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(matrix=figures, data=st.data())
def test_a_copy_of_a_generator_moves_no_mean(matrix: np.ndarray, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, matrix.shape[1] - 1))
    copied = np.hstack([matrix, matrix[:, [column]]])
    weights = distinct_weights(copied)
    np.testing.assert_allclose(copied @ weights, matrix @ distinct_weights(matrix), atol=1e-9)
    assert weights[column] == pytest.approx(weights[-1], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(matrix=figures, data=st.data())
def test_a_near_copy_moves_means_by_no_more_than_three_times_its_distance(
    matrix: np.ndarray, data: st.DataObject
) -> None:
    column = data.draw(st.integers(0, matrix.shape[1] - 1))
    size = 10 ** data.draw(st.floats(-7, -1))
    step = data.draw(hnp.arrays(np.float64, len(matrix), elements=st.floats(-1, 1)))
    near = np.clip(matrix[:, column] + size * step, 0, 1)
    distance = np.abs(near - matrix[:, column]).max()
    assume(distance > 1e-8)  # less is a copy
    entered = np.hstack([matrix, near[:, None]])
    moved = np.abs(entered @ distinct_weights(entered) - matrix @ distinct_weights(matrix)).max()
    assert moved <= 3 * distance + 1e-9


def test_the_plain_mean_is_moved_by_it() -> None:
    matrix, copied = np.array([[1.0, 0.5]]), np.array([[1.0, 0.5, 0.5, 0.5]])
    assert copied.mean() == 0.625
    assert copied[0] @ distinct_weights(copied) == pytest.approx(matrix[0] @ distinct_weights(matrix), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(matrix=figures, order=st.randoms(use_true_random=False))
def test_weights_do_not_depend_on_order_and_not_on_copies_of_detectors(matrix: np.ndarray, order: Random) -> None:
    rows, columns = (list(range(size)) for size in matrix.shape)
    order.shuffle(rows)
    order.shuffle(columns)
    weights = distinct_weights(matrix)
    np.testing.assert_allclose(distinct_weights(matrix[np.ix_(rows, columns)]), weights[columns], atol=1e-9)
    np.testing.assert_allclose(distinct_weights(np.vstack([matrix, matrix[rows[:1]]])), weights, atol=1e-9)
