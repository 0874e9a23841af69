"""A file of rows that is written as they come, and continued where it ended."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.leaderboard.scoring.rows import Form, header, parse_row, row_bytes
from fakeoff.protocols.scoring.framing import Framing
from fakeoff.protocols.scoring.judges import Judge
from fakeoff.protocols.scoring.scored import COLUMNS, Scored, ScoredPicture

_JSON_BEGINS = b'{"picture": "'


class RowFile:
    """Rows in a file; use it as a context manager.

    What an interrupted call wrote stands: pictures whose rows are there are not judged again. A last line that was torn
    is dropped, and so are the rows of a picture that not all detectors have judged. Beside it, ``NAME-detectors.json``
    says which weights judged: of a detector that was played anew, name and even threshold may be the same.

    Args:
        path: The file; it is made if it is not there.
        form: ``csv`` or ``json``.
        judges: Who judges, in the order of each picture's rows.
        framing: How pictures are brought to the arena's resolution.
        side: That resolution in pixels.
        earlier: Told the rows of each picture that are there.

    Raises:
        ConfigError: It holds something else, another process writes it, or it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        form: Form,
        judges: Sequence[Judge],
        framing: Framing,
        side: int,
        earlier: Callable[[Sequence[ScoredPicture]], None],
    ) -> None:
        self._path, self._form = path, form
        self._judges = {judge.version.label: judge.threshold for judge in judges}
        self._fingerprints = {judge.version.label: judge.fingerprint for judge in judges}
        self._beside = path.with_name(f"{path.stem}-detectors.json")
        self._framing, self._side = framing, side
        self._earlier = earlier
        self._there: Counter[str] = Counter()

    def __enter__(self) -> RowFile:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Never cut before it is known to be ours.
            self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        except OSError as error:
            raise ConfigError(f"'{self._path}' cannot be written: {error.strerror}; give another --out") from error
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def knows(self, name: str) -> bool:
        """Whether a picture's rows are there already; of a picture that was given several times, once for each."""
        if not self._there.get(name):
            return False
        self._there[name] -= 1
        return True

    def write(self, scored: Scored) -> None:
        """Writes a picture's rows, so that they are there whatever happens next."""
        self._file.write(b"".join(row_bytes(row, self._form) for row in scored.rows))
        self._file.flush()

    def _open(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another fakeoff writes '{self._path}'; wait for it, or give another --out") from error
        end = self._read()
        if not end:
            self._check_beginning()
        if self._there:
            self._check_fingerprints()
        # Before the first row: of rows without it nobody could say whose they are.
        write_atomically(self._beside, (json.dumps(self._fingerprints, indent=1) + "\n").encode())
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self._file.write(header(self._form))
            self._file.flush()

    def _read(self) -> int:
        """Takes notice of the rows that are there; where the last picture that is complete ends, in bytes."""
        end = 0
        expected = list(self._judges)
        of_picture: list[ScoredPicture] = []
        for row, stop in self._rows():
            if row is None:  # the header
                end = stop
                continue
            self._check(row, expected[len(of_picture)])
            of_picture.append(row)
            if len(of_picture) == len(expected):
                end = stop
                self._there[row.picture] += 1
                self._earlier(of_picture)
                of_picture = []
        return end

    def _rows(self) -> Iterator[tuple[ScoredPicture | None, int]]:
        lines = _Lines(self._file)
        if self._form == "json":
            for line in lines:
                try:
                    yield parse_row("json", json.loads(line)), lines.stop
                except (ValueError, TypeError, AttributeError) as error:
                    raise self._refusal("it does not hold such rows") from error
            return
        # A name may hold a line break, so that a row may be several lines. A row that was torn in the midst of such a
        # name ends in an open quote.
        reader = csv.reader(lines, strict=True)
        try:
            for values in reader:
                if reader.line_num == 1:
                    if tuple(values) != COLUMNS:
                        raise self._refusal("it has other columns")
                    yield None, lines.stop
                elif len(values) != len(COLUMNS):
                    raise self._refusal(f"line {reader.line_num} is no such row")
                else:
                    yield parse_row("csv", dict(zip(COLUMNS, values, strict=True))), lines.stop
        except csv.Error as error:
            if not lines.ended:
                raise self._refusal(f"line {reader.line_num} is no such row") from error
        except ValueError as error:
            raise self._refusal(f"line {reader.line_num} is no such row") from error

    def _check_beginning(self) -> None:
        """Of a file without a whole line: it must be the beginning of one of ours, or it is somebody else's."""
        self._file.seek(0)
        ours = header(self._form) or _JSON_BEGINS
        there = self._file.read(len(ours))
        if not there.startswith(ours[: len(there)]) or (self._form == "csv" and self._file.read(1)):
            raise self._refusal("it does not hold such rows")

    def _check_fingerprints(self) -> None:
        """Of rows that are there; those of earlier releases have no such file beside them, and threshold must serve."""
        try:
            known = json.loads(read_file(self._beside))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise self._refusal(f"'{self._beside.name}' beside it, which says who judged, cannot be read") from error
        for label, fingerprint in self._fingerprints.items():
            if not isinstance(known, dict) or known.get(label) != fingerprint:
                raise self._refusal(f"{label} was played anew since: it has other weights or parameters")

    def _check(self, row: ScoredPicture, expected: str) -> None:
        if row.detector != expected:
            raise self._refusal(f"it holds rows of {row.detector or 'nobody'}, and now it is {expected}'s turn")
        if row.threshold != self._judges[expected]:
            raise self._refusal(f"{expected} was played anew since: it has another threshold")
        wanted: str = self._framing
        if wanted == "tiles" and min(row.width or 0, row.height or 0) < self._side:
            wanted = "crop"  # it is smaller than a tile
        if row.how not in ("", wanted):
            raise self._refusal(f"its pictures were judged with --size {row.how}, and now it is {self._framing}")

    def _refusal(self, why: str) -> ConfigError:
        return ConfigError(f"'{self._path}' cannot be continued: {why}; give another --out, or remove it")


class _Lines:
    """The lines of a file that are whole, as text, and where the last one that was taken ends.

    Attributes:
        stop: In bytes.
        ended: Whether all were taken.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.stop = 0
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            self.stop += len(line)
            yield line.decode(errors="surrogateescape")
        self.ended = True


__all__ = ["RowFile"]
