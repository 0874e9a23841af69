"""Where tensors lie, and what becomes of a batch that a GPU has no room for."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fakeoff.arena import compute
from fakeoff.arena.contract.other_device import elsewhere, real_device
from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.pool import Pool, batch_of
from fakeoff.arena.jobs.limits import NO_GPU_MEMORY, run_limited
from fakeoff.arena.seeds import rng_from

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 6, 5, 3), dtype=np.uint8)


def test_a_pool_shows_what_the_pixels_are_in_the_fastest_layout() -> None:
    pool = Pool(PIXELS)
    shown = pool[2:7]
    assert torch.equal(shown, to_tensor(PIXELS)[2:7])
    assert shown.is_contiguous(memory_format=torch.channels_last)
    assert (len(pool), shown.dtype, shown.device) == (9, torch.float32, compute.CPU)


def test_a_pool_does_not_write_to_the_pixels_that_it_was_given() -> None:
    kept = PIXELS.copy()
    Pool(PIXELS)[:].zero_()
    assert np.array_equal(PIXELS, kept)


def test_drawing_is_decided_by_rng_and_mirrors_about_half() -> None:
    pool = Pool(np.tile(PIXELS, (30, 1, 1, 1)))
    plain, again = (pool.draw(200, rng=rng_from("a")) for _ in range(2))
    assert torch.equal(plain, again)
    flipped = pool.draw(200, rng=rng_from("a"), flips=True)
    same = (flipped == plain).all((1, 2, 3))
    mirrored = (flipped == plain.flip(-1)).all((1, 2, 3))
    assert (same | mirrored).all()
    assert 70 < same.sum() < 130


def test_several_pools_lie_one_after_the_other() -> None:
    pool = Pool(PIXELS[:4], PIXELS[4:])
    assert torch.equal(pool[:], to_tensor(PIXELS))
    batch = batch_of([Pool(PIXELS[:1]), Pool(PIXELS[8:])], 3, rng=rng_from("b"))
    assert torch.equal(batch, to_tensor(PIXELS[[0, 0, 0, 8, 8, 8]]))


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any),
    order=st.randoms(use_true_random=False),
)
def test_a_pool_in_another_order_shows_what_lies_there(sizes: list[int], order: random.Random) -> None:
    ends = np.cumsum([0, *sizes])
    parts = [PIXELS.repeat(2, axis=0)[a:b] for a, b in itertools.pairwise(ends)]
    places = np.array(order.choices(range(int(ends[-1])), k=7))
    pool = Pool(*parts, order=places)
    assert len(pool) == 7
    whole = to_tensor(np.concatenate(parts)[places])
    assert torch.equal(pool[:], whole)
    assert torch.equal(pool[2:5], whole[2:5])
    assert torch.equal(pool.show(torch.tensor([6, 0, 6]), rng=rng_from("a")), whole[[6, 0, 6]])


def test_a_pool_copies_nothing_but_what_it_shows() -> None:
    pixels = np.zeros((1000, 64, 64, 3), np.uint8)
    pixels.setflags(write=False)
    tracemalloc.start()
    pool = Pool(pixels[:600], pixels[600:])
    pool.draw(4, rng=rng_from("a"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < pixels.nbytes / 20


@pytest.mark.skipif(real_device() is not None, reason="there is a real device")
def test_a_pool_goes_where_it_is_wanted_and_draws_the_same_there() -> None:
    here = Pool(PIXELS).draw(7, rng=rng_from("c"), flips=True)
    with elsewhere() as device:
        there = Pool(PIXELS, device=device).draw(7, rng=rng_from("c"), flips=True)
        assert there.device == device
        assert torch.equal(there.cpu(), here)


@given(n=st.integers(1, 40), size=st.integers(1, 70), room=st.integers(1, 70))
def test_a_batch_is_halved_until_it_fits_and_nothing_is_lost_or_done_twice(n: int, size: int, room: int) -> None:
    sizes: list[int] = []

    def work(batch: Tensor) -> Tensor:
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch))
        return batch.sum((1, 2, 3))

    images = torch.arange(n * 12, dtype=torch.float32).view(n, 3, 2, 2)
    assert torch.equal(compute.in_batches(work, images, size=size), images.sum((1, 2, 3)))
    assert sum(sizes) == n
    while min(size, n) > room:
        size //= 2
    assert max(sizes) == min(size, n)


def test_where_not_one_image_fits_it_is_said_in_one_line() -> None:
    def never(batch: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more lines")

    with pytest.raises(compute.GpuMemoryError, match=r"^ran out of the GPU's memory with a batch of one image$"):
        compute.in_batches(never, torch.zeros(3, 3, 2, 2), size=8)


def test_a_job_that_a_gpu_has_no_room_for_is_not_told_of_the_cpus_limit() -> None:
    def train() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(Exception, match="ran out of the GPU's memory") as caught:
        run_limited(train, seconds=0, gigabytes=5)
    assert str(caught.value) == NO_GPU_MEMORY
    assert "job_gigabytes" not in NO_GPU_MEMORY


def test_products_are_taken_in_the_precision_that_is_asked_for() -> None:
    layer, images = nn.Linear(3, 3), torch.ones(1, 3)
    with compute.autocast("bfloat16"):
        assert layer(images).dtype == torch.bfloat16
    with compute.autocast("float32"):
        assert layer(images).dtype == torch.float32


def test_a_player_lies_where_its_weights_do() -> None:
    assert compute.device_of(nn.Linear(2, 2)) == compute.CPU
    assert compute.device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    assert compute.device_of(nn.Identity()) == compute.CPU
