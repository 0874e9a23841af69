from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from fakeoff.protocols.score.calibration import CALIBRATION, OPERATING, Thresholds
from fakeoff.protocols.score.metrics import METRICS, best_threshold, evaluate, resample_figures
from fakeoff.protocols.score.people import Units

Scores = npt.NDArray[np.float64]

# Coarse scores tie often; fine ones hardly ever.
COARSE = st.integers(0, 5).map(lambda level: level / 5)
FINE = st.floats(0, 1, allow_subnormal=False)
SCORES = st.one_of(
    st.lists(COARSE, min_size=1, max_size=30), st.lists(FINE, min_size=1, max_size=30)
).map(lambda values: np.array(values, np.float64))  # fmt: skip


def figures(real: Scores, fake: Scores, **over: Any) -> dict[str, Any]:
    given = {"val_threshold": 0.5, "resamples": 100, "confidence": 0.95, "seed": 0}
    return vars(evaluate(real, fake, **{**given, **over}).figures)


def balanced(real: Scores, fake: Scores) -> tuple[Scores, Scores, Scores]:
    """Truth, scores, and weights that make 50/50 of any counts."""
    truth = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
    weights = np.concatenate([np.full(len(real), 1 / len(real)), np.full(len(fake), 1 / len(fake))])
    return truth, np.concatenate([real, fake]), weights


def accuracy(real: Scores, fake: Scores, threshold: float) -> float:
    return float(((real < threshold).mean() + (fake >= threshold).mean()) / 2)


@given(real=SCORES, fake=SCORES)
@settings(max_examples=150, deadline=None)
def test_the_curves_are_scikit_learns_at_even_prevalence_with_ties_and_unequal_counts(
    real: Scores, fake: Scores
) -> None:
    truth, scores, weights = balanced(real, fake)
    found = figures(real, fake)
    assert found["ap"] == pytest.approx(average_precision_score(truth, scores, sample_weight=weights))
    assert found["ap_real"] == pytest.approx(average_precision_score(1 - truth, -scores, sample_weight=weights))
    assert found["auc"] == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))
    assert found["accuracy"] == pytest.approx(accuracy(real, fake, 0.5))
    assert found["recall_fake"] == pytest.approx((fake >= 0.5).mean())


@given(real=SCORES, fake=SCORES, threshold=COARSE)
@settings(max_examples=50, deadline=None)
def test_accuracy_is_taken_at_the_threshold_that_val_chose(real: Scores, fake: Scores, threshold: float) -> None:
    found = figures(real, fake, val_threshold=threshold)
    assert found["accuracy_val_threshold"] == pytest.approx(accuracy(real, fake, threshold))


@given(real=SCORES, fake=SCORES, times=st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_showing_every_fake_more_often_changes_nothing(real: Scores, fake: Scores, times: int) -> None:
    once, often = figures(real, fake), figures(real, np.tile(fake, times))
    assert [often[name] for name in METRICS] == pytest.approx([once[name] for name in METRICS])


@given(real=SCORES, fake=SCORES)
@settings(max_examples=50, deadline=None)
def test_the_curves_see_only_the_order_of_scores(real: Scores, fake: Scores) -> None:
    ranks = np.unique(np.concatenate([real, fake]), return_inverse=True)[1] / (len(real) + len(fake))
    before, after = figures(real, fake), figures(ranks[: len(real)], ranks[len(real) :])
    for name in ("ap", "ap_real", "auc"):
        assert after[name] == pytest.approx(before[name])
        assert after[f"{name}_ci"] == pytest.approx(before[f"{name}_ci"])


@given(real=SCORES, fake=SCORES)
@settings(max_examples=50, deadline=None)
def test_figures_are_shares_and_intervals_are_in_order(real: Scores, fake: Scores) -> None:
    found = figures(real, fake)
    names = (*METRICS, *CALIBRATION, *OPERATING)
    pooled = {"before_softmax", "vote"}
    counts = {"n_real", "n_fake", "real_units", "fake_units"}
    assert set(found) == {*counts, *names, *(f"{name}_ci" for name in names), *pooled}
    for name in METRICS:
        low, high = found[f"{name}_ci"]
        assert 0 <= low <= found[name] <= high <= 1
        assert low < high


def test_polarity_fake_is_positive() -> None:
    real, fake = np.array([0.1, 0.2]), np.array([0.8, 0.9])
    assert [figures(real, fake)[name] for name in METRICS] == [1.0] * 6
    wrong = figures(fake, real)
    assert wrong["auc"] == 0
    assert wrong["accuracy"] == 0
    assert wrong["ap"] < 0.5


def test_scores_that_say_nothing_are_worth_a_half() -> None:
    found = figures(np.full(7, 0.3), np.full(40, 0.3))
    assert [found[name] for name in ("ap", "ap_real", "auc")] == pytest.approx([0.5] * 3)
    assert found["accuracy"] == pytest.approx(0.5)
    assert found["recall_fake"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_figure_and_narrow_with_more_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = []
    for n in (50, 800):
        found = figures(rng.beta(2, 3, n), rng.beta(3, 2, n), resamples=500)
        for name in METRICS:
            low, high = found[f"{name}_ci"]
            assert low < found[name] < high
        widths.append(found["ap_ci"][1] - found["ap_ci"][0])
    assert widths[1] < widths[0] / 2


def test_more_confidence_is_a_wider_interval() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.beta(2, 3, 100), rng.beta(3, 2, 100)
    narrow, wide = (figures(real, fake, confidence=c, resamples=500)["auc_ci"] for c in (0.6, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_interval_of_recall_is_that_of_a_binomial() -> None:
    fake = np.repeat([0.1, 0.9], [40, 60])
    low, high = figures(np.zeros(5), fake, resamples=4000)["recall_fake_ci"]
    half = 1.96 * np.sqrt(0.6 * 0.4 / 100)
    assert (low, high) == pytest.approx((0.6 - half, 0.6 + half), abs=0.02)


def test_each_metric_knows_how_little_it_may_vary_and_of_whom() -> None:
    """What a perfect figure's interval is made of: of so many images, and of so many people."""
    real, fake = np.full(30, 0.1), np.full(20, 0.9)
    thresholds = Thresholds(accuracy=0.5, at_5_fpr=0.5, at_1_fpr=0.5)
    units = Units(n_real=30, n_fake=20, real=np.arange(30) // 10)
    found = resample_figures(real, fake, thresholds=thresholds, resamples=10, seed=0, units=units)
    both = {"ap", "ap_real", "auc", "accuracy", "accuracy_val_threshold"}
    expected = {
        **dict.fromkeys(both, (1 / 40, 3)),
        **dict.fromkeys(("recall_fake", "tpr_at_5_fpr", "tpr_at_1_fpr"), (1 / 20, 20)),
        **dict.fromkeys(("fpr_at_5_fpr", "fpr_at_1_fpr"), (1 / 30, 3)),
        **dict.fromkeys(CALIBRATION, (0, 3)),
    }
    assert {name: (figure.least, figure.units) for name, figure in found.items()} == expected


def test_resamples_come_from_the_seed() -> None:
    rng = np.random.default_rng(1)
    real, fake = rng.random(40), rng.random(60)
    first, again, other = (figures(real, fake, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["auc_ci"] != other["auc_ci"]
    assert first["ap"] == other["ap"]


@given(real=SCORES, fake=SCORES)
@settings(max_examples=150, deadline=None)
def test_no_threshold_is_better_than_the_one_that_val_chooses(real: Scores, fake: Scores) -> None:
    values = np.unique(np.concatenate([real, fake]))
    every = [0.0, *values, *np.nextafter(values, 2), 2.0]
    chosen = best_threshold(real, fake)
    assert 0 <= chosen <= 1
    assert accuracy(real, fake, chosen) == pytest.approx(max(accuracy(real, fake, t) for t in every))


def test_the_threshold_of_separable_scores_lies_in_the_middle_of_the_gap() -> None:
    assert best_threshold(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == pytest.approx(0.5)
    assert best_threshold(np.array([0.0, 0.01]), np.array([0.03])) == pytest.approx(0.02)


@pytest.mark.parametrize("pairs", [3, 5, 9])
def test_of_equal_thresholds_the_middle_one_is_chosen(pairs: int) -> None:
    levels = np.arange(2 * pairs) / (2 * pairs)
    real, fake = levels[::2], levels[1::2]  # in turns: below each fake a threshold is as good as below any other
    between = (real + fake) / 2
    assert len({round(accuracy(real, fake, t), 9) for t in between}) == 1
    assert best_threshold(real, fake) == pytest.approx(between[pairs // 2])


def test_a_threshold_between_neighbouring_float32_scores_separates_them() -> None:
    real = np.full(4, 0.5, dtype=np.float32)
    fake = np.nextafter(real, np.float32(1))
    threshold = best_threshold(real, fake)
    found = figures(real, fake, val_threshold=threshold)
    assert found["accuracy_val_threshold"] == 1.0
