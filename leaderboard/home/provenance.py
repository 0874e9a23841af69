"""What a tournament was played with: releases, code and processors.

``scoreboard.json`` holds nothing of the machine, so that two homes can be compared byte by byte. What may make them
differ stands in ``HOME/provenance.json`` beside it: no host names, no paths, no times.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fakeoff import detectors, generators
from fakeoff.arena.compute import SWITCHES, Machine
from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.players.provisions import environment
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.arena.typed import as_record, read_as
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.recipes import parser_spec, write_specs

SCHEMA_VERSION = 1

_LIBRARIES = ("pillow", "scikit-image", "scikit-learn", "scipy")  # what figures depend on besides environment()

Role: TypeAlias = Literal["generator", "detector", "parser"]


@dataclass(frozen=True, kw_only=True)
class MachineKind:
    """What of a machine may decide how sums round.

    Attributes:
        processor: Its name.
        features: Those of its instruction sets that training uses.
        gpus: The names of its CUDA devices.
    """

    processor: str
    features: tuple[str, ...]
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a game was played under. Under the same conditions the same game gives the same bytes.

    Attributes:
        releases: Of Fakeoff, Python and the libraries that figures depend on, by name.
        code: The sha256 of Fakeoff's own code.
        machines: The kinds of machines that jobs ran on.
        switches: Environment variables that switch kernels off, where they were set.
    """

    releases: Mapping[str, str]
    code: str
    machines: tuple[MachineKind, ...]
    switches: Mapping[str, str]

    def differences(self, other: Conditions) -> list[str]:
        """What is not the same there, in words: ``torch 2.6.0, here 2.7.1``."""
        found = [
            f"{name} {self.releases.get(name, 'missing')}, here {other.releases.get(name, 'missing')}"
            for name in sorted({*self.releases, *other.releases})
            if self.releases.get(name) != other.releases.get(name)
        ]
        if self.code != other.code:
            found.append(f"Fakeoff's code {self.code[:8]}, here {other.code[:8]}")
        if self.machines != other.machines:
            found.append(f"{_in_words(self.machines)}, here {_in_words(other.machines)}")
        if self.switches != other.switches:
            found.append(f"{dict(self.switches)}, here {dict(other.switches)}")
        return found


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A player as jobs know it.

    Attributes:
        role: ``generator``, ``detector`` or ``parser``.
        name: What it is called in the tournament.
        plugin: Its registered name.
        parameters: Of its constructor, defaults included.
        fingerprint: The version or hash of its code, and the hashes of its files.
    """

    role: Role
    name: str
    plugin: str
    parameters: Mapping[str, Any]
    fingerprint: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What stands in ``HOME/provenance.json``.

    Attributes:
        scoreboard: The sha256 of the ``scoreboard.json`` that it belongs to; empty before there is one.
        players: Everybody who plays.
        conditions: All that the home was played under, in their order: more than one where a game was carried on
            elsewhere, or after an update.
    """

    scoreboard: str
    players: tuple[Recipe, ...]
    conditions: tuple[Conditions, ...]


def conditions_of(machines: Sequence[Machine]) -> Conditions:
    """What is played under now.

    Args:
        machines: That jobs run on.
    """
    packages = environment()
    kinds = {MachineKind(processor=m.processor, features=m.features, gpus=m.gpus) for m in machines}
    return Conditions(
        releases={package.distribution: package.release for package in packages}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
        code=next(package.code for package in packages if package.code),
        machines=tuple(sorted(kinds, key=lambda kind: (kind.processor, kind.features, kind.gpus))),
        switches={name: os.environ[name] for name in SWITCHES if name in os.environ},
    )


def recipes_of(config: TournamentConfig) -> tuple[Recipe, ...]:
    """The recipes of everybody who plays, as they are here.

    Raises:
        AssetError: Weights are those of an asset that is not here.
        PluginError: A player is unknown, or takes other parameters.
    """
    specs: list[tuple[Role, PlayerSpec]] = [
        *(("generator", spec) for spec in write_specs(generators.players, config.generators).values()),
        *(("detector", spec) for spec in write_specs(detectors.players, config.detectors).values()),
    ]
    if (parser := parser_spec(config.parts)) is not None:
        specs.append(("parser", parser))
    # Lists for tuples, as they are read back.
    return tuple(Recipe(role=role, name=spec.name, **json.loads(json.dumps(spec.identity()))) for role, spec in specs)


def begin_provenance(home: Home, *, conditions: Conditions, players: Sequence[Recipe]) -> Provenance:
    """What is kept of a home that is played now, as it is before its first round; it is written.

    Args:
        home: Which; what it was played under before stays on record.
        conditions: Of now.
        players: Of now.
    """
    before: tuple[Conditions, ...] = ()
    if home.provenance.exists() and home.tournament.exists():
        before = read_provenance(home.provenance).conditions
    known = before if conditions in before else (*before, conditions)
    provenance = Provenance(scoreboard="", players=tuple(players), conditions=known)
    _write(provenance, home)
    return provenance


def keep_provenance(provenance: Provenance, home: Home) -> None:
    """Writes ``HOME/provenance.json`` in one step, for the scoreboard that is there now."""
    _write(
        Provenance(
            scoreboard=file_hash(home.scoreboard),
            players=provenance.players,
            conditions=provenance.conditions,
        ),
        home,
    )


def read_provenance(path: Path) -> Provenance:
    """Reads what a tournament was played with.

    Raises:
        StoreError: It cannot be read, or a later version of Fakeoff wrote it.
    """
    try:
        data = json.loads(read_file(path))
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"its schema is {data['schema_version']}; this Fakeoff reads {SCHEMA_VERSION}")
        return read_as(Provenance, data)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"'{path}' cannot be read: {one_line(error)}; move it away to go on without what was played before"
        ) from error


def file_hash(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(read_file(path)).hexdigest()


def _write(provenance: Provenance, home: Home) -> None:
    said = {"schema_version": SCHEMA_VERSION, **as_record(provenance)}
    write_atomically(home.provenance, (json.dumps(said, indent=1) + "\n").encode())


def _in_words(machines: Sequence[MachineKind]) -> str:
    return " and ".join(", ".join([one.processor, *one.features, *one.gpus]) for one in machines) or "no machine"


__all__ = [
    "Conditions",
    "MachineKind",
    "Provenance",
    "Recipe",
    "Role",
    "begin_provenance",
    "conditions_of",
    "file_hash",
    "keep_provenance",
    "read_provenance",
    "recipes_of",
]
