"""The tournaments of a home: which there are, how far they were played, and who is ahead."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.text import Text

from fakeoff.arena.errors import FakeoffError, StoreError
from fakeoff.arena.jobs.store import DamagedResultError, Store
from fakeoff.leaderboard.formats.printing import print_table
from fakeoff.leaderboard.formats.text_tables import TextTable
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.results import check_scoreboard
from fakeoff.leaderboard.scoreboard import read_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.scoring.judges import find_champion

UNNAMED = "(without a name)"
"""How the tournament without a name is listed."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A tournament of a home.

    Attributes:
        name: Its name; empty for the one without.
        played: When its last round was kept, as the clock was there: ``2026-11-30 14:05``.
        round: The last one played; None where nothing can be read.
        rounds: Those that were asked for; likewise.
        generators: Their names.
        detectors: Their names.
        champion: The detector version that is best on val; empty where that is not known.
        state: ``finished``, or what is to be done.
    """

    name: str
    played: str
    round: int | None
    rounds: int | None
    generators: tuple[str, ...]
    detectors: tuple[str, ...]
    champion: str
    state: str


def list_tournaments(home: Home) -> list[Listed]:
    """Lists them by name, the one without a name first.

    Args:
        home: Whose; which tournament is meant does not matter.

    Raises:
        StoreError: There are none.
    """
    names = home.names()
    if not names:
        raise StoreError(f"no tournament in '{home}'; {home.named('').what_first}")
    return [_listed(home.named(name)) for name in names]


def tournaments_text(listed: Sequence[Listed]) -> str:
    """Them as JSON."""
    return json.dumps({"tournaments": [dataclasses.asdict(one) for one in listed]}, indent=2) + "\n"


def print_tournaments(listed: Sequence[Listed], home: Home, console: Console) -> None:
    """Prints a line for each, and how one is shown.

    Args:
        listed: Them.
        home: Theirs.
        console: Where.
    """
    rows = [
        (
            one.name or UNNAMED,
            one.played,
            "-" if one.round is None else f"{one.round} of {one.rounds}",
            ", ".join(one.generators) or "-",
            ", ".join(one.detectors) or "-",
            one.champion or "-",
            one.state,
        )
        for one in listed
    ]
    headings = ("tournament", "played", "rounds", "generators", "detectors", "champion", "state")
    table = TextTable(title=f"Tournaments in {home}", headings=headings, rows=tuple(rows), names=headings)
    print_table(table, console)
    named = [one.name for one in listed if one.name]
    if named:
        line = f"Show one: fakeoff leaderboard {home.named(named[0]).options}"
        if len(listed) > 1:
            other = f"{home}" if not listed[0].name else f"{home}:{listed[0].name}"
            both = shlex.join([other, f"{home}:{named[-1]}"])
            line += f"; hold two to each other: fakeoff compare {both}"
        console.print(Text(line), soft_wrap=True)


def _listed(home: Home) -> Listed:
    kept = home.tournament if home.tournament.is_file() else home.scoreboard
    played = datetime.fromtimestamp(kept.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    try:
        store = home.open_store()
        record = read_ledger(home, store, figures=False)
    except StoreError as error:
        return _from_file(home, played, why=str(error))
    state = "finished" if record.round >= record.config.rounds else f"to be played on: {home.to_play}"
    try:
        champion = _champion(record, store)
    except DamagedResultError:
        champion, state = "", f"a stored result is damaged, and is computed anew by: {home.to_play}"
    return Listed(
        name=home.name,
        played=played,
        round=record.round,
        rounds=record.config.rounds,
        generators=tuple(one.name for one in record.config.generators),
        detectors=tuple(one.name for one in record.config.detectors),
        champion=champion,
        state=state,
    )


def _from_file(home: Home, played: str, *, why: str) -> Listed:
    try:
        check_scoreboard(home)
        scoreboard = read_scoreboard(home.scoreboard)
    except StoreError:
        return Listed(
            name=home.name, played=played, round=None, rounds=None, generators=(), detectors=(), champion="", state=why
        )
    config = scoreboard.config
    return Listed(
        name=home.name,
        played=played,
        round=scoreboard.round,
        rounds=config["rounds"],
        generators=tuple(one["name"] for one in config["generators"]),
        detectors=tuple(one["name"] for one in config["detectors"]),
        champion="",
        state="scoreboard alone: its scores cannot be read",
    )


def _champion(record: TournamentRecord, store: Store) -> str:
    try:
        return find_champion(record=record, store=store).label
    except DamagedResultError:
        raise
    except FakeoffError:  # nobody is ranked on val, or a player is not known here
        return ""


__all__ = ["UNNAMED", "Listed", "list_tournaments", "print_tournaments", "tournaments_text"]
