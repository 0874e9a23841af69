"""A batch of pictures, from their files to what detectors say of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.pool import Pool
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import locate, naming
from fakeoff.protocols.rules import referee
from fakeoff.protocols.score.patches import Floats
from fakeoff.protocols.scoring.framing import Framing, Views, frame, open_picture
from fakeoff.protocols.scoring.judges import Judge
from fakeoff.protocols.scoring.scored import Scored, ScoredPicture, Sight
from fakeoff.protocols.scoring.sources import Found

K = TypeVar("K", np.uint8, np.float32)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What one detector says of all views of a batch.

    Attributes:
        judge: Whose it is.
        detector: The same, built.
        scores: float64 ``(n,)``.
        patches: float32 ``(n, h', w')``; None where nobody asked, and of one that judges no patches.
    """

    judge: Judge
    detector: Detector
    scores: npt.NDArray[np.float64]
    patches: Floats | None

    def row(self, found: Found, views: Views, part: slice) -> ScoredPicture:
        scores = self.scores[part]
        p_fake, threshold = float(scores.mean()), self.judge.threshold
        tiles = len(scores) if views.how == "tiles" else None
        return ScoredPicture(
            picture=found.name,
            detector=self.judge.version.label,
            p_fake=_rounded(p_fake),
            p_fake_max=_rounded(scores.max()) if tiles else None,
            verdict="fake" if p_fake >= threshold else "real",
            threshold=threshold,
            width=views.width,
            height=views.height,
            how=views.how,
            tiles=tiles,
        )

    def sight(self, views: Views, part: slice) -> Sight | None:
        if self.patches is None or not isinstance(self.detector, PatchDetector):
            return None
        scores, side = self.scores[part], views.pixels.shape[1]
        # Of all tiles the verdict's word is one, and the patch is of the tile that says it most clearly.
        fake = bool(scores.mean() >= self.judge.threshold)
        words = np.full(len(scores), fake)
        heatmaps, boxes = locate(self.detector, self.patches[part], pixels=views.pixels, is_fake=words)
        chosen = int(scores.argmax() if fake else scores.argmin())
        row, column = divmod(chosen, views.columns)
        return Sight(
            detector=self.judge.version.label,
            pixels=_side_by_side(views.pixels, views.columns),
            heatmap=_side_by_side(heatmaps, views.columns),
            box=boxes[chosen] + side * np.array([row, column, row, column]),
        )


class BatchScorer:
    """Scores batches; several threads may ask at once, and each has detectors of its own.

    Args:
        judges: Who judges.
        record: The tournament.
        framing: How a picture is brought to the arena's resolution.
        sights: Whether patch detectors are asked for their heatmaps.
        threads: How many will ask.

    Attributes:
        side: Height and width in pixels of the largest images that a detector is shown.

    Raises:
        PluginError: A detector cannot be built.
    """

    def __init__(
        self, *, judges: Sequence[Judge], record: TournamentRecord, framing: Framing, sights: bool, threads: int
    ) -> None:
        self._judges = tuple(judges)
        self._record = record
        self._framing: Framing = framing
        self._sights = sights
        self._own = threading.local()
        # Here, one after the other: building seals global randomness, which belongs to the whole process.
        self._built: queue.SimpleQueue[tuple[Detector, ...]] = queue.SimpleQueue()
        self.side = record.config.arena.resolution
        for _ in range(threads):
            built = tuple(judge.build() for judge in self._judges)
            self.side = max(self.side, *(detector.side or 0 for detector in built))
            self._built.put(built)

    def prepare(self) -> None:
        """Sets a thread up before its first batch."""
        torch.set_num_threads(1)  # OpenMP counts for each thread that begins an operation
        self._own.detectors = self._built.get_nowait()

    def score(self, batch: Sequence[Found]) -> list[Scored]:
        """Reads pictures and judges them.

        Raises:
            PluginError: A detector misbehaves.
        """
        framed = [self._frame(found) for found in batch]
        shown = [views.pixels for _, views in framed if views is not None]
        answers = self._ask(np.concatenate(shown)) if shown else []
        scored, start = [], 0
        for found, views in framed:
            if views is None:
                scored.append(Scored(rows=tuple(self._refused(found, judge) for judge in self._judges)))
                continue
            part = slice(start, start + len(views.pixels))
            start = part.stop
            sights = (answer.sight(views, part) for answer in answers)
            rows = tuple(answer.row(found, views, part) for answer in answers)
            scored.append(Scored(rows=rows, sights=tuple(sight for sight in sights if sight is not None)))
        return scored

    def _frame(self, found: Found) -> tuple[Found, Views | None]:
        if found.error:
            return found, None
        try:
            return found, frame(open_picture(found.name), framing=self._framing, record=self._record)
        except DataError as error:
            return Found(name=found.name, error=str(error)), None

    def _refused(self, found: Found, judge: Judge) -> ScoredPicture:
        return ScoredPicture(
            picture=found.name, detector=judge.version.label, threshold=judge.threshold, error=found.error
        )

    def _ask(self, pixels: Pixels) -> list[_Answer]:
        images, answers = Pool(pixels), []
        for judge, detector in zip(self._judges, self._own.detectors, strict=True):
            with naming(judge.version.label):
                if self._sights and isinstance(detector, PatchDetector):
                    scores, patches = referee.judge_both(detector, images)
                    said = patches.numpy()
                else:
                    scores, said = referee.judge(detector, images), None
            answers.append(
                _Answer(judge=judge, detector=detector, scores=scores.numpy().astype(np.float64), patches=said)
            )
        return answers


def _rounded(score: float) -> float:
    """In nine digits, which tell all float32 apart: rows are read as well."""
    return float(f"{score:.9g}")


def _side_by_side(tiles: npt.NDArray[K], columns: int) -> npt.NDArray[K]:
    """Lays ``(n, h, w, ...)`` out row by row; ``(rows * h, columns * w, ...)``."""
    rows, (height, width) = len(tiles) // columns, tiles.shape[1:3]
    laid = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    return laid.reshape(rows * height, columns * width, *tiles.shape[3:])


__all__ = ["BatchScorer"]
