"""How the scoring of many pictures is shown: its progress, and the figures of those whose truth is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.measure import Measurement
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fakeoff.protocols.scoring.figures import LabelledFigures

_EVERY_SECONDS = 10.0
_FEW = 20
_GUESSING = 0.5
_ENDLESS = 10_000


class ScoringProgress:
    """Says how far it is: on a terminal in one line that changes, elsewhere in a plain line now and then.

    Args:
        console: Where to: the error output, so that rows stay by themselves.
        live: Whether a line may change: not where rows are printed on the same terminal.
    """

    def __init__(self, console: Console, *, live: bool) -> None:
        self._console = console
        self._live = live and console.is_terminal
        self._started = self._said = time.monotonic()
        self._done = self._failed = 0
        self._line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._line.add_task("no picture yet", total=None)

    def __enter__(self) -> ScoringProgress:
        self._line.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def judged(self, *, failed: bool) -> None:
        """One picture more."""
        self._done += 1
        self._failed += failed
        if self._live:
            self._line.update(self._task, description=self._text())
        elif time.monotonic() - self._said > _EVERY_SECONDS:
            self._said = time.monotonic()
            self._console.print(self._text(), markup=False, highlight=False, soft_wrap=True)

    def _text(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        failed = f", {self._failed} could not be judged" if self._failed else ""
        return f"{self._done} pictures{failed}; {rate:.0f} a second"


def print_figures(figures: Sequence[LabelledFigures], console: Console) -> None:
    """Prints what detectors are worth on labelled pictures, a row each."""
    first = figures[0]
    table = _table(figures, between=" ")
    if _width(table, console) > console.width:  # intervals on lines of their own, not broken anywhere
        table = _table(figures, between="\n")
    if _width(table, console) > console.width:  # too narrow for that, too: broken, but all is there
        for column in table.columns:
            column.no_wrap = False
    console.print(table)
    if min(first.figures.n_real, first.figures.n_fake) < _FEW:
        console.print(f"Fewer than {_FEW} of a side say little, whatever their intervals are.", soft_wrap=True)
    for one in figures:
        if one.figures.interval("auc")[1] < _GUESSING:
            console.print(
                f"{one.detector} is below chance on these, for sure. Are the two labels the right way round? Were the "
                "fakes made against it? If neither, and it was below chance before anybody attacked it (fakeoff "
                "leaderboard warns of that), it returns P(real): one that came finished is turned round in its game, "
                f"--set detectors.{one.detector.partition('@')[0]}.fake_class=0 (or 1, where it is 0)",
                soft_wrap=True,
            )


def _table(figures: Sequence[LabelledFigures], *, between: str) -> Table:
    first = figures[0]
    over = {"person": f"{first.units} people", "image": f"{first.units} pictures, since nobody says who is on them"}
    table = Table(
        title=f"On {first.figures.n_real} reals and {first.figures.n_fake} fakes, at 50/50 prevalence;\n"
        f"{first.confidence:.0%} bootstrap intervals over {over[first.unit]}",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("detector", no_wrap=True)
    for heading in ("AP", "AUC", "threshold\nfrom val", "accuracy\nthere", "Brier", "ECE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in figures:
        cells = [_with_interval(one, metric, between) for metric in ("ap", "auc", "accuracy_val_threshold")]
        table.add_row(
            one.detector,
            *cells[:2],
            f"{one.threshold:.3f}",
            cells[2],
            *map(_plain, (one.figures.brier, one.figures.ece)),
        )
    return table


def _width(table: Table, console: Console) -> int:
    """What it takes without any line broken."""
    return Measurement.get(console, console.options.update(width=_ENDLESS), table).maximum


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_interval(one: LabelledFigures, metric: str, between: str) -> str:
    low, high = one.figures.interval(metric)
    return f"{one.figures.value(metric):.3f}{between}({low:.3f} to {high:.3f})"


__all__ = ["ScoringProgress", "print_figures"]
