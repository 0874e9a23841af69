"""The referee: builds players, and holds them to their interface at the border of every job."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakeoff import detectors, generators
from fakeoff.arena import compute
from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.jobs import Result
from fakeoff.arena.parsers import PARTS, FaceParser, parsers
from fakeoff.arena.registry import Registry
from fakeoff.arena.seeds import sealed
from fakeoff.arena.specs import load_arrays, load_weights, weights_hash
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.generators import Generator

PlayerT = TypeVar("PlayerT", bound=nn.Module)

_RANGE_TOLERANCE = 1e-3
_SCORE_BATCH = 64


def build_generator(
    identity: Mapping[str, Any], *, version: Result | None = None, weights: str | None = None
) -> Generator:
    """Builds a generator from its identity, and a version's state or pretrained weights.

    Raises:
        JobFailed: Its constructor raised, or the state does not fit.
    """
    return _build(generators.players, identity, version=version, weights=weights)


def build_detector(
    identity: Mapping[str, Any], *, version: Result | None = None, weights: str | None = None
) -> Detector:
    """Builds a detector; see :func:`build_generator`."""
    return _build(detectors.players, identity, version=version, weights=weights)


def build_parser(identity: Mapping[str, Any], *, weights: str | None = None) -> FaceParser:
    """Builds a face parser; see :func:`build_generator`."""
    return _build(parsers, identity, version=None, weights=weights)


def _build(
    registry: Registry[PlayerT], identity: Mapping[str, Any], *, version: Result | None, weights: str | None
) -> PlayerT:
    # A constructor that draws from global state draws the same each time, and leaves no trace.
    with sealed("build", identity):
        try:
            player = registry.build(identity["plugin"], identity["parameters"])
        except Exception as error:
            raise JobFailed(f"cannot be built: {one_line(error)}") from error
    if version is not None:
        load_arrays(player, version.arrays)
    elif weights is not None:
        load_weights(player, Path(weights))
    return compute.channels_last(player)


def draw(generator: Generator, n: int, *, rng: torch.Generator) -> Tensor:
    """Samples a generator in eval mode and checks what comes.

    Returns:
        float32 ``(n, 3, resolution, resolution)`` in [0, 1].

    Raises:
        JobFailed: Wrong type, shape, range, or not finite.
    """
    generator.eval()
    with torch.no_grad():
        images = generator.sample(n, rng=rng)
    expected = (n, 3, generator.resolution, generator.resolution)
    _check_tensor(images, expected, what="sample")
    low, high = images.min().item(), images.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"sample gave values from {low:.3g} to {high:.3g}; images lie in [0, 1]")
    return images


def judge(detector: Detector, images: Tensor) -> Tensor:
    """Scores images in eval mode, in float32, and checks what comes.

    Returns:
        float32 ``(n,)`` in [0, 1].

    Raises:
        JobFailed: Wrong type, shape, range, or not finite.
    """
    detector.eval()
    scores = []
    with torch.no_grad():
        for batch in images.split(_SCORE_BATCH):
            score = detector.score(compute.image_layout(batch))
            _check_tensor(score, (len(batch),), what="score")
            scores.append(score)
    whole = torch.cat(scores)
    low, high = whole.min().item(), whole.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"score gave values from {low:.3g} to {high:.3g}; P(fake) lies in [0, 1]")
    return whole.clamp(0, 1)


def judge_patches(detector: PatchDetector, images: Tensor) -> Tensor:
    """Scores every patch in eval mode, in float32, and checks what comes.

    Returns:
        float32 ``(n, h', w')`` in [0, 1].

    Raises:
        JobFailed: Wrong type, shape, range, or not finite, or its receptive field leaves the image.
    """
    detector.eval()
    maps = []
    with torch.no_grad():
        for batch in images.split(_SCORE_BATCH):
            scores = detector.patch_scores(compute.image_layout(batch))
            grid = tuple(scores.shape[1:]) if isinstance(scores, Tensor) and scores.ndim == 3 else ("h'", "w'")
            _check_tensor(scores, (len(batch), *grid), what="patch_scores")
            if scores.numel() == 0:
                raise JobFailed(f"patch_scores gave no patch of {images.shape[3]}x{images.shape[2]} pixels")
            maps.append(scores)
    whole = torch.cat(maps)
    low, high = whole.min().item(), whole.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"patch_scores gave values from {low:.3g} to {high:.3g}; P(fake) lies in [0, 1]")
    field = detector.receptive_field
    for units, side in zip(whole.shape[1:], images.shape[2:], strict=True):
        first, last = field.pixels(0), field.pixels(units - 1)
        if first[1] <= 0 or last[0] >= side:
            raise JobFailed(
                f"patch_scores gave {units} patches along {side} pixels, and by its receptive_field the last one sees "
                f"pixels {last[0]} to {last[1] - 1}: they do not fit"
            )
    return whole.clamp(0, 1)


def label(parser: FaceParser, images: Tensor) -> Tensor:
    """Labels the parts of faces in eval mode, and checks what comes.

    Returns:
        uint8 ``(n, h, w)``: indices into :data:`fakeoff.arena.parsers.PARTS`.

    Raises:
        JobFailed: Wrong type or shape, or labels of no part.
    """
    parser.eval()
    maps = []
    with torch.no_grad():
        for batch in images.split(_SCORE_BATCH):
            labels = parser.label(compute.image_layout(batch))
            _check_tensor(labels, (len(batch), *batch.shape[2:]), what="label", dtype=torch.uint8)
            maps.append(labels)
    whole = torch.cat(maps)
    if whole.max().item() >= len(PARTS):
        raise JobFailed(f"label gave {whole.max().item()}; there are {len(PARTS)} parts, counted from 0")
    return whole


def check_measured(measured: Any, *, step: int) -> dict[str, float]:
    """Checks what a ``train_step`` returned.

    Raises:
        JobFailed: Not a dict of finite numbers.
    """
    if not isinstance(measured, dict):
        raise JobFailed(f"train_step returned {type(measured).__name__} at step {step}, not a dict of numbers")
    for name, value in measured.items():
        if not isinstance(value, int | float):
            raise JobFailed(f"train_step returned {type(value).__name__} for '{name}' at step {step}, not a number")
        if not math.isfinite(value):
            raise JobFailed(f"train_step returned {value} for '{name}' at step {step}")
    return {str(name): float(value) for name, value in measured.items()}


@contextlib.contextmanager
def frozen(players: Sequence[Detector]) -> Iterator[None]:
    """Freezes detectors: eval mode, no gradient on their weights; their hash is checked at the end.

    Raises:
        JobFailed: Somebody changed the weights.
    """
    before = []
    for player in players:
        player.eval()
        player.requires_grad_(False)
        before.append(weights_hash(player.state_dict()))
    yield
    for player, expected in zip(players, before, strict=True):
        if weights_hash(player.state_dict()) != expected:
            raise JobFailed("changed the weights of the frozen detector that it was trained against")


def _check_tensor(value: Any, shape: tuple[int | str, ...], *, what: str, dtype: torch.dtype = torch.float32) -> None:
    if not isinstance(value, Tensor):
        raise JobFailed(f"{what} returned {type(value).__name__}, not a tensor of shape {shape}")
    if tuple(value.shape) != shape:
        raise JobFailed(f"{what} returned shape {tuple(value.shape)}, not {shape}")
    if value.dtype != dtype:
        raise JobFailed(f"{what} returned {value.dtype}, not {dtype}")
    if value.device.type != "cpu":
        raise JobFailed(f"{what} returned a tensor on {value.device}, and the images are on cpu; move it back")
    if not torch.isfinite(value).all():
        raise JobFailed(f"{what} returned NaN or infinite values")


def is_trainable(player: nn.Module) -> bool:
    """Whether a player overrides ``train_step``."""
    if isinstance(player, Generator):
        return type(player).train_step is not Generator.train_step
    return isinstance(player, Detector) and type(player).train_step is not Detector.train_step
