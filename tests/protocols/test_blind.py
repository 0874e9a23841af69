"""What follows from the scores of a mixture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.score.blind import (
    TOLERANCE,
    Judging,
    Mixture,
    ReadMatch,
    on_val,
    patches_of,
    read_match,
    read_on_val,
    sides,
    why_unranked,
)
from fakeoff.protocols.score.calibration import Thresholds, fpr_threshold
from fakeoff.protocols.score.metrics import area_under_roc, best_threshold

Floats = npt.NDArray[np.float32]
MIXTURE = Mixture(reals=("a" * 64, "b" * 64), fakes=("c" * 64, f"{'d' * 64}:test"), seed=3)
JUDGED = "e" * 64
SIZES = (5, 3, 4, 2)

SCORES = st.lists(st.floats(0, 1, width=32, allow_subnormal=False), min_size=1, max_size=12).map(
    lambda values: np.array(values, np.float32)
)


def keep(store: Store, scores: Floats, *, sizes: tuple[int, ...] = SIZES, **arrays: Floats) -> None:
    """Stores pools, one of which does not say its size and one of which is a part, and what was said of them."""
    pixels = [np.full((n, 1, 1, 3), index, np.uint8) for index, n in enumerate(sizes)]
    records: list[dict[str, Any]] = [{"n": sizes[0]}, {}, {"n": sizes[2]}, {"sizes": {"test": sizes[3]}, "n": 99}]
    for pool, images, record in zip((*MIXTURE.reals, *MIXTURE.fakes), pixels, records, strict=True):
        key, _, part = pool.partition(":")
        store.write(key, Result(record=record, arrays={part or "images": images}))
    order = MIXTURE._order(sum(sizes))
    shuffled = {name: array[order] for name, array in {"scores": scores, **arrays}.items()}
    store.write(JUDGED, Result(record={"patches": {"stride": 8}}, arrays=shuffled))


@given(reals=st.lists(SCORES, min_size=1, max_size=3), fakes=st.lists(SCORES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_val_says_what_follows_from_all_of_its_scores(reals: list[Floats], fakes: list[Floats]) -> None:
    found = on_val(reals, fakes)
    real, fake = np.concatenate(reals).astype(np.float64), np.concatenate(fakes).astype(np.float64)
    assert found.aucs == tuple(area_under_roc(real, one) for one in fakes)
    assert found.accuracy == pytest.approx(((real < 0.5).mean() + (fake >= 0.5).mean()) / 2)
    assert found.margin == min(fake) - max(real)
    expected = Thresholds(
        accuracy=best_threshold(real, fake), at_5_fpr=fpr_threshold(real, 0.05), at_1_fpr=fpr_threshold(real, 0.01)
    )
    assert found.thresholds == expected


def test_scores_are_read_back_pool_by_pool_of_whatever_kind(tmp_path: Path) -> None:
    store, scores = Store(tmp_path), np.linspace(0, 1, sum(SIZES), dtype=np.float32)
    patches = np.arange(sum(SIZES) * 2, dtype=np.float32).reshape(-1, 1, 2)
    keep(store, scores, patches=patches)
    judging = Judging(key=JUDGED, mixture=MIXTURE)
    reals, fakes = sides(judging, store)
    expected = np.split(scores, np.cumsum(SIZES)[:-1])
    for found, pool in zip((*reals, *fakes), expected, strict=True):
        np.testing.assert_array_equal(found, pool)
    assert read_on_val(judging, store) == on_val(expected[:2], expected[2:])
    for pool, said in zip((*MIXTURE.reals, *MIXTURE.fakes), np.split(patches, np.cumsum(SIZES)[:-1]), strict=True):
        of_pool = patches_of(judging, pool, store)
        assert of_pool.record == {"stride": 8}
        np.testing.assert_array_equal(of_pool.arrays["patches"], said)


def test_a_mixture_is_called_by_its_pools_their_sides_and_the_seed() -> None:
    others = [
        dataclasses.replace(MIXTURE, seed=4),
        dataclasses.replace(MIXTURE, fakes=MIXTURE.fakes[::-1]),
        dataclasses.replace(MIXTURE, reals=MIXTURE.fakes, fakes=MIXTURE.reals),
        dataclasses.replace(MIXTURE, reals=MIXTURE.reals[:1], fakes=(MIXTURE.reals[1], *MIXTURE.fakes)),
    ]
    assert len({MIXTURE.key, *(other.key for other in others)}) == 5
    assert dataclasses.replace(MIXTURE).key == MIXTURE.key


REAL, FAKE = ("a" * 64, "c" * 64)
MATCH = Judging(key=JUDGED, mixture=Mixture(reals=(REAL,), fakes=(FAKE,), seed=1))


def matched(store: Store, **over: Any) -> ReadMatch:
    given = {"thresholds": Thresholds(accuracy=0.4, at_5_fpr=0.6), "resamples": 50, "confidence": 0.9, "fakes": "g"}
    return read_match(MATCH, store=store, **{**given, **over})


def test_figures_are_kept_where_nobody_runs_and_each_question_has_its_own(tmp_path: Path) -> None:
    store, rng = Store(tmp_path), np.random.default_rng(0)
    real, fake = rng.beta(2, 3, 30).astype(np.float32), rng.beta(3, 2, 20).astype(np.float32)
    for key, n in ((REAL, 30), (FAKE, 20)):
        store.write(key, Result(record={"n": n}, arrays={}))
    store.write(JUDGED, Result(record={}, arrays={"scores": np.concatenate([real, fake])[MATCH.mixture._order(50)]}))

    def entries() -> int:
        return len(list(tmp_path.glob("*/*/record.json")))

    first = matched(store)
    assert entries() == 3
    kept = matched(store, keep=True)
    assert entries() == 4
    again = matched(store, keep=True)
    assert entries() == 4
    assert first.figures == kept.figures == again.figures
    assert (first.figures.n_real, first.figures.n_fake, first.figures.real_units) == (30, 20, 30)
    assert first.figures.accuracy_val_threshold == pytest.approx(((real < 0.4).mean() + (fake >= 0.4).mean()) / 2)
    for name, figure in kept.drawn.items():
        np.testing.assert_array_equal(figure.draws, again.drawn[name].draws)
        assert (figure.value, figure.units, figure.least) == pytest.approx(
            (again.drawn[name].value, again.drawn[name].units, again.drawn[name].least)
        )
    np.testing.assert_array_equal(again.real, real)
    people = [index // 10 for index in range(30)]
    others = ({"confidence": 0.8}, {"resamples": 60}, {"thresholds": Thresholds(accuracy=0.5)}, {"people": people})
    for number, over in enumerate(others, start=5):
        matched(store, keep=True, **over)
        assert entries() == number
    assert matched(store, people=people).figures.real_units == 3
    # What was kept and is damaged is worked out again, and kept anew by who may.
    for path in tmp_path.glob("*/*/record.json"):
        if path.parent.name not in (REAL, FAKE, JUDGED):
            path.write_text(path.read_text().replace('"auc":0.', '"auc":0.9'))
    assert matched(store).figures == first.figures
    assert matched(store, keep=True).figures == first.figures
    assert matched(Store(tmp_path)).figures == first.figures


@pytest.mark.parametrize(("gap", "differs"), [(0.9 * TOLERANCE, False), (1.2 * TOLERANCE, True)])
def test_scores_of_an_image_differ_from_the_tolerance_on_and_the_worst_is_told(gap: float, differs: bool) -> None:
    scores = np.array([0.2, 0.5, 0.7], dtype=np.float32)
    said = scores[[2, 0]]
    shifted = said + np.array([gap, gap / 2], dtype=np.float32)
    for name in ("again", "alone"):
        both = {"again": said, "alone": said, name: shifted}
        told = why_unranked(Result(record={}, arrays={"scores": scores, "sample": np.array([2, 0]), **both}))
        assert bool(told) == differs
        if differs:
            assert told.startswith("it gave the same image 0.7000 in its batch and 0.7001 ")
    fresh = Result(record={}, arrays={"sample": np.array([2, 0]), "scores": shifted})
    assert bool(why_unranked(Result(record={}, arrays={"scores": scores}), fresh)) == differs
    nobody = Result(record={}, arrays={"sample": np.array([], int), "scores": shifted[:0]})
    assert not why_unranked(Result(record={}, arrays={"scores": scores}), nobody)
