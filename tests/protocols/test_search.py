"""Searches of latents: a detector's scores alone are enough to attack it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff import detectors, generators
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.images import to_tensor
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.search import SearchArguments, Searched, search

TOYS = Path(__file__).parents[1] / "toy_latents.py"
QUERIES = 40
FAKES = 16


@pytest.fixture(scope="module", autouse=True)
def latents() -> None:
    load_plugin_file(TOYS)


def _player(registry: Registry[Any], plugin: str, **parameters: Any) -> tuple[Identity, Result]:
    known: Identity = {"plugin": plugin, "parameters": registry.complete(plugin, parameters), "fingerprint": {}}
    return known, Result(record={}, arrays=state_arrays(registry.build(plugin, known["parameters"])))


@functools.cache
def _search(
    maker: str = "toy_latents",
    judge: str = "toy_plain",
    *,
    key: str = "k",
    noise: float = 0.0,
    queries: int = QUERIES,
    follow: bool = True,
    side: int = 16,
) -> tuple[Searched, Mapping[str, Any]]:
    generator, made = _player(generators.players, maker, noise=noise)
    detector, judged = _player(detectors.players, judge)
    arguments = SearchArguments(
        generator=generator,
        detector=detector,
        fakes=FAKES,
        queries=queries,
        batch=10,
        follow=follow,
        seed=0,
        arena_resolution=side,
        colour="grey",
    )
    context = Context(
        key=key,
        payload=asdict(arguments),
        places={},
        inputs={"generator": made, "detector": judged},
        report=lambda *_: None,
    )
    result = search(context)
    return result.figures(Searched), dict(result.arrays)


def _recall(arrays: Mapping[str, Any], part: str, judge: str) -> float:
    scores = referee.judge(detectors.players.build(judge, {}), to_tensor(arrays[part]))
    return float((scores >= 0.5).double().mean())


def test_scores_alone_are_enough_and_p_fake_never_rises() -> None:
    searched, arrays = _search()
    assert (searched.failed, searched.queries) == ("", QUERIES)
    assert len(searched.curve) == QUERIES
    assert all(later <= earlier for earlier, later in zip(searched.curve, searched.curve[1:], strict=False))
    assert (arrays["p_found"] <= arrays["p_start"]).all()
    assert (arrays["p_start"] >= 0.5).mean() > 0.8
    assert (arrays["p_found"] < 0.5).all()


def test_what_it_finds_is_what_the_detector_says_of_those_images() -> None:
    searched, arrays = _search(side=24)
    judge = detectors.players.build("toy_plain", {})
    assert searched.sizes == {"start": FAKES, "found": FAKES, "followed": FAKES}
    for part in ("start", "found"):
        assert arrays[part].shape == (FAKES, 24, 24, 3)
        assert arrays[part].dtype == np.uint8
        assert np.allclose(referee.judge(judge, to_tensor(arrays[part])), arrays[f"p_{part}"], atol=1e-6)


@pytest.mark.parametrize("judge", ["toy_plain", "toy_masked", "toy_robust", "toy_steps"])
def test_latents_stay_as_likely_as_they_were(judge: str) -> None:
    """Of normal latents of one length none is likelier than another; each keeps its length."""
    searched, arrays = _search(judge=judge, follow=judge != "toy_steps")
    lengths = np.linalg.norm(arrays["z_start"], axis=1)
    assert 2.8 < lengths.mean() < 4  # of 12 standard normal numbers
    for part in searched.sizes:
        assert np.allclose(np.linalg.norm(arrays[f"z_{part}"], axis=1), lengths, rtol=1e-4)
    assert not np.allclose(arrays["z_found"], arrays["z_start"])


def test_the_budget_is_kept_to_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    judge = referee.judge
    monkeypatch.setattr(referee, "judge", lambda detector, pool: (asked.append(len(pool)), judge(detector, pool))[1])
    for queries in (2, 7):
        asked.clear()
        searched, _ = _search(queries=queries, key="budget")
        assert asked == [FAKES] * queries
        assert searched.queries == queries


def test_it_is_the_same_to_the_byte_and_another_key_is_another_search() -> None:
    (_, one), (_, other) = _search(noise=0.05), _search(noise=0.05, key="other")
    _search.cache_clear()
    _, again = _search(noise=0.05)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["z_start"], other["z_start"])


def test_what_a_generator_draws_besides_latents_is_the_same_at_each_query() -> None:
    """With noise of a fresh draw each time, the fakes that are kept would not have the scores that were seen."""
    _, arrays = _search(noise=0.05)
    scores = referee.judge(detectors.players.build("toy_plain", {}), to_tensor(arrays["found"]))
    assert np.allclose(scores, arrays["p_found"], atol=1e-6)


def test_flat_scores_are_searched_far_and_wide() -> None:
    """Three steps give no direction: latents are drawn afresh until one lies beyond a step."""
    searched, arrays = _search(judge="toy_steps", follow=False)
    assert set(searched.sizes) == {"start", "found"}
    assert (arrays["p_start"] == 1).mean() > 0.5
    assert (arrays["p_found"] < 1).all()


@pytest.mark.parametrize(
    ("judge", "found", "followed"),
    [("toy_plain", (0, 0), (0, 0)), ("toy_masked", (0, 0), (0.7, 1)), ("toy_robust", (1, 1), (1, 1))],
)
def test_a_gradient_is_followed_where_there_is_one(
    judge: str, found: tuple[float, float], followed: tuple[float, float]
) -> None:
    """One that masks it is fooled by its scores as easily as one that does not."""
    _, arrays = _search(judge=judge)
    assert _recall(arrays, "start", judge) > 0.8
    assert found[0] <= _recall(arrays, "found", judge) <= found[1]
    assert followed[0] <= _recall(arrays, "followed", judge) <= followed[1]


def test_a_generator_that_does_not_decode_is_to_blame_itself() -> None:
    searched, arrays = _search("toy_broken_latents")
    assert searched.failed == "decode returned shape (10, 1, 16, 16), not (10, 3, 16, 16)"
    assert (searched.sizes, arrays) == ({}, {})


def test_a_detector_that_breaks_its_interface_fails_the_job(bad_players: Path) -> None:
    with pytest.raises(JobFailed, match="score returned NaN"):
        _search(judge="scores_nan", follow=False)
