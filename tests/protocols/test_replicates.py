"""Intervals over people and seeds: what they hold, and how often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, roc_auc_score

from fakeoff.protocols.score.replicates import SharedResamples, estimate, estimate_share, slope

PEOPLE, EACH, FAKES = 8, 10, 60
PERSONS = np.repeat(np.arange(PEOPLE), EACH).tolist()

Floats = npt.NDArray[np.float64]


def shared(*, resamples: int = 100, seed: int = 0, fakes: int | list[list[int]] = FAKES) -> SharedResamples:
    return SharedResamples(PERSONS, {"g": fakes}, resamples=resamples, rng=np.random.default_rng(seed))


def scores(rng: np.random.Generator, *, apart: float, person: float) -> tuple[Floats, Floats]:
    """Reals of people who differ from each other, and fakes that lie higher; variances sum to 1."""
    of_people = rng.normal(size=PEOPLE)[PERSONS] * person**0.5
    real = of_people + rng.normal(size=PEOPLE * EACH) * (1 - person) ** 0.5
    return real, rng.normal(size=FAKES) + apart


def test_the_first_column_is_that_of_the_images_as_they_are() -> None:
    real, fake = scores(np.random.default_rng(1), apart=1.0, person=0.3)
    ap, auc = shared().average_precision(real, fake, "g")
    labels, values = np.r_[np.zeros(len(real)), np.ones(len(fake))], np.r_[real, fake]
    weights = np.r_[np.full(len(real), 1 / len(real)), np.full(len(fake), 1 / len(fake))]
    assert len(ap) == len(auc) == 101
    assert ap[0] == pytest.approx(average_precision_score(labels, values, sample_weight=weights))
    assert auc[0] == pytest.approx(roc_auc_score(labels, values))


def test_people_are_drawn_with_all_their_photographs() -> None:
    """Where only who is on a photograph decides, there are as many figures as there are mixtures of people."""
    real = (np.asarray(PERSONS) == 3).astype(float)  # one person who looks fake
    _, auc = shared(resamples=400).average_precision(real, np.full(FAKES, 0.5), "g")
    assert {round(value * PEOPLE, 6) % 1 for value in auc} == {0.0}


def test_fakes_of_people_are_drawn_with_them() -> None:
    """A manipulator's fakes come and go with the photographs that they are made of."""
    resamples = shared(resamples=400, fakes=[PERSONS])
    _, auc = resamples.average_precision(np.asarray(PERSONS) / PEOPLE, np.asarray(PERSONS) / PEOPLE, "g")
    assert auc == pytest.approx(0.5)  # the same images on both sides, in the same mixture


def test_a_fake_of_two_people_comes_as_often_as_both() -> None:
    """Swaps among people who were drawn once and not at all leave only those of the former."""
    sources = np.roll(PERSONS, EACH).tolist()
    _, auc = shared(resamples=200, fakes=[PERSONS, sources]).average_precision(
        np.full(len(PERSONS), 0.5), (np.asarray(PERSONS) == 0).astype(float), "g"
    )
    both = [value for value in auc[1:] if value == 0]  # person 0 or 7 was not drawn
    assert 0.1 * 200 < len(both) < 0.9 * 200


def test_a_difference_of_the_same_detector_is_none() -> None:
    real, fake = scores(np.random.default_rng(2), apart=1.0, person=0.3)
    first, second = (shared().average_precision(real, fake, "g")[0] for _ in range(2))
    found = estimate(np.stack([first, first]) - np.stack([second, second]), people=PEOPLE, confidence=0.95)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_of_seeds_alone_it_is_students_interval() -> None:
    of_seeds = np.array([0.7, 0.8, 0.9])
    found = estimate(np.repeat(of_seeds[:, None], 51, axis=1), people=PEOPLE, confidence=0.95)
    reach = student.ppf(0.975, 2) * of_seeds.std(ddof=1) / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.8 - reach, 0.8 + reach))
    assert found.people_error == pytest.approx(0, abs=1e-12)
    assert found.of_seeds == (0.7, 0.8, 0.9)


def test_one_seed_says_nothing_of_seeds() -> None:
    found = estimate(np.array([[0.7, 0.6, 0.8, 0.7]]), people=PEOPLE, confidence=0.95)
    assert found.seed_error is None
    assert found.low < 0.7 < found.high


def test_a_perfect_figure_is_not_known_to_be_perfect() -> None:
    found = estimate_share(np.ones((3, 101)), people=PEOPLE, images=80, confidence=0.95)
    assert found.high == 1
    assert found.low == pytest.approx(1 - (1 - 0.025 ** (1 / 80)))
    none = estimate_share(np.zeros((3, 101)), people=PEOPLE, images=80, confidence=0.95)
    assert (none.low, none.high) == (0, pytest.approx(1 - 0.025 ** (1 / 80)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=12, max_size=12), min_size=1, max_size=4),
    st.integers(2, 40),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_a_share_lies_in_its_interval_and_that_between_0_and_1(
    rows: list[list[float]], people: int, confidence: float
) -> None:
    found = estimate_share(np.array(rows), people=people, images=20, confidence=confidence)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    wider = estimate_share(np.array(rows), people=people, images=20, confidence=0.999)
    assert wider.low <= found.low + 1e-9
    assert found.high <= wider.high + 1e-9


def test_slopes_are_those_of_a_line() -> None:
    lines = [np.full((2, 5), 0.9 - 0.1 * place) for place in (4, 5, 7)]
    assert slope(lines, [4, 5, 7]) == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="two places"):
        slope(lines, [4, 4, 4])


def test_intervals_cover_what_other_people_and_other_seeds_would_give() -> None:
    """Photographs of one person are alike, and trainings differ: intervals that leave out either are too narrow."""
    rng = np.random.default_rng(3)
    apart, person, between, seeds, games = 1.2, 0.4, 0.25, 3, 250
    # The mean over seeds whose fakes lie apart by 1.2, give or take 0.25.
    truth = float(np.mean(norm.cdf(rng.normal(apart, between, 200_000) / 2**0.5)))
    covered = {"both": 0, "one seed": 0, "images": 0}
    for game in range(games):
        photographs, fakes = scores(rng, apart=0.0, person=person)
        moved = [fakes + rng.normal(apart, between) for _ in range(seeds)]
        resamples = shared(resamples=120, seed=game)
        draws = np.stack([resamples.average_precision(photographs, fake, "g")[1] for fake in moved])
        covered["both"] += estimate(draws, people=PEOPLE, confidence=0.95).contains(truth)
        covered["one seed"] += estimate(draws[:1], people=PEOPLE, confidence=0.95).contains(truth)
        alone = SharedResamples(list(range(len(PERSONS))), {"g": FAKES}, resamples=120, rng=np.random.default_rng(game))
        wrong = alone.average_precision(photographs, moved[0], "g")[1][None]
        covered["images"] += estimate(wrong, people=alone.people, confidence=0.95).contains(truth)
    shares = {name: count / games for name, count in covered.items()}
    assert 0.92 <= shares["both"] <= 0.99, shares
    assert shares["images"] < shares["one seed"] < shares["both"], shares
    assert shares["images"] < 0.8, shares
