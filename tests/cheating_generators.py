"""Generators that evade detectors without making a face: a plugin file."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.reals import open_source
from fakeoff.generators import Generator, register


@register("cheat_noise")
class Noise(Generator):
    """Uniform noise, grey."""

    def __init__(self, *, resolution: int = 64) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return torch.rand(n, 1, self.resolution, self.resolution, generator=rng).expand(-1, 3, -1, -1)


@register("cheat_copies")
class Copies(Generator):
    """Photographs of the training people, mirrored."""

    def __init__(self, *, resolution: int = 64) -> None:
        super().__init__()
        self.resolution = resolution
        photographs = to_tensor(open_source("orl").load("train", resolution=resolution, colour="grey")).flip(-1)
        self.register_buffer("photographs", photographs, persistent=False)

    photographs: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return self.photographs[torch.randint(len(self.photographs), (n,), generator=rng)]
