"""Times ``fakeoff run`` against a plain script of the same steps, in turns on the same machine.

    python benchmarks/plain_game.py --turns 3
    python benchmarks/plain_game.py --quick          # does it work? Nothing is stored

The embedded game's players in float32: one generator, two detectors. Fakeoff plays it as it comes: Ray, audit, parts,
costs, MLflow and pictures included. The script (``plain_script.py``) does without all of these. Both take the same
steps in batches of the same size, nothing stops early, the same detectors are attacked, and a turn in which the two
turn out to have done other work is refused. Each turn of each side is a process of its own.

Of each side: wall time, and CPU time of all its processes; of the script also its phases, of Fakeoff also what its jobs
computed, by kind. Each turn and the medians are written to ``benchmarks/results/plain_game.json``. Only a machine that
is otherwise idle says anything: the script's two threads wait for each other at every operation, and are hit hardest by
whatever else runs.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import engine
import plain_script
import processes

from fakeoff.arena.images.reals import SPLITS
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.protocols.measures.tournament import TournamentRecord

HERE = Path(__file__).resolve().parent
AIMED_AT = 1.3
_RESULTS = HERE / "results" / "plain_game.json"
_SIDES = ("fakeoff", "plain")
_GAME = """
rounds = {rounds}
[pools]
train_fakes = {train}
val_fakes = {val}
test_fakes = {test}
[attack]
steps = {attack_steps}
batch = {attack_batch}
weight = {weight}
until = 1.0
[defend]
steps = {defend_steps}
batch = {defend_batch}
check_every = {check_every}
patience = 1000000
perfect = "patches"
[score]
resamples = {resamples}
confidence = {confidence}
[compute]
device = "cpu"
precision = "float32"
"""
LEFT_OUT = (
    "the audit of the pools, the parts of faces, heatmaps and how the parts shift",
    "MLflow, pictures, scoreboard, ledger and store: nothing can be resumed, checked or looked at",
    "scores a second time, in another order, alone and in a fresh process",
    "thresholds chosen on val, AP with reals as positives, recall, what evasion cost",
    "checks of players' output, of the frozen detector's weights, limits of time and memory",
    "quantisation in the attack's path from fakes to detector",
    "seeds that do not depend on order, deterministic kernels",
)
DIFFERS = (
    "a look at val takes all fakes of val in the script; in Fakeoff about as many as there are reals",
    "the script has its networks from Fakeoff, and with them the layers that were made faster there",
    "the script computes the three accuracies of the authors' code at each step; Fakeoff one",
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What decides how much there is to compute; each list is sorted.

    Attributes:
        attacks: Round, target, steps.
        defences: Detector, round, steps, looks at val.
        matches: Generator version, detector version, test reals, test fakes.
    """

    attacks: tuple[tuple[int, str, int], ...]
    defences: tuple[tuple[str, int, int, int], ...]
    matches: tuple[tuple[str, str, int, int], ...]


def write_game(settings: plain_script.Settings) -> str:
    """The configuration of a game in which Fakeoff does the work of the script."""
    game = _GAME.format(
        train=settings.fakes["train"],
        val=settings.fakes["val"],
        test=settings.fakes["test"],
        rounds=settings.rounds,
        attack_steps=settings.attack_steps,
        defend_steps=settings.defend_steps,
        check_every=settings.check_every,
        resamples=settings.resamples,
        attack_batch=plain_script.ATTACK_BATCH,
        defend_batch=plain_script.DEFEND_BATCH,
        weight=plain_script.WEIGHT,
        confidence=plain_script.CONFIDENCE,
    )
    detectors = "".join(f'[[detectors]]\nplugin = "{name}"\n' for name in settings.detectors)
    return f'{game}[[generators]]\nplugin = "pgan"\n{detectors}'


def work_of_record(record: TournamentRecord, store: Store) -> Work:
    """What Fakeoff did, from what it stored."""
    generators = [version for version in record.versions if version.kind == "generator" and version.round]
    detectors = [version for version in record.versions if version.kind == "detector"]
    return Work(
        attacks=tuple(
            sorted(
                (
                    version.round,
                    ", ".join(target.partition("@")[0] for target in version.targets),
                    _steps(store, version.key),
                )
                for version in generators
            )
        ),
        defences=tuple(
            sorted(
                (version.player, version.round, _steps(store, version.key), len(store.record(version.key)["val_curve"]))
                for version in detectors
            )
        ),
        matches=tuple(
            sorted(
                (match.generator.label, match.detector.label, match.figures.n_real, match.figures.n_fake)
                for match in record.matches
            )
        ),
    )


def _steps(store: Store, key: str) -> int:
    return int(store.record(key)["steps"])


def work_of_script(done: Mapping[str, Any]) -> Work:
    """What the script did, from what it said in its last line."""
    return Work(
        attacks=tuple(sorted((round_, target, steps) for round_, target, steps in done["attacks"])),
        defences=tuple(sorted((name, round_, steps, looks) for name, round_, steps, looks in done["defences"])),
        matches=tuple(
            sorted(
                (match["generator"], match["detector"], match["n_real"], match["n_fake"]) for match in done["matches"]
            )
        ),
    )


def play_fakeoff(settings: plain_script.Settings) -> tuple[dict[str, Any], Work]:
    """Plays the game with this checkout, in an empty home."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, jobs = engine.play(HERE.parent, write_game(settings), folder)
        home = Home(folder / "home")
        store = home.open_store()
        work = work_of_record(read_ledger(home, store), store)
    computed: dict[str, float] = defaultdict(float)
    for job in jobs:
        computed[job.kind] += job.computed
    begun = [job.ended - job.took for job in jobs]
    figures = {
        "wall": run.wall,
        "cpu": run.cpu,
        "before_the_first_job": min(begun),
        "after_the_last_job": run.wall - max(job.ended for job in jobs),
        "idle": engine.idle(run, jobs),
        "computed": dict(sorted(computed.items(), key=lambda item: -item[1])),
        "outside_of_jobs": run.cpu - sum(computed.values()),
    }
    return figures, work


def run_script(settings: plain_script.Settings) -> tuple[dict[str, Any], Work]:
    """Runs the plain script once."""
    options = {
        "rounds": settings.rounds,
        "attack-steps": settings.attack_steps,
        "defend-steps": settings.defend_steps,
        "check-every": settings.check_every,
        "resamples": settings.resamples,
    }
    command = [sys.executable, str(HERE / "plain_script.py")]
    command += [f"--{option}={value}" for option, value in options.items()]
    command += ["--fakes", *(str(settings.fakes[split]) for split in SPLITS)]
    command += [f"--detector={name}" for name in settings.detectors]
    command += [f"--target={name}" for name in settings.targets]
    run = processes.run(command, folder=HERE, environment={"PYTHONPATH": str(HERE.parent / ".typing")})
    if run.code:
        said = "\n".join(line for _, line in run.lines[-5:])
        raise click.ClickException(f"the plain script ended with exit code {run.code}:\n{said}")
    done = json.loads(run.lines[-1][1])
    phases = {**done["seconds"], "start": run.wall - sum(done["seconds"].values())}
    return {"wall": run.wall, "cpu": run.cpu, "phases": phases, "best_on_val": done["best_on_val"]}, work_of_script(
        done
    )


def compare(turns: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """Ratios of the script to Fakeoff, turn by turn: median, least and most.

    ``wall`` and ``cpu`` are of the whole. ``wall_without_figures`` takes AP, AUC and their intervals from the script's
    time, and nothing from Fakeoff's: so much would be left if the script's figures cost no time at all.
    """
    pairs = list(zip(turns["plain"], turns["fakeoff"], strict=True))
    ratios = {
        "wall": [plain["wall"] / ours["wall"] for plain, ours in pairs],
        "cpu": [plain["cpu"] / ours["cpu"] for plain, ours in pairs],
        "wall_without_figures": [(plain["wall"] - plain["phases"]["figures"]) / ours["wall"] for plain, ours in pairs],
    }
    return {
        name: {"median": statistics.median(found), "least": min(found), "most": max(found)}
        for name, found in ratios.items()
    }


def _take_turns(settings: plain_script.Settings, turns: int) -> tuple[dict[str, list[dict[str, Any]]], Work]:
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in _SIDES}
    expected: Work | None = None
    targets: tuple[str, ...] = ()
    for turn in range(turns):
        # Fakeoff begins: who is champion there decides whom both attack, or one would have the cheaper target.
        for side in _SIDES if turn % 2 == 0 else reversed(_SIDES):
            if side == "fakeoff":
                figures, work = play_fakeoff(settings)
                targets = tuple(target for _, target, _ in work.attacks)
            else:
                figures, work = run_script(replace(settings, targets=targets))
            if expected is None:
                check_work(work, settings)
                expected = work
            if work != expected:
                raise click.ClickException(f"{side} did other work in turn {turn + 1}: {work}, not {expected}")
            found[side].append(figures)
            click.echo(f"turn {turn + 1}, {side}: {figures['wall']:.0f} s, {figures['cpu']:.0f} s of CPU time")
    assert expected is not None
    return found, expected


def check_work(work: Work, settings: plain_script.Settings) -> None:
    """Makes sure that nothing stopped early and nobody forfeited.

    Raises:
        ClickException: It was less than what was asked for.
    """
    short = [one for one in work.attacks if one[2] != settings.attack_steps]
    short_defences = [one for one in work.defences if one[2] != settings.defend_steps]
    versions = settings.rounds + 1
    counts = (len(work.attacks), len(work.defences), len(work.matches))
    expected = (settings.rounds, versions * len(settings.detectors), versions**2 * len(settings.detectors))
    if short or short_defences or counts != expected:
        raise click.ClickException(
            f"less work than was asked for: stopped early {[*short, *short_defences]}; {counts} attacks, defences and "
            f"matches, expected {expected}; against a training that is perfect too early: a larger --check-every"
        )


@click.command()
@click.option("--turns", default=1, show_default=True)
@click.option("--rounds", default=2, show_default=True)
@click.option("--attack-steps", default=50, show_default=True)
@click.option("--defend-steps", default=300, show_default=True)
@click.option(
    "--check-every",
    type=int,
    help="Steps between looks at val; by default one look at the end, so that no training can stop early.",
)
@click.option("--quick", is_flag=True, help="One turn of a round of few steps, to see that it works; stores nothing.")
def main(turns: int, rounds: int, attack_steps: int, defend_steps: int, check_every: int | None, quick: bool) -> None:
    if quick:
        turns, rounds, attack_steps, defend_steps = 1, 1, 2, 4
    settings = plain_script.Settings(
        rounds=rounds,
        attack_steps=attack_steps,
        defend_steps=defend_steps,
        check_every=check_every or defend_steps,
        fakes={"train": 560, "val": 40, "test": 80},
        resamples=1000,
        detectors=("xception_block1", "resnet18_layer1"),
    )
    found, work = _take_turns(settings, turns)
    ratios = compare(found)
    for name, figures in ratios.items():
        click.echo(
            f"plain to fakeoff, {name.replace('_', ' ')}: {figures['median']:.2f} "
            f"({figures['least']:.2f} to {figures['most']:.2f})"
        )
    if quick:
        click.echo("a few steps say nothing of speed; nothing is stored")
        return
    click.echo(f"aimed at: {AIMED_AT} in wall time; {'' if ratios['wall']['median'] >= AIMED_AT else 'not '}reached")
    for side, what in (("fakeoff", "computed"), ("plain", "phases")):
        shares = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found[side][-1][what].items())
        click.echo(f"{side}, seconds: {shares}")
    click.echo("the plain script leaves out:")
    for line in LEFT_OUT:
        click.echo(f"  {line}")
    results = {
        "machine": processes.machine(),
        "settings": asdict(settings),
        "work": asdict(work),
        "turns": found,
        "ratios": ratios,
        "aimed_at": AIMED_AT,
        "the_script_leaves_out": LEFT_OUT,
        "differs_otherwise": DIFFERS,
    }
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
