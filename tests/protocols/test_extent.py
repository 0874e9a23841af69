"""How much of large pools is compared: all of what is small, and of more as many as decide it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import Photograph, RealSource, open_source
from fakeoff.arena.jobs import Context, Result
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.recipes import open_desk
from fakeoff.protocols.rules import cost as rule
from fakeoff.protocols.rules.extent import MOST_IMAGES, Extent, extent_of
from fakeoff.protocols.score import distances
from fakeoff.protocols.score import quality as quality_module
from fakeoff.protocols.score.quality import measure_quality


def _faces(n: int, side: int, seed: int) -> Pixels:
    """Smooth pictures that differ."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(128, 40, (n, 4, 4, 1)).repeat(side // 4, 1).repeat(side // 4, 2)
    return (
        np.broadcast_to(coarse + rng.normal(0, 3, (n, side, side, 1)), (n, side, side, 3)).clip(0, 255).astype(np.uint8)
    )


def _source(of: RealSource, n: int) -> RealSource:
    some = of.photographs["train"][0]
    many = tuple(Photograph(**{**vars(some), "sha256": str(index)}) for index in range(n))
    return dataclasses.replace(of, photographs={**of.photographs, "train": many})


def test_small_pools_are_compared_as_a_whole_by_jobs_that_are_told_nothing(
    toy_config: Callable[..., TournamentConfig],
) -> None:
    config, orl = toy_config(), open_source("orl")
    assert extent_of(open_desk(config, source=orl)).payload() == {}
    whole = extent_of(open_desk(config, source=_source(orl, MOST_IMAGES)))
    assert whole.payload() == {}
    assert extent_of(open_desk(config, source=_source(orl, MOST_IMAGES + 1))).payload() == {"most_images": MOST_IMAGES}
    large = toy_config(arena={"resolution": 256})
    assert extent_of(open_desk(large, source=orl)).payload() == {"most_side": 64}


@given(n=st.integers(1, 60), most=st.integers(2, 30))
def test_those_that_are_compared_are_spread_evenly_and_begin_and_end_as_all_do(n: int, most: int) -> None:
    images = np.arange(n, dtype=np.uint8)[:, None, None, None]
    chosen = Extent(most_images=most).some(images)[:, 0, 0, 0].astype(int)
    assert len(chosen) == min(n, most)
    assert (chosen[0], chosen[-1]) == (0, n - 1)
    steps = np.diff(chosen)
    assert len(steps) == 0 or (steps.min() >= 1 and np.ptp(steps) <= 1)


def _measure(task: Callable[[Context], Result], payload: dict[str, int], **pools: Pixels) -> dict[str, Any]:
    inputs = {name: Result(record={}, arrays={"images": pixels}) for name, pixels in pools.items()}
    return dict(task(Context(key="a", payload=payload, places={}, inputs=inputs, report=lambda *_: None)).record)


def test_figures_of_a_sample_are_near_those_of_all() -> None:
    fake, real, train = (_faces(n, 32, seed) for seed, n in enumerate((120, 400, 600)))
    pools = {"fake": fake, "fake_0": fake ^ 3, "real": real, "real_train": train}
    whole, some = (_measure(rule.cost, payload, **pools) for payload in ({}, {"most_images": 100, "most_side": 16}))
    assert some != whole
    assert some["pixel_l1_to_first"] == pytest.approx(whole["pixel_l1_to_first"], rel=0.05)
    assert some["ssim_to_first"] == pytest.approx(whole["ssim_to_first"], rel=0.05)
    assert some["swd_to_reals"] == pytest.approx(whole["swd_to_reals"], rel=0.3)


def test_a_copy_of_any_photograph_is_found_among_more_than_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    train, val = _faces(400, 32, 1), _faces(60, 32, 2)
    some = Extent(most_images=40).some

    def novelty(fakes: Pixels) -> float:
        found = measure_quality(fakes, fakes, val, train, some=some, rng=np.random.default_rng(0))
        assert found is not None
        return found.novelty

    others = novelty(_faces(40, 32, 3))
    copies = novelty(train[np.random.default_rng(4).permutation(400)[:40]])
    assert copies < 0.05 < 0.5 < others
    monkeypatch.setattr(quality_module, "_AT_A_TIME", 64)  # in parts, and by products
    assert novelty(_faces(40, 32, 3)) == pytest.approx(others, rel=1e-6)
    assert novelty(train[:40]) < 0.05


def test_distances_are_the_same_however_few_images_are_numbers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = _faces(70, 36, 1), _faces(50, 36, 2)

    def measured() -> list[float]:
        return [
            distances.pixel_l1(one[:50], other),
            distances.ssim(one[:50], other),
            distances.sliced_wasserstein(one, other, rng=np.random.default_rng(0)),
        ]

    whole = measured()
    monkeypatch.setattr(distances, "_PIXELS_AT_A_TIME", 7 * 36 * 36)
    assert measured() == pytest.approx(whole, rel=1e-12)
    assert measured()[0] == whole[0]
