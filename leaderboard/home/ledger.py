"""What a home remembers of its tournament: who played whom, by the keys of the results.

``HOME/tournament.json`` holds no figures. The scoreboard is rebuilt from it and the stored scores.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import Store, write_atomically
from fakeoff.arena.seeds import digest
from fakeoff.arena.typed import read_as
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.config import parse_config
from fakeoff.protocols.measures import MEASURES, Kept
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.measures.trainings import read_trainings
from fakeoff.protocols.record.versions import KINDS, Forfeit, PassedOver, Unranked, Version

_SCHEMA_VERSION = 4
_CHECKSUM = "sha256"


_ROWS: Mapping[str, type[Any]] = {
    "versions": Version,
    "forfeits": Forfeit,
    "passed_over": PassedOver,
    "unranked": Unranked,
}


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A result: the labels of the versions that it is about, and its keys by name."""

    of: tuple[str, ...]
    results: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Ledger:
    """The file, less its schema and its checksum."""

    config: Mapping[str, Any]
    source_name: str
    data: Mapping[str, Any]
    round: int
    versions: tuple[Version, ...]
    measured: Mapping[str, tuple[_Entry, ...]]
    forfeits: tuple[Forfeit, ...]
    passed_over: tuple[PassedOver, ...]
    unranked: tuple[Unranked, ...]
    real_pools: Mapping[int, Mapping[str, str]]
    test_people: tuple[int, ...] = ()


def write_ledger(record: TournamentRecord, home: Home) -> None:
    """Writes ``HOME/tournament.json`` in one step."""
    ledger = {
        "schema_version": _SCHEMA_VERSION,
        "config": record.config.model_dump(mode="json"),
        "source_name": record.source_name,
        "data": record.data,
        "round": record.round,
        "versions": [dataclasses.asdict(version) for version in record.versions],
        "measured": {
            measure.name: [
                {"of": [version.label for version in one.subjects], "results": dict(one.results())}
                for one in record.of(measure)
            ]
            for measure in MEASURES
        },
        "forfeits": [dataclasses.asdict(forfeit) for forfeit in record.forfeits],
        "passed_over": [dataclasses.asdict(passed) for passed in record.passed_over],
        "unranked": [dataclasses.asdict(unranked) for unranked in record.unranked],
        "real_pools": {str(resolution): dict(pools) for resolution, pools in record.real_pools.items()},
        "test_people": list(record.test_people),
    }
    # Of what will be read: lists for tuples.
    ledger[_CHECKSUM] = digest(json.loads(json.dumps(ledger)))
    write_atomically(home.tournament, json.dumps(ledger, indent=1).encode())


def read_ledger(home: Home, store: Store, *, figures: bool = True) -> TournamentRecord:
    """Reads a tournament back, its figures from the store.

    Args:
        home: Where it was played.
        store: The home's.
        figures: Whether to read them: without, nothing was measured in the record that comes back, and it is there at
            once.

    Raises:
        StoreError: There is none, or it is damaged.
    """
    path = home.tournament
    try:
        ledger: dict[str, Any] = json.loads(read_file(path))
        if ledger["schema_version"] != _SCHEMA_VERSION:
            raise StoreError(
                f"'{path}' has schema {ledger['schema_version']}, this Fakeoff reads {_SCHEMA_VERSION}; "
                f"bring it up to date with: {home.to_play}"
            )
        if ledger.pop(_CHECKSUM) != digest(ledger):
            raise ValueError("it does not have the checksum that was recorded")
        for section, kind in _ROWS.items():
            known = {field.name for field in dataclasses.fields(kind)}
            if any(row.keys() - known for row in ledger[section]):
                raise ValueError(f"{section} have a field that nobody knows")
        return _rebuild(read_as(_Ledger, ledger), store, where=path.name, figures=figures)
    except FileNotFoundError as error:
        raise StoreError(f"{_nothing(home)}; {home.what_first}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"'{path}' is damaged; rebuild it with: {home.to_play}") from error


def _nothing(home: Home) -> str:
    """That a tournament is not there, and which are."""
    named = [name for name in home.names() if name]
    if not home.name and not named:
        return f"no tournament in '{home}'"
    sought = f"tournament '{home.name}'" if home.name else "tournament without a name"
    there = [*(["one without a name"] if "" in home.names() else []), *named]
    return f"no {sought} in '{home}', which has {', '.join(there) or 'none'} (fakeoff leaderboard --list)"


def _rebuild(ledger: _Ledger, store: Store, *, where: str, figures: bool) -> TournamentRecord:
    config = parse_config(dict(ledger.config), where=where)
    names = {"generator": {g.name for g in config.generators}, "detector": {d.name for d in config.detectors}}
    for version in ledger.versions:
        if version.player not in names[version.kind]:
            raise ValueError(f"{version.label} is nobody's version")
    by_label = {(version.kind, version.label): version for version in ledger.versions}
    judges = [version for version in ledger.versions if figures and version.kind == "detector"]
    thresholds = {version.label: version.thresholds(store) for version in judges}

    def kept(entry: _Entry) -> Kept:
        return Kept(
            subjects=tuple(by_label[kind, label] for kind, label in zip(KINDS, entry.of, strict=False)),
            results=entry.results,
            store=store,
            config=config,
            real_pools=ledger.real_pools,
            thresholds=thresholds,
            test_people=ledger.test_people,
        )

    return TournamentRecord(
        config=config,
        source_name=ledger.source_name,
        data=ledger.data,
        round=ledger.round,
        versions=ledger.versions,
        measured={
            measure.name: tuple(measure.read(kept(entry)) for entry in ledger.measured.get(measure.name, ()))
            for measure in MEASURES
            if figures
        },
        forfeits=ledger.forfeits,
        passed_over=ledger.passed_over,
        unranked=ledger.unranked,
        real_pools=ledger.real_pools,
        test_people=ledger.test_people,
        trainings=read_trainings(ledger.versions, store, config) if figures else (),
    )
