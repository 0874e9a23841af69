from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.leaderboard.terminal.progress import ProgressDisplay


def _job(label: str, *, player: str = "") -> Job:
    return Job(task="module:function", version=1, payload={"label": label}, label=label, player=player, round=1)


def _done(job: Job, *, failure: str | None = None, computed: float = 0.0) -> Outcome:
    result = Result(record={}) if failure is None else None
    return Outcome(job=job, result=result, failure=failure, seconds=1.26, computed=computed)


def test_elsewhere_than_on_a_terminal_every_job_is_a_line() -> None:
    out = io.StringIO()
    attack, defence = _job("attack pgan"), _job("defend xception_block1", player="xception_block1")
    own = dataclasses.replace(_job("JPEG 90"), stage="images are compressed", round=None)
    with ProgressDisplay(Console(file=out, width=40)) as display:
        for _ in range(3):
            display.reused(attack)
        display.begun(attack)
        display.progress(attack, 10, 300, "loss 0.31")
        display.finished(_done(attack, computed=2.44))
        display.damaged(defence, "the stored result 'x' is damaged (why); play again")
        display.begun(defence)
        display.finished(_done(defence, failure="raised ValueError: [red]a very long reason[/red] " + "x" * 60))
        display.finished(_done(own, failure="raised ValueError: nobody's"))
        display.reused(attack)
    lines = out.getvalue().splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "3 results are there already",
        "round 1: attack pgan: done (1.3 s), computed for 2.4 s",
        "round 1: defend xception_block1: the stored result 'x' is damaged (why); it is computed again",
        # Neither folded nor read as markup: such lines are searched in log files.
        "round 1: defend xception_block1: FORFEIT: raised ValueError: [red]a very long reason[/red] "
        + "x" * 60
        + " (1.3 s)",
        "images are compressed: JPEG 90: FAILED: raised ValueError: nobody's (1.3 s)",
        "1 result is there already",
        "jobs computed for 2 s of CPU time in all",
    ]
    assert all(line.startswith("[00:0") for line in lines)


def test_an_experiment_has_no_rounds() -> None:
    out = io.StringIO()
    with ProgressDisplay(Console(file=out), rounds=False) as display:
        display.begun(_job("attack pgan"))
        display.finished(_done(_job("attack pgan")))
    assert out.getvalue().splitlines()[0].partition("] ")[2] == "attack pgan: done (1.3 s)"


def test_on_a_terminal_running_jobs_have_a_bar() -> None:
    out = io.StringIO()
    job = _job("attack pgan")
    with ProgressDisplay(Console(file=out, force_terminal=True, width=120)) as display:
        display.begun(job)
        display.progress(job, 150, 300, "loss 0.31")
        display._bars.refresh()
        shown = out.getvalue()
        display.finished(_done(job))
        out.truncate(0)
        display._bars.refresh()
        left = out.getvalue()
    assert "attack pgan" in shown
    assert "50%" in shown
    assert "loss 0.31" in shown
    assert "attack pgan" not in left


def test_a_step_of_a_job_that_was_not_announced_or_has_ended_is_ignored() -> None:
    out = io.StringIO()
    job = _job("attack pgan")
    with ProgressDisplay(Console(file=out)) as display:
        display.progress(job, 1, 2, "")
        display.begun(job)
        display.finished(_done(job))
        display.progress(job, 2, 2, "late, from another process")
    assert "late" not in out.getvalue()
