"""Swaps faces by an autoencoder: one encoder for everybody, and a decoder that is told who it draws.

After the `deepfakes` of FaceForensics++ (Rössler et al., ICCV 2019, section 3), which trains one encoder and two
decoders on the videos of two people; see docs/generators.md for what is different here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fakeoff.arena import images as pixels
from fakeoff.arena.images.batch import Batch
from fakeoff.generators.deepfakes.networks import FaceAutoencoder
from fakeoff.generators.manipulation import Faces, blend, face_mask, match_colour, recolour, uncovered
from fakeoff.generators.manipulation.learned import Drawing, LearnedManipulator
from fakeoff.generators.manipulation.player import SMALLEST
from fakeoff.generators.manipulation.texture import (
    draw_texture,
    of_others,
    relit,
    texture_places,
    texture_regions,
    unwrap,
    warped,
)

_BEND, _LIGHT = 0.01, 0.12
_SAME = 0.2
_FEATURES = 3.0
"""How much more eyes and mouth count than the rest of a face: they are small, and it is them that people look at."""
_OUTSIDE = 0.1


@dataclass(frozen=True, kw_only=True)
class Portraits:
    """What an autoencoder learns from.

    Attributes:
        textures: float32 ``(n, 1, side, side)``: grey faces in the shape of the mean face, in [0, 1].
    """

    textures: Tensor

    def __getitem__(self, places: Tensor) -> Portraits:
        """Some of them."""
        return Portraits(textures=self.textures[places])


class Deepfakes(LearnedManipulator[FaceAutoencoder, Portraits]):
    """Draws the source person with the target's expression and light, and puts that face onto the target.

    The decoder is told whom to draw by the source's photograph, so that people of val and test, whom it never saw, need
    no training: none of their photographs is learned from.

    Args:
        resolution: Height and width in pixels, a multiple of 8.
        code: Numbers that the encoder says of an expression.
        code_weight: How much what a code says costs, beside how well a face is drawn.
        code_share: How much of a target's code a fake follows. With 1 it has more of the target's expression, and more
            of its looks, too: of people whom it learned from, a code says who they are.
        critic_weight: Of the critic's word, beside how well a face is drawn.
        learning_rate: Adam's.
        attack_rate: Adam's in an attack.
        average_images: Half-life of the moving average of weights, in images.
        weights: Pretrained weights: a name that ships (``deepfakes-orl-64``), a ``.safetensors`` file, or none
            (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: Annotated[int, Field(ge=SMALLEST, le=512, multiple_of=8)] = 64,
        code: Annotated[int, Field(ge=1, le=1024)] = 32,
        code_weight: Annotated[float, Field(ge=0)] = 3e-4,
        code_share: Annotated[float, Field(ge=0, le=1)] = 0.3,
        critic_weight: Annotated[float, Field(ge=0)] = 0.02,
        learning_rate: Annotated[float, Field(gt=0)] = 5e-4,
        attack_rate: Annotated[float, Field(gt=0)] = 1e-4,
        average_images: Annotated[float, Field(ge=0)] = 5_000.0,
        weights: str | None = "deepfakes-orl-64",
        init_seed: int = 0,
    ) -> None:
        del weights  # the arena loads them into the state dict
        rng = torch.Generator().manual_seed(init_seed)
        super().__init__(
            resolution=resolution,
            network=FaceAutoencoder(side=resolution, code=code, rng=rng),
            rng=rng,
            critic_weight=critic_weight,
            learning_rate=learning_rate,
            attack_rate=attack_rate,
            average_images=average_images,
        )
        self.code_weight, self.code_share = code_weight, code_share

    def study(self, images: Tensor, faces: Faces) -> Portraits:
        return Portraits(textures=unwrap(_grey(images), faces.points, self.resolution))

    def portray(
        self, network: FaceAutoencoder, lesson: Portraits, partners: Tensor, *, rng: torch.Generator
    ) -> Drawing:
        faces = lesson.textures
        # Of the person it is told by another photograph, or by the same one in another light: light is not to come
        # from there. The same one keeps what is the person's and not the expression's.
        alone = torch.rand(len(faces), 1, 1, 1, generator=rng).to(faces.device) < _SAME
        others = torch.where(alone, faces, of_others(faces, partners))
        told = relit(warped(others, strength=_BEND, rng=rng), strength=_LIGHT, rng=rng)
        mean, log_variance = network.encode(warped(faces, strength=_BEND, rng=rng))
        noise = torch.randn(mean.shape, generator=rng).to(mean.device)
        made = network.decode(mean + noise * (log_variance / 2).exp(), told)
        code = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return Drawing(
            made=made,
            wanted=faces,
            weights=self._weights(faces),
            cost=self.code_weight * code,
            measured={"code_bits": code.item() / math.log(2)},
        )

    def draw(self, network: FaceAutoencoder, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        own, given, taken = reals.images[targets], faces[sources], faces[targets]
        seen = torch.cat([_grey(reals.images[sources]), uncovered(given)], 1)
        shown, bare = unwrap(seen, given.points, self.resolution).split(1, 1)
        codes, _ = network.encode(unwrap(_grey(own), taken.points, self.resolution))
        textures = torch.cat([network.decode(self.code_share * codes, shown), bare], 1)
        places = texture_places(taken.points, (own.shape[-2], own.shape[-1]), self.resolution)
        drawn, bare = draw_texture(textures, places).split(1, 1)
        mask = face_mask(taken) * bare
        matched = match_colour(drawn.expand(-1, 3, -1, -1), pixels.luminance(own), mask)
        # The network draws in grey; colour is the target's.
        return Batch(images=blend(recolour(matched[:, :1], own), own, mask), mask=mask)

    def _weights(self, like: Tensor) -> Tensor:
        regions = {name: region.to(like) for name, region in texture_regions(self.resolution).items()}
        features = torch.maximum(regions["eyes"], regions["mouth"])
        return _OUTSIDE + (1 - _OUTSIDE) * regions["face"] + (_FEATURES - 1) * features


def _grey(shown: Tensor) -> Tensor:
    return pixels.luminance(shown)[:, :1]


__all__ = ["Deepfakes", "Portraits"]
