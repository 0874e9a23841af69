from __future__ import annotations

import io

from rich.console import Console

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.leaderboard.progress import ProgressDisplay


def _job(label: str, *, player: str = "") -> Job:
    return Job(task="module:function", version=1, payload={"label": label}, label=label, player=player)


def _done(job: Job, *, failure: str | None = None, computed: float = 0.0) -> Outcome:
    result = Result(record={}) if failure is None else None
    return Outcome(job=job, result=result, failure=failure, seconds=1.26, computed=computed)


def test_elsewhere_than_on_a_terminal_every_job_is_a_line() -> None:
    out = io.StringIO()
    attack, defence = _job("attack pgan"), _job("defend xception_block1", player="xception_block1")
    own = _job("count something")
    with ProgressDisplay(Console(file=out, width=40)) as display:
        display.phase(1, "attack", [attack], 0)
        display.progress(attack, 10, 300, "loss 0.31")
        display.finished(_done(attack, computed=2.44))
        display.phase(1, "defend", [defence], 3)
        display.finished(_done(defence, failure="raised ValueError: [red]a very long reason[/red] " + "x" * 60))
        display.finished(_done(own, failure="raised ValueError: nobody's"))
    lines = out.getvalue().splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "round 1: generators attack (1 to run)",
        "  attack pgan: done (1.3 s), computed for 2.4 s",
        "round 1: detectors defend (1 to run, 3 already there)",
        # Neither folded nor read as markup: such lines are searched in log files.
        "  defend xception_block1: FORFEIT: raised ValueError: [red]a very long reason[/red] " + "x" * 60 + " (1.3 s)",
        "  count something: FAILED: raised ValueError: nobody's (1.3 s)",
        "jobs computed for 2 s of CPU time in all",
    ]
    assert all(line.startswith("[00:0") for line in lines)


def test_a_stage_without_jobs_is_told_only_where_a_round_would_look_odd_without() -> None:
    out = io.StringIO()
    with ProgressDisplay(Console(file=out)) as display:
        for stage in ("enter", "reals", "attack", "sample", "defend", "score", "cost"):
            display.phase(0, stage, [], 2)
    told = [line.partition("] ")[2] for line in out.getvalue().splitlines()]
    assert told == [
        "round 0: generators attack (0 to run, 2 already there)",
        "round 0: detectors defend (0 to run, 2 already there)",
    ]


def test_on_a_terminal_running_jobs_have_a_bar() -> None:
    out = io.StringIO()
    job = _job("attack pgan")
    with ProgressDisplay(Console(file=out, force_terminal=True, width=120)) as display:
        display.phase(1, "attack", [job], 0)
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
        display.phase(1, "attack", [job], 0)
        display.finished(_done(job))
        display.progress(job, 2, 2, "late, from another process")
    assert "late" not in out.getvalue()
