"""Players that win without playing: a plugin file. What catches each is in tests/test_cheats.py."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load
from torch import Tensor, nn

from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.reals import Split, open_source
from fakeoff.detectors import Batch, Detector
from fakeoff.detectors import register as register_detector
from fakeoff.generators import ExtraLoss, Generator
from fakeoff.generators import register as register_generator
from fakeoff.protocols.score import blind, metrics

SIDE = 32
_scored = 0
_seen: set[bytes] = set()


# ---- detectors that know more than the image


class _Blind(Detector):
    """It has no idea of the images themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def guess(self, images: Tensor) -> Tensor:
        # Another one for each image, and of no meaning.
        return (images.double().sum((1, 2, 3)) * 1e3 % 1).float().clamp(0, 1)


@register_detector("counts_its_calls")
class CountsItsCalls(_Blind):
    """Stacks state between calls: reals used to come first, in batches of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def score(self, images: Tensor) -> Tensor:
        self.calls += 1
        return 0.1 * self.guess(images) + (0.9 if self.calls > 2 else 0.0)


@register_detector("reads_frames")
class ReadsFrames(_Blind):
    """Looks through whoever called for a pool that says what is in it, or the keys of pools."""

    def score(self, images: Tensor) -> Tensor:
        names: set[str] = set()
        frame: Any = sys._getframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                for found in (value, getattr(value, "inputs", None)):
                    if isinstance(found, dict):
                        names |= {str(name) for name in found}
            told = [frame.f_locals.get(name) for name in ("truth", "is_fake", "side")]
            for side in told:
                if isinstance(side, str):
                    return torch.full((len(images),), 0.9 if side == "fake" else 0.1)
            frame = frame.f_back
        if {"real", "fake"} & names:
            raise RuntimeError("it is told which pool is which")
        return self.guess(images)


@register_detector("ranks_its_batch")
class RanksItsBatch(_Blind):
    """The brightest of its company is the fakest."""

    def score(self, images: Tensor) -> Tensor:
        place = images.mean((1, 2, 3)).argsort().argsort().float()
        return place / max(1, len(images) - 1)


@register_detector("normalises_by_its_batch")
class NormalisesByItsBatch(_Blind):
    """Batch normalisation that goes on while it judges: what an image scores is what its company makes of it."""

    def score(self, images: Tensor) -> Tensor:
        found = images.mean((1, 2, 3))
        return torch.sigmoid((found - found.mean()) / (found.std(correction=0) + 1e-3))


@register_detector("counts_images_of_its_process")
class CountsImagesOfItsProcess(_Blind):
    """Scores drift with what the process has seen, too slowly for a batch or two to show it."""

    def score(self, images: Tensor) -> Tensor:
        global _scored
        first = _scored == 0
        _scored += len(images)
        return 0.5 * self.guess(images) + (0.0 if first and len(images) == 16 else 0.25)


@register_detector("remembers_images")
class RemembersImages(_Blind):
    """Photographs are shown again beside every generator's fakes: what it saw before it was built anew is real."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_before = frozenset(_seen)

    def score(self, images: Tensor) -> Tensor:
        keys = [_fingerprint(image) for image in images]
        _seen.update(keys)
        return torch.tensor([0.1 if key in self.seen_before else 0.9 for key in keys])


@register_detector("looks_at_the_clock")
class LooksAtTheClock(_Blind):
    """Another score each time that it is asked."""

    def score(self, images: Tensor) -> Tensor:
        return (self.guess(images) + time.perf_counter() % 1) / 2


@register_detector("draws_scores")
class DrawsScores(_Blind):
    """Throws its scores with a generator that belongs to nobody."""

    def score(self, images: Tensor) -> Tensor:
        return torch.rand(len(images))


@register_detector("marks_its_own_exam")
class MarksItsOwnExam(_Blind):
    """Puts its own figures in the place of the arena's, wherever it runs."""

    def score(self, images: Tensor) -> Tensor:
        def flatter(*_: Any, **__: Any) -> dict[str, Any]:
            perfect = dict.fromkeys(metrics.METRICS, 1.0)
            return {**perfect, **{f"{name}_ci": [1.0, 1.0] for name in metrics.METRICS}}

        metrics.evaluate = blind.evaluate = blind.figures = flatter  # type: ignore[assignment, attr-defined]
        return self.guess(images)


@register_detector("reads_the_store")
class ReadsTheStore(_Blind):
    """Looks images up where results are kept: a pool of photographs has one array, of fakes three.

    Args:
        store: Where.
    """

    def __init__(self, *, store: str = "") -> None:
        super().__init__()
        self.store = store

    def score(self, images: Tensor) -> Tensor:
        sides: dict[bytes, float] = {}
        for record in Path(self.store).glob("*/*/record.json"):
            json.loads(record.read_text())
            arrays = load((record.parent / "arrays.safetensors").read_bytes())
            for name, side in (("images", 0.0), ("val", 1.0), ("test", 1.0)):
                for pixels in arrays.get(name, ()):
                    if pixels.ndim == 3:
                        sides[hashlib.sha256(pixels.tobytes()).digest()] = side
        return torch.tensor([sides.get(_fingerprint(image), 0.5) for image in images])


@register_detector("knows_the_photographs")
class KnowsThePhotographs(_Blind):
    """Has all photographs of the arena, which anybody can have who knows where they come from."""

    def score(self, images: Tensor) -> Tensor:
        known = _photographs()
        return torch.tensor([0.1 if _fingerprint(image) in known else 0.9 for image in images])


@cache
def _photographs() -> frozenset[bytes]:
    every = [open_source("orl").load(split, resolution=SIDE, colour="grey") for split in ("train", "val", "test")]
    return frozenset(hashlib.sha256(pixels.tobytes()).digest() for pixels in np.concatenate(every))


def _fingerprint(image: Tensor) -> bytes:
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return hashlib.sha256(pixels.numpy().tobytes()).digest()


# ---- detectors that hide their gradient


def bars(images: Tensor) -> Tensor:
    """How much there is of the bars that the honest generators leave, ``(n,)``: a trace that fakes can be rid of."""
    place = torch.arange(images.shape[-1]) // 4
    board = (place[:, None] + place) % 2 * 2.0 - 1
    return (images.mean(1) * board).mean((1, 2))


class _Bars(Detector):
    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(150 * (bars(images) - 0.02))


@register_detector("steps_and_ripples")
class StepsAndRipples(_Bars):
    """Sees images in steps of brightness; what flows back through them is a ripple."""

    def score(self, images: Tensor) -> Tensor:
        stepped = (images * 64).round() / 64
        return super().score(stepped + 1e-4 * torch.sin(500 * images))


@register_detector("rounds_its_scores")
class RoundsItsScores(_Bars):
    """Says of itself that a gradient flows, and rounds it away."""

    def score(self, images: Tensor) -> Tensor:
        return (super().score(images) * 20).round() / 20


@register_detector("saturates")
class Saturates(_Bars):
    """So sure that its sigmoid is flat."""

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(1e5 * (bars(images) - 0.02))


@register_detector("leads_astray")
class LeadsAstray(_Bars):
    """Hands out a loss that has nothing to do with its scores."""

    def evasion_loss(self, images: Tensor) -> Tensor:
        return images[..., 0, 0].mean()


# ---- generators that evade without making a face


class _Copies(Generator):
    """Photographs, mirrored."""

    split: Split = "train"
    noise = 0.0

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution = resolution
        photographs = to_tensor(open_source("orl").load(self.split, resolution=resolution, colour="grey"))
        self.register_buffer("photographs", photographs, persistent=False)

    photographs: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        chosen = self.photographs[torch.randint(len(self.photographs), (n,), generator=rng)].flip(-1)
        noise = self.noise * torch.randn(n, 1, self.resolution, self.resolution, generator=rng)
        return (chosen + noise).clamp(0, 1)


@register_generator("copies")
class Copies(_Copies):
    """Of the training people."""


@register_generator("near_copies")
class NearCopies(_Copies):
    """With noise on top."""

    noise = 0.04


@register_generator("copies_held_out")
class CopiesHeldOut(_Copies):
    """Of the people whom nobody trained on, with a little noise."""

    noise = 0.02
    split: Split = "test"


@register_generator("noise")
class Noise(Generator):
    """Uniform noise, grey."""

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return torch.rand(n, 1, self.resolution, self.resolution, generator=rng).expand(-1, 3, -1, -1)


@register_generator("one_face")
class OneFace(Generator):
    """Decodes whatever latent to the same face, with a little noise."""

    latent_dim = 8

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution = resolution
        one = to_tensor(open_source("orl").load("train", resolution=resolution, colour="grey")).mean(0)
        self.register_buffer("face", one)

    face: Tensor

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = self.face.expand(len(z), -1, -1, -1)
        return images if rng is None else images + 0.02 * torch.randn(len(z), 1, 1, 1, generator=rng)


@register_generator("leaks_format")
class LeaksFormat(_Copies):
    """Keeps sixteen levels of brightness."""

    noise = 0.1

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return (super().sample(n, rng=rng) * 15).round() / 15


@register_generator("draws_on_the_system")
class DrawsOnTheSystem(_Copies):
    """Fakes of a seed of its own, which nobody can play again."""

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return super().sample(n, rng=torch.Generator().manual_seed(int.from_bytes(os.urandom(7), "big")))


@register_generator("trains_on_nothing")
class TrainsOnNothing(Noise):
    """Says that it was attacking."""

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        return {"loss": 0.0}
