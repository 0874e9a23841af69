"""The scoreboard: everything that a tournament found, rebuilt from stored scores, byte by byte the same."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.players.specs import WEIGHTS
from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.plausible import check_plausible
from fakeoff.protocols.config import LIMITS, TournamentConfig
from fakeoff.protocols.measures import MEASURES, Audit, Cost, Localisation, Look, Match, Measured, Search, Shift
from fakeoff.protocols.measures.audits import AuditRow
from fakeoff.protocols.measures.changes import ChangeRow, find_changes
from fakeoff.protocols.measures.cost import CostRow
from fakeoff.protocols.measures.gates import find_unranked
from fakeoff.protocols.measures.localisation import LocalisationRow
from fakeoff.protocols.measures.looks import LookRow, ShiftRow
from fakeoff.protocols.measures.masking import Masking, find_masking
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.rows import PairRow, R
from fakeoff.protocols.measures.search import SearchRow
from fakeoff.protocols.measures.standings import (
    DetectorStanding,
    GeneratorStanding,
    detector_standings,
    generator_standings,
)
from fakeoff.protocols.measures.state import RoundState, find_states
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.measures.trainings import Training
from fakeoff.protocols.record.versions import KINDS, Forfeit, Kind, PassedOver, Unranked

SCHEMA_VERSION = 3
READABLE = (2, 3)
"""Schemas of files that are read: what an earlier one did not have is None, or empty."""

_PAIR = [field.name for field in dataclasses.fields(PairRow)]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Whom a generator version attacked.

    Attributes:
        generator: Its name.
        round: Its version.
        targets: Detector versions, such as ``resnet18@0``.
    """

    generator: str
    round: int
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """What a tournament found: no times and no paths.

    Attributes:
        config: What was played, as it is kept with results.
        data: Hashes, counts and split of the reals.
        round: The last one played.
        detectors: Standings, best first.
        generators: Likewise.
        attacks: Who attacked whom.
        forfeits: What failed.
        passed_over: Targets that could not be attacked.
        unranked: Who takes no place, and why.
        masking: Detector versions that mask their gradient: robust against attacks that follow it, and no others.
        changes: What attacks and the trainings after them changed.
        state: Of the game after each round.
        trainings: How the training of each version ended; empty in files of before.
        rows: What was measured, by the name of the measure; :meth:`of` gives them by its type.
    """

    config: Mapping[str, Any]
    data: Mapping[str, Any]
    round: int
    detectors: tuple[DetectorStanding, ...]
    generators: tuple[GeneratorStanding, ...]
    attacks: tuple[Attack, ...]
    forfeits: tuple[Forfeit, ...]
    passed_over: tuple[PassedOver, ...]
    unranked: tuple[Unranked, ...]
    masking: tuple[Masking, ...]
    changes: tuple[ChangeRow, ...]
    state: tuple[RoundState, ...]
    trainings: tuple[Training, ...]
    rows: Mapping[str, tuple[Any, ...]]

    def of(self, measure: type[Measured[R]]) -> tuple[R, ...]:
        """The rows of a measure: ``scoreboard.of(Cost)``."""
        return cast("tuple[R, ...]", self.rows.get(measure.name, ()))

    @property
    def cells(self) -> tuple[MatchRow, ...]:
        """Every match."""
        return self.of(Match)

    @property
    def costs(self) -> tuple[CostRow, ...]:
        """What evasion cost each generator version."""
        return self.of(Cost)

    @property
    def audits(self) -> tuple[AuditRow, ...]:
        """Of each generator version's pools."""
        return self.of(Audit)

    @property
    def parts(self) -> tuple[LookRow, ...]:
        """Where in the face the fight is, for patch detectors."""
        return self.of(Look)

    @property
    def localisations(self) -> tuple[LocalisationRow, ...]:
        """Whether patch detectors look where manipulators changed the image."""
        return self.of(Localisation)

    @property
    def part_shifts(self) -> tuple[ShiftRow, ...]:
        """How attacks moved it."""
        return self.of(Shift)

    @property
    def searches(self) -> tuple[SearchRow, ...]:
        """Of generators' latents, against detectors."""
        return self.of(Search)

    @property
    def chains(self) -> tuple[str, ...]:
        """What images went through before detectors in the standings judged them again, each such as ``jpeg:75``."""
        return tuple(dict.fromkeys(chain for row in self.detectors for chain in row.postprocessed))

    @property
    def newest(self) -> dict[tuple[Kind, str], int]:
        """Of each player, by kind and name, the newest version that has a match."""
        found: dict[tuple[Kind, str], int] = {}
        for row, kind in itertools.product(self.cells, KINDS):
            player, round_ = row.version_of(kind)
            found[kind, player] = max(found.get((kind, player), 0), round_)
        return found

    @property
    def confidence(self) -> float:
        """Of all intervals, as a share."""
        return float(self.config["score"]["confidence"])

    def to_json(self) -> dict[str, Any]:
        """What stands in the file: ``schema_version``, ``config``, ``data``, ``round``, ``standings``, ``attacks``,
        ``forfeits``, ``passed_over``, ``unranked``, ``masking``, ``changes``, ``state``, ``trainings``, and
        a section for each measure, or its rows in the cells."""
        sections = {
            measure.section: [as_record(row) for row in self.of(measure)] for measure in MEASURES if not measure.in_cell
        }
        for measure in MEASURES:
            if measure.in_cell:
                _into_cells(sections[Match.section], measure.section, [as_record(row) for row in self.of(measure)])
        standings = {"detectors": self.detectors, "generators": self.generators}
        said = {
            "schema_version": SCHEMA_VERSION,
            "config": self.config,
            "data": self.data,
            "round": self.round,
            "standings": {kind: [as_record(row) for row in rows] for kind, rows in standings.items()},
            "attacks": [as_record(attack) for attack in self.attacks],
            "forfeits": [as_record(forfeit) for forfeit in self.forfeits],
            "passed_over": [as_record(passed) for passed in self.passed_over],
            "unranked": [as_record(one) for one in self.unranked],
            "masking": [{**as_record(one), "sentence": one.sentence} for one in self.masking],
            "changes": [as_record(one) for one in self.changes],
            "state": [as_record(one) for one in self.state],
            "trainings": [as_record(one) for one in self.trainings],
        }
        return said | sections

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scoreboard:
        """A scoreboard as it stood in a file; what files of earlier releases lack is empty.

        Raises:
            ValueError: It is something else, or of another schema.
        """
        try:
            if data["schema_version"] not in READABLE:
                known = " and ".join(map(str, READABLE))
                raise ValueError(f"its schema is {data['schema_version']}; this Fakeoff reads {known}")
            standings = data["standings"]
            return cls(
                config=dict(data["config"]),
                data=dict(data["data"]),
                round=int(data["round"]),
                detectors=_read(DetectorStanding, standings["detectors"]),
                generators=_read(GeneratorStanding, standings["generators"]),
                attacks=_read(Attack, data.get("attacks", ())),
                forfeits=_read(Forfeit, data.get("forfeits", ())),
                passed_over=_read(PassedOver, data.get("passed_over", ())),
                unranked=_read(Unranked, data.get("unranked", ())),
                masking=_read(Masking, data.get("masking", ())),
                changes=_read(ChangeRow, data.get("changes", ())),
                state=_read(RoundState, data.get("state", ())),
                trainings=_read(Training, data.get("trainings", ())),
                rows={measure.name: _read(measure.row_type, _rows(measure, data)) for measure in MEASURES},
            )
        except (KeyError, TypeError, AttributeError) as error:
            lacks = f"it lacks {error}" if isinstance(error, KeyError) else "something else stands in it"
            raise ValueError(lacks) from error


def build_scoreboard(record: TournamentRecord) -> Scoreboard:
    """Derives the scoreboard from a record."""
    return Scoreboard(
        config=config_record(record.config, source_name=record.source_name),
        data=record.data,
        round=record.round,
        detectors=tuple(detector_standings(record)),
        generators=tuple(generator_standings(record)),
        attacks=tuple(
            Attack(generator=version.player, round=version.round, targets=version.targets)
            for version in record.versions
            if version.kind == "generator" and version.targets
        ),
        forfeits=record.forfeits,
        passed_over=record.passed_over,
        unranked=tuple(find_unranked(record)),
        masking=tuple(find_masking(record)),
        changes=tuple(find_changes(record.matches, confidence=record.config.score.confidence)),
        state=tuple(find_states(record)),
        trainings=record.trainings,
        rows={
            measure.name: tuple(row for one in record.of(measure) if (row := one.row()) is not None)
            for measure in MEASURES
        },
    )


def read_scoreboard(path: Path) -> Scoreboard:
    """Reads a scoreboard file of this release or of an earlier one.

    Raises:
        StoreError: It cannot be read, or is none.
    """
    try:
        data = json.loads(read_file(path))
        check_plausible(data)
        return Scoreboard.from_json(data)
    except FileNotFoundError as error:
        raise StoreError(f"there is no '{path}'") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StoreError(f"'{path}' is no scoreboard file: {place}: {first['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"'{path}' is no scoreboard file: {' '.join(str(error).split())}") from error


def config_record(config: TournamentConfig, *, source_name: str) -> dict[str, Any]:
    """A configuration as it is kept with results: all that decides them, and no path of this machine."""
    kept = config.model_dump(mode="json", exclude={"compute": set(LIMITS)})
    kept["reals"] = config.reals.record(source_name=source_name)
    for section in (*kept["generators"], *kept["detectors"], kept["parts"]):
        weights = section["parameters"].get(WEIGHTS)
        if isinstance(weights, str):
            section["parameters"][WEIGHTS] = Path(weights).name
    return kept


def scoreboard_text(scoreboard: Scoreboard) -> str:
    """The text of the scoreboard file."""
    return json.dumps(scoreboard.to_json(), indent=2, allow_nan=False) + "\n"


def write_scoreboard(scoreboard: Scoreboard, home: Home) -> None:
    """Writes ``HOME/scoreboard.json`` in one step."""
    write_atomically(home.scoreboard, scoreboard_text(scoreboard).encode())


def _into_cells(cells: Sequence[dict[str, Any]], section: str, rows: Sequence[dict[str, Any]]) -> None:
    """Puts each row into the cell of its match, less the names of the versions, which the cell has."""
    of = {tuple(row.pop(name) for name in _PAIR): row for row in rows}
    for cell in cells:
        if found := of.get(tuple(cell[name] for name in _PAIR)):
            cell[section] = found


def _rows(measure: type[Measured[Any]], data: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of a measure, as they stand in a file."""
    if not measure.in_cell:
        rows: Sequence[Any] = data.get(measure.section, ())
        return rows
    cells = [cell for cell in data.get(Match.section, ()) if measure.section in cell]
    return [{**{name: cell[name] for name in _PAIR}, **cell[measure.section]} for cell in cells]


def _read(kind: type[T], rows: Any) -> tuple[T, ...]:
    return TypeAdapter(tuple[kind, ...]).validate_python(rows)  # type: ignore[valid-type]
