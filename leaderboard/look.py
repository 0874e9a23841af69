"""A home's patch detectors at a user's own pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import UnidentifiedImageError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena import compute, images
from fakeoff.arena.errors import ConfigError, DataError, StoreError, suggestion
from fakeoff.arena.images import Pixels
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.reals import read_image
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.store import Store
from fakeoff.detectors import PatchDetector
from fakeoff.leaderboard.heatmap_plots import Exhibit, picture_heatmaps
from fakeoff.leaderboard.ledger import read_ledger
from fakeoff.protocols import patches, referee
from fakeoff.protocols.records import TournamentRecord, Version
from fakeoff.protocols.schedule import detector_spec, parser_spec

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
    if not home.is_dir():
        raise StoreError(f"nothing was played in '{home}'; play first: fakeoff run --home {home}")
    store = Store(home / "store")
    record = read_ledger(home, store)
    version = _find(detector, record)
    spec = detector_spec(next(p for p in record.config.detectors if p.name == version.player))
    pixels = np.stack([_read(picture, record) for picture in pictures])
    compute.prepare_process(threads=1)
    judge = referee.build_detector(spec.identity(), version=store.read(version.key))
    if not isinstance(judge, PatchDetector):
        raise ConfigError(f"{version.label} judges whole images, it has no heatmap; {_choices(record)}")
    tensor = images.to_tensor(pixels)
    scores = referee.judge_patches(judge, tensor).numpy()
    p_fake = referee.judge(judge, tensor).numpy()
    threshold = float(store.record(version.key)["threshold"])
    field, size = judge.receptive_field, (pixels.shape[1], pixels.shape[2])
    is_fake = p_fake > threshold
    boxes = np.empty((len(pixels), 4), dtype=np.int64)
    for index, fake in enumerate(is_fake):
        rng = np.random.default_rng(seed_from("look", version.key, index))
        units, _ = patches.most_predictive(scores[index : index + 1], truth="fake" if fake else "real", rng=rng)
        boxes[index] = patches.windows(units, field, size=size)[0]
    whole = patches.sees_whole_image(field, grid=cast("tuple[int, int]", scores.shape[1:]), size=size)
    parts = [""] * len(pixels) if whole else _parts(pixels, boxes, record)
    verdicts = [
        Verdict(picture=str(path), p_fake=float(p), is_fake=bool(fake), part=part, patch=(top, left, bottom, right))
        for path, p, fake, part, (top, left, bottom, right) in zip(
            pictures, p_fake, is_fake, parts, boxes.tolist(), strict=True
        )
    ]
    exhibit = Exhibit(
        caption="yellow: the most predictive patch; normalised: each picture's own range; raw: P(fake) from 0 to 1",
        pixels=pixels,
        heatmaps=patches.align(scores, field, size=size),
        boxes=boxes,
        labels=[_caption(verdict) for verdict in verdicts],
    )
    title = f"{version.label}: P(fake) of each picture, fake above {threshold:.2f}"
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


def _find(wanted: str, record: TournamentRecord) -> Version:
    versions = [version for version in record.versions if version.kind == "detector"]
    of_name = [version for version in versions if wanted in (version.player, version.label)]
    if not of_name:
        known = sorted({name for version in versions for name in (version.player, version.label)})
        raise ConfigError(f"no detector '{wanted}' in this home{suggestion(wanted, known)} {_choices(record)}")
    return max(of_name, key=lambda version: version.round)


def _choices(record: TournamentRecord) -> str:
    names = sorted({version.player for version in record.versions if version.kind == "detector"})
    return f"it has: {', '.join(names) or 'none'}"


def _read(picture: Path, record: TournamentRecord) -> Pixels:
    if not picture.is_file():
        raise DataError(f"no picture at '{picture}'")
    try:
        image = read_image(picture)
    except UnidentifiedImageError as error:
        raise DataError(f"'{picture}' is not an image") from error
    except DataError as error:
        raise DataError(f"'{picture}': {error}") from error
    return images.generator_transform(image, resolution=record.config.arena.resolution, colour=record.data["colour"])


def _parts(pixels: Pixels, boxes: patches.Indices, record: TournamentRecord) -> list[str]:
    spec = parser_spec(record.config.parts)
    if spec is None:
        return [""] * len(pixels)
    parser = referee.build_parser(spec.identity(), weights=str(spec.weights) if spec.weights else None)
    labels = referee.label(parser, images.to_tensor(pixels)).numpy()
    return [PARTS[part] for part in patches.assign_parts(labels, boxes[:, None])[:, 0]]
