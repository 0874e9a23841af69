"""Challenges of a home's entries on the terminal: one that was just played, and all that are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.typed import read_as
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.score.telling import tell

_CHALLENGE = "challenge"


@dataclass(frozen=True, kw_only=True)
class Told:
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

    @property
    def mark(self) -> str:
        """For the place beside the player: ``challenged: fell from 0.97 to 0.71 (0.62 to 0.80)``."""
        after = tell(self.after, self.after_ci, digits=2)
        if self.stands:
            return f"challenged: stands at {after}"
        return f"challenged: fell from {tell(self.before, None, digits=2)} to {after}"


def read_challenges(home: Home) -> tuple[Told, ...]:
    """The challenges of a home whose tournament still has the version that was challenged; hardest blow first.

    Files that hold no challenge, or that cannot be read, are left out: they are experiments of other kinds.

    Args:
        home: Where they were played.
    """
    states = _states(home)
    found = []
    for path in sorted(home.experiments.glob("*.json")):
        try:
            result = json.loads(path.read_bytes())
            if result["protocol"] == _CHALLENGE:
                found.append(_told(result["tables"]["verdict"][0]))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
    known = [one for one in found if states.get(one.detector) == one.state]
    return tuple(sorted(known, key=lambda one: (one.detector, one.stands, one.after)))


def challenge_mark(challenges: Sequence[Told], player: str, round_: int) -> str:
    """The mark beside a detector's version: of several challenges the one that hit hardest; empty without any.

    Args:
        challenges: Those of the home.
        player: A detector.
        round_: Its version.
    """
    mine = [one for one in challenges if one.detector == f"{player}@{round_}"]
    return min(mine, key=lambda one: (one.stands, one.after)).mark if mine else ""


def challenges_table(challenges: Sequence[Told]) -> Table:
    """Challenges of a home, a row each."""
    table = Table(
        title="Challenges: detectors attacked anew, with more steps, restarts and searches",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("detector", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("on the scoreboard", justify="right")
    table.add_column("under stronger attacks", justify="right")
    table.add_column("by", overflow="fold")
    for one in challenges:
        table.add_row(
            one.detector,
            Text("stands", style="green") if one.stands else Text("fell", style="bold red"),
            f"{one.metric} {tell(one.before, one.before_ci)}",
            tell(one.after, one.after_ci),
            Text(one.by),
        )
    return table


def print_challenges(places: Iterable[Path], console: Console) -> None:
    """Prints the challenges of homes below their scoreboards, and the rules that they were judged by.

    Args:
        places: Folders of homes; of scoreboard files nothing is known.
        console: Where to.
    """
    for place in places:
        if challenges := read_challenges(Home(place)):
            console.print()
            console.print(challenges_table(challenges))
            for rule in dict.fromkeys(one.rule for one in challenges):
                console.print(Text(rule, style="dim"))


def print_challenge(result: Mapping[str, Any], console: Console, *, folder: Path) -> None:
    """Prints what a challenge came to: its attacks, the verdict and the rule, and where its files are.

    Args:
        result: As :func:`fakeoff.leaderboard.experiments.play_experiment` returned it.
        console: Where to.
        folder: Where the experiment's files are: ``HOME/experiments``.
    """
    tables = result["tables"]
    verdict = _told(tables["verdict"][0])
    table = Table(title=Text(f"Attacks on {verdict.detector}"), title_justify="left", title_style="bold")
    for heading in ("from", "attack", "budget", "restart", "rate", f"{verdict.metric} on val", verdict.metric):
        table.add_column(heading, justify="left" if heading in ("from", "attack") else "right")
    table.add_column("", overflow="fold")
    for row in tables["attacks"]:
        on_val = row["on val"]
        table.add_row(
            row["generator"],
            row["attack"],
            str(row["budget"]),
            str(row["restart"]),
            f"{row['rate']:g}" if row["rate"] else "own",
            "-" if on_val is None else tell(on_val, None),
            _figure(row, verdict.metric),
            Text(f"does not count: {row['does not count']}" if row["does not count"] else _choice(row)),
        )
    console.print()
    console.print(table)
    for row in tables.get("passed over", ()):
        console.print(Text(f"{row['player']} is not {row['is not']}: {row['why']}"), soft_wrap=True)
    for forfeit in result["forfeits"]:
        told = f"FORFEIT: {forfeit['player']}@{forfeit['round']}, {forfeit['stage']}: {forfeit['reason']}"
        console.print(Text(told, style="bold red"), soft_wrap=True)
    console.print()
    console.print(Text(verdict.sentence, style="bold" if verdict.stands else "bold red"), soft_wrap=True)
    console.print(Text(verdict.rule, style="dim"), soft_wrap=True)
    console.print()
    name = result["experiment"]
    lines = [f"{folder / name}.json", *(str(folder / name / f"{figure}.png") for figure in result["figures"])]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _choice(row: Mapping[str, Any]) -> str:
    """Of restarts, whether val chose this one."""
    return "" if row["on val"] is None else "chosen on val" if row["chosen"] else "not chosen"


def _figure(row: Mapping[str, Any], name: str) -> str:
    return tell(row[name], (row[f"{name} from"], row[f"{name} to"]))


def _told(row: Mapping[str, Any]) -> Told:
    """A challenge from the row that its protocol left."""
    before, after = "on the scoreboard", "under stronger attacks"
    return read_as(
        Told,
        {
            **{name: row[name] for name in ("detector", "state", "stands", "metric", "sentence", "rule")},
            "before": row[before],
            "before_ci": (row[f"{before} from"], row[f"{before} to"]),
            "after": row[after],
            "after_ci": (row[f"{after} from"], row[f"{after} to"]),
            "by": row["attacked by"],
        },
    )


def _states(home: Home) -> Mapping[str, str]:
    """The keys of the detector versions of a home's tournament, by label; none where it cannot be read."""
    try:
        versions = json.loads(home.tournament.read_bytes())["versions"]
        return {f"{one['player']}@{one['round']}": one["key"] for one in versions if one["kind"] == "detector"}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


__all__ = ["Told", "challenge_mark", "challenges_table", "print_challenge", "print_challenges", "read_challenges"]
