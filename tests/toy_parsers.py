"""Face parsers that know the answer, or get it wrong: a plugin file for the tests of parts."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.arena.parsers import PARTS, FaceParser, register

QUADRANTS = (("hair", "eye"), ("mouth", "neck"))


@register("toy_quadrants")
class Quadrants(FaceParser):
    """Above left is hair, above right an eye, below left a mouth, below right the neck, whatever it is shown."""

    parts = tuple(part for row in QUADRANTS for part in row)

    def label(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        labels = torch.empty(n, height, width, dtype=torch.uint8)
        rows = (slice(0, height // 2), slice(height // 2, height))
        columns = (slice(0, width // 2), slice(width // 2, width))
        for row, parts in zip(rows, QUADRANTS, strict=True):
            for column, part in zip(columns, parts, strict=True):
                labels[:, row, column] = PARTS.index(part)
        return labels


@register("parser_that_raises")
class Raises(FaceParser):
    def label(self, images: Tensor) -> Tensor:
        raise RuntimeError("the parser's\nown bug")


@register("parser_of_no_part")
class NoPart(FaceParser):
    def label(self, images: Tensor) -> Tensor:
        return torch.full((len(images), *images.shape[2:]), len(PARTS), dtype=torch.uint8)


@register("parser_of_wrong_shape")
class WrongShape(FaceParser):
    def label(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 8, 8, dtype=torch.uint8)


@register("parser_of_wrong_type")
class WrongType(FaceParser):
    def label(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), *images.shape[2:])


@register("parser_that_cannot_be_built")
class CannotBeBuilt(FaceParser):
    def __init__(self) -> None:
        raise OSError("no model here")
