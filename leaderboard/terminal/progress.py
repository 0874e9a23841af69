"""How a game's progress is shown: live bars on a terminal, elsewhere a line for each job, and for long ones more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fakeoff.arena.jobs import Job, Outcome
from fakeoff.leaderboard.terminal.ahead import Ahead, Running, in_words

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose"]
"""How much is said: what went wrong alone; how the game goes; or each job with what it was told."""

HEARTBEAT = 30.0
"""Seconds after which something is said in a pipe, however long a job runs."""

_MOST_PRINTED = 60
_MOST_TOLD = 300
_MOST_RUNNING = 4


class ProgressDisplay:
    """Shows what runs; use it as a context manager.

    Args:
        console: Where to.
        rounds: Whether to say which round a job is of.
        ahead: What is still to come; by default that is what has begun.
        verbosity: How much is said.
        place: Where a result is kept, by its key; said of each job where everything is.
        heartbeat: Seconds after which something is said where there are no bars.
    """

    def __init__(
        self,
        console: Console,
        *,
        rounds: bool = True,
        ahead: Ahead | None = None,
        verbosity: Verbosity = "normal",
        place: Callable[[str], Path] | None = None,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._rounds, self._verbosity, self._place = rounds, verbosity, place
        self._ahead = ahead or Ahead()
        self._reused = 0
        self._console = console
        self._live = console.is_terminal and verbosity != "quiet"
        self._started = self._said = time.monotonic()
        self._computed = 0.0
        self._tasks: dict[str, TaskID] = {}
        self._heartbeat, self._ended = heartbeat, threading.Event()
        self._heart = threading.Thread(target=self._beat, name="fakeoff-heartbeat", daemon=True)
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
        self._all: TaskID | None = None

    def __enter__(self) -> ProgressDisplay:
        self._bars.__enter__()
        if not self._live and self._verbosity != "quiet":
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._heart.is_alive():
            self._heart.join()
        self._bars.__exit__(kind, error, trace)
        self._ahead.costs.keep()
        self._say_reused()
        if self._computed:
            self._tell(f"jobs computed for {self._computed:.0f} s of CPU time in all")

    def begun(self, job: Job) -> None:
        """A job starts to run."""
        self._say_reused()
        self._ahead.begin(job)
        self._tasks[job.key] = self._bars.add_task(self._title(job), total=None, note="")
        self._show_all()
        if self._verbosity == "verbose":
            self._print(f"{self._title(job)}: begun, {_told(job)}")

    def reused(self, job: Job) -> None:
        """A job's result is there already."""
        self._reused += 1
        if self._verbosity == "verbose":
            self._print(f"{self._title(job)}: its result is there already{self._where(job)}, {_told(job)}")

    def damaged(self, job: Job, reason: str) -> None:
        """A stored result was damaged; the job runs again."""
        where = self._where(job) if self._verbosity == "verbose" else ""
        why = _why_damaged(reason)
        self._print(f"{self._title(job)}: its stored result{where} is damaged{why}; it is computed again")

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        """A job took a step."""
        self._ahead.step(job, done, total)
        if job.key in self._tasks:
            self._bars.update(self._tasks[job.key], completed=done, total=total, note=note)
            self._show_all()

    def finished(self, outcome: Outcome, *, kept: Path | None = None) -> None:
        """A job ended; ``kept`` is where what its player printed was written to."""
        job = outcome.job
        task = self._tasks.pop(job.key, None)
        if task is not None:
            self._bars.remove_task(task)
        self._ahead.end(outcome)
        self._show_all()
        word = "FORFEIT" if job.player else "FAILED"
        ending = "done" if outcome.failure is None else f"{word}: {outcome.failure}"
        self._computed += outcome.computed
        computed = f", computed for {outcome.computed:.1f} s" if outcome.computed else ""  # a lost worker does not say
        say = self._tell if outcome.failure is None else self._print
        say(f"{self._title(job)}: {ending} ({outcome.seconds:.1f} s){computed}{self._of_all()}")
        if outcome.failure is None and self._verbosity == "verbose" and self._place is not None:
            self._print(f"    kept{self._where(job)}")
        if kept is not None:
            lines = outcome.printed.strip().splitlines()
            first = lines[0].strip()[:_MOST_PRINTED] if lines else ""
            self._tell(f"    {job.player} printed {len(lines)} line(s), first '{first}'; kept in {kept}")

    def _beat(self) -> None:
        """Says what runs whenever nothing was said for a while."""
        while not self._ended.wait(max(0.01, self._said + self._heartbeat - time.monotonic())):
            if time.monotonic() - self._said < self._heartbeat:
                continue
            running = self._ahead.now()
            if running:
                shown = "; ".join(self._in_words(one) for one in running[:_MOST_RUNNING])
                more = f"; and {len(running) - _MOST_RUNNING} more" if len(running) > _MOST_RUNNING else ""
                self._print(f"running: {shown}{more}{self._of_all()}")
            else:
                self._said = time.monotonic()

    def _in_words(self, one: Running) -> str:
        """``round 1: attack pgan@1, step 45 of 150, 40 s to its end``."""
        left = one.left(self._ahead.costs.expected(one.job))
        parts = [self._title(one.job)]
        parts += [f"step {one.done} of {one.total}"] if one.total else []
        parts += [f"{in_words(left)} to its end"] if left is not None and left >= 1 else []
        parts += [f"for {in_words(time.monotonic() - one.since)}"] if len(parts) == 1 else []
        return ", ".join(parts)

    def _of_all(self) -> str:
        words = self._ahead.words()
        return f"; {words}" if words else ""

    def _show_all(self) -> None:
        """The bar of the whole game, above those of its jobs."""
        if not self._live or not self._ahead.words():
            return
        if self._all is None:
            self._all = self._bars.add_task("the whole", total=None, note="")
        self._bars.update(self._all, completed=self._ahead.done, total=self._ahead.total, note=self._ahead.words())

    def _say_reused(self) -> None:
        if self._reused and self._verbosity != "verbose":
            self._tell(f"{self._reused} {'result is' if self._reused == 1 else 'results are'} there already")
        self._reused = 0

    def _where(self, job: Job) -> str:
        return "" if self._place is None else f" in {self._place(job.key)}"

    def _title(self, job: Job) -> str:
        """``round 1: attack pgan@1``; a job of a protocol's own is called after what it is for."""
        if self._rounds and job.round is not None:
            return f"round {job.round}: {job.title}"
        return job.title if job.round is not None or job.stage == job.label else f"{job.stage}: {job.title}"

    def _tell(self, line: str) -> None:
        """Prints what is no trouble."""
        if self._verbosity != "quiet":
            self._print(line)

    def _print(self, line: str) -> None:
        self._said = time.monotonic()
        minutes, seconds = divmod(int(self._said - self._started), 60)
        self._console.print(f"[{minutes:02d}:{seconds:02d}] {line}", markup=False, highlight=False, soft_wrap=True)


def _told(job: Job) -> str:
    """What a job was told, in one line: its arguments, less what its players are made of."""
    told = {name: _short(value) for name, value in job.payload.items()}
    device = "" if job.device == "cpu" else f", on {job.device}"
    threads = "a thread" if job.threads == 1 else f"{job.threads} threads"
    line = json.dumps(told, ensure_ascii=False, default=str)
    line = line if len(line) <= _MOST_TOLD else f"{line[:_MOST_TOLD]}..."
    return f"told {line}, on {threads}{device}"


def _short(value: Any) -> Any:
    if isinstance(value, dict) and "plugin" in value:  # an identity: its hashes are in the scoreboard's code
        return {"plugin": value["plugin"], **value.get("parameters", {})}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value] if len(value) <= 4 else f"{len(value)} of them"
    return value


def _why_damaged(reason: str) -> str:
    """The bracket of a damaged result's message, which names it by its hash."""
    inner = reason.partition(" is damaged (")[2].partition(");")[0]
    return f" ({inner})" if inner else ""


__all__ = ["HEARTBEAT", "ProgressDisplay", "Verbosity"]
