"""Detectors that know more than the image: a plugin file."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.detectors import Detector, register
from fakeoff.protocols.score import blind, metrics

_scored = 0


class _Blind(Detector):
    """It has no idea of the images themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def guess(self, images: Tensor) -> Tensor:
        # Another one for each image, and of no meaning.
        return (images.double().sum((1, 2, 3)) * 1e3 % 1).float().clamp(0, 1)


@register("counts_its_calls")
class CountsItsCalls(_Blind):
    """Reals used to come first, in batches of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def score(self, images: Tensor) -> Tensor:
        self.calls += 1
        return 0.1 * self.guess(images) + (0.9 if self.calls > 2 else 0.0)


@register("reads_frames")
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


@register("ranks_its_batch")
class RanksItsBatch(Detector):
    """The brightest of its company is the fakest."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def score(self, images: Tensor) -> Tensor:
        place = images.mean((1, 2, 3)).argsort().argsort().float()
        return place / max(1, len(images) - 1)


@register("counts_images_of_its_process")
class CountsImagesOfItsProcess(_Blind):
    """Scores drift with what the process has seen, too slowly for a batch or two to show it."""

    def score(self, images: Tensor) -> Tensor:
        global _scored
        first = _scored == 0
        _scored += len(images)
        return 0.5 * self.guess(images) + (0.0 if first and len(images) == 16 else 0.25)


@register("marks_its_own_exam")
class MarksItsOwnExam(_Blind):
    """Puts its own figures in the place of the arena's, wherever it runs."""

    def score(self, images: Tensor) -> Tensor:
        def flatter(*_: Any, **__: Any) -> dict[str, Any]:
            perfect = dict.fromkeys(metrics.METRICS, 1.0)
            return {**perfect, **{f"{name}_ci": [1.0, 1.0] for name in metrics.METRICS}}

        metrics.evaluate = blind.evaluate = blind.figures = flatter  # type: ignore[assignment, attr-defined]
        return self.guess(images)
