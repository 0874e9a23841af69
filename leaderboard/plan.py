"""What a game would compute, said before it is played."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.executors import Executor
from fakeoff.leaderboard.conduct.conductor import Conductor, seated
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.protocol_spec import protocol_spec
from fakeoff.leaderboard.terminal.ahead import in_words, work_of
from fakeoff.protocols import protocols
from fakeoff.protocols.attack_defend import AttackDefend, tournament_spec
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.planning import GamePlan


def tell_plan(config: TournamentConfig, *, home: Home, executor: Executor, console: Console) -> GamePlan:
    """Says what a game would compute in a home, what it would reuse and about how long it would take.

    Nothing is played, and nothing of the home is written or held.

    Args:
        config: What would be played.
        home: Where.
        executor: Where jobs would run; it starts none.
        console: Where to.

    Returns:
        The plan.

    Raises:
        FakeoffError: Whatever would stop the game, as far as that is known.
    """
    conductor = seated(config, home=home, executor=executor, console=console)
    is_tournament = protocols.load(config.protocol.plugin) is AttackDefend
    plan = conductor.plan(tournament_spec(conductor.config) if is_tournament else protocol_spec(conductor.config))
    _print(plan, conductor, console)
    return plan


def _print(plan: GamePlan, conductor: Conductor, console: Console) -> None:
    table = Table(title=Text("The plan, by stage"), title_justify="left", title_style="bold")
    table.add_column("round", justify="right")
    table.add_column("stage")
    for heading in ("to compute", "reused", "about"):
        table.add_column(heading, justify="right")
    table.add_column("which", overflow="fold")
    stages = sorted({_stage(job): None for job in (*plan.computed, *plan.reused)}, key=lambda stage: stage[0])
    for stage in stages:
        computed = [job for job in plan.computed if _stage(job) == stage]
        reused = sum(_stage(job) == stage for job in plan.reused)
        table.add_row(
            "" if stage[0] < 0 else str(stage[0]),
            stage[1],
            str(len(computed)) if computed else "-",
            str(reused) if reused else "-",
            _time(computed, conductor) if computed else "",
            Text(_which(computed)),
        )
    console.print()
    console.print(table)
    jobs, reused = len(plan.computed), len(plan.reused)
    if not jobs and plan.complete:
        console.print(f"Nothing is to be computed: all {reused} results are there.", highlight=False)
        return
    more = "" if plan.complete else " at least: the protocol goes on by what comes of them"
    console.print(
        f"{jobs} {'job' if jobs == 1 else 'jobs'} to compute{more}; {reused} results are there already.",
        highlight=False,
    )
    console.print(Text(_total(plan.computed, conductor)), soft_wrap=True)


def _stage(job: Job) -> tuple[int, str]:
    return (-1 if job.round is None else job.round, job.stage)


def _which(jobs: Sequence[Job]) -> str:
    """The players, or of how many jobs it is."""
    titles = list(dict.fromkeys(job.title for job in jobs))
    return ", ".join(titles) if len(titles) <= 4 else f"{', '.join(titles[:3])} and {len(titles) - 3} more"


def _time(jobs: Sequence[Job], conductor: Conductor) -> str:
    seconds, unknown = work_of(jobs, costs=conductor.costs, cores=conductor.cores)
    if seconds is None:
        return "not known"
    return f"more than {in_words(seconds)}" if unknown else in_words(seconds)


def _total(jobs: Sequence[Job], conductor: Conductor) -> str:
    cores = conductor.cores
    seconds, unknown = work_of(jobs, costs=conductor.costs, cores=cores)
    where = "one job at a time" if cores == 1 else f"on {cores} cores"
    if seconds is None:
        return "How long that takes is not known: no job of these kinds ran on this kind of processor before."
    least = "More than" if unknown else "About"
    kinds = "; of some kinds none ran here before" if unknown else ""
    return (
        f"{least} {in_words(seconds)} {where}, by what such jobs took on this kind of processor{kinds}. Attacks and "
        "trainings may end before their last step."
    )


__all__ = ["tell_plan"]
