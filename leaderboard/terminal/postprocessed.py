"""What is left of detectors behind what images go through on their way, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.images.postprocessing import chain_heading
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.fragility import PostprocessedStanding
from fakeoff.protocols.score.telling import tell_figure


def postprocessed_table(scoreboard: Scoreboard) -> Table:
    """A column for each chain; no row where no detector was scored behind any."""
    table = Table(
        title="Detectors behind what images go through: mean AUC, and by how much it changed",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("player", no_wrap=True)
    for heading in ("as they are", *map(chain_heading, scoreboard.chains)):
        table.add_column(heading, justify="right")
    for row in scoreboard.detectors:
        if row.postprocessed:
            behind = [_told(row.postprocessed.get(chain)) for chain in scoreboard.chains]
            table.add_row(f"{row.player}@{row.round}", tell_figure(row.mean_auc), *behind)
    return table


def print_fragility(scoreboard: Scoreboard, console: Console) -> None:
    """Says which detectors live on fragile traces, a line each."""
    for row in scoreboard.detectors:
        if row.fragility:
            console.print(Text(f"FRAGILE: {row.fragility}", style="bold yellow"))


def _told(standing: PostprocessedStanding | None) -> Text:
    if standing is None:
        return Text("-")
    told = f"{tell_figure(standing.mean_auc)} ({tell_figure(standing.change, digits=2, signed=True)})"
    return Text(f"{told} !", style="bold") if standing.fragile else Text(f"{told}  ")


__all__ = ["postprocessed_table", "print_fragility"]
