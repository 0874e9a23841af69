from __future__ import annotations

import dataclasses
import io
import time
from pathlib import Path

from rich.console import Console

from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.leaderboard.terminal.ahead import Ahead, in_words
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
        "round 1: defend xception_block1: its stored result is damaged (why); it is computed again",
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


def test_where_it_is_known_what_is_still_to_come_each_line_says_how_much() -> None:
    out = io.StringIO()
    jobs = [dataclasses.replace(_job(f"attack {name}@1", player=name), threads=2) for name in ("one", "two", "three")]
    jobs.append(_job("score", player="judge"))
    ahead = Ahead(jobs, cores=2)
    with ProgressDisplay(Console(file=out), ahead=ahead) as display:
        display.begun(jobs[0])
        display.finished(Outcome(job=jobs[0], result=Result(record={}), failure=None, seconds=40.0))
        display.begun(jobs[3])
        display.finished(Outcome(job=jobs[3], result=Result(record={}), failure=None, seconds=2.0))
        display.begun(_job("not planned", player="somebody"))
        display.finished(Outcome(job=_job("not planned"), result=Result(record={}), failure=None, seconds=2.0))
    said = [line.partition("); ")[2] for line in out.getvalue().splitlines()]
    assert said[0] == "1 of 4 jobs, about 2 min to go"  # the fourth is of the same task, of which 40 s are known
    assert said[1].startswith("2 of 4 jobs, about")
    assert said[2].startswith("3 of 5 jobs, about")


def test_a_long_job_is_told_of_in_a_pipe_by_its_step_and_the_time_to_its_end() -> None:
    out = io.StringIO()
    job = _job("attack pgan@1", player="pgan")
    with ProgressDisplay(Console(file=out), ahead=Ahead([job]), heartbeat=0.05) as display:
        display.begun(job)
        display._ahead.running[job.key].since -= 60  # a minute ago
        display.progress(job, 45, 150, "loss 0.31")
        until = time.monotonic() + 10
        while out.getvalue().count("running") < 2 and time.monotonic() < until:
            time.sleep(0.01)
    lines = [line for line in out.getvalue().splitlines() if "running" in line]
    assert lines[0].partition("] ")[2] == (
        "running: round 1: attack pgan@1, step 45 of 150, 2 min to its end; 0 of 1 jobs, about 2 min to go"
    )


def test_quiet_says_what_went_wrong_and_nothing_else() -> None:
    out = io.StringIO()
    job = _job("attack pgan@1", player="pgan")
    with ProgressDisplay(Console(file=out), verbosity="quiet", heartbeat=0.01) as display:
        display.reused(job)
        display.begun(job)
        time.sleep(0.1)
        display.finished(_done(job, computed=3.0))
        display.begun(job)
        display.finished(_done(job, failure="raised ValueError: no"))
    assert [line.partition("] ")[2] for line in out.getvalue().splitlines()] == [
        "round 1: attack pgan@1: FORFEIT: raised ValueError: no (1.3 s)"
    ]


def test_verbose_says_what_each_job_was_told_and_where_its_result_is() -> None:
    out = io.StringIO()
    payload = {"generator": {"plugin": "pgan", "parameters": {"resolution": 64}, "weights": "f" * 64}, "steps": 150}
    job = dataclasses.replace(_job("attack pgan@1", player="pgan"), payload=payload, threads=2)
    with ProgressDisplay(Console(file=out), verbosity="verbose", place=lambda key: Path("store") / key[:2]) as display:
        display.reused(job)
        display.begun(job)
        display.finished(_done(job))
    told = 'told {"generator": {"plugin": "pgan", "resolution": 64}, "steps": 150}, on 2 threads'
    assert [line.partition("] ")[2] for line in out.getvalue().splitlines()] == [
        f"round 1: attack pgan@1: its result is there already in store/{job.key[:2]}, {told}",
        f"round 1: attack pgan@1: begun, {told}",
        "round 1: attack pgan@1: done (1.3 s)",
        f"    kept in store/{job.key[:2]}",
    ]


def test_jobs_of_several_seeds_are_told_apart() -> None:
    out = io.StringIO()
    with ProgressDisplay(Console(file=out)) as display:
        for seed in (0, 1):
            display.finished(_done(dataclasses.replace(_job("score a@0 on b@0"), what=f"seed {seed}")))
    assert [line.partition("] ")[2].partition(": done")[0] for line in out.getvalue().splitlines()] == [
        "round 1: score a@0 on b@0 (seed 0)",
        "round 1: score a@0 on b@0 (seed 1)",
    ]


def test_a_step_of_a_job_that_was_not_announced_or_has_ended_is_ignored() -> None:
    out = io.StringIO()
    job = _job("attack pgan")
    with ProgressDisplay(Console(file=out)) as display:
        display.progress(job, 1, 2, "")
        display.begun(job)
        display.finished(_done(job))
        display.progress(job, 2, 2, "late, from another process")
    assert "late" not in out.getvalue()


def test_times_are_told_in_words() -> None:
    assert [in_words(seconds) for seconds in (0.2, 45, 89, 100, 3600, 7800, 7200)] == [
        "1 s",
        "45 s",
        "89 s",
        "2 min",
        "60 min",
        "2 h 10 min",
        "2 h",
    ]
