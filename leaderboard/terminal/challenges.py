"""Challenges of a home's entries on the terminal: one that was just played, and all that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.home.challenges import Challenge, LateEntry, read_verdict
from fakeoff.protocols.drawing.inks import CAUGHT, PASSED
from fakeoff.protocols.score.telling import tell

_STYLES = {"stands": CAUGHT, "fell": f"bold {PASSED}", "not tried": "dim"}


def challenges_table(challenges: Sequence[Challenge], *, of: str = "") -> Table:
    """Challenges of a home, a row each.

    Args:
        challenges: Those of it.
        of: What the home is called among several.
    """
    whose = f" in {of}" if of else ""
    table = Table(
        title=Text(f"Challenges{whose}: detectors attacked anew, with more steps, restarts and searches"),
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
            Text(one.word, style=_STYLES[one.word]),
            f"{one.metric} {tell(one.before, one.before_ci)}",
            tell(one.after, one.after_ci),
            Text(one.by),
        )
    return table


def print_challenges(challenges: Sequence[Challenge], console: Console, *, of: str = "") -> None:
    """Prints the challenges of a home below its scoreboard, and the rules that they were judged by.

    Args:
        challenges: Those of a home; nothing is printed where there are none.
        console: Where to.
        of: What the home is called among several.
    """
    if challenges:
        console.print()
        console.print(challenges_table(challenges, of=of))
    for rule in dict.fromkeys(one.rule for one in challenges):
        console.print(Text(rule, style="dim"))


def print_late_entries(entries: Sequence[LateEntry], console: Console, *, of: str = "") -> None:
    """Prints where newcomers to a home would stand, a sentence each.

    Args:
        entries: Those of a home; nothing is printed where there are none.
        console: Where to.
        of: What the home is called among several.
    """
    if entries:
        console.print()
        whose = f" in {of}" if of else ""
        console.print(Text(f"Late entries{whose}: played afterwards against all that is frozen here", style="bold"))
    for one in entries:
        console.print(Text(f"{one.kind} {one.sentence}"), soft_wrap=True)


def print_newcomer(result: Mapping[str, Any], console: Console, *, folder: Path) -> None:
    """Prints where a newcomer would stand, how its matches went, and where its files are.

    Args:
        result: As :func:`fakeoff.leaderboard.experiments.play_experiment` returned it.
        console: Where to.
        folder: Where the experiment's files are: ``HOME/experiments``.
    """
    tables = result["tables"]
    place = tables["place"][0]
    kind, newcomer = place["kind"], place["newcomer"].partition("@")[0]
    for title, table in (
        (f"{kind.capitalize()}s, with {newcomer}", _standings_with(tables.get("standings", ()), kind)),
        (f"Matches of {newcomer}", _matches_of(tables["matches"], kind)),
    ):
        if table.row_count:
            table.title, table.title_justify, table.title_style = Text(title), "left", "bold"
            console.print()
            console.print(table)
    for row in tables.get("passed over", ()):
        when = "" if row["round"] is None else f" in round {row['round']}"
        console.print(Text(f"{row['player']} did not attack{when}: {row['did not attack']}"), soft_wrap=True)
    _print_forfeits(result["forfeits"], console)
    console.print()
    console.print(Text(place["sentence"], style="bold"), soft_wrap=True)
    _print_files(result, console, folder=folder)


def _standings_with(rows: Sequence[Mapping[str, Any]], kind: str) -> Table:
    table = Table()
    figures = ("worst AUC", "mean AUC") if kind == "detector" else ("passes",)
    for heading in ("", kind, *figures, *(["worst against"] if kind == "detector" else [])):
        table.add_column(heading, justify="right" if heading in ("", *figures) else "left")
    for row in rows:
        cells = [tell(row[name], _ends(row, name)) for name in figures]
        cells += [row["worst against"]] if kind == "detector" else []
        style = "bold" if row["newcomer"] else ""
        table.add_row(str(row["place"]), Text(row["player"]), *cells, style=style)
    return table


def _matches_of(rows: Sequence[Mapping[str, Any]], kind: str) -> Table:
    table = Table()
    for heading in ("generator", "detector", "AUC", "AP", "accuracy", "passes"):
        table.add_column(heading, justify="left" if heading in ("generator", "detector") else "right")
    table.add_column("")
    for row in rows:
        figures = (tell(row[name], _ends(row, name)) for name in ("AUC", "AP"))
        shares = (tell(row[name], None, digits=1, percent=True) for name in ("accuracy", "passes"))
        table.add_row(row["generator"], row["detector"], *figures, *shares, "its target" if row["is target"] else "")
    return table


def _ends(row: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    low, high = row[f"{name} from"], row[f"{name} to"]
    return None if low is None else (low, high)


def _print_forfeits(forfeits: Sequence[Mapping[str, Any]], console: Console) -> None:
    for forfeit in forfeits:
        told = f"FORFEIT: {forfeit['player']}@{forfeit['round']}, {forfeit['stage']}: {forfeit['reason']}"
        console.print(Text(told, style="bold red"), soft_wrap=True)


def _print_files(result: Mapping[str, Any], console: Console, *, folder: Path) -> None:
    console.print()
    name = result["experiment"]
    lines = [f"{folder / name}.json", *(str(folder / name / f"{figure}.png") for figure in result["figures"])]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def print_challenge(result: Mapping[str, Any], console: Console, *, folder: Path) -> None:
    """Prints what a challenge came to: its attacks, the verdict and the rule, and where its files are.

    Args:
        result: As :func:`fakeoff.leaderboard.experiments.play_experiment` returned it.
        console: Where to.
        folder: Where the experiment's files are: ``HOME/experiments``.
    """
    tables = result["tables"]
    verdict = read_verdict(tables["verdict"][0])
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
    _print_forfeits(result["forfeits"], console)
    console.print()
    console.print(Text(verdict.sentence, style=_STYLES[verdict.word]), soft_wrap=True)
    console.print(Text(verdict.rule, style="dim"), soft_wrap=True)
    _print_files(result, console, folder=folder)


def _choice(row: Mapping[str, Any]) -> str:
    """Of restarts, whether val chose this one."""
    return "" if row["on val"] is None else "chosen on val" if row["chosen"] else "not chosen"


def _figure(row: Mapping[str, Any], name: str) -> str:
    return tell(row[name], (row[f"{name} from"], row[f"{name} to"]))


__all__ = ["challenges_table", "print_challenge", "print_challenges", "print_late_entries", "print_newcomer"]
