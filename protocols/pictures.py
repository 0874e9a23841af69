"""A trained detector at a user's own pictures."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError

from fakeoff.arena import compute, images
from fakeoff.arena.errors import (
    ConfigError,
    DataError,
    FakeoffError,
    JobFailed,
    PluginError,
    StoreError,
    one_line,
)
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.kinds import examine, unidentified
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.seeds import seed_from
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.protocols.game.recipes import detector_spec, parser_spec
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.score import patches

_FEATURES = ("brow", "eye", "nose", "mouth")
"""What a face has."""

Pictures: TypeAlias = Sequence[str | Path] | Pixels
"""Image files, or uint8 ``(n, h, w, 3)``, RGB, of any size."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a detector says of one picture.

    Attributes:
        picture: Its path, as given; of an array, its place in it: ``0``.
        p_fake: P(fake) of the whole picture.
        is_fake: P(fake) is at least the threshold that was chosen on the tournament's val images.
        part: The part of the face that the most predictive patch (of the verdict's class) covers; empty where no
            parser is configured, every patch sees the whole image, or the detector judges no patches.
        patch: That patch in pixels of the arena: top, left, bottom, right; None where it judges no patches.
        face: Whether the parser found a face: brows, eyes, nose and mouth; None where nobody looked for parts. Where
            there is none, the part means nothing.
    """

    picture: str
    p_fake: float
    is_fake: bool
    part: str = ""
    patch: tuple[int, int, int, int] | None = None
    face: bool | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedPictures:
    """Pictures as a detector saw them, and what it says.

    Attributes:
        detector: Which version.
        threshold: P(fake) from which it says fake.
        pixels: uint8 ``(n, h, w, 3)``, as they come out of the arena's pipeline.
        heatmaps: float32 ``(n, h, w)``: P(fake), aligned with the pixels; None where it judges no patches.
        verdicts: One for each.
    """

    detector: Version
    threshold: float
    pixels: Pixels
    heatmaps: npt.NDArray[np.float32] | None
    verdicts: tuple[Verdict, ...]


def judge_pictures(pictures: Pictures, *, detector: str, record: TournamentRecord, store: Store) -> JudgedPictures:
    """Judges pictures with a detector version of a tournament.

    Args:
        pictures: At least one. They go through the pipeline of the tournament's reals: square crop, the generators'
            resolution where they agree on one, the arena's resolution and colour.
        detector: A player's name for its newest version, or a version such as ``xception_block1@1``.
        record: The tournament.
        store: Where its results are.

    Raises:
        ConfigError: No such detector.
        DataError: A picture is missing, damaged or no image; an array of another kind; or no picture at all.
        PluginError: The detector or the parser misbehaves.
        StoreError: The detector's state is damaged.
    """
    version = record.find("detector", detector)
    spec = detector_spec(next(p for p in record.config.detectors if p.name == version.player))
    opened = _open(pictures)
    pixels = np.stack([into_arena(image, record) for _, image in opened])
    compute.prepare_process(threads=1)
    with naming(version.label):
        judge = referee.build_detector(spec.identity(), version=store.read(version.key))
        shown = images.to_tensor(pixels)
        scores = referee.judge_patches(judge, shown).numpy() if isinstance(judge, PatchDetector) else None
        # Asked for by itself: a patch detector may put its patches together in its own way.
        p_fake = referee.judge(judge, shown).numpy().astype(np.float64)
    threshold = version.threshold(store)
    is_fake = p_fake >= threshold
    verdicts = [
        Verdict(picture=name, p_fake=float(p), is_fake=bool(fake))
        for (name, _), p, fake in zip(opened, p_fake, is_fake, strict=True)
    ]
    heatmaps = None
    if isinstance(judge, PatchDetector) and scores is not None:
        heatmaps, boxes = locate(judge, scores, pixels=pixels, is_fake=is_fake)
        side = judge.side or pixels.shape[1]
        grid = (scores.shape[1], scores.shape[2])
        whole = patches.sees_whole_image(judge.receptive_field, grid=grid, size=(side, side))
        parts = [("", None)] * len(pixels) if whole else _parts(pixels, boxes, record)
        verdicts = [
            replace(verdict, part=part, face=face, patch=(top, left, bottom, right))
            for verdict, (part, face), (top, left, bottom, right) in zip(verdicts, parts, boxes.tolist(), strict=True)
        ]
    return JudgedPictures(
        detector=version, threshold=threshold, pixels=pixels, heatmaps=heatmaps, verdicts=tuple(verdicts)
    )


def locate(
    judge: PatchDetector, scores: patches.Floats, *, pixels: Pixels, is_fake: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], patches.Indices]:
    """Lays a detector's patch scores over what it judged, and finds the patch that gave each picture away.

    Args:
        judge: Whose scores.
        scores: float32 ``(n, h', w')``.
        pixels: uint8 ``(n, h, w, 3)``, square.
        is_fake: bool ``(n,)``: its verdicts.

    Returns:
        Heatmaps float32 ``(n, h, w)``, and int64 ``(n, 4)``: the most predictive patch for the verdict's class: top,
        left, bottom, right.
    """
    # Its patches count the pixels of what it was shown; verdicts count the arena's.
    field, arena = judge.receptive_field, pixels.shape[1]
    size = (judge.side or arena, judge.side or arena)
    heatmaps = _resized(patches.align(scores, field, size=size), arena)
    seen = np.stack(
        [
            _box(scores[index], fake=bool(fake), field=field, size=size, seed=pixels[index].tobytes())
            for index, fake in enumerate(is_fake)
        ]
    )
    return heatmaps, np.rint(seen * (arena / size[0])).astype(seen.dtype)


def _resized(heatmaps: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Heatmaps ``(n, h, w)`` at so many pixels a side."""
    if heatmaps.shape[1] == side:
        return heatmaps
    grown = torch.nn.functional.interpolate(torch.from_numpy(heatmaps)[:, None], size=(side, side), mode="bilinear")
    return grown[:, 0].numpy()


def _box(
    scores: patches.Floats, *, fake: bool, field: ReceptiveField, size: tuple[int, int], seed: bytes
) -> patches.Indices:
    """The most predictive patch of a picture for the verdict's class; the picture itself decides between equals."""
    rng = np.random.default_rng(seed_from("look", hashlib.sha256(seed).hexdigest()))
    units, _ = patches.most_predictive(scores[None], truth="fake" if fake else "real", rng=rng)
    return patches.windows(units[0], field, size=size)


@contextlib.contextmanager
def naming(who: str) -> Iterator[None]:
    """Turns whatever a plugin does wrong into one line that names it."""
    try:
        yield
    except (ConfigError, StoreError):
        raise
    except (FakeoffError, JobFailed) as error:
        raise PluginError(f"{who}: {error}") from error
    except Exception as error:
        raise PluginError(f"{who} raised {one_line(error)}") from error


def _open(pictures: Pictures) -> list[tuple[str, Image.Image]]:
    """Pictures by what their verdicts call them."""
    if not isinstance(pictures, str | Path | np.ndarray | Sequence):
        raise DataError(f"pictures are {type(pictures).__name__}; give a list of paths, or uint8 (n, h, w, 3)")
    if isinstance(pictures, str | Path):
        raise DataError(f"'{pictures}' is one picture; give a list of them")
    if len(pictures) == 0:
        raise DataError("no picture to judge; give at least one")
    if not isinstance(pictures, np.ndarray):
        return [(str(picture), _read(Path(picture))) for picture in pictures]
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or not pictures.size:
        raise DataError(f"pictures are {pictures.dtype} {pictures.shape}; give uint8 (n, h, w, 3), RGB from 0 to 255")
    return [(str(index), Image.fromarray(image)) for index, image in enumerate(pictures)]


def _read(picture: Path) -> Image.Image:
    if not picture.is_file():
        raise DataError(f"no picture at '{picture}'")
    if unfit := examine(picture):
        raise DataError(f"'{picture}': {unfit.reason}")
    try:
        return read_image(picture)
    except UnidentifiedImageError as error:
        raise DataError(f"'{picture}': {unidentified(picture).reason}") from error
    except DataError as error:
        raise DataError(f"'{picture}': {error}") from error


def into_arena(image: Image.Image, record: TournamentRecord) -> Pixels:
    """Passes a picture through the pipeline of a tournament's reals; uint8 ``(h, w, 3)`` at the arena's resolution."""
    arena, resolution = record.config.arena.resolution, generator_resolution(record)
    pixels = images.generator_transform(image, resolution=resolution, colour=record.data["colour"])
    return np.asarray(images.to_arena(pixels[None], resolution=arena)[0])


def generator_resolution(record: TournamentRecord) -> int:
    """Through which resolution reals pass on their way: the generators', where they agree on one, else the arena's."""
    return next(iter(record.real_pools)) if len(record.real_pools) == 1 else record.config.arena.resolution


def _parts(pixels: Pixels, boxes: patches.Indices, record: TournamentRecord) -> list[tuple[str, bool | None]]:
    """The part under each box, and whether there is a face at all."""
    spec = parser_spec(record.config.parts)
    if spec is None:
        return [("", None)] * len(pixels)
    with naming(f"face parser '{spec.name}'"):
        parser = referee.build_parser(spec.identity(), places=spec.places())
        labels = referee.label(parser, images.to_tensor(pixels)).numpy()
    # Skin and hair are seen in walls and meadows, too.
    features = [PARTS.index(part) for part in _FEATURES if part in parser.parts]
    faces = [all((one == feature).any() for feature in features) if features else None for one in labels]
    parts = patches.assign_parts(labels, boxes[:, None])[:, 0]
    return [(PARTS[part], face) for part, face in zip(parts, faces, strict=True)]
