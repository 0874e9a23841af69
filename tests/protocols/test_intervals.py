from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, t

from fakeoff.protocols.score.intervals import (
    Difference,
    Figure,
    difference,
    interval_of_worst,
    least_variance,
    mean_of,
    quantile,
    worst_of,
)
from fakeoff.protocols.score.metrics import Evaluated, evaluate
from fakeoff.protocols.score.people import Units

Floats = npt.NDArray[np.float64]
SHARES = st.floats(0, 1, allow_subnormal=False)


def share(hits: int, n: int, *, seed: int = 0) -> Figure:
    """A share of n independent images."""
    draws = np.random.default_rng(seed).binomial(n, hits / n, 4000) / n
    return Figure(value=hits / n, draws=draws, units=n, least=least_variance(n, sides=1))


def judge(real: Floats, fake: Floats, **over: Any) -> Evaluated:
    units = Units(n_real=real.size, n_fake=fake.size, real=np.repeat(np.arange(len(real)), real.shape[1]))
    options = {"val_threshold": 0.5, "resamples": 300, "confidence": 0.95, "seed": 0, "units": units}
    return evaluate(real.ravel(), fake.ravel(), **{**options, **over})


def scores(people: int, *, auc: float, alike: float, rng: np.random.Generator, fakes: int = 100) -> tuple[Floats, ...]:
    """Ten photographs of each of some people, whose scores go together, and fakes, each by itself."""
    own = rng.standard_normal((people, 1)) * alike**0.5
    real = own + rng.standard_normal((people, 10)) * (1 - alike) ** 0.5
    return real, rng.standard_normal((fakes, 1)) + 2**0.5 * norm.ppf(auc)


@pytest.mark.parametrize("n", [5, 8, 40, 200])
def test_a_share_of_independent_images_has_wilsons_interval_with_students_quantile(n: int) -> None:
    for hits in (0, n // 2, n):
        reach, p = quantile(0.95, n) ** 2 / n, hits / n
        centre = (p + reach / 2) / (1 + reach)
        half = (reach * p * (1 - p) + reach**2 / 4) ** 0.5 / (1 + reach)
        found = share(hits, n).interval(0.95)
        assert found == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=0.03)
        # And no value is left out from which the binomial would bring as many, or as few, once in 40 times.
        if hits == n:
            assert found[1] == 1
            assert binom.cdf(hits - 1, n, found[0]) > 0.9
    assert quantile(0.95, n) == pytest.approx(t.ppf(0.975, n - 1))


@given(value=SHARES, spread=st.floats(0, 0.3), units=st.integers(1, 50), images=st.integers(1, 400))
@settings(max_examples=200, deadline=None)
def test_an_interval_holds_its_figure_stays_in_bounds_and_is_never_a_point(
    value: float, spread: float, units: int, images: int
) -> None:
    draws = np.clip(value + spread * np.random.default_rng(0).standard_normal(200), 0, 1)
    figure = Figure(value=value, draws=draws, units=units, least=least_variance(images, sides=2))
    low, high = figure.interval(0.95)
    assert 0 <= low <= value <= high <= 1
    assert low < high
    wider = figure.interval(0.99)
    assert wider[0] <= low
    assert wider[1] >= high


def test_a_perfect_detector_of_eight_people_is_not_known_to_be_perfect() -> None:
    real, fake = scores(8, auc=0.6, alike=0.3, rng=np.random.default_rng(0))
    found = judge(real, fake + 100).figures
    assert found.auc == found.ap == found.accuracy_val_threshold + 0.5 == 1 or found.auc == 1
    low, high = found.auc_ci
    assert high == 1
    assert 0.9 < low < 0.98
    assert (found.real_units, found.fake_units) == (8, 100)


def test_people_whose_photographs_agree_make_intervals_wider() -> None:
    rng = np.random.default_rng(3)
    real, fake = scores(8, auc=0.85, alike=0.6, rng=rng)
    people = judge(real, fake).figures.auc_ci
    images = judge(real, fake, units=None).figures.auc_ci
    assert people[1] - people[0] > 1.5 * (images[1] - images[0])


def test_two_detectors_on_the_same_people_are_told_apart_where_their_intervals_overlap() -> None:
    rng = np.random.default_rng(5)
    real, fake = scores(8, auc=0.85, alike=0.5, rng=rng)
    first = judge(real, fake)
    second = judge(real, fake - 0.3)  # worse at the same images
    found = difference(first.drawn["auc"], second.drawn["auc"], 0.95)
    assert found.value > 0
    assert found.holds
    assert first.figures.auc_ci[0] < second.figures.auc_ci[1]  # though these overlap
    backwards = difference(second.drawn["auc"], first.drawn["auc"], 0.95)
    assert backwards.value == -found.value
    assert backwards.ci == pytest.approx((-found.ci[1], -found.ci[0]))


@pytest.mark.parametrize(
    ("ci", "holds"),
    [((-0.1, 0.2), False), ((0.0, 0.2), False), ((-0.2, 0.0), False), ((0.1, 0.2), True), ((-0.2, -0.1), True)],
)
def test_a_difference_holds_whose_interval_leaves_out_zero(ci: tuple[float, float], holds: bool) -> None:
    assert Difference(value=sum(ci) / 2, ci=ci).holds == holds


def test_two_perfect_detectors_differ_by_nothing_that_is_known() -> None:
    real, fake = scores(8, auc=0.6, alike=0.3, rng=np.random.default_rng(0))
    perfect = judge(real, fake + 100).drawn["auc"]
    found = difference(perfect, perfect, 0.95)
    assert found.value == 0
    assert found.ci[0] < 0 < found.ci[1]
    assert found.ci[1] == pytest.approx(1 - perfect.interval(0.95)[0])


@given(values=st.lists(SHARES, min_size=1, max_size=6), copies=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_means_and_worst_cases_do_not_depend_on_the_order_and_hold_what_they_are_of(
    values: list[float], copies: int
) -> None:
    rng = np.random.default_rng(0)
    figures = [
        Figure(value=v, draws=np.clip(v + 0.05 * rng.standard_normal(100), 0, 1), units=8, least=0.01) for v in values
    ]
    assert worst_of(figures[::-1]).value == worst_of(figures).value == min(values)
    assert mean_of(figures * copies).value == pytest.approx(np.mean(values))
    assert mean_of(figures).value == pytest.approx(mean_of(figures[::-1]).value)
    low, high = interval_of_worst(figures, 0.95)
    assert 0 <= low <= min(values) <= high <= 1
    assert interval_of_worst(figures[::-1], 0.95) == (low, high)
    assert low == min(figure.interval(0.95)[0] for figure in figures)


@given(value=st.floats(0.05, 0.95), count=st.integers(1, 9), confidence=st.floats(0.5, 0.99))
@settings(max_examples=30, deadline=None)
def test_of_several_the_upper_ends_share_the_error_and_the_lower_ones_do_not(
    value: float, count: int, confidence: float
) -> None:
    draws = np.clip(value + 0.05 * np.random.default_rng(0).standard_normal(100), 0, 1)
    figure = Figure(value=value, draws=draws, units=8, least=0.01)
    low, high = interval_of_worst([figure] * count, confidence)
    assert low == figure.interval(confidence)[0]
    assert high == figure.interval(1 - (1 - confidence) / count)[1]


@pytest.mark.parametrize(("people", "alike", "auc"), [(5, 0.5, 0.95), (8, 0.5, 0.9), (8, 0.0, 0.99), (40, 0.2, 0.8)])
def test_intervals_hold_the_truth_as_often_as_they_say(people: int, alike: float, auc: float) -> None:
    """A sample of what ``benchmarks/coverage.py`` measures: of 120 tests at least 91% (95% less three errors)."""
    rng = np.random.default_rng([people, round(100 * auc)])
    held = 0
    for trial in range(120):
        low, high = judge(*scores(people, auc=auc, alike=alike, rng=rng), seed=trial, resamples=200).figures.auc_ci
        held += low <= auc <= high
    assert held / 120 >= 0.95 - 3 * (0.95 * 0.05 / 120) ** 0.5
