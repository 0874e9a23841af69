"""What is kept of a detector that gave its scores elsewhere: ``HOME/imported/NAME.json``.

It lies beside ``scoreboard.json``, which it does not change. Such a detector was not judged blindly, could not be asked
again, and no generator was trained against it: it is shown beside the standings, and takes no place in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.typed import as_record, read_as
from fakeoff.protocols.measures.rows import GeneratorRow
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.score.intervals import Interval
from fakeoff.protocols.score.metrics import MatchFigures

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ImportedPool:
    """Scores of a pool.

    Attributes:
        name: As its export is called: ``real/test``, ``pgan@1/test``, ``real/val``.
        key: Of the pool, which says whether a home still has the same images.
        p_fake: Of each image, in the pool's order; None where the file has no row.
    """

    name: str
    key: str
    p_fake: tuple[float | None, ...]

    @property
    def missing(self) -> int:
        """Images that have no score."""
        return sum(score is None for score in self.p_fake)


@dataclass(frozen=True, kw_only=True)
class ImportedCell(MatchFigures, GeneratorRow):
    """A generator version against a detector that gave its scores elsewhere.

    Attributes:
        missing_real: Reals without a score, which the figures leave out.
        missing_fake: Fakes without one.
    """

    missing_real: int
    missing_fake: int


@dataclass(frozen=True, kw_only=True)
class ImportedStanding:
    """What all cells come to; as of :class:`fakeoff.protocols.measures.standings.DetectorStanding`, without a place.

    Attributes:
        worst_auc: Over the generator versions that it scored.
        worst_auc_ci: Its interval.
        worst_against: The generator version of ``worst_auc``.
        mean_auc: Likewise.
        mean_auc_ci: Its interval.
        mean_ap: Likewise.
        mean_ap_ci: Its interval.
        mean_accuracy: At 0.5.
        mean_accuracy_ci: Its interval.
        matches: How many.
    """

    worst_auc: float
    worst_auc_ci: Interval
    worst_against: str
    mean_auc: float
    mean_auc_ci: Interval
    mean_ap: float
    mean_ap_ci: Interval
    mean_accuracy: float
    mean_accuracy_ci: Interval
    matches: int


@dataclass(frozen=True, kw_only=True)
class ImportedScores:
    """A detector that gave its scores elsewhere.

    Attributes:
        detector: What it is called.
        file: The name of the file with its scores, without a folder.
        sha256: Of the file.
        threshold: P(fake) from which it says fake: the best on val, or 0.5 where val has no scores.
        chosen_on_val: How many images of val that threshold was chosen on.
        pools: Its scores.
        cells: What they are worth, for each generator version of which it scored any fake.
        standing: What the cells come to.
        absent: Generator versions of which it scored no fake.
    """

    detector: str
    file: str
    sha256: str
    threshold: float
    chosen_on_val: int
    pools: tuple[ImportedPool, ...]
    cells: tuple[ImportedCell, ...]
    standing: ImportedStanding
    absent: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Images of test without a score, in the pools of which it scored any."""
        return sum(pool.missing for pool in self.pools if pool.name.endswith("/test"))

    @property
    def images(self) -> int:
        """Images of test, in the pools of which it scored any."""
        return sum(len(pool.p_fake) for pool in self.pools if pool.name.endswith("/test"))

    def stale(self, record: TournamentRecord) -> str:
        """Why its figures are not about what was played; empty where they are.

        Args:
            record: What was played in the home.
        """
        for pool in self.pools:
            name, _, split = pool.name.rpartition("/")
            if record.pools.get(name, {}).get(split) != pool.key:
                return f"{pool.name} has other images now; export and import again"
        return ""


def write_imported(scores: ImportedScores, path: Path) -> None:
    """Writes one file in one step."""
    said = {"schema_version": SCHEMA_VERSION, **as_record(scores)}
    write_atomically(path, (json.dumps(said, indent=1, allow_nan=False) + "\n").encode())


def read_imported(folder: Path) -> tuple[ImportedScores, ...]:
    """Reads all of a home, by name.

    Args:
        folder: ``HOME/imported``, which need not be there.

    Raises:
        StoreError: A file is damaged, or of a later version of Fakeoff.
    """
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def _read(path: Path) -> ImportedScores:
    try:
        data: Mapping[str, object] = json.loads(read_file(path))
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"its schema is {data['schema_version']}; this Fakeoff reads {SCHEMA_VERSION}")
        return read_as(ImportedScores, data)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"'{path}' cannot be read: {one_line(error)}; import it again, or delete it") from error


__all__ = [
    "ImportedCell",
    "ImportedPool",
    "ImportedScores",
    "ImportedStanding",
    "read_imported",
    "write_imported",
]
