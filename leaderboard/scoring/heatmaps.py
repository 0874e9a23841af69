"""A picture for each scored picture: where its patches look like a fake's."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from fakeoff.arena.errors import ConfigError
from fakeoff.protocols.drawing.inks import REAL_OR_FAKE
from fakeoff.protocols.scoring.scored import Scored, ScoredPicture, Sight

_STEM_LENGTH = 60
_HASH_LENGTH = 12


def heatmap_path(folder: Path, picture: str, detector: str) -> Path:
    """Where the heatmaps of a picture go: no two pictures in one file, and none outside the folder.

    Args:
        folder: That of all of them.
        picture: Its path.
        detector: The version.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(picture).stem).strip("-")[:_STEM_LENGTH]
    told = hashlib.sha256(f"{detector}\0{picture}".encode(errors="surrogateescape")).hexdigest()[:_HASH_LENGTH]
    judge = re.sub(r"[^A-Za-z0-9_@-]+", "-", detector)[:_STEM_LENGTH]
    return folder / f"{stem or 'picture'}-{judge}-{told}.png"


def draw_heatmaps(scored: Scored, folder: Path) -> None:
    """Draws what each patch detector sees in a picture.

    Args:
        scored: The picture.
        folder: Where to; it is there.

    Raises:
        ConfigError: It cannot be written.
    """
    rows = {row.detector: row for row in scored.rows}
    for sight in scored.sights:
        row = rows[sight.detector]
        path = heatmap_path(folder, row.picture, row.detector)
        try:
            _draw(row, sight, path)
        except OSError as error:
            raise ConfigError(f"'{path}' cannot be written: {error.strerror}; give another --heatmaps") from error


def _draw(row: ScoredPicture, sight: Sight, path: Path) -> None:
    from fakeoff.leaderboard.plots.heatmap_plots import Exhibit, picture_heatmaps  # here: half a second of imports

    exhibit = Exhibit(
        caption="",
        pixels=sight.pixels[None],
        heatmaps=sight.heatmap[None],
        boxes=np.asarray(sight.box)[None],
        labels=[f"{row.p_fake:.2f} {row.verdict}"],
    )
    title = (
        f"{row.detector}: P(fake) {row.p_fake:.3f}, fake from {row.threshold:.3f}\n"
        f"{REAL_OR_FAKE}; yellow frame: the most predictive patch\n"
        "normalised: the picture's own range\nraw: P(fake) from 0 to 1"
    )
    picture_heatmaps(title, exhibit).savefig(path, format="png")


__all__ = ["draw_heatmaps", "heatmap_path"]
