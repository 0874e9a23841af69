"""How much of large pools is compared as whole sets: distances of sets grow with the square of what is in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from fakeoff.arena.images import Pixels, to_arena
from fakeoff.protocols.rules.desk import Desk

MOST_IMAGES = 1000
"""Images of a set; Binkowski et al. ("Demystifying MMD GANs", ICLR 2018) estimate kernel distances from as many."""

MOST_PIXELS = 1 << 23
"""Of all training photographs that eigenfaces are computed from, before they are made smaller."""

SMALLER_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What sets are compared by. Nothing in the payload is everything, as it is for pools that are no larger.

    Attributes:
        most_images: Of each set, evenly spread; 0 is all.
        most_side: Pixels a side, of eigenfaces; 0 is as they are.
    """

    most_images: int = 0
    most_side: int = 0

    def payload(self) -> dict[str, int]:
        """As jobs are told."""
        return {name: value for name, value in asdict(self).items() if value}

    def some(self, images: Pixels) -> Pixels:
        """Those of a set that are compared; of two sets of one size the same places."""
        if not self.most_images or len(images) <= self.most_images:
            return images
        return images[np.linspace(0, len(images) - 1, self.most_images).round().astype(np.intp)]

    def smaller(self, images: Pixels) -> Pixels:
        """What eigenfaces are computed from."""
        return to_arena(images, resolution=self.most_side) if self.most_side else images


def extent_of(desk: Desk) -> Extent:
    """How much is compared of the pools of a game."""
    photographs = {split: len(listed) for split, listed in desk.source.photographs.items()}
    pools = desk.config.pools
    many = max(*photographs.values(), pools.val_fakes, pools.test_fakes) > MOST_IMAGES
    whole = min(photographs.get("train", 0), MOST_IMAGES) * desk.config.arena.resolution**2
    return Extent(most_images=MOST_IMAGES if many else 0, most_side=SMALLER_SIDE if whole > MOST_PIXELS else 0)


__all__ = ["MOST_IMAGES", "Extent", "extent_of"]
