"""How to play the game again: the command, the configuration, the versions, the hashes and the processors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakeoff import __version__
from fakeoff.arena.errors import FakeoffError
from fakeoff.leaderboard.home.provenance import Conditions, Provenance
from fakeoff.leaderboard.report.facts.tables import Row, Table
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import counted
from fakeoff.protocols.config import parse_config, print_config


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that it takes.

    Attributes:
        command: What to type.
        configuration: As TOML, to be saved as ``config.toml``.
        needs: What else has to be there, a sentence each.
        tables: Data, conditions and players, with their hashes.
        written_by: The Fakeoff that wrote the report.
    """

    command: str
    configuration: str
    needs: tuple[str, ...]
    tables: tuple[Table, ...]
    written_by: str = f"Fakeoff {__version__}"


def write_recipe(scoreboard: Scoreboard, provenance: Provenance | None) -> Recipe:
    """Says how to play a tournament again.

    Args:
        scoreboard: What was found.
        provenance: What it was played with; None where the home does not say.
    """
    tables = [_data(scoreboard.data)]
    if provenance is not None:
        tables += [_conditions(one, index) for index, one in enumerate(provenance.conditions, start=1)]
        tables.append(_players(provenance))
    return Recipe(
        command="fakeoff run config.toml --home fakeoff-again",
        configuration=_configuration(scoreboard.config),
        needs=tuple(_needs(scoreboard, provenance)),
        tables=tuple(table for table in tables if table.rows),
    )


def _needs(scoreboard: Scoreboard, provenance: Provenance | None) -> list[str]:
    needs = []
    source = scoreboard.data.get("source", "")
    if source == "orl":
        needs.append("The photographs come with Fakeoff.")
    elif source == "celeba-999":
        needs.append("The photographs are an asset: fakeoff assets pull celeba-999.")
    else:
        needs.append(f"The photographs are a folder called {source}: put its path where reals.source names it.")
    if table := scoreboard.config.get("reals", {}).get("table"):
        needs.append(f"They were divided by a file called {table}: put its path where reals.table names it.")
    plugins = [one["plugin"] for kind in ("generators", "detectors") for one in scoreboard.config.get(kind, ())]
    if own := [plugin for plugin in dict.fromkeys(plugins) if ":" in plugin]:
        needs.append(f"Players that are not Fakeoff's own have to be installed: {', '.join(own)}.")
    if provenance is None:
        needs.append("Which releases and which processor it was played with, the home does not say.")
    else:
        needs.append("Under the same releases on the same kind of processor every byte of scoreboard.json is the same.")
    needs.append(
        "Where you have the file scoreboard.json, fakeoff reproduce scoreboard.json does both and says of every match "
        "whether its figures hold."
    )
    return needs


def _configuration(config: Mapping[str, Any]) -> str:
    try:
        return print_config(parse_config(dict(config), where="the scoreboard"))
    except FakeoffError:  # of another release, or of players that this process does not know
        return json.dumps(config, indent=2)


def _data(data: Mapping[str, Any]) -> Table:
    return Table(
        caption="Photographs",
        columns=["split", "photographs", "of", "sha256 of their contents"],
        rows=[
            Row(
                head=split,
                cells=[
                    str(of["photographs"]),
                    counted(len(of["groups"]), "person or file", "people or files"),
                    of["sha256"],
                ],
            )
            for split, of in data.get("split", {}).items()
        ],
        about="Nobody is in two splits. Detectors learn from train, thresholds come from val, figures from test.",
    )


def _conditions(conditions: Conditions, index: int) -> Table:
    machines = [", ".join([one.processor, *one.features, *one.gpus]) for one in conditions.machines]
    rows = [*conditions.releases.items(), *(("processor", one) for one in machines)]
    rows += [("Fakeoff's code, sha256", conditions.code), *conditions.switches.items()]
    more = "" if index == 1 else f", carried on ({index})"
    return Table(
        caption=f"What it was played with{more}",
        columns=["what", "which"],
        rows=[Row(head=name, cells=[value]) for name, value in rows],
    )


def _players(provenance: Provenance) -> Table:
    return Table(
        caption="Who played",
        columns=["player", "role", "plugin", "parameters", "version or hash of its code and files"],
        rows=[
            Row(
                head=one.name,
                cells=[one.role, one.plugin, json.dumps(dict(one.parameters)), json.dumps(dict(one.fingerprint))],
            )
            for one in provenance.players
        ],
    )


__all__ = ["Recipe", "write_recipe"]
