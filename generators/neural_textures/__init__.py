"""Reenacts mouths by a learned texture, sampled through the face's mesh, and a small network that renders it.

After the `NeuralTextures` of FaceForensics++ (Rössler et al., ICCV 2019, section 3; Thies et al., SIGGRAPH 2019), which
changes the mouth alone; see docs/generators.md for what is different here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fakeoff.arena import images as pixels
from fakeoff.arena.images.batch import Batch
from fakeoff.generators.manipulation import Faces, blend, lower_face_mask, recolour, uncovered
from fakeoff.generators.manipulation.expression import like_lips, reenact, same_person
from fakeoff.generators.manipulation.learned import Drawing, LearnedManipulator
from fakeoff.generators.manipulation.player import SMALLEST
from fakeoff.generators.manipulation.texture import (
    draw_texture,
    of_others,
    placed_anew,
    relit,
    texture_places,
    toned,
    unwrap,
    warped,
)
from fakeoff.generators.neural_textures.networks import NeuralRenderer

_BEND, _LIGHT, _TONE, _SMALLEST_FACE = 0.02, 0.12, 0.3, 0.4
_COLOUR_REACH = 0.03
_MOVES = ("outer_lips", "inner_lips", "oval")


@dataclass(frozen=True, kw_only=True)
class Mouths:
    """What a renderer learns from.

    Attributes:
        shown: float32 ``(n, 1, h, w)``: grey photographs, in [0, 1].
        textures: float32 ``(n, 1, side, side)``: their faces in the shape of the mean face.
        places: float32 ``(n, h, w, 2)``: where in the texture each pixel lies.
        masks: float32 ``(n, 1, h, w)`` in [0, 1]: the lower face.
    """

    shown: Tensor
    textures: Tensor
    places: Tensor
    masks: Tensor

    def __getitem__(self, places: Tensor) -> Mouths:
        """Some of them."""
        return Mouths(**{field.name: getattr(self, field.name)[places] for field in fields(self)})


class NeuralTextures(LearnedManipulator[NeuralRenderer, Mouths]):
    """Draws the target's mouth and chin anew, as the source moves them; eyes and brows stay.

    A texture that is learned says what a place of any face is, and the target person's own texture, from the one of the
    person's other photographs whose lips are most like the wanted ones, says how it looks. Both are sampled through the
    mesh of the moved face, and a network renders what belongs there. Where a person has no other photograph, it is that
    of the photograph itself.

    Args:
        resolution: Height and width in pixels, a multiple of 8.
        channels: Of the learned texture.
        strength: How much of the expression is transferred: 1 is as landmarks show it.
        critic_weight: Of the critic's word, beside how well a mouth is drawn.
        learning_rate: Adam's.
        attack_rate: Adam's in an attack.
        average_images: Half-life of the moving average of weights, in images.
        weights: Pretrained weights: a name that ships (``neural-textures-orl-64``), a ``.safetensors`` file, or none
            (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: Annotated[int, Field(ge=SMALLEST, le=512, multiple_of=8)] = 64,
        channels: Annotated[int, Field(ge=1, le=256)] = 16,
        strength: Annotated[float, Field(gt=0, le=3)] = 2.0,
        critic_weight: Annotated[float, Field(ge=0)] = 0.02,
        learning_rate: Annotated[float, Field(gt=0)] = 3e-4,
        attack_rate: Annotated[float, Field(gt=0)] = 2.5e-5,
        average_images: Annotated[float, Field(ge=0)] = 5_000.0,
        weights: str | None = "neural-textures-orl-64",
        init_seed: int = 0,
    ) -> None:
        del weights  # the arena loads them into the state dict
        rng = torch.Generator().manual_seed(init_seed)
        super().__init__(
            resolution=resolution,
            network=NeuralRenderer(side=resolution, channels=channels, rng=rng),
            rng=rng,
            critic_weight=critic_weight,
            learning_rate=learning_rate,
            attack_rate=attack_rate,
            average_images=average_images,
        )
        self.strength = strength

    def study(self, images: Tensor, faces: Faces) -> Mouths:
        size = (images.shape[-2], images.shape[-1])
        shown = pixels.luminance(images)[:, :1]
        return Mouths(
            shown=shown,
            textures=unwrap(shown, faces.points, self.resolution),
            places=texture_places(faces.points, size, self.resolution),
            masks=lower_face_mask(faces.points, size) * uncovered(faces),
        )

    def portray(self, network: NeuralRenderer, lesson: Mouths, partners: Tensor, *, rng: torch.Generator) -> Drawing:
        others = warped(of_others(lesson.textures, partners), strength=_BEND, rng=rng)
        own = draw_texture(relit(others, strength=_LIGHT, rng=rng), lesson.places)
        # Few people are learned from: other exposures, sizes and places in the frame keep it from learning these by
        # heart, and faces of other photographs are smaller than theirs.
        contrast, offset = toned(own, strength=_TONE, rng=rng)
        maps = torch.cat([lesson.shown, own, lesson.masks, lesson.places.movedim(-1, 1)], 1)
        maps, inside, mirrored = placed_anew(maps, smallest=_SMALLEST_FACE, rng=rng)
        shown, own = ((maps[:, [channel]] * contrast + offset).clamp(0, 1) for channel in (0, 1))
        masks, places = maps[:, 2:3] * inside, maps[:, 3:].movedim(1, -1)
        across = torch.where(mirrored[:, None, None], self.resolution - places[..., 0], places[..., 0])
        places = torch.stack([across, places[..., 1]], -1)
        made = network(places, own, shown, (masks > 0).float())
        # Around the hole it is the photograph: what the critic is shown has no other seam than a fake has.
        return Drawing(made=torch.lerp(shown, made, masks), wanted=shown, weights=masks)

    def draw(self, network: NeuralRenderer, reals: Batch, faces: Faces, sources: Tensor, targets: Tensor) -> Batch:
        own, taken = reals.images[targets], faces[targets]
        size = (own.shape[-2], own.shape[-1])
        alike = same_person(reals, faces.found)
        wanted = reenact(faces, alike, sources, targets, strength=self.strength, groups=_MOVES)
        others = alike[targets] & (targets[:, None] != torch.arange(len(reals), device=targets.device))
        alone = ~others.any(1)
        others[alone, targets[alone]] = True
        mouths = like_lips(wanted, others)
        textures = unwrap(reals.images[mouths], faces.points[mouths], self.resolution)
        places = texture_places(wanted.points, size, self.resolution)
        mask = torch.maximum(lower_face_mask(wanted.points, size), lower_face_mask(taken.points, size))
        mask = mask * uncovered(taken)
        face = draw_texture(textures, places)
        grey = pixels.luminance(face)[:, :1]
        made = network(places, grey, pixels.luminance(own)[:, :1], (mask > 0).float())
        # The network draws in grey; colour is the person's own, lips' where it draws lips.
        return Batch(images=blend(recolour(made, face, reach=_COLOUR_REACH), own, mask), mask=mask)


__all__ = ["Mouths", "NeuralTextures"]
