"""A home's patch detectors at a user's own pictures: drawn and printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images.folders import printable
from fakeoff.arena.images.reals import find_files, is_named, why_unreadable
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.plots.heatmap_plots import Exhibit, picture_heatmaps
from fakeoff.protocols.drawing.inks import FAKE, REAL, REAL_OR_FAKE
from fakeoff.protocols.game.recipes import judges_patches
from fakeoff.protocols.pictures import Verdict, judge_pictures

MOST_PICTURES = 60
"""How many pictures are drawn on one sheet."""


def look_at(
    given: Sequence[str | Path], *, detector: str, home: Home, out: Path, say: Callable[[str], None] | None = None
) -> tuple[Verdict, ...]:
    """Judges pictures with a detector version of a home, and draws its heatmaps over them.

    Args:
        given: Image files, at most 60; folders of them, ``orl`` and assets of photographs by their names. Of more
            pictures than 60 in these, 60 that are evenly spread are drawn.
        detector: A player's name for its newest version, or a version such as ``xception_block1@1``.
        home: Where it was trained.
        out: The PNG file to write.
        say: Told what is left out, a line each.

    Raises:
        ConfigError: No such detector, one that judges no patches, too many pictures, or ``out`` cannot be written.
        DataError: A picture is missing, damaged or no image.
        PluginError: The detector or the parser misbehaves.
        StoreError: Nothing was played there.
    """
    pictures = _find(given, say or (lambda line: None))
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


def _find(given: Sequence[str | Path], say: Callable[[str], None]) -> list[Path]:
    """The pictures to draw: those that are named, and of folders as many as there is room for."""
    named = [Path(one) for one in given if not is_named(str(one)) and not Path(one).is_dir()]
    if len(named) > MOST_PICTURES:
        raise ConfigError(f"{len(named)} pictures; give at most {MOST_PICTURES} at a time")
    found: list[Path] = []
    for folder in (one for one in given if is_named(str(one)) or Path(one).is_dir()):
        inside = []
        for entry in find_files(folder):
            if reason := entry.reason or why_unreadable(entry.path):
                say(f"left out {entry.name}: {reason}")
            else:
                inside.append(Path(entry.path))
        if not inside:
            raise DataError(f"no picture in '{folder}'; give pictures, or a folder that holds some")
        found += inside
    room = MOST_PICTURES - len(named)
    if len(found) > room:
        say(f"drawn are {room} of the {len(found)} pictures in folders, evenly spread")
        found = [found[place * len(found) // room] for place in range(room)]
    return [*named, *found]


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
        part = "no face" if verdict.face is False else verdict.part or "-"
        table.add_row(Text(printable(verdict.picture)), f"{verdict.p_fake:.3f}", word, part)
    console.print(table)
    if without := sum(verdict.face is False for verdict in verdicts):
        console.print(
            f"no face was found in {without} of {len(verdicts)} pictures: detectors that learned faces know nothing of "
            "anything else",
            markup=False,
            soft_wrap=True,
        )


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as JSON."""
    return json.dumps([dataclasses.asdict(verdict) for verdict in verdicts], indent=2) + "\n"


def _caption(verdict: Verdict) -> str:
    word = "fake" if verdict.is_fake else "real"
    part = "no face" if verdict.face is False else verdict.part
    return f"{verdict.p_fake:.2f} {word}" + (f", {part}" if part else "")
