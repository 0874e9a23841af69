"""The frame of manipulators that look for a face first: which photographs they use, and each looked at once."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from fakeoff.arena.compute import image_layout
from fakeoff.arena.images.batch import Batch
from fakeoff.generators.interface import Generator, Wanted, make_of_pairs
from fakeoff.generators.manipulation.faces import FaceFinder, Faces
from fakeoff.generators.pairs import pair

SMALLEST = 32
"""Pixels a side below which no landmark can be told from its neighbours."""


class FaceManipulator(Generator):
    """Makes its fakes of faces: of photographs, and of what is known of the face in each.

    Asked for fakes, it leaves out photographs in which no face is found, as sources and as targets; a split that then
    shows fewer than two persons is refused. Handed such a photograph by hand (:meth:`manipulate`), it does what the
    guessed landmarks say.

    Args:
        resolution: Height and width in pixels.
    """

    def __init__(self, *, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.finder = FaceFinder()

    @abstractmethod
    def change(self, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        """Puts the face or the expression of some photographs into others.

        Args:
            reals: Photographs, float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1]; of persons and splits, where
                these are known.
            faces: What is known of the face in each.
            sources: int64 ``(k,)``: places of those whose face or expression it is.
            targets: int64 ``(k,)``: places of those that are changed.

        Returns:
            ``k`` images, and the mask of what was changed.
        """

    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        if (reals := wanted.reals) is None:
            return super().fakes(wanted, rng=rng)
        faces = self.finder(image_layout(reals.images))
        pairs = pair(reals, wanted.sizes, rng=rng, usable=faces.found)
        return make_of_pairs(
            pairs,
            lambda sources, targets: self.change(reals, faces, sources, targets),
            device=reals.images.device,
            report=wanted.report,
        )

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        del rng
        both = Batch(images=torch.cat([sources, targets]))
        places = torch.arange(len(both), device=sources.device)
        faces = self.finder(image_layout(both.images))
        return self.change(both, faces, *places.chunk(2))


__all__ = ["SMALLEST", "FaceManipulator"]
