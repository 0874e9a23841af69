"""Where the face is in a photograph, as the parser that ships sees it, and whether there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from fakeoff.arena.parsers import LANDMARKS, PARTS
from fakeoff.arena.parsers.face_unet import FaceUNet
from fakeoff.arena.players.specs import find_weights, load_weights
from fakeoff.generators.manipulation.masks import polygon_mask

GROUPS: Mapping[str, slice] = {
    name: slice(start, end)
    for name, (start, end) in zip(LANDMARKS, pairwise(accumulate(LANDMARKS.values(), initial=0)), strict=True)
}
"""The places of each group of :data:`fakeoff.arena.parsers.LANDMARKS` among the 146 points."""

# Of the pixels inside of each outline, the least share that must be labelled as what it outlines.
_LEAST_FACE, _LEAST_FEATURE = 0.6, 0.25
_FACE = tuple(PARTS.index(part) for part in ("skin", "brow", "eye", "nose", "mouth"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """What is known of the face in each of some photographs.

    Attributes:
        points: float32 ``(n, 146, 2)``: the landmarks, x and y in pixels; the first pixel's centre is at 0.5.
        parts: uint8 ``(n, h, w)``: indices into :data:`fakeoff.arena.parsers.PARTS`.
        found: bool ``(n,)``: whether there is a face; where there is none, the other two are guesses.
    """

    points: Tensor
    parts: Tensor
    found: Tensor

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, place: slice | Tensor) -> Faces:
        """Some of them: a slice, indices or a bool for each."""
        return Faces(**{field.name: getattr(self, field.name)[place] for field in fields(self)})

    def group(self, name: str) -> Tensor:
        """The points of one group of landmarks, ``(n, k, 2)``."""
        return self.points[:, GROUPS[name]]


class FaceFinder(nn.Module):
    """Finds faces with the parser that ships, ``face_unet``; a part of a manipulator, and of its state.

    It never learns and is never in training mode: what it finds in an image does not depend on the others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parser = FaceUNet()
        load_weights(self.parser, find_weights("face-unet", FaceUNet))
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FaceFinder:
        """Stays in evaluation mode."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Faces:
        """Finds the one face that each image is meant to show, upright and filling most of it.

        A face is found where the parser's two answers agree: what its landmarks outline as the face, the eyes and the
        mouth is labelled so.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1]; grey or colour, 64 pixels a side and up.

        Returns:
            One face for each image.
        """
        points, parts = self.parser.landmarks(images), self.parser.label(images)
        return Faces(points=points, parts=parts, found=_agree(points, parts))


def _agree(points: Tensor, parts: Tensor) -> Tensor:
    """Whether what landmarks outline is labelled as that; bool ``(n,)``."""
    size = (parts.shape[-2], parts.shape[-1])
    on_face = torch.isin(parts, torch.tensor(_FACE, dtype=parts.dtype, device=parts.device))

    def share(of: Tensor, *names: str) -> Tensor:
        inside = torch.stack([polygon_mask(points[:, GROUPS[name]], size)[:, 0] for name in names]).amax(0)
        return (of * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=0.1)

    eyes = share(parts == PARTS.index("eye"), "right_eye", "left_eye")
    mouth = share(parts == PARTS.index("mouth"), "outer_lips")
    return (share(on_face, "oval") >= _LEAST_FACE) & (eyes >= _LEAST_FEATURE) & (mouth >= _LEAST_FEATURE)


__all__ = ["GROUPS", "FaceFinder", "Faces"]
