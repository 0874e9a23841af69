"""One of two tournaments that are compared: its scoreboard, and its scores where they are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.provenance import Provenance, read_provenance
from fakeoff.leaderboard.home.results import check_scoreboard
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, read_scoreboard
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.tournament import TournamentRecord


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A tournament's stored scores.

    Attributes:
        record: What was played.
        store: Where they are.
    """

    record: TournamentRecord
    store: Store


@dataclass(frozen=True, kw_only=True)
class Side:
    """A tournament that is compared.

    Attributes:
        name: What it is called.
        scoreboard: What it found.
        scores: Its scores; None where there are none here.
        without_scores: Why there are none, in a clause.
        provenance: What it was played with, where that is known.
    """

    name: str
    scoreboard: Scoreboard
    scores: Scores | None
    without_scores: str = ""
    provenance: Provenance | None = None

    @property
    def cells(self) -> dict[tuple[str, str], MatchRow]:
        """Its matches, by generator version and detector version."""
        return {
            (f"{row.generator}@{row.generator_round}", f"{row.detector}@{row.detector_round}"): row
            for row in self.scoreboard.cells
        }

    def player(self, kind: str, name: str) -> Mapping[str, Any]:
        """A player as the configuration has it; empty where there is none of the name."""
        found = [one for one in self.scoreboard.config[f"{kind}s"] if one["name"] == name]
        return found[0] if found else {}

    def fingerprint(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The version of a player's code and files; None where it is not known."""
        known = self.provenance.players if self.provenance else ()
        return next((one.fingerprint for one in known if (one.role, one.name) == (kind, name)), None)


def open_side(place: Home | Path, *, name: str) -> Side:
    """Opens a tournament.

    Args:
        place: A home, or a scoreboard file; one that lies in its home is taken for that.
        name: What it is to be called.

    Raises:
        StoreError: It is no tournament, or is damaged.
    """
    home = place if isinstance(place, Home) else Home.around(place)
    if home is None:
        assert isinstance(place, Path)
        why = f"'{place}' is a file, and has no scores; give its home"
        return Side(name=name, scoreboard=read_scoreboard(place), scores=None, without_scores=why)
    try:
        store = home.open_store()
        record = read_ledger(home, store)
    except StoreError as error:
        if not home.scoreboard.is_file():
            raise
        check_scoreboard(home)
        return Side(
            name=name,
            scoreboard=read_scoreboard(home.scoreboard),
            scores=None,
            without_scores=f"the scores of {home.words} cannot be read ({error})",
            provenance=_provenance(home),
        )
    return Side(
        name=name,
        scoreboard=build_scoreboard(record),
        scores=Scores(record=record, store=store),
        provenance=_provenance(home),
    )


def _provenance(home: Home) -> Provenance | None:
    try:
        return read_provenance(home.provenance)
    except StoreError:
        return None


__all__ = ["Scores", "Side", "open_side"]
