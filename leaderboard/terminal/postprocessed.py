"""What is left of detectors behind what images go through on their way, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.standings import DetectorStanding
from fakeoff.protocols.score.telling import tell_figure

HEADING = "mean AUC\nbehind"


def behind_cell(row: DetectorStanding) -> Text:
    """A detector's mean AUC behind each chain, a line each, beside that of the images as they are.

    Args:
        row: Its standing; what it certainly loses much behind is marked.
    """
    lines = [
        Text(f"{chain} {tell_figure(one.mean_auc)}{'!' if one.fragile else ' '}", style="bold" if one.fragile else "")
        for chain, one in row.postprocessed.items()
    ]
    return Text("\n").join(lines) if lines else Text("-")


def print_fragility(scoreboard: Scoreboard, console: Console) -> None:
    """Says which detectors live on fragile traces, a line each."""
    for row in scoreboard.detectors:
        if row.fragility:
            console.print(Text(f"FRAGILE: {row.fragility}", style="bold yellow"))


__all__ = ["HEADING", "behind_cell", "print_fragility"]
