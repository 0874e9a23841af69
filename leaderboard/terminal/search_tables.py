"""Searches of latents and what they say of gradients, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.drawing.inks import PASSED
from fakeoff.protocols.measures.search import FoundFakes, SearchRow


def searches_table(scoreboard: Scoreboard) -> Table:
    """What searches of latents found, beside the attacks of the same versions on the same detectors."""
    table = Table(
        title="Search by search: latents of frozen generators, searched by a detector's scores alone;\n"
        "fakes found out before and after, and after the attack along its gradient",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("latents of", no_wrap=True)
    table.add_column("detector", no_wrap=True)
    for heading in ("queries", "fakes found out", "along the gradient", "the attack", "AP"):
        table.add_column(heading, justify="right")
    for row in scoreboard.searches:
        table.add_row(
            f"{row.generator}@{row.generator_round}", f"{row.detector}@{row.detector_round}", *_figures(scoreboard, row)
        )
    return table


def _figures(scoreboard: Scoreboard, row: SearchRow) -> tuple[str | Text, ...]:
    if row.start is None or row.found is None:
        return "-", row.skipped
    recall = f"{row.start.recall_fake:.0%} -> {row.found.recall_fake:.0%}"
    return (
        f"{row.n_fake} x {row.queries}",
        Text(recall, style=PASSED if row.found.recall_fake < 0.5 <= row.start.recall_fake else ""),
        _recall(row.followed),
        _attacked(scoreboard, row),
        f"{row.start.ap:.3f} -> {row.found.ap:.3f}",
    )


def _recall(fakes: FoundFakes | None) -> str:
    return "-" if fakes is None else f"{fakes.recall_fake:.0%}"


def _attacked(scoreboard: Scoreboard, row: SearchRow) -> str:
    """The recall of the fakes of the attack from the same version on the same detector; a dash where there was none."""
    attacked = (row.generator, row.generator_round + 1, row.detector, row.detector_round, True)
    for cell in scoreboard.cells:
        if attacked == (
            cell.generator,
            cell.generator_round,
            cell.detector,
            cell.detector_round,
            cell.is_target,
        ):
            return f"{cell.recall_fake:.0%}"
    return "-"


def masks(scoreboard: Scoreboard, detector: str) -> str:
    """A note beside a detector's name, where a version of it masks its gradient; empty where none does."""
    return " (masks)" if any(one.detector == detector for one in scoreboard.masking) else ""


def print_masking(scoreboard: Scoreboard, console: Console) -> None:
    """Says which detectors mask their gradient, a line each."""
    if scoreboard.masking:
        console.print()
    for one in scoreboard.masking:
        console.print(Text(f"MASKING: {one.sentence}", style="bold yellow"))


__all__ = ["masks", "print_masking", "searches_table"]
