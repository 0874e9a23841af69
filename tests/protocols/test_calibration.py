"""Whether P(fake) is a probability, and what is caught at few false alarms; held to scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_curve

from fakeoff.protocols.score.calibration import (
    BINS,
    CALIBRATION,
    OPERATING,
    basic_interval,
    bound_of_all,
    fpr_threshold,
)
from fakeoff.protocols.score.intervals import Figure
from fakeoff.protocols.score.metrics import MatchFigures, evaluate

Scores = npt.NDArray[np.float64]

COARSE = st.integers(0, 5).map(lambda level: level / 5)
FINE = st.floats(0, 1, allow_subnormal=False)
SCORES = st.one_of(
    st.lists(COARSE, min_size=1, max_size=30), st.lists(FINE, min_size=1, max_size=30)
).map(lambda values: np.array(values, np.float64))  # fmt: skip


SINGLE = SCORES.map(lambda values: values.astype(np.float32))  # as detectors give them


def figures(real: Scores, fake: Scores, **over: Any) -> MatchFigures:
    given: dict[str, Any] = {"val_threshold": 0.5, "resamples": 100, "confidence": 0.95}
    return evaluate(real, fake, **{**given, "seed": 0, **over}).figures


def slow_ece(real: Scores, fake: Scores) -> float:
    """Score by score: each is in the bin in which the middle of its mass lies."""
    scores, truth = np.concatenate([real, fake]), np.repeat([0.0, 1.0], [len(real), len(fake)])
    weights = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    gaps, below = [0.0] * BINS, 0.0
    for score in sorted(set(scores.tolist())):
        here = scores == score
        mass = float(weights[here].sum())
        place = min(BINS - 1, int(round((below + mass / 2) * BINS, 9)))
        gaps[place] += float((weights[here] * (truth[here] - score)).sum())
        below += mass
    return sum(map(abs, gaps))


@given(real=SCORES, fake=SCORES)
@settings(max_examples=100, deadline=None)
def test_the_brier_score_is_scikit_learns_and_the_calibration_error_that_of_a_slow_count(
    real: Scores, fake: Scores
) -> None:
    found = figures(real, fake)
    truth = np.repeat([0, 1], [len(real), len(fake)])
    weights = np.repeat([1 / len(real), 1 / len(fake)], [len(real), len(fake)])
    expected = brier_score_loss(truth, np.concatenate([real, fake]), sample_weight=weights)
    assert found.brier == pytest.approx(expected, abs=1e-12)
    assert found.ece == pytest.approx(slow_ece(real, fake), abs=1e-12)
    for name in CALIBRATION:
        low, high = getattr(found, f"{name}_ci")
        assert 0 <= low <= high <= 1
    # A mean of distances is no longer than the root of a mean of squares, and bins only hide distances.
    assert found.ece is not None
    assert found.brier is not None
    assert found.ece <= found.brier**0.5 + 1e-12


def test_the_calibration_error_is_that_of_scikit_learns_curve_where_no_scores_are_equal() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.beta(1, 4, 150), rng.beta(2, 1, 150)
    truth, scores = np.repeat([0, 1], 150), np.concatenate([real, fake])
    right, said = calibration_curve(truth, scores, n_bins=BINS, strategy="quantile")
    assert figures(real, fake).ece == pytest.approx(np.abs(right - said).mean())


@given(real=SCORES, fake=SCORES, times=st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_showing_every_fake_more_often_changes_neither(real: Scores, fake: Scores, times: int) -> None:
    once, often = figures(real, fake), figures(real, np.tile(fake, times))
    assert [often.brier, often.ece] == pytest.approx([once.brier, once.ece])


def test_an_honest_score_is_calibrated_an_overconfident_one_is_not_and_a_fooled_one_least() -> None:
    rng = np.random.default_rng(1)
    real, fake = rng.beta(2, 3, 4_000), rng.beta(3, 2, 4_000)  # whose densities make P(fake | score) the score
    honest = figures(real, fake)
    sure = figures(np.round(real), np.round(fake))
    fooled = figures(np.zeros(40), np.zeros(40))
    assert honest.ece == pytest.approx(0, abs=0.03)
    # Of what was called fake, this many are real.
    assert sure.ece == pytest.approx(((real >= 0.5).mean() + (fake < 0.5).mean()) / 2, abs=0.01)
    assert (fooled.ece, fooled.brier) == pytest.approx((0.5, 0.5))
    assert (figures(np.zeros(4), np.ones(4)).ece, figures(np.zeros(4), np.ones(4)).brier) == (0, 0)


def test_the_interval_of_a_calibration_error_leaves_out_what_noise_adds() -> None:
    rng = np.random.default_rng(2)
    found = figures(rng.beta(2, 3, 80), rng.beta(3, 2, 160), resamples=500)
    assert found.ece is not None
    assert found.ece_ci is not None
    low, high = found.ece_ci
    assert low < 0.02 < found.ece <= high  # it is calibrated, and 240 images cannot show it


def test_the_basic_interval_is_the_mirror_image_of_percentiles_and_of_few_units_a_wider_one() -> None:
    def interval(value: float, low: float, high: float, *, units: int) -> tuple[float, float]:
        draws = np.linspace(low, high, 1001)
        return basic_interval(Figure(value=value, draws=draws, units=units, least=0.0), 0.95)

    assert interval(0.3, 0.25, 0.4, units=10_000) == pytest.approx((0.204, 0.346), abs=0.001)
    assert interval(0.05, 0.06, 0.2, units=10_000) == (0, 0.05)
    low, high = interval(0.3, 0.25, 0.4, units=8)
    assert low < 0.204
    assert high > 0.346


@given(real=SINGLE, rate=st.sampled_from([0.01, 0.05, 0.2, 0.5]))
@settings(max_examples=150, deadline=None)
def test_few_reals_of_val_reach_a_threshold_and_of_no_lower_one_so_few(
    real: npt.NDArray[np.float32], rate: float
) -> None:
    chosen = fpr_threshold(real, rate)
    assert (real >= chosen).mean() <= rate  # in float32, as whoever holds scores to it will compare them
    assert (real >= np.nextafter(np.float32(chosen), np.float32(-1))).mean() > rate


def test_of_too_few_reals_none_may_reach_it_and_of_saturated_ones_nothing_does() -> None:
    real = np.linspace(0.1, 0.5, 80)
    assert 0.5 < fpr_threshold(real, 0.01) < 0.5 + 1e-7
    assert fpr_threshold(real, 0.05) < 0.5  # four of eighty
    saturated = fpr_threshold(np.array([0.2, 1.0]), 0.01)
    assert saturated > 1
    found = figures(np.array([0.2, 1.0]), np.ones(3), at_1_fpr=saturated)
    assert (found.tpr_at_1_fpr, found.fpr_at_1_fpr) == (0, 0)


@given(val=SCORES, real=SCORES, fake=SCORES)
@settings(max_examples=100, deadline=None)
def test_operating_points_lie_on_scikit_learns_roc_curve_at_vals_thresholds(
    val: Scores, real: Scores, fake: Scores
) -> None:
    at = {"at_5_fpr": fpr_threshold(val, 0.05), "at_1_fpr": fpr_threshold(val, 0.01)}
    found = figures(real, fake, **at)
    truth = np.repeat([0, 1], [len(real), len(fake)])
    false, true, thresholds = roc_curve(truth, np.concatenate([real, fake]), drop_intermediate=False)
    for percent in ("5", "1"):
        place = np.flatnonzero(thresholds >= at[f"at_{percent}_fpr"])[-1]  # from the highest: infinity, where none is
        assert getattr(found, f"tpr_at_{percent}_fpr") == pytest.approx(true[place])
        assert getattr(found, f"fpr_at_{percent}_fpr") == pytest.approx(false[place])
    for name in OPERATING:
        low, high = getattr(found, f"{name}_ci")
        assert 0 <= low <= getattr(found, name) + 1e-9
        assert getattr(found, name) - 1e-9 <= high <= 1


def test_a_score_at_a_threshold_reaches_it_on_either_side() -> None:
    found = figures(np.array([0.25, 0.5]), np.array([0.5, 0.75]), at_5_fpr=0.5, at_1_fpr=0.75)
    assert [getattr(found, name) for name in OPERATING] == [1.0, 0.5, 0.5, 0.0]


@given(n=st.integers(1, 200), confidence=st.floats(0.5, 0.999))
@settings(max_examples=40, deadline=None)
def test_a_share_of_none_or_all_is_bounded_as_by_the_exact_binomial(n: int, confidence: float) -> None:
    none, every = (binomtest(hits, n).proportion_ci(confidence, method="exact") for hits in (0, n))
    assert bound_of_all(0.0, 0.0, 0.0, n=n, confidence=confidence) == pytest.approx((none.low, none.high))
    assert bound_of_all(1.0, 1.0, 1.0, n=n, confidence=confidence) == pytest.approx((every.low, every.high))
    assert bound_of_all(0.0, 0.0, 1.0, n=n, confidence=confidence) == (0, 1)  # what is wider stays
    assert bound_of_all(1.0, 0.0, 1.0, n=n, confidence=confidence) == (0, 1)


def test_without_val_there_are_no_operating_points() -> None:
    found = figures(np.zeros(3), np.ones(3))
    assert [getattr(found, name) for name in OPERATING] == [None] * 4


def test_no_false_alarm_among_few_reals_is_no_proof_that_there_are_none() -> None:
    found = figures(np.zeros(80), np.ones(40), at_5_fpr=0.5)
    # Near the exact binomial's (Clopper and Pearson), and no closer.
    assert found.fpr_at_5_fpr_ci == pytest.approx((0, 1 - 0.025 ** (1 / 80)), abs=0.005)
    assert found.fpr_at_5_fpr_ci[1] > 1 - 0.025 ** (1 / 80)
    assert found.tpr_at_5_fpr_ci == pytest.approx((0.025 ** (1 / 40), 1), abs=0.01)
    assert bound_of_all(0.2, 0.1, 0.3, n=10, confidence=0.9) == (0.1, 0.3)
