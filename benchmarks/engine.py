"""Times a whole game of equal work against an earlier build, in turns on the same machine.

    python benchmarks/engine.py --against ../another-checkout
    python benchmarks/engine.py --against ../0.3 --without perfect --without device

Four generators, four detectors, two rounds, float32; every training has the same number of steps in both builds, and
nothing stops early. For each build: wall time, the share of core time that was idle between the first job and the start
of the last one, and the most memory that the driver held (its own, not what it shares with workers). The median of the
turns and each turn are written to ``benchmarks/results/engine.json``. A setting that the earlier build does not know is
left out of its game with ``--without``, where what it says is what that build does anyway.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import processes

_RESULTS = Path(__file__).parent / "results" / "engine.json"
_DETECTORS = (("xception_block1", 0), ("xception_block2", 0), ("resnet18_layer1", 0), ("resnet18_layer1", 1))
_GENERATORS = 4
_GAME = """
rounds = 2
[pools]
train_fakes = 160
val_fakes = 40
test_fakes = 80
[attack]
steps = {attack_steps}
[defend]
steps = {defend_steps}
check_every = {defend_steps}
perfect = "patches"
[compute]
device = "cpu"
precision = "float32"
attack_threads = 1
"""
_LINE = re.compile(
    r"^\[(\d+):(\d\d)\]\s+(.*): (?:done|FORFEIT.*|FAILED.*) \((\d+\.\d) s\)(?:, computed for (\d+\.\d) s)?"
)


def _game(attack_steps: int, defend_steps: int, *, without: Sequence[str]) -> str:
    lines = _GAME.format(attack_steps=attack_steps, defend_steps=defend_steps).splitlines(keepends=True)
    parts = [line for line in lines if line.partition(" = ")[0] not in without]
    parts += [
        f'[[generators]]\nplugin = "pgan"\nname = "pgan_{seed}"\nparameters = {{ init_seed = {seed} }}\n'
        for seed in range(_GENERATORS)
    ]
    parts += [
        f'[[detectors]]\nplugin = "{plugin}"\nname = "{plugin}_{seed}"\nparameters = {{ init_seed = {seed} }}\n'
        for plugin, seed in _DETECTORS
    ]
    return "".join(parts)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as a game's display tells of it.

    Attributes:
        title: ``round 1: attack pgan@1``.
        ended: Seconds from the game's start.
        took: Seconds.
        computed: Seconds of CPU time; 0 where the build does not say.
    """

    title: str
    ended: float
    took: float
    computed: float

    @property
    def kind(self) -> str:
        """What it does, in a word or two: ``attack``, ``defend``, ``score``, ``score again``, ``reals``, ..."""
        words = self.title.partition(": ")[2].split()
        if len(words) == 2 and words[1] == "reals":  # "train reals", but not "parse the faces of train reals"
            return "reals"
        return f"{words[0]} again" if words[-1] == "again" else words[0]


def play(checkout: Path, game: str, folder: Path) -> tuple[processes.Run, list[Job]]:
    """Plays a game with one build, in ``FOLDER/home``.

    Args:
        checkout: Of the build.
        game: Its configuration.
        folder: An empty one.

    Returns:
        What the whole took, and its jobs.

    Raises:
        ClickException: The game failed.
    """
    config = folder / "game.toml"
    config.write_text(game)
    command = [sys.executable, "-m", "fakeoff.cli", "run", str(config), "--home", str(folder / "home")]
    run = processes.run(command, folder=folder, environment={"PYTHONPATH": str(checkout / ".typing")})
    if run.code:
        said = "\n".join(line for _, line in run.lines[-5:])
        raise click.ClickException(f"the game of {checkout} ended with exit code {run.code}:\n{said}")
    return run, read_jobs(run.lines)


def read_jobs(lines: Sequence[tuple[float, str]]) -> list[Job]:
    """Reads the jobs from what a game printed.

    Args:
        lines: Each with the seconds since the game's start.
    """
    return [
        Job(title=found[3], ended=when, took=float(found[4]), computed=float(found[5] or 0))
        for when, line in lines
        if (found := _LINE.match(line))
    ]


def idle(run: processes.Run, jobs: Sequence[Job]) -> float:
    """The share of core time that was idle between the first job and the start of the last one."""
    begun = [job.ended - job.took for job in jobs]
    return run.idle(min(begun), max(begun))


@click.command()
@click.option("--against", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--turns", default=1, show_default=True)
@click.option("--attack-steps", default=12, show_default=True)
@click.option("--defend-steps", default=60, show_default=True)
@click.option("--without", multiple=True, help="A setting that the earlier build does not know.")
def main(against: Path, turns: int, attack_steps: int, defend_steps: int, without: tuple[str, ...]) -> None:
    builds = {"before": against.resolve(), "now": Path(__file__).resolve().parents[1]}
    games = {
        "before": _game(attack_steps, defend_steps, without=without),
        "now": _game(attack_steps, defend_steps, without=()),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in builds}
    for turn in range(turns):
        for name, checkout in builds.items() if turn % 2 == 0 else reversed(builds.items()):
            with tempfile.TemporaryDirectory() as folder:
                run, jobs = play(checkout, games[name], Path(folder))
            figures = {
                "wall": run.wall,
                "idle": idle(run, jobs),
                "driver_megabytes": run.own_megabytes,
                "jobs": len(jobs),
            }
            found[name].append(figures)
            click.echo(
                f"{name}: {figures['wall']:.0f} s, {figures['idle']:.1%} of core time idle, the driver held "
                f"{figures['driver_megabytes']:.0f} MB, {figures['jobs']} jobs"
            )
    ratios = {
        name: statistics.median(one[name] for one in found["now"])
        / statistics.median(one[name] for one in found["before"])
        for name in ("wall", "driver_megabytes")
    }
    click.echo(f"now to before: wall time {ratios['wall']:.2f}, the driver's memory {ratios['driver_megabytes']:.2f}")
    revision = subprocess.run(["git", "-C", str(against), "rev-parse", "HEAD"], capture_output=True, text=True)
    results = {
        "machine": processes.machine(),
        "against": revision.stdout.strip(),
        "steps": {"attack": attack_steps, "defend": defend_steps},
        "turns": found,
        "ratios": ratios,
    }
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
