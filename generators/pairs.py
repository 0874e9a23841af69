"""Who is put into whose photograph: the pairs that a manipulator makes its fakes of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.images.reals import SPLITS, Split


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of reals, by their places in a batch; both of a pair are of one split and show different persons.

    Attributes:
        sources: int64 ``(n,)``: whose face or expression it is.
        targets: int64 ``(n,)``: whose photograph it is put into.
        split: int64 ``(n,)``: indices into :data:`fakeoff.arena.images.reals.SPLITS`.
    """

    sources: Tensor
    targets: Tensor
    split: Tensor


def pair(reals: Batch, sizes: Mapping[Split, int], *, rng: torch.Generator, usable: Tensor | None = None) -> Pairs:
    """Pairs reals of the same split that show different persons.

    Of a split every photograph is a source, and a target, about as often as every other. No pair comes twice before all
    have come; (a, b) and (b, a) are two.

    Args:
        reals: With ``person`` and ``split``.
        sizes: How many pairs of each split.
        rng: A CPU generator, the only source of randomness.
        usable: bool ``(n,)``: those in which a face was found, and that may be in a pair; all, unless it is given.

    Returns:
        The pairs, on the CPU, one split after the other.

    Raises:
        ValueError: Person or split is not known, or a split that pairs are wanted of shows fewer than two
            persons among those that may be in a pair.
    """
    if reals.person is None or reals.split is None:
        raise ValueError("reals are paired by person and split, and this batch does not say them: give it both")
    person, of_split = reals.person.cpu(), reals.split.cpu()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for index, split in enumerate(SPLITS):
        wanted = sizes.get(split, 0)
        if not wanted:
            continue
        places = everyone = (of_split == index).nonzero().squeeze(1)
        if usable is not None:
            places = everyone[usable.cpu()[everyone]]
        if len(person[places].unique()) < 2:
            if len(places) < len(everyone):
                raise ValueError(
                    f"a face was found in {len(places)} of the {len(everyone)} {split} reals, which is fewer than two "
                    "persons, and a pair takes two: give photographs of faces"
                )
            raise ValueError(f"the {split} reals show fewer than two persons, and a pair takes two: give more reals")
        drawn = torch.cat(list(_until(wanted, person[places], rng)), dim=1)[:, :wanted]
        found.append((*places[drawn], torch.full((wanted,), index)))
    sources, targets, splits = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Pairs(sources=sources, targets=targets, split=splits)


def _until(wanted: int, person: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    """Pairs of different persons, int64 ``(2, k)`` at a time, until there are enough of them.

    In a random order of n photographs each is paired with the one that is d places further on, for every d from 1 to
    n - 1: these are all pairs, each once, with no need to list them all.
    """
    n, made = len(person), 0
    while True:
        order = torch.randperm(n, generator=rng)
        for step in (torch.randperm(n - 1, generator=rng) + 1).tolist():
            sources, targets = order, order.roll(-step)
            others = person[sources] != person[targets]
            yield torch.stack([sources[others], targets[others]])
            made += int(others.sum())
            if made >= wanted:
                return


__all__ = ["Pairs", "pair"]
