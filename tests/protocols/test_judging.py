"""Judging is blind. Who knows more than the image is played in tests/test_cheats.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeoff.arena.jobs import Result
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.score.blind import Mixture, why_unranked

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]

CHEATS = Path(__file__).parents[1] / "cheats.py"


@pytest.fixture(scope="module")
def cheats() -> Path:
    load_plugin_file(CHEATS)
    return CHEATS


def _pools(sizes: list[int]) -> dict[str, Result]:
    """Each image says of which pool it is and where."""
    return {
        f"pool {index}": Result(
            record={"n": size},
            arrays={"images": np.array([[[[index, place, 0]]] for place in range(size)], dtype=np.uint8)},
        )
        for index, size in enumerate(sizes)
    }


sizes = st.lists(st.integers(1, 20), min_size=2, max_size=5)


@given(sizes=sizes, seed=st.integers(0, 5))
def test_scores_of_a_mixture_come_back_in_the_order_of_its_pools(sizes: list[int], seed: int) -> None:
    pools = _pools(sizes)
    names = tuple(pools)
    mixture = Mixture(reals=names[:1], fakes=names[1:], seed=seed)
    mixed = mixture.mix(pools.__getitem__).arrays["images"].reshape(-1, 3).astype(np.float32)
    reals, fakes = mixture.by_pool(mixed[:, 0] * 100 + mixed[:, 1], sizes)
    assert [len(part) for part in (*reals, *fakes)] == sizes
    for index, part in enumerate((*reals, *fakes)):
        np.testing.assert_array_equal(part, index * 100 + np.arange(sizes[index]))


def test_a_mixture_is_shuffled_otherwise_for_every_pair_of_pools_and_every_seed() -> None:
    pools = _pools([40, 40, 40])
    orders = [
        Mixture(reals=("pool 0",), fakes=(fake,), seed=seed).mix(pools.__getitem__).arrays["images"][:, 0, 0, 0] > 0
        for fake, seed in (("pool 1", 0), ("pool 2", 0), ("pool 1", 1))
    ]
    for order in orders:
        assert 10 < order[:40].sum() < 30  # of both sides, from the beginning on
    assert not (orders[0] == orders[1]).all()
    assert not (orders[0] == orders[2]).all()


def _judged(scores: list[float], again: list[float], alone: list[float]) -> Result:
    arrays = {"scores": scores, "again": again, "alone": alone}
    return Result(
        record={},
        arrays={
            "sample": np.arange(len(again)),
            **{name: np.array(values, dtype=np.float32) for name, values in arrays.items()},
        },
    )


def test_what_differs_is_said_with_both_scores() -> None:
    assert not why_unranked(_judged([0.1, 0.9], [0.1], [0.10001]))
    assert "0.1000 in its batch and 0.4000 in another order" in why_unranked(_judged([0.1, 0.9], [0.4], [0.1]))
    assert "0.1000 in its batch and 0.4000 alone" in why_unranked(_judged([0.1, 0.9], [0.1], [0.4]))
    fresh = Result(record={}, arrays={"sample": np.array([1]), "scores": np.array([0.2], dtype=np.float32)})
    assert "0.9000 in its batch and 0.2000 in a fresh process" in why_unranked(_judged([0.1, 0.9], [0.1], [0.1]), fresh)


CLEAR = {
    "defend": {"steps": 60, "batch": 16, "check_every": 20},
    "score": {"resamples": 100, "scored_again": 16, "quality_gate": False},
}


def test_whoever_is_unranked_is_no_champion_and_that_is_said(play: Play, toy_config: Config, cheats: Path) -> None:
    players = [{"plugin": "toy_detector"}, {"plugin": "ranks_its_batch"}]
    record, _ = play(
        toy_config(detectors=players, parts={"parser": ""}, attack={"target": "all", "steps": 2, "batch": 4}, **CLEAR)
    )
    [attacked] = [version for version in record.versions if version.targets]
    assert attacked.targets == ("toy_detector@0",)
    [passed] = record.passed_over
    assert passed.detector == "ranks_its_batch@0"
    assert "depends on anything but the image" in passed.reason
    # It does not learn, so it stays the version that it was; nobody is unranked who does not exist.
    assert {(one.player, one.round) for one in record.unranked} == {("ranks_its_batch", 0)}


def test_an_honest_detector_is_scored_again_and_ranked(play: Play, toy_config: Config) -> None:
    config = toy_config(**{**CLEAR, "rounds": 1})
    record, ran = play(config)
    assert not record.unranked
    again = [job for job in ran.ran if job.task.endswith(":judge_again")]
    assert [job.fresh for job in again] == [True, True]
    none, ran = play(toy_config(score={"resamples": 100, "scored_again": 0, "quality_gate": False}), home="without")
    assert not [job for job in ran.ran if job.task.endswith(":judge_again")]
    assert not none.unranked


def test_all_fakes_are_drawn_in_one_call(play: Play, toy_config: Config, cheats: Path) -> None:
    record, ran = play(toy_config(rounds=0, parts={"parser": ""}))
    [job] = [job for job in ran.ran if job.stage == "sample"]
    [version] = [version for version in record.versions if version.kind == "generator"]
    assert version.pools == {split: f"{job.key}:{split}" for split in ("train", "val", "test")}
