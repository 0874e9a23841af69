"""A home's patch detectors at a user's own pictures: drawn and printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.errors import ConfigError
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.plots.heatmap_plots import Exhibit, picture_heatmaps
from fakeoff.protocols.drawing.inks import FAKE, REAL, REAL_OR_FAKE
from fakeoff.protocols.game.recipes import judges_patches
from fakeoff.protocols.pictures import Verdict, judge_pictures

MOST_PICTURES = 60
"""How many pictures are drawn on one sheet."""


def look_at(pictures: Sequence[Path], *, detector: str, home: Home, out: Path) -> tuple[Verdict, ...]:
    """Judges pictures with a detector version of a home, and draws its heatmaps over them.

    Args:
        pictures: Image files, at most 60; see :func:`fakeoff.protocols.pictures.judge_pictures`.
        detector: A player's name for its newest version, or a version such as ``xception_block1@1``.
        home: Where it was trained.
        out: The PNG file to write.

    Raises:
        ConfigError: No such detector, one that judges no patches, too many pictures, or ``out`` cannot be written.
        DataError: A picture is missing, damaged or no image.
        PluginError: The detector or the parser misbehaves.
        StoreError: Nothing was played there.
    """
    if len(pictures) > MOST_PICTURES:
        raise ConfigError(f"{len(pictures)} pictures; give at most {MOST_PICTURES} at a time")
    if out.resolve() in {picture.resolve() for picture in pictures}:
        raise ConfigError(f"'{out}' is one of the pictures; give another --out")
    store = home.open_store()
    record = read_ledger(home, store)
    judged = judge_pictures(pictures, detector=detector, record=record, store=store)
    if judged.heatmaps is None:
        names = sorted(player.name for player in record.config.detectors if judges_patches(player.plugin))
        raise ConfigError(
            f"{judged.detector.label} judges whole images, it has no heatmap. "
            f"Patch detectors of this home: {', '.join(names) or 'none'}"
        )
    exhibit = Exhibit(
        caption="",
        pixels=judged.pixels,
        heatmaps=judged.heatmaps,
        boxes=np.array([verdict.patch for verdict in judged.verdicts]),
        labels=[_caption(verdict) for verdict in judged.verdicts],
    )
    title = (
        f"{judged.detector.label}: P(fake) of each picture, fake from {judged.threshold:.2f}\n"
        f"{REAL_OR_FAKE}; yellow frame: the most predictive patch\n"
        "normalised: each picture's own range\nraw: P(fake) from 0 to 1"
    )
    figure = picture_heatmaps(title, exhibit)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, format="png")
    except OSError as error:
        raise ConfigError(f"'{out}' cannot be written: {error.strerror}; give another --out") from error
    return judged.verdicts


def print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Prints a row for each picture."""
    table = Table()
    table.add_column("picture", overflow="fold")
    for heading in ("P(fake)", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("most predictive part", no_wrap=True)
    for verdict in verdicts:
        style = FAKE if verdict.is_fake else REAL
        word = Text("fake" if verdict.is_fake else "real", style=style)
        table.add_row(Text(verdict.picture), f"{verdict.p_fake:.3f}", word, verdict.part or "-")
    console.print(table)


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as JSON."""
    return json.dumps([dataclasses.asdict(verdict) for verdict in verdicts], indent=2) + "\n"


def _caption(verdict: Verdict) -> str:
    word = "fake" if verdict.is_fake else "real"
    return f"{verdict.p_fake:.2f} {word}" + (f", {verdict.part}" if verdict.part else "")
