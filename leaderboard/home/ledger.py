"""What a home remembers of its tournament: who played whom, by the keys of the results.

``HOME/tournament.json`` holds no figures. The scoreboard is rebuilt from it and the stored scores.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store, write_atomically
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.config import parse_config
from fakeoff.protocols.measures import MEASURES, Kept
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Forfeit, Kind, PassedOver, Unranked, Version
from fakeoff.protocols.score.blind import Judging, Mixture

_SCHEMA_VERSION = 4


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
    }
    write_atomically(home.tournament, json.dumps(ledger, indent=1).encode())


def read_ledger(home: Home, store: Store) -> TournamentRecord:
    """Reads a tournament back, its figures from the store.

    Raises:
        StoreError: There is none, or it is damaged.
    """
    path = home.tournament
    try:
        ledger: dict[str, Any] = json.loads(path.read_bytes())
        if ledger["schema_version"] != _SCHEMA_VERSION:
            raise StoreError(
                f"'{path}' has schema {ledger['schema_version']}, this Fakeoff reads {_SCHEMA_VERSION}; "
                f"bring it up to date with: fakeoff run --home {home}"
            )
        return _rebuild(ledger, store, where=path.name)
    except FileNotFoundError as error:
        raise StoreError(f"no tournament in '{home}'; play first: fakeoff run --home {home}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"'{path}' is damaged; rebuild it with: fakeoff run --home {home}") from error


def _version(kept: Mapping[str, Any]) -> Version:
    on_val = kept["on_val"]
    if on_val is not None:
        mixture = on_val["mixture"]
        on_val = Judging(
            key=on_val["key"],
            mixture=Mixture(reals=tuple(mixture["reals"]), fakes=tuple(mixture["fakes"]), seed=mixture["seed"]),
        )
    return Version(**{**kept, "targets": tuple(kept["targets"]), "on_val": on_val})


def _rebuild(ledger: Mapping[str, Any], store: Store, *, where: str) -> TournamentRecord:
    versions = [_version(kept) for kept in ledger["versions"]]
    by_label = {(version.kind, version.label): version for version in versions}
    config = parse_config(ledger["config"], where=where)
    reals = {int(resolution): pools for resolution, pools in ledger["real_pools"].items()}
    thresholds = {version.label: version.threshold(store) for version in versions if version.kind == "detector"}

    def kept(entry: Mapping[str, Any]) -> Kept:
        kinds: tuple[Kind, ...] = ("generator", "detector")
        return Kept(
            subjects=tuple(by_label[kind, label] for kind, label in zip(kinds, entry["of"], strict=False)),
            results=entry["results"],
            store=store,
            config=config,
            real_pools=reals,
            thresholds=thresholds,
        )

    return TournamentRecord(
        config=config,
        source_name=ledger["source_name"],
        data=ledger["data"],
        round=ledger["round"],
        versions=tuple(versions),
        measured={
            measure.name: tuple(measure.read(kept(entry)) for entry in ledger["measured"].get(measure.name, ()))
            for measure in MEASURES
        },
        forfeits=tuple(Forfeit(**kept) for kept in ledger["forfeits"]),
        passed_over=tuple(PassedOver(**kept) for kept in ledger["passed_over"]),
        unranked=tuple(Unranked(**kept) for kept in ledger["unranked"]),
        real_pools=reals,
    )
