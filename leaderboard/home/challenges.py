"""Challenges of a home's entries, as they are kept among its experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakeoff.arena.files import read_file
from fakeoff.arena.seeds import digest
from fakeoff.arena.typed import read_as
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.results import read_results
from fakeoff.protocols.measures.standings import DetectorStanding
from fakeoff.protocols.score.telling import tell

_CHALLENGE, _NEWCOMER = "challenge", "newcomer"


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A challenge that was played.

    Attributes:
        detector: Which version was challenged.
        state: The key of that version.
        stands: Whether it stands.
        metric: What decided: ``AUC`` or ``AP``.
        before: The worst figure of the scoreboard.
        before_ci: Its interval.
        after: The worst one under stronger attacks.
        after_ci: Its interval.
        by: The attack that left it that.
        sentence: What came of it.
        rule: By which rule.
        untried: Whether the tournament's own attacks were harder.
    """

    detector: str
    state: str
    stands: bool
    metric: str
    before: float
    before_ci: tuple[float, float]
    after: float
    after_ci: tuple[float, float]
    by: str
    sentence: str
    rule: str
    untried: bool = False

    def mark(self, *, interval: bool = True) -> str:
        """For a column beside the player: ``fell to 0.71 (0.62 to 0.80)``.

        Args:
            interval: Whether there is room for it.
        """
        after = tell(self.after, self.after_ci if interval else None, digits=2)
        return f"{self.word} at {after}" if self.stands else f"fell to {after}"

    @property
    def word(self) -> str:
        """``stands``, ``fell``, or ``not tried`` where the tournament's own attacks were harder."""
        return ("not tried" if self.untried else "stands") if self.stands else "fell"


def read_challenges(home: Home) -> tuple[Challenge, ...]:
    """The challenges of a home whose tournament still has the version that was challenged; hardest blow first.

    Files that hold no challenge, or that cannot be read, are left out: they are experiments of other kinds.

    Args:
        home: Where they were played.

    Raises:
        StoreError: What an experiment found is not as it was written.
    """
    states = _states(home)
    found = []
    for _, result in read_results(home):
        try:
            if result["protocol"] == _CHALLENGE:
                found.append(read_verdict(result["tables"]["verdict"][0]))
        except (ValueError, KeyError, TypeError, IndexError):
            continue
    known = [one for one in found if states.get(one.detector) == one.state]
    return tuple(sorted(known, key=lambda one: (one.detector, one.stands, one.untried, one.after)))


def hardest_challenge(challenges: Sequence[Challenge], player: str, round_: int) -> Challenge | None:
    """Of a detector version's challenges the one that hit hardest; None without any.

    Args:
        challenges: Those of the home.
        player: A detector.
        round_: Its version.
    """
    mine = [one for one in challenges if one.detector == f"{player}@{round_}"]
    return min(mine, key=lambda one: (one.stands, one.untried, one.after), default=None)


@dataclass(frozen=True, kw_only=True)
class LateEntry:
    """A newcomer that was played against all that a home's tournament left.

    Attributes:
        newcomer: Its newest version.
        kind: ``generator`` or ``detector``.
        place: Where it would stand; None where it takes no place.
        of: How many would stand there, with it.
        sentence: What came of it.
    """

    newcomer: str
    kind: str
    place: int | None
    of: int
    sentence: str


def read_late_entries(home: Home) -> tuple[LateEntry, ...]:
    """The newcomers of a home whose tournament still has all the versions that they met, by kind and place."""
    state = digest(sorted(_keys(home)))
    found = []
    for _, result in read_results(home):
        try:
            row = result["tables"]["place"][0] if result["protocol"] == _NEWCOMER else {}
            if row.get("state") == state:
                found.append(
                    read_as(LateEntry, {name: row[name] for name in ("newcomer", "kind", "place", "of", "sentence")})
                )
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):  # somebody else's file
            continue
    return tuple(sorted(found, key=lambda one: (one.kind, one.place is None, one.place or 0, one.newcomer)))


def challenge_marks(
    challenges: Sequence[Challenge], standings: Sequence[DetectorStanding], *, interval: bool = True
) -> list[str]:
    """What stronger attacks left of each detector in the standings; nothing at all where none was challenged.

    Args:
        challenges: Those of a home.
        standings: Those of its detectors.
        interval: Whether there is room for it.

    Returns:
        A text for each, or an empty list.
    """
    found = [hardest_challenge(challenges, row.player, row.round) for row in standings]
    return ["-" if one is None else one.mark(interval=interval) for one in found] if any(found) else []


def read_verdict(row: Mapping[str, Any]) -> Challenge:
    """A challenge from the row that its protocol left.

    Args:
        row: The one of the table ``verdict``.
    """
    before, after = "on the scoreboard", "under stronger attacks"
    return read_as(
        Challenge,
        {
            **{name: row[name] for name in ("detector", "state", "stands", "metric", "sentence", "rule")},
            "before": row[before],
            "before_ci": (row[f"{before} from"], row[f"{before} to"]),
            "after": row[after],
            "after_ci": (row[f"{after} from"], row[f"{after} to"]),
            "by": row["attacked by"],
            "untried": row.get("not tried", False),
        },
    )


def _keys(home: Home) -> list[str]:
    """The keys of all versions of a home's tournament; none where it cannot be read."""
    try:
        return [one["key"] for one in json.loads(read_file(home.tournament))["versions"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _states(home: Home) -> Mapping[str, str]:
    """The keys of the detector versions of a home's tournament, by label; none where it cannot be read."""
    try:
        versions = json.loads(read_file(home.tournament))["versions"]
        return {f"{one['player']}@{one['round']}": one["key"] for one in versions if one["kind"] == "detector"}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


__all__ = [
    "Challenge",
    "LateEntry",
    "challenge_marks",
    "hardest_challenge",
    "read_challenges",
    "read_late_entries",
    "read_verdict",
]
