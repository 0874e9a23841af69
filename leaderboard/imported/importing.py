"""Lets scores in that a detector gave elsewhere, on the images that a home exported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images.reals import Split
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.provenance import file_hash
from fakeoff.leaderboard.imported.matching import Images, Place
from fakeoff.leaderboard.imported.scores import (
    ImportedCell,
    ImportedPool,
    ImportedScores,
    ImportedStanding,
    write_imported,
)
from fakeoff.leaderboard.imported.table import Columns, Row, read_rows
from fakeoff.protocols.config.config import NAME
from fakeoff.protocols.measures.rows import of_generator
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.pools import read_who_is_on
from fakeoff.protocols.score.calibration import Thresholds, fpr_threshold
from fakeoff.protocols.score.intervals import Figure, interval_of_worst, mean_of
from fakeoff.protocols.score.metrics import THRESHOLD, Evaluated, best_threshold, evaluate
from fakeoff.protocols.score.people import Units

_Floats = npt.NDArray[np.float64]


def import_scores(
    path: Path, *, detector: str, home: Home, columns: Columns | None = None, replace: bool = False
) -> ImportedScores:
    """Reads a file of scores, works out what they are worth, and keeps both in ``HOME/imported/NAME.json``.

    Args:
        path: A CSV file; see :func:`fakeoff.leaderboard.imported.table.read_rows`.
        detector: What the detector is to be called.
        home: Whose images were scored.
        columns: Which columns say what.
        replace: Whether scores that were imported under that name may be replaced.

    Returns:
        What is kept.

    Raises:
        ConfigError: The name is none, or taken.
        DataError: The file cannot be used: a row is of no image of the home, or of one that had a row before, a score
            is no probability, or there are no reals or no fakes of test.
        StoreError: Nothing was played in the home, or it is damaged.
    """
    if not re.fullmatch(NAME, detector):
        raise ConfigError(f"'{detector}' is no name of a detector; give letters, digits, '_', '.' and '-'")
    store = home.open_store()
    record = read_ledger(home, store, figures=False)
    kept = home.imported_scores(detector)
    if detector in {version.player for version in record.versions if version.kind == "detector"}:
        raise ConfigError(f"'{detector}' plays in '{home}'; give the one that scored elsewhere another name")
    if kept.exists() and not replace:
        raise ConfigError(f"scores of '{detector}' are in '{home}' already; to put these in their place: --replace")
    scores = _scores_of(read_rows(path, columns or Columns()), path=path, images=Images(record, store, home=home))
    found = _valued(scores, detector=detector, path=path, record=record, store=store)
    write_imported(found, kept)
    return found


def _scores_of(rows: Sequence[Row], *, path: Path, images: Images) -> dict[tuple[str, Split], _Floats]:
    """P(fake) by pool, NaN where there is no row."""
    lines: dict[Place, int] = {}
    scores: dict[tuple[str, Split], _Floats] = {}
    for row in rows:
        try:
            places = images.places(row, folder=path.parent)
        except DataError as error:
            raise DataError(f"'{path}', {error}") from error
        for place in places:
            if place in lines:
                raise DataError(
                    f"'{path}', line {row.line}: '{row.image}' has a score already, on line {lines[place]}; "
                    "leave one of them out"
                )
            if row.truth and row.truth != _truth(place.pool):
                raise DataError(f"'{path}', line {row.line}: '{row.image}' is {_truth(place.pool)}, not {row.truth}")
            lines[place] = row.line
            key = (place.pool, place.split)
            if key not in scores:
                scores[key] = np.full(len(images.pixels(*key)), np.nan)
            scores[key][place.index] = row.p_fake
    return scores


def _truth(pool: str) -> str:
    return "fake" if "@" in pool else "real"


def _valued(
    scores: Mapping[tuple[str, Split], _Floats], *, detector: str, path: Path, record: TournamentRecord, store: Store
) -> ImportedScores:
    thresholds, chosen_on = _on_val(scores)
    makers = [version for version in record.versions if version.kind == "generator"]
    played: list[tuple[Version, Evaluated, ImportedCell]] = []
    for maker in makers:
        sides = scores.get((_reals_of(maker, record), "test")), scores.get((maker.label, "test"))
        if sides[0] is None or sides[1] is None:
            continue
        evaluated = _evaluate(maker, (sides[0], sides[1]), thresholds, record=record, store=store)
        missing = [int(np.isnan(side).sum()) for side in (sides[0], sides[1])]
        cell = ImportedCell(
            **of_generator(maker), **vars(evaluated.figures), missing_real=missing[0], missing_fake=missing[1]
        )
        played.append((maker, evaluated, cell))
    if not played:
        has = Counter(_truth(pool) for pool, split in scores if split == "test")
        lacks = "real" if not has["real"] else "fake"
        raise DataError(
            f"'{path}' has no scores of {lacks} images of test (and of reals of the same resolution); score both sides"
        )
    return ImportedScores(
        detector=detector,
        file=path.name,
        sha256=file_hash(path),
        threshold=thresholds.accuracy,
        chosen_on_val=chosen_on,
        pools=tuple(
            ImportedPool(
                name=f"{pool}/{split}",
                key=record.pools[pool][split],
                p_fake=tuple(None if np.isnan(one) else float(one) for one in found),
            )
            for (pool, split), found in sorted(scores.items())
            if split != "train"  # a detector may know those by heart
        ),
        cells=tuple(cell for _, _, cell in played),
        standing=_standing([(maker, one) for maker, one, _ in played], confidence=record.config.score.confidence),
        absent=tuple(maker.label for maker in makers if (maker.label, "test") not in scores),
    )


def _reals_of(maker: Version, record: TournamentRecord) -> str:
    """What the reals that belong to a generator are called."""
    return next(name for name, pools in record.pools.items() if pools == record.real_pools[maker.resolution])


def _on_val(scores: Mapping[tuple[str, Split], _Floats]) -> tuple[Thresholds, int]:
    """What val's scores decide, as for any detector; 0.5 where they are not there."""
    of_val = {"real": np.zeros(0), "fake": np.zeros(0)}
    for (pool, split), found in scores.items():
        if split == "val":
            of_val[_truth(pool)] = np.concatenate([of_val[_truth(pool)], found[~np.isnan(found)]])
    real, fake = of_val["real"], of_val["fake"]
    if not len(real) or not len(fake):
        return Thresholds(accuracy=THRESHOLD), 0
    return (
        Thresholds(
            accuracy=best_threshold(real, fake), at_5_fpr=fpr_threshold(real, 0.05), at_1_fpr=fpr_threshold(real, 0.01)
        ),
        len(real) + len(fake),
    )


def _evaluate(
    maker: Version, sides: tuple[_Floats, _Floats], thresholds: Thresholds, *, record: TournamentRecord, store: Store
) -> Evaluated:
    """The figures of a match as of any other: over the same people, in the same resamples where no score is missing."""
    there = [~np.isnan(side) for side in sides]
    people = np.asarray(record.test_people, dtype=np.int64)
    units = Units(
        n_real=int(there[0].sum()),
        n_fake=int(there[1].sum()),
        real=people[there[0]] if len(people) else None,
        fake=tuple(way[there[1]] for way in read_who_is_on(maker.pools["test"], store)),
    )
    return evaluate(
        sides[0][there[0]],
        sides[1][there[1]],
        val_threshold=thresholds.accuracy,
        at_5_fpr=thresholds.at_5_fpr,
        at_1_fpr=thresholds.at_1_fpr,
        resamples=record.config.score.resamples,
        confidence=record.config.score.confidence,
        seed=record.config.seed,
        fakes=maker.player,
        units=units,
    )


def _standing(played: Sequence[tuple[Version, Evaluated]], *, confidence: float) -> ImportedStanding:
    def drawn(metric: str) -> list[Figure]:
        return [one.drawn[metric] for _, one in played]

    worst = min(played, key=lambda one: (one[1].figures.auc, one[0].label))
    auc, ap, accuracy = (mean_of(drawn(metric)) for metric in ("auc", "ap", "accuracy"))
    return ImportedStanding(
        worst_auc=worst[1].figures.auc,
        worst_auc_ci=interval_of_worst(drawn("auc"), confidence),
        worst_against=worst[0].label,
        mean_auc=auc.value,
        mean_auc_ci=auc.interval(confidence),
        mean_ap=ap.value,
        mean_ap_ci=ap.interval(confidence),
        mean_accuracy=accuracy.value,
        mean_accuracy_ci=accuracy.interval(confidence),
        matches=len(played),
    )


__all__ = ["import_scores"]
