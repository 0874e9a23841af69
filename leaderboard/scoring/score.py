"""A home's detectors at any number of a user's pictures: rows as they come, and figures where the truth is known."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images.splits import counted
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.scoring.continued import RowFile
from fakeoff.leaderboard.scoring.heatmaps import draw_heatmaps
from fakeoff.leaderboard.scoring.rows import Form, header, row_bytes
from fakeoff.protocols.game.recipes import judges_patches
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.scoring.figures import LabelledFigures, LabelledScores
from fakeoff.protocols.scoring.framing import Framing
from fakeoff.protocols.scoring.judges import Judge, choose_judges
from fakeoff.protocols.scoring.labels import Labels
from fakeoff.protocols.scoring.scored import Scored, ScoredPicture
from fakeoff.protocols.scoring.sources import Search, find_pictures
from fakeoff.protocols.scoring.stream import score_pictures

DEFAULT_STEM = "fakeoff-score"
"""What figures and their diagram are called after where the rows go to no file."""


class Watch(Protocol):
    """Told of each picture."""

    def judged(self, *, failed: bool) -> None:
        """One picture more."""


@dataclass(kw_only=True)
class Summary:
    """What a call came to.

    Attributes:
        pictures: How many have rows, those of earlier calls included.
        failed: Those that could not be judged.
        earlier: Those whose rows were there.
        left_out: Files in folders whose suffix is of no picture.
        kinds: How many of them are videos and the like, as far as their names say it.
        empty: What to say of folders without a picture; empty where there was none.
        repeated: How often a picture was named again.
        figures: Of labelled pictures, one for each detector.
        files: What was written beside the rows.
    """

    pictures: int = 0
    failed: int = 0
    earlier: int = 0
    left_out: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    empty: str = ""
    repeated: int = 0
    figures: tuple[LabelledFigures, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def not_pictures(self) -> str:
        """What is left out for its suffix, in a line."""
        among = ", ".join(counted(count, kind) for kind, count in sorted(self.kinds.items()))
        known = f" ({among}: convert them, or cut frames out of them, first)" if among else ""
        return f"{self.left_out} file(s) in folders left out: their suffix is of no picture{known}"

    def lines(self) -> list[str]:
        """What should be said at the end beside the rows."""
        found = []
        if self.earlier:
            found.append(f"{self.earlier} of {self.pictures} pictures had rows already")
        if self.left_out:
            found.append(self.not_pictures)
        if self.empty:
            found.append(self.empty)
        if self.repeated:
            found.append(f"{self.repeated} picture(s) named again: each is judged once")
        return [*found, *(f"written: {path}" for path in self.files)]


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where rows go.

    Attributes:
        form: How they are written.
        stream: Where to, if there is no file.
        path: A file, which is continued if it is there.
        heatmaps: A folder for a picture of each picture; None draws none.
    """

    form: Form
    stream: BinaryIO
    path: Path | None = None
    heatmaps: Path | None = None


def score_to(
    output: Output,
    *,
    paths: Sequence[str],
    detector: str | None,
    home: Home,
    listed: Iterable[str] = (),
    framing: Framing = "crop",
    labels: Labels | None = None,
    workers: int | None = None,
    watch: Watch,
) -> Summary:
    """Judges pictures and writes their rows as they come.

    Args:
        output: Where to.
        paths: Files, folders, and ``-`` for the list; none means those that have labels.
        detector: See :func:`fakeoff.protocols.scoring.judges.choose_judges`; None is all.
        home: Where the detectors were trained.
        listed: What ``-`` stands for.
        framing: How a picture is brought to the arena's resolution.
        labels: What is known of the pictures.
        workers: Threads; as many as there are cores by default.
        watch: Told of each picture that is judged.

    Raises:
        ConfigError: No such detector, none that judges patches where heatmaps are wanted, or a file that cannot be
            written or continued.
        DataError: There is no picture, or no figures can be had of those with labels; rows are kept.
        PluginError: A detector misbehaves; likewise.
        StoreError: Nothing was played there, or it is damaged.
    """
    store = home.open_store()
    record = read_ledger(home, store)
    judges = choose_judges(detector, record=record, store=store)
    if output.heatmaps is not None:
        _check_heatmaps(output.heatmaps, judges, record)
    summary, search = Summary(), Search()
    labelled = LabelledScores(labels) if labels else None

    def count(rows: Sequence[ScoredPicture]) -> None:
        summary.pictures += 1
        summary.failed += any(row.error for row in rows)
        if labelled:
            for row in rows:
                labelled.add(row)

    def earlier(rows: Sequence[ScoredPicture]) -> None:
        summary.earlier += 1
        count(rows)

    given: Iterable[str] = paths or (labels.pictures() if labels else ())
    found = find_pictures(given, listed=listed, search=search)
    side = record.config.arena.resolution
    with _rows(output, judges=judges, framing=framing, side=side, earlier=earlier) as rows:
        for scored in score_pictures(
            (one for one in found if not rows.knows(one.name)),
            judges=judges,
            record=record,
            framing=framing,
            workers=workers,
            sights=output.heatmaps is not None,
        ):
            if output.heatmaps is not None:
                draw_heatmaps(scored, output.heatmaps)  # before its row, which says that all is done
            rows.write(scored)
            count(scored.rows)
            watch.judged(failed=bool(scored.rows[0].error))
    summary.left_out, summary.kinds, summary.repeated = search.left_out, search.kinds, search.repeated
    if search.empty:
        more = f" and in {search.empty - 1} folder(s) more" if search.empty > 1 else ""
        summary.empty = f"no picture in '{search.first_empty}'{more}"
    if not summary.pictures:
        raise DataError(
            f"no picture in {', '.join(map(repr, paths)) or 'the folders'}; give files or folders that hold some"
            + (f"; {summary.not_pictures}" if summary.left_out else "")
        )
    if labelled:
        score = record.config.score
        summary.figures = labelled.evaluate(resamples=score.resamples, confidence=score.confidence)
        summary.files = _write_figures(summary.figures, beside=output.path)
    return summary


class _Rows(Protocol):
    def knows(self, name: str) -> bool: ...

    def write(self, scored: Scored) -> None: ...


class _Printed:
    """Rows that are printed as they come."""

    def __init__(self, output: Output, judges: Sequence[Judge]) -> None:
        self._output = output
        self._width = max(len(judge.version.label) for judge in judges)
        self._print(header(output.form, detector_width=self._width))

    def knows(self, name: str) -> bool:
        return False

    def write(self, scored: Scored) -> None:
        form = self._output.form
        self._print(b"".join(row_bytes(row, form, detector_width=self._width) for row in scored.rows))

    def _print(self, text: bytes) -> None:
        self._output.stream.write(text)
        self._output.stream.flush()


@contextlib.contextmanager
def _rows(
    output: Output,
    *,
    judges: Sequence[Judge],
    framing: Framing,
    side: int,
    earlier: Callable[[Sequence[ScoredPicture]], None],
) -> Iterator[_Rows]:
    if output.path is None:
        yield _Printed(output, judges)
        return
    with RowFile(output.path, form=output.form, judges=judges, framing=framing, side=side, earlier=earlier) as file:
        yield file


def _check_heatmaps(folder: Path, judges: Sequence[Judge], record: TournamentRecord) -> None:
    plugins = {player.name: player.plugin for player in record.config.detectors}
    if not any(judges_patches(plugins[judge.version.player]) for judge in judges):
        able = sorted(name for name, plugin in plugins.items() if judges_patches(plugin))
        raise ConfigError(
            f"{judges[0].version.label} judges whole images, it has no heatmap. "
            f"Patch detectors of this home: {', '.join(able) or 'none'}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"'{folder}' cannot be made: {error.strerror}; give another --heatmaps") from error


def _write_figures(figures: Sequence[LabelledFigures], *, beside: Path | None) -> tuple[Path, Path]:
    from fakeoff.leaderboard.plots.reliability import reliability_diagrams  # here: half a second of imports

    stem = beside.with_suffix("") if beside is not None else Path(DEFAULT_STEM)
    numbers, diagram = (stem.with_name(f"{stem.name}-{ending}") for ending in ("figures.json", "reliability.png"))
    try:
        write_atomically(numbers, (json.dumps([as_record(one) for one in figures], indent=1) + "\n").encode())
        reliability_diagrams(figures).savefig(diagram, format="png")
    except OSError as error:
        raise ConfigError(f"'{stem}-...' cannot be written: {error.strerror}; give another --out") from error
    return numbers, diagram


__all__ = ["Output", "Summary", "score_to"]
