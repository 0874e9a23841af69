"""What is on record of a tournament, and whether it can be played again here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import AssetError, ConfigError, PluginError, StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.images.assets import sources_of_reals
from fakeoff.arena.images.reals import SPLITS, RealSource
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.provenance import Provenance, Recipe, read_provenance, recipes_of
from fakeoff.leaderboard.plausible import check_plausible
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.config import TournamentConfig, effective_config
from fakeoff.protocols.game.recipes import describe_reals, open_reals


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A scoreboard file, and what the tournament in it was played with.

    Attributes:
        scoreboard: The file, as JSON.
        sha256: Of the file.
        provenance: None where nothing is known of it.
        unknown: Why nothing is known; empty where it is.
        altered: That the file is not the one that was written when it was played; empty where it is, or nobody knows.
    """

    scoreboard: Mapping[str, Any]
    sha256: str
    provenance: Provenance | None
    unknown: str = ""
    altered: str = ""


def read_recorded(path: Path, *, provenance: Path | None) -> Recorded:
    """Reads a scoreboard file and what it was played with.

    Args:
        path: The scoreboard file.
        provenance: What it was played with; by default ``provenance.json`` beside it, which need not be there.

    Raises:
        StoreError: A file cannot be read, or the provenance that was given is of another scoreboard.
    """
    try:
        text = read_file(path)
        scoreboard = json.loads(text)
        check_plausible(scoreboard)
        Scoreboard.from_json(scoreboard)
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"'{path}' is no scoreboard file: {one_line(error)}") from error
    sha256 = hashlib.sha256(text).hexdigest()
    beside = provenance or Home(path.parent).provenance
    if provenance is None and not beside.exists():
        return Recorded(
            scoreboard=scoreboard, sha256=sha256, provenance=None, unknown=f"there is no {beside.name} beside the file"
        )
    found = read_provenance(beside)
    if found.scoreboard == sha256:
        return Recorded(scoreboard=scoreboard, sha256=sha256, provenance=found)
    if provenance is not None:
        raise StoreError(
            f"'{provenance}' is of another scoreboard than '{path}'; give the one that was written with it"
        )
    return Recorded(
        scoreboard=scoreboard,
        sha256=sha256,
        provenance=found,
        altered=f"this file is not the one that was played: its hash is another one than {beside.name} beside it says, "
        "so that it was changed since, or is of another game",
    )


def config_to_play(
    recorded: Recorded, *, reals: str | None, device: str | None, table: str | None = None
) -> TournamentConfig:
    """The configuration that is on record, to be played here.

    Args:
        recorded: What is.
        reals: The folder of reals, where they were one.
        device: Over the device that is on record.
        table: The table of the reals, where they had one.

    Raises:
        ConfigError: It is none that this Fakeoff can play, or the folder of reals or its table is not given.
    """
    kept: dict[str, Any] = dict(recorded.scoreboard["config"])
    source = str(kept.get("reals", {}).get("source", ""))
    if reals is None and source not in ("orl", *sources_of_reals()):
        raise ConfigError(
            f"the reals were a folder called '{source}', and its path is not on record; give --reals FOLDER"
        )
    if table is None and (named := kept.get("reals", {}).get("table")):
        raise ConfigError(
            f"the reals were divided by a table called '{named}', and its path is not on record; give --table FILE.csv"
        )
    over: dict[str, Any] = {"source": reals, "table": table, "device": device}
    try:
        return effective_config(kept, kept=Path(), **over)
    except ConfigError as error:
        raise ConfigError(f"this Fakeoff cannot play what is on record: {error}") from error


def check_playable(recorded: Recorded, config: TournamentConfig) -> None:
    """Refuses what would be another tournament here.

    Args:
        recorded: What is on record.
        config: What would be played.

    Raises:
        ConfigError: The photographs are not the same, or a player is not: it says which.
        DataError: The photographs cannot be used.
    """
    source = open_reals(config.reals)
    differences = list(_other_data(recorded.scoreboard["data"], source))
    try:
        here = recipes_of(config)
    except (AssetError, PluginError) as error:
        raise ConfigError(f"it cannot be played again: {error}") from error
    if recorded.provenance is not None:
        differences += _other_players(recorded.provenance.players, here)
    if differences:
        raise ConfigError(f"it cannot be played again, this would be another tournament: {'; '.join(differences)}")


def _other_data(recorded: Mapping[str, Any], source: RealSource) -> Iterator[str]:
    here = describe_reals(source, colour=recorded["colour"])["split"]
    for split in SPLITS:
        before, now = recorded["split"][split], here[split]
        if before["sha256"] != now["sha256"]:
            yield (
                f"{split} has other photographs: {before['photographs']}, sha256 {before['sha256'][:8]}, on record; "
                f"{now['photographs']}, sha256 {now['sha256'][:8]}, here"
            )


def _other_players(recorded: Sequence[Recipe], here: Sequence[Recipe]) -> Iterator[str]:
    now = {(recipe.role, recipe.name): recipe for recipe in here}
    for before in recorded:
        found = now.get((before.role, before.name))
        if found is None:
            yield f"{before.role} '{before.name}' is not in the configuration"
        elif found != before:
            yield f"{before.role} '{before.name}' ({before.plugin}) has another {_difference(before, found)}"


def _difference(before: Recipe, now: Recipe) -> str:
    """``version (1 on record, 2 here)``."""
    for kept, found in ((before.fingerprint, now.fingerprint), (before.parameters, now.parameters)):
        for name in dict.fromkeys([*kept, *found]):
            if kept.get(name) != found.get(name):
                ours, theirs = (str(of.get(name))[:12] for of in (kept, found))
                return f"{name} ({ours} on record, {theirs} here)"
    return f"plugin ({before.plugin} on record, {now.plugin} here)"


__all__ = ["Recorded", "check_playable", "config_to_play", "read_recorded"]
