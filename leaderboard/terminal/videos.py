"""The extraction of videos, as it is shown: progress, what there is in the end, and what could not be read."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.videos import (
    Extracted,
    Extraction,
    Kind,
    Plan,
    assign_people,
    extract,
    held,
    people_of_no_list,
    plan_extraction,
    read_collection,
    read_published,
    some,
    write_game,
)
from fakeoff.protocols.forensics.encodings import compare_encodings, pairs_of


def extract_videos(
    kind: Kind,
    *,
    folder: Path,
    out: Path,
    frames: int,
    margin: float,
    methods: Sequence[str],
    resolution: int,
    workers: int,
    console: Console,
    compressions: Sequence[str] = (),
    splits: Path | None = None,
) -> int:
    """Extracts the frames of a collection of videos, and says what came of it.

    Args:
        kind: How the folder is laid out.
        folder: The collection.
        out: For the images.
        frames: Of each original.
        margin: Side of a crop, in heights of the face.
        methods: Which manipulations; none are all.
        resolution: Of the arena in the configuration that is written.
        workers: Processes.
        console: Where to.
        compressions: Of FaceForensics++.
        splits: The folder of its published split.

    Returns:
        How many things could not be done.

    Raises:
        FakeoffError: See :func:`fakeoff.arena.videos.read_collection`, ``plan_extraction``, ``assign_people`` and
            ``extract``.
    """
    settings = Extraction(frames=frames, margin=margin)
    published = None if splits is None else read_published(splits)
    collection = read_collection(folder, kind, compressions=compressions, methods=methods)
    with held(out):
        return _extract_into(
            out,
            plan_extraction(collection, out, settings),
            published,
            resolution=resolution,
            workers=workers,
            console=console,
        )


def _extract_into(
    out: Path, plan: Plan, published: Mapping[str, Split] | None, *, resolution: int, workers: int, console: Console
) -> int:
    collection = plan.collection
    split_of = assign_people(collection, published)
    notes = [*plan.notes, *(collection.remarks if published is None else ())]
    if published is not None and (unlisted := people_of_no_list(collection, published)):
        notes.append(
            f"people in no list of --splits ({len(unlisted)}): {some(unlisted)}; they are with those in whose videos "
            "they are, else divided by the hash of their names"
        )
    for line in notes:
        _say(console, f"note: {line}")
    with _Progress(console, len(collection.originals)) as progress:
        results = extract(
            plan,
            split_of,
            workers=workers,
            report=progress.extracted,
            note=lambda line: _say(console, f"note: {line}"),
        )
    console.print(_table(results))
    for line in _shortcomings(results):
        _say(console, line)
    for compared in compare_encodings(pairs_of(results)):
        _say(console, f"encodings: {compared.sentence}")
    problems = [*collection.problems, *(problem for extracted in results for problem in extracted.problems)]
    for problem in problems:
        _say(console, f"not used: {problem}")
    game = write_game(out, results, resolution=resolution)
    for line in (*game.problems, *game.notes):
        _say(console, line)
    if game.path is not None:
        _say(console, f"fakeoff run {shlex.quote(str(game.path))} plays it")
    return len(problems) + len(game.problems)


class _Progress:
    """A bar on a terminal; elsewhere a plain line for each original."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done = console, total, 0
        self._started = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("originals", total=total)

    def __enter__(self) -> _Progress:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)

    def extracted(self, found: Extracted) -> None:
        """One original more."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        if not self._console.is_terminal:
            fakes = sum(each.frames for each in found.manipulations)
            seconds = time.monotonic() - self._started
            what = "not used" if found.problem else f"{found.frames} frames, {fakes} of manipulations"
            _say(self._console, f"[{seconds:.0f} s] {self._done}/{self._total} {found.original}: {what}")


def _table(results: Sequence[Extracted]) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    videos: Counter[tuple[str, str]] = Counter()
    for found in results:
        counts["", found.split] += found.frames
        videos["", found.split] += bool(found.frames)
        for each in found.manipulations:
            counts[each.method, found.split] += each.frames
            videos[each.method, found.split] += bool(each.frames)
    table = Table(title="Frames (of so many videos)", title_justify="left")
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for method in sorted({method for method, _ in counts}):
        cells = [f"{counts[method, split]} ({videos[method, split]})" for split in SPLITS]
        table.add_row(method or "originals", *cells)
    return table


def _shortcomings(results: Sequence[Extracted]) -> list[str]:
    """What is fewer than was wanted, in words."""
    lines = []
    if short := [f"{found.original} ({found.short})" for found in results if found.short]:
        lines.append(f"originals with fewer frames than were wanted: {', '.join(short)}")
    if hidden := [f"{found.original} ({found.without_face})" for found in results if found.without_face]:
        lines.append(f"frames without a face, left out on both sides: {', '.join(hidden)}")
    ended = [
        f"{each.method} {each.name} ({each.missing})"
        for found in results
        for each in found.manipulations
        if each.missing
    ]
    if ended:
        lines.append(f"manipulations that end before their originals, and the frames that lack: {', '.join(ended)}")
    without_masks = [
        f"{each.method} {each.name} ({each.masks_missing})"
        for found in results
        for each in found.manipulations
        if each.masks_missing
    ]
    if without_masks:
        lines.append(f"masks that end before their videos, and the frames that lack one: {', '.join(without_masks)}")
    return lines


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
