"""What a manipulator makes its fakes of: real photographs, with who is on them and of which split they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from fakeoff import generators
from fakeoff.arena import images
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.batch import Batch, join
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.players.abilities import abilities

_FEWEST = 2


def is_manipulator(plugin: str) -> bool:
    """Whether a registered generator makes its fakes of pairs of reals.

    Raises:
        PluginError: Unknown, or it does not load.
    """
    return "manipulator" in abilities(generators.players.load(plugin))


def reals_to_manipulate(
    pools: Mapping[Split, Pixels],
    persons: Mapping[Split, Sequence[int]],
    sizes: Mapping[Split, int],
    *,
    rng: torch.Generator,
) -> Batch:
    """Chooses the reals that a manipulator is shown: of each split as many as fakes are wanted, or all there are.

    So what is in memory depends on what is wanted, not on how many photographs somebody has. They are of as many
    persons as can be.

    Args:
        pools: uint8 ``(n, h, w, 3)``, RGB, at the generator's resolution, by split.
        persons: Who is on each, by split; the same number is the same person.
        sizes: How many fakes of each split are wanted.
        rng: A CPU generator, the only source of randomness.

    Returns:
        Images float32 ``(m, 3, h, w)`` in [0, 1] with ``person``, ``split`` and ``place``, on the CPU.
    """
    parts = []
    for index, split in enumerate(SPLITS):
        if not sizes.get(split, 0):
            continue
        person = torch.tensor(persons[split], dtype=torch.int64)
        chosen = _spread(person, max(_FEWEST, sizes[split]), rng)
        parts.append(
            Batch(
                images=images.to_tensor(pools[split][chosen.numpy()]),
                person=person[chosen],
                split=torch.full_like(chosen, index),
                place=chosen,
            )
        )
    return join(parts)


def _spread(person: torch.Tensor, most: int, rng: torch.Generator) -> torch.Tensor:
    """Places of photographs, at most so many: one of each person, then another of each, and so on."""
    order = torch.randperm(len(person), generator=rng)
    seen: dict[int, int] = {}
    turns = []
    for who in person[order].tolist():
        turns.append(seen.get(who, 0))
        seen[who] = turns[-1] + 1
    return order[torch.tensor(turns).argsort(stable=True)][:most]


__all__ = ["is_manipulator", "reals_to_manipulate"]
