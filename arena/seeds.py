"""Seeds come from what a thing *is*, never from the order it ran in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

GlobalStates: TypeAlias = dict[str, bytes]
"""The states of the generators that belong to nobody, by library."""


def canonical_json(value: Any) -> str:
    """Returns the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Returns the sha256 (64 hex digits) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def seed_from(*parts: Any) -> int:
    """Derives a 63-bit seed from JSON-able parts."""
    return int(digest(list(parts))[:16], 16) >> 1


def rng_from(*parts: Any) -> torch.Generator:
    """Derives a CPU random generator from JSON-able parts."""
    import torch

    return torch.Generator().manual_seed(seed_from(*parts))


def global_states() -> GlobalStates:
    """The states of the global generators of ``torch``, ``numpy`` and ``random``."""
    import torch

    kept: Any = np.random.get_state()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": kept[1].tobytes() + repr(kept[2:]).encode(),
        "random": repr(random.getstate()).encode(),
    }


@contextlib.contextmanager
def sealed(*parts: Any) -> Iterator[None]:
    """Seeds the global generators of torch, numpy and random, and restores them afterwards.

    Whoever draws from them inside draws the same each time, and leaves no trace outside.

    Args:
        *parts: JSON-able; what the seed derives from.
    """
    with _restored():
        _seed_globals(seed_from(*parts))
        yield


@contextlib.contextmanager
def global_draws(rng: torch.Generator) -> Iterator[None]:
    """Lets a player use what draws from global state, such as dropout, all the same.

    The global generators of torch, numpy and random are seeded from ``rng``, which moves on by one draw, and
    restored afterwards:

        with global_draws(rng):
            loss = F.dropout(features, 0.5).mean()

    Args:
        rng: The generator that the player was handed.
    """
    import torch

    seed = int(torch.randint(2**62, (), generator=rng))
    with _restored():
        _seed_globals(seed)
        yield


def _torch() -> ModuleType | None:
    """PyTorch, if anybody has imported it yet; else there is nothing of it to seed, and it takes a second."""
    return sys.modules.get("torch")


def _seed_globals(seed: int) -> None:
    if torch := _torch():
        torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    torch = _torch()
    kept = torch and torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        if torch:
            torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])
