"""A trained patch detector at a user's own pictures."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from fakeoff.arena import compute, images
from fakeoff.arena.errors import (
    ConfigError,
    DataError,
    FakeoffError,
    JobFailed,
    PluginError,
    StoreError,
    one_line,
    suggestion,
)
from fakeoff.arena.images import Pixels
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.reals import read_image
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.store import Store
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.protocols import patches, referee
from fakeoff.protocols.records import TournamentRecord, Version
from fakeoff.protocols.schedule import detector_spec, judges_patches, parser_spec


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a detector says of one picture.

    Attributes:
        picture: Its path, as given.
        p_fake: P(fake) of the whole picture.
        is_fake: P(fake) is at least the threshold that was chosen on the tournament's val images.
        part: The part of the face that the most predictive patch (of the verdict's class) covers; empty where no
            parser is configured or every patch sees the whole image.
        patch: That patch in pixels of the arena: top, left, bottom, right.
    """

    picture: str
    p_fake: float
    is_fake: bool
    part: str
    patch: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class JudgedPictures:
    """Pictures as a detector saw them, and what it says.

    Attributes:
        detector: Which version.
        threshold: P(fake) from which it says fake.
        pixels: uint8 ``(n, h, w, 3)``, as they come out of the arena's pipeline.
        heatmaps: float32 ``(n, h, w)``: P(fake), aligned with the pixels.
        verdicts: One for each.
    """

    detector: Version
    threshold: float
    pixels: Pixels
    heatmaps: npt.NDArray[np.float32]
    verdicts: tuple[Verdict, ...]


def judge_pictures(
    pictures: Sequence[Path], *, detector: str, record: TournamentRecord, store: Store
) -> JudgedPictures:
    """Judges pictures with a detector version of a tournament.

    Args:
        pictures: Image files. They go through the pipeline of the tournament's reals: square crop, the generators'
            resolution where they agree on one, the arena's resolution and colour.
        detector: A player's name for its newest version, or a version such as ``xception_block1@1``.
        record: The tournament.
        store: Where its results are.

    Raises:
        ConfigError: No such detector, or one that judges no patches.
        DataError: A picture is missing, damaged or no image.
        PluginError: The detector or the parser misbehaves.
    """
    version = _find(detector, record)
    spec = detector_spec(next(p for p in record.config.detectors if p.name == version.player))
    pixels = np.stack([_read(picture, record) for picture in pictures])
    compute.prepare_process(threads=1)
    with _naming(version.label):
        judge = referee.build_detector(spec.identity(), version=store.read(version.key))
        if not isinstance(judge, PatchDetector):
            raise ConfigError(f"{version.label} judges whole images, it has no heatmap. {_choices(record)}")
        scores = referee.judge_patches(judge, images.to_tensor(pixels)).numpy()
        # Asked for by itself: a patch detector may put its patches together in its own way.
        p_fake = referee.judge(judge, images.to_tensor(pixels)).numpy().astype(np.float64)
    threshold = version.threshold(store)
    field, size = judge.receptive_field, (pixels.shape[1], pixels.shape[2])
    is_fake = p_fake >= threshold
    boxes = np.stack(
        [
            _box(scores[index], fake=bool(fake), field=field, size=size, seed=pixels[index].tobytes())
            for index, fake in enumerate(is_fake)
        ]
    )
    whole = patches.sees_whole_image(field, grid=(scores.shape[1], scores.shape[2]), size=size)
    parts = [""] * len(pixels) if whole else _parts(pixels, boxes, record)
    return JudgedPictures(
        detector=version,
        threshold=threshold,
        pixels=pixels,
        heatmaps=patches.align(scores, field, size=size),
        verdicts=tuple(
            Verdict(picture=str(path), p_fake=float(p), is_fake=bool(fake), part=part, patch=(top, left, bottom, right))
            for path, p, fake, part, (top, left, bottom, right) in zip(
                pictures, p_fake, is_fake, parts, boxes.tolist(), strict=True
            )
        ),
    )


def _box(
    scores: patches.Floats, *, fake: bool, field: ReceptiveField, size: tuple[int, int], seed: bytes
) -> patches.Indices:
    """The most predictive patch of a picture for the verdict's class; the picture itself decides between equals."""
    rng = np.random.default_rng(seed_from("look", hashlib.sha256(seed).hexdigest()))
    units, _ = patches.most_predictive(scores[None], truth="fake" if fake else "real", rng=rng)
    return patches.windows(units[0], field, size=size)


@contextlib.contextmanager
def _naming(who: str) -> Iterator[None]:
    """Turns whatever a plugin does wrong into one line that names it."""
    try:
        yield
    except (ConfigError, StoreError):
        raise
    except (FakeoffError, JobFailed) as error:
        raise PluginError(f"{who}: {error}") from error
    except Exception as error:
        raise PluginError(f"{who} raised {one_line(error)}") from error


def _find(wanted: str, record: TournamentRecord) -> Version:
    versions = [version for version in record.versions if version.kind == "detector"]
    of_name = [version for version in versions if wanted in (version.player, version.label)]
    if not of_name:
        known = sorted({name for version in versions for name in (version.player, version.label)})
        raise ConfigError(f"no detector '{wanted}' in this home{suggestion(wanted, known) or '.'} {_choices(record)}")
    return max(of_name, key=lambda version: version.round)


def _choices(record: TournamentRecord) -> str:
    names = sorted(player.name for player in record.config.detectors if judges_patches(player.plugin))
    return f"Its patch detectors: {', '.join(names) or 'none'}"


def _read(picture: Path, record: TournamentRecord) -> Pixels:
    if not picture.is_file():
        raise DataError(f"no picture at '{picture}'")
    try:
        image = read_image(picture)
    except UnidentifiedImageError as error:
        raise DataError(f"'{picture}' is not an image") from error
    except DataError as error:
        raise DataError(f"'{picture}': {error}") from error
    # As the tournament's reals: through the generators' resolution, where they agree on one, and then the arena's.
    arena = record.config.arena.resolution
    resolution = next(iter(record.real_pools)) if len(record.real_pools) == 1 else arena
    pixels = images.generator_transform(image, resolution=resolution, colour=record.data["colour"])
    return np.asarray(images.to_arena(pixels[None], resolution=arena)[0])


def _parts(pixels: Pixels, boxes: patches.Indices, record: TournamentRecord) -> list[str]:
    spec = parser_spec(record.config.parts)
    if spec is None:
        return [""] * len(pixels)
    with _naming(f"face parser '{spec.name}'"):
        parser = referee.build_parser(spec.identity(), places=spec.places())
        labels = referee.label(parser, images.to_tensor(pixels)).numpy()
    return [PARTS[part] for part in patches.assign_parts(labels, boxes[:, None])[:, 0]]
