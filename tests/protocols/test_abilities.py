"""Abilities of detectors and difficulties of generators: what is recovered, and what misfits."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit

from fakeoff.protocols.score.abilities import PRIOR_SD, SPECIALIST, fit_abilities

shares = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)),
)


def _trials(matrix: np.ndarray, each: float = 80) -> np.ndarray:
    return np.full(matrix.shape, each)


def test_known_abilities_are_recovered_from_exact_shares() -> None:
    abilities, difficulties = np.array([3.0, 1.0, 0.5, -1.0]), np.array([-1.0, 0.0, 0.4, 0.6])
    matrix = expit(abilities[:, None] - difficulties)
    found = fit_abilities(matrix, _trials(matrix, 1e6))
    np.testing.assert_allclose(found.detectors, abilities, atol=1e-3)
    np.testing.assert_allclose(found.generators, difficulties, atol=1e-3)
    np.testing.assert_allclose(found.expected, matrix, atol=1e-5)
    assert max(found.detectors_misfit.max(), found.generators_misfit.max()) < 1e-3


def test_they_are_recovered_from_few_pairs_within_their_standard_errors() -> None:
    rng = np.random.default_rng(0)
    abilities = rng.normal(1, 1, 30)
    difficulties = rng.normal(0, 1, 40)
    difficulties -= difficulties.mean()
    matrix = rng.binomial(20, expit(abilities[:, None] - difficulties)) / 20
    found = fit_abilities(matrix, _trials(matrix, 20))
    errors = (found.detectors - abilities) / found.detectors_se
    assert 0.6 < np.sqrt((errors**2).mean()) < 1.4
    # Chance alone misfits by 1.
    assert np.mean(found.detectors_misfit) == pytest.approx(1, abs=0.15)
    assert np.mean(found.generators_misfit) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("each", [1.0, 8.0, 1000.0])
def test_who_wins_everything_has_a_finite_ability_above_all_others(each: float) -> None:
    matrix = np.array([[1.0, 1.0, 1.0, 1.0], [0.95, 0.9, 0.99, 0.97], [0.6, 0.7, 0.5, 0.6]])
    found = fit_abilities(matrix, _trials(matrix, each))
    assert found.detectors.tolist() == sorted(found.detectors, reverse=True)
    assert np.abs(found.detectors).max() < 12
    assert 0.5 < found.expected[0].min() < 1
    assert np.isfinite(found.detectors_se).all()


def test_the_more_was_won_the_higher_is_the_ability_of_who_wins_everything() -> None:
    few, many = (fit_abilities(np.ones((1, n)), np.full((1, n), 8.0)).detectors[0] for n in (2, 20))
    assert 2 < few < many < 8


def test_of_nothing_but_wins_all_are_equal_and_finite() -> None:
    found = fit_abilities(np.ones((3, 4)), np.full((3, 4), 8.0))
    assert np.ptp(found.detectors) < 1e-9
    np.testing.assert_allclose(found.generators, 0, atol=1e-9)
    assert 0 < found.detectors[0] < 10


def test_the_anchors_have_a_mean_of_zero_and_the_fit_is_the_same_whichever_they_are() -> None:
    matrix = np.array([[0.9, 0.8, 0.6], [0.7, 0.6, 0.3]])
    every = fit_abilities(matrix, _trials(matrix))
    first = fit_abilities(matrix, _trials(matrix), anchors=np.array([True, False, False]))
    assert every.generators.mean() == pytest.approx(0, abs=1e-12)
    assert first.generators[0] == pytest.approx(0, abs=1e-12)
    assert first.generators_se[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(first.expected, every.expected, atol=1e-12)
    np.testing.assert_allclose(np.diff(first.detectors), np.diff(every.detectors), atol=1e-9)


def test_a_specialist_misfits_most_and_the_match_that_shows_it_most_of_all() -> None:
    matrix = expit(np.array([2.0, 1.0, 0.0, -1.0])[:, None] - np.array([0.0, 0.5, -0.5, 1.0, 0.0]))
    matrix[2, 3] = 0.95  # it expects 0.27
    found = fit_abilities(matrix, _trials(matrix))
    assert int(np.argmax(found.detectors_misfit)) == 2
    assert int(np.argmax(found.generators_misfit)) == 3
    assert found.detectors_misfit[2] > SPECIALIST
    assert np.unravel_index(np.argmax(np.abs(found.residuals)), matrix.shape) == (2, 3)
    assert found.residuals[2, 3] > 2


def test_a_match_that_was_not_played_counts_for_nothing() -> None:
    matrix = expit(np.array([2.0, 1.0, 0.0])[:, None] - np.array([-0.5, 0.5]))
    gap = matrix.copy()
    gap[1, 1] = np.nan
    found = fit_abilities(gap, _trials(gap, 1e5))
    np.testing.assert_allclose(found.detectors, [2.0, 1.0, 0.0], atol=0.01)
    assert np.isnan(found.residuals[1, 1])
    assert np.isfinite(found.detectors_misfit).all()
    assert found.expected[1, 1] == pytest.approx(matrix[1, 1], abs=0.01)


@settings(max_examples=25, deadline=None)
@given(matrix=shares, each=st.sampled_from([1.0, 8.0, 500.0]))
def test_whatever_the_shares_it_is_the_peak_and_all_is_finite(matrix: np.ndarray, each: float) -> None:
    found = fit_abilities(matrix, _trials(matrix, each))
    assert all(np.isfinite(values).all() for values in vars(found).values())
    # At the peak, what each won beyond its expectation is what the prior pulls back.
    beyond = each * (matrix - found.expected)
    pulls = np.concatenate([beyond.sum(axis=1), -beyond.sum(axis=0)]) * PRIOR_SD**2
    ratings = np.concatenate([found.detectors, found.generators])
    np.testing.assert_allclose(pulls - pulls.mean(), ratings - ratings.mean(), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(matrix=shares, order=st.randoms(use_true_random=False))
def test_ratings_do_not_depend_on_the_order_of_players(matrix: np.ndarray, order: Random) -> None:
    rows, columns = (list(range(size)) for size in matrix.shape)
    order.shuffle(rows)
    order.shuffle(columns)
    first = fit_abilities(matrix, _trials(matrix))
    second = fit_abilities(matrix[np.ix_(rows, columns)], _trials(matrix)[np.ix_(rows, columns)])
    np.testing.assert_allclose(second.detectors, first.detectors[rows], atol=1e-8)
    np.testing.assert_allclose(second.generators_misfit, first.generators_misfit[columns], rtol=1e-6, atol=1e-9)
