"""What a reprojection is told, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fakeoff.arena.images import Colour
from fakeoff.arena.images.reals import Split
from fakeoff.arena.players.specs import Identity
from fakeoff.protocols.reproject.looks import Look
from fakeoff.protocols.rules.perceptual import ChosenDistance
from fakeoff.protocols.rules.pools import Known

VERSION = 1

Start: TypeAlias = Literal["own encoder", "trained encoder", "mean latent"]
"""Where a search begins."""

EXACT_LEVELS = 0.5
"""A root mean squared error, in levels of 8 bits, below which a reprojection is the photograph itself."""


@dataclass(frozen=True, kw_only=True)
class ReprojectArguments:
    """What a reprojection is told.

    Attributes:
        generator: Whose latents are sought.
        split: Whose photographs.
        persons: Who is on each of them.
        steps: Of Adam at most; val decides how many.
        check_every: Steps between looks at the distance.
        rate: Adam's first; it falls to 0 over ``steps`` (a cosine).
        batch: Photographs at a time.
        distance: What is made small, and shown.
        arena_resolution: Pixels a side of the pool.
        colour: The arena's.
        version: Of this code.
    """

    generator: Identity
    split: Split
    persons: tuple[int, ...]
    steps: int
    check_every: int
    rate: float
    batch: int
    distance: ChosenDistance
    arena_resolution: int
    colour: Colour
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Reprojected:
    """What a reprojection comes to. It is the record of a pool, too: :class:`fakeoff.protocols.rules.pools.Sampled`.

    Attributes:
        sizes: Images by split.
        known: What is kept beside them: whose reprojection each is.
        start: Where the search began: of several ways the one that is nearest on val.
        starts: The mean distance of each way on val, where this is val.
        steps: That were taken: as many as val says.
        early: Steps after which the images that are kept as ``early`` were made.
        curve: What was seen on the way.
        is_exact: The generator gives the photographs back as they are: there is nothing to see in them.
    """

    sizes: Mapping[Split, int]
    known: tuple[Known, ...] = ("target", "target_person")
    start: Start
    starts: Mapping[Start, float] = field(default_factory=dict)
    steps: int
    early: int
    curve: tuple[Look, ...]
    is_exact: bool


__all__ = ["EXACT_LEVELS", "ReprojectArguments", "Reprojected", "Start"]
