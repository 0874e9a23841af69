"""Who is put into whose photograph."""

from __future__ import annotations

import pytest
import torch

from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.generators import Batch
from fakeoff.generators.pairs import Pairs, pair


def reals(*persons: tuple[int, ...]) -> Batch:
    """Blank photographs: of train, val and test who is on each."""
    split = [index for index, of_split in enumerate(persons) for _ in of_split]
    person = torch.tensor([who for of_split in persons for who in of_split])
    return Batch(images=torch.zeros(len(person), 3, 1, 1), person=person, split=torch.tensor(split))


def drawn(shown: Batch, sizes: dict[Split, int], seed: int = 0) -> Pairs:
    return pair(shown, sizes, rng=torch.Generator().manual_seed(seed))


# Persons of train 0 to 4, of val 5 and 6, of test 7 to 9; some have more photographs than others.
SHOWN = reals((0, 0, 0, 1, 2, 2, 3, 4), (5, 5, 6), (7, 8, 8, 8, 9))


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_both_of_a_pair_are_of_one_split_and_of_different_persons(seed: int) -> None:
    pairs = drawn(SHOWN, {"train": 30, "val": 9, "test": 12}, seed)
    assert SHOWN.person is not None
    assert SHOWN.split is not None
    assert (SHOWN.person[pairs.sources] != SHOWN.person[pairs.targets]).all()
    for places in (pairs.sources, pairs.targets):
        assert torch.equal(SHOWN.split[places], pairs.split)
    assert [int((pairs.split == index).sum()) for index in range(3)] == [30, 9, 12]


@pytest.mark.parametrize("seed", range(5))
def test_no_pair_comes_twice_while_others_remain(seed: int) -> None:
    there_are = {"train": 64 - 9 - 1 - 4 - 1 - 1, "val": 9 - 4 - 1, "test": 25 - 1 - 9 - 1}
    for split, count in there_are.items():
        exactly = listed(drawn(SHOWN, {split: count}, seed))
        assert len(set(exactly)) == count
        twice = listed(drawn(SHOWN, {split: 2 * count}, seed))
        assert twice[:count] == exactly
        assert sorted(twice[count:]) == sorted(exactly)


def test_photographs_are_used_evenly() -> None:
    """Of six persons with one photograph each, five rounds of pairs use each five times on either side."""
    pairs = drawn(reals((0, 1, 2, 3, 4, 5)), {"train": 30})
    assert torch.bincount(pairs.sources).tolist() == torch.bincount(pairs.targets).tolist() == [5] * 6
    first = drawn(reals((0, 1, 2, 3, 4, 5)), {"train": 6})
    assert sorted(first.sources.tolist()) == sorted(first.targets.tolist()) == list(range(6))


def test_the_seed_decides_the_pairs() -> None:
    sizes: dict[Split, int] = {"train": 20, "test": 8}
    assert listed(drawn(SHOWN, sizes)) == listed(drawn(SHOWN, sizes))
    assert listed(drawn(SHOWN, sizes)) != listed(drawn(SHOWN, sizes, seed=1))
    assert set(drawn(SHOWN, sizes).split.tolist()) == {SPLITS.index("train"), SPLITS.index("test")}


def test_what_cannot_be_paired_is_said() -> None:
    with pytest.raises(ValueError, match="the val reals show fewer than two persons, and a pair takes two"):
        drawn(reals((0, 1), (2, 2, 2), (3, 4)), {"train": 1, "val": 1})
    assert len(drawn(reals((0, 1), (2, 2, 2), (3, 4)), {"train": 1, "test": 1}).split) == 2
    with pytest.raises(ValueError, match="paired by person and split"):
        drawn(Batch(images=SHOWN.images, person=SHOWN.person), {"train": 1})
