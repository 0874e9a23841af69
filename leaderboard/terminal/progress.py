"""How a tournament's progress is shown: live bars on a terminal, a plain line for each finished job elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fakeoff.arena.jobs import Job, Outcome

_MOST_PRINTED = 60


class ProgressDisplay:
    """Shows what runs; use it as a context manager.

    Args:
        console: Where to.
        rounds: Whether to say which round a job is of.
    """

    def __init__(self, console: Console, *, rounds: bool = True) -> None:
        self._rounds = rounds
        self._reused = 0
        self._console = console
        self._live = console.is_terminal
        self._started = time.monotonic()
        self._computed = 0.0
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )

    def __enter__(self) -> ProgressDisplay:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)
        self._say_reused()
        if self._computed:
            self._print(f"jobs computed for {self._computed:.0f} s of CPU time in all")

    def begun(self, job: Job) -> None:
        """A job starts to run."""
        self._say_reused()
        self._tasks[job.key] = self._bars.add_task(self._title(job), total=None, note="")

    def reused(self, job: Job) -> None:
        """A job's result is there already."""
        self._reused += 1

    def damaged(self, job: Job, reason: str) -> None:
        """A stored result was damaged; the job runs again."""
        self._print(f"{self._title(job)}: {reason.partition(';')[0]}; it is computed again")

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        """A job took a step."""
        if job.key in self._tasks:
            self._bars.update(self._tasks[job.key], completed=done, total=total, note=note)

    def finished(self, outcome: Outcome, *, kept: Path | None = None) -> None:
        """A job ended; ``kept`` is where what its player printed was written to."""
        task = self._tasks.pop(outcome.job.key, None)
        if task is not None:
            self._bars.remove_task(task)
        word = "FORFEIT" if outcome.job.player else "FAILED"
        ending = "done" if outcome.failure is None else f"{word}: {outcome.failure}"
        self._computed += outcome.computed
        computed = f", computed for {outcome.computed:.1f} s" if outcome.computed else ""  # a lost worker does not say
        self._print(f"{self._title(outcome.job)}: {ending} ({outcome.seconds:.1f} s){computed}")
        if kept is not None:
            lines = outcome.printed.strip().splitlines()
            first = lines[0].strip()[:_MOST_PRINTED] if lines else ""
            self._print(f"    {outcome.job.player} printed {len(lines)} line(s), first '{first}'; kept in {kept}")

    def _say_reused(self) -> None:
        if self._reused:
            self._print(f"{self._reused} {'result is' if self._reused == 1 else 'results are'} there already")
        self._reused = 0

    def _title(self, job: Job) -> str:
        """``round 1: attack pgan``; a job of a protocol's own is called after what it is for."""
        if self._rounds and job.round is not None:
            return f"round {job.round}: {job.label}"
        return job.label if job.round is not None or job.stage == job.label else f"{job.stage}: {job.label}"

    def _print(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self._console.print(f"[{minutes:02d}:{seconds:02d}] {line}", markup=False, highlight=False, soft_wrap=True)
