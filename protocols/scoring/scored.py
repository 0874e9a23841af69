"""What detectors say of one picture among many."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.arena.images import Pixels
from fakeoff.protocols.score.patches import Indices

Word: TypeAlias = Literal["fake", "real", ""]


@dataclass(frozen=True, kw_only=True)
class ScoredPicture:
    """A row: one picture before one detector.

    Attributes:
        picture: Its path, as given or as found.
        detector: The version that judged it.
        p_fake: P(fake); of tiles the mean over them. None where it could not be judged.
        p_fake_max: The highest of its tiles; None where there is only one view of the picture.
        verdict: ``fake`` from the threshold on, else ``real``; empty where it could not be judged.
        threshold: P(fake) from which the detector says fake, chosen on the tournament's val images.
        width: Of the picture in pixels, upright; None where it could not be read.
        height: Likewise.
        how: How it was brought to the arena's resolution: ``crop``, ``whole`` or ``tiles``; empty likewise.
        tiles: How many; None where it was not cut.
        error: Why it could not be judged; empty where it was.
    """

    picture: str
    detector: str
    p_fake: float | None = None
    p_fake_max: float | None = None
    verdict: Word = ""
    threshold: float
    width: int | None = None
    height: int | None = None
    how: str = ""
    tiles: int | None = None
    error: str = ""


COLUMNS = tuple(field.name for field in fields(ScoredPicture))
"""The header of the rows."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Where a patch detector sees a fake.

    Attributes:
        detector: The version.
        pixels: uint8 ``(h, w, 3)``: the picture as it was shown, tiles laid side by side.
        heatmap: float32 ``(h, w)``: P(fake), aligned with the pixels.
        box: The most predictive patch: top, left, bottom, right.
    """

    detector: str
    pixels: Pixels
    heatmap: npt.NDArray[np.float32]
    box: Indices


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One picture before all detectors that were asked.

    Attributes:
        rows: One for each detector, in their order.
        sights: Of its patch detectors; empty where nobody asked for them.
    """

    rows: tuple[ScoredPicture, ...]
    sights: tuple[Sight, ...] = ()


__all__ = ["COLUMNS", "Scored", "ScoredPicture", "Sight"]
