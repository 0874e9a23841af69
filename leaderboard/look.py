"""A home's patch detectors at a user's own pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.leaderboard.heatmap_plots import Exhibit, picture_heatmaps
from fakeoff.leaderboard.ledger import open_store, read_ledger
from fakeoff.protocols import patches, referee
from fakeoff.protocols.records import TournamentRecord, Version
from fakeoff.protocols.schedule import detector_spec, judges_patches, parser_spec

MOST_PICTURES = 60
"""How many pictures are drawn on one sheet."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a detector says of one picture.

    Attributes:
        picture: Its path, as given.
        p_fake: P(fake), the mean over patches.
        is_fake: P(fake) is above the threshold that was chosen on the tournament's val images.
        part: The part of the face that the most predictive patch (of the verdict's class) covers; empty where no
            parser is configured or every patch sees the whole image.
        patch: That patch in pixels of the arena: top, left, bottom, right.
    """

    picture: str
    p_fake: float
    is_fake: bool
    part: str
    patch: tuple[int, int, int, int]


def look_at(pictures: Sequence[Path], *, detector: str, home: Path, out: Path) -> list[Verdict]:
    """Judges pictures with a detector version of a home, and draws its heatmaps over them.

    Args:
        pictures: Image files, at most 60. They go through the arena's pipeline: square crop, resize, colour.
        detector: A player's name for its newest version, or a version such as ``xception_block1@1``.
        home: Where it was trained.
        out: The PNG file to write.

    Raises:
        ConfigError: No such detector, one that judges no patches, too many pictures, or ``out`` cannot be written.
        DataError: A picture is missing, damaged or no image.
        StoreError: Nothing was played there.
    """
    if len(pictures) > MOST_PICTURES:
        raise ConfigError(f"{len(pictures)} pictures; give at most {MOST_PICTURES} at a time")
    if out.resolve() in {picture.resolve() for picture in pictures}:
        raise ConfigError(f"'{out}' is one of the pictures; give another --out")
    store = open_store(home)
    record = read_ledger(home, store)
    version = _find(detector, record)
    spec = detector_spec(next(p for p in record.config.detectors if p.name == version.player))
    pixels = np.stack([_read(picture, record) for picture in pictures])
    compute.prepare_process(threads=1)
    with _naming(version.label):
        judge = referee.build_detector(spec.identity(), version=store.read(version.key))
        if not isinstance(judge, PatchDetector):
            raise ConfigError(f"{version.label} judges whole images, it has no heatmap. {_choices(record)}")
        scores = referee.judge_patches(judge, images.to_tensor(pixels)).numpy()
        p_fake = referee.judge(judge, images.to_tensor(pixels)).numpy().astype(np.float64)
    threshold = float(store.record(version.key)["threshold"])
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
    verdicts = [
        Verdict(picture=str(path), p_fake=float(p), is_fake=bool(fake), part=part, patch=(top, left, bottom, right))
        for path, p, fake, part, (top, left, bottom, right) in zip(
            pictures, p_fake, is_fake, parts, boxes.tolist(), strict=True
        )
    ]
    exhibit = Exhibit(
        caption="",
        pixels=pixels,
        heatmaps=patches.align(scores, field, size=size),
        boxes=boxes,
        labels=[_caption(verdict) for verdict in verdicts],
    )
    title = (
        f"{version.label}: P(fake) of each picture, fake from {threshold:.2f}\nyellow: the most predictive patch\n"
        "normalised: each picture's own range\nraw: P(fake) from 0 to 1"
    )
    figure = picture_heatmaps(title, exhibit)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, format="png")
    except OSError as error:
        raise ConfigError(f"'{out}' cannot be written: {error.strerror}; give another --out") from error
    return verdicts


def print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Prints a row for each picture."""
    table = Table()
    table.add_column("picture", overflow="fold")
    for heading in ("P(fake)", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("most predictive part", no_wrap=True)
    for verdict in verdicts:
        style = "red" if verdict.is_fake else "green"
        word = Text("fake" if verdict.is_fake else "real", style=style)
        table.add_row(Text(verdict.picture), f"{verdict.p_fake:.3f}", word, verdict.part or "-")
    console.print(table)


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as JSON."""
    return json.dumps([dataclasses.asdict(verdict) for verdict in verdicts], indent=2) + "\n"


def _caption(verdict: Verdict) -> str:
    word = "fake" if verdict.is_fake else "real"
    return f"{verdict.p_fake:.2f} {word}" + (f", {verdict.part}" if verdict.part else "")


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
        parser = referee.build_parser(spec.identity(), weights=str(spec.weights) if spec.weights else None)
        labels = referee.label(parser, images.to_tensor(pixels)).numpy()
    return [PARTS[part] for part in patches.assign_parts(labels, boxes[:, None])[:, 0]]
