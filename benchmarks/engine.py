"""Times a whole game of equal work against an earlier build, in turns on the same machine.

    python benchmarks/engine.py --against ../another-checkout

Four generators, four detectors, two rounds, float32; every training has the same number of steps in both builds, and
nothing stops early. For each build: wall time, the share of core time that was idle between the first job and the start
of the last one, and the most memory that the driver held (its own, not what it shares with workers). The median of the
turns and each turn are written to ``benchmarks/results/engine.json``.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
import torch

from fakeoff.arena import compute

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
_LINE = re.compile(r"^\[(\d+):(\d\d)\]\s+(.*): (?:done|FORFEIT.*|FAILED.*) \((\d+\.\d) s\)")


def _game(attack_steps: int, defend_steps: int) -> str:
    parts = [_GAME.format(attack_steps=attack_steps, defend_steps=defend_steps)]
    parts += [
        f'[[generators]]\nplugin = "pgan"\nname = "pgan_{seed}"\nparameters = {{ init_seed = {seed} }}\n'
        for seed in range(_GENERATORS)
    ]
    parts += [
        f'[[detectors]]\nplugin = "{plugin}"\nname = "{plugin}_{seed}"\nparameters = {{ init_seed = {seed} }}\n'
        for plugin, seed in _DETECTORS
    ]
    return "".join(parts)


def play(checkout: Path, game: str) -> dict[str, Any]:
    """Plays the game in an empty home with one build.

    Args:
        checkout: Of the build.
        game: Its configuration.

    Returns:
        ``wall`` in seconds, ``idle`` as a share, ``driver_megabytes`` and ``jobs``.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "game.toml"
        config.write_text(game)
        command = [sys.executable, "-m", "fakeoff.cli", "run", str(config), "--home", str(Path(folder) / "home")]
        environment = {**os.environ, "PYTHONPATH": str(checkout / ".typing"), "PYTHONUNBUFFERED": "1"}
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        )
        cores: list[tuple[float, float, float]] = []  # when, idle and all core time so far, in seconds
        memory: list[float] = [0.0]
        watch = threading.Thread(target=_watch, args=(process, started, cores, memory), daemon=True)
        watch.start()
        jobs: list[tuple[float, float]] = []  # begun, ended
        assert process.stdout is not None
        for line in process.stdout:
            if found := _LINE.match(line):
                now = time.monotonic() - started
                jobs.append((now - float(found[4]), now))
        if process.wait():
            raise click.ClickException(f"the game of {checkout} ended with exit code {process.returncode}")
        wall = time.monotonic() - started
        watch.join()
    first, last = min(begun for begun, _ in jobs), max(begun for begun, _ in jobs)
    within = [sample for sample in cores if first <= sample[0] <= last]
    idle = (within[-1][1] - within[0][1]) / (within[-1][2] - within[0][2])
    return {"wall": wall, "idle": idle, "driver_megabytes": memory[0], "jobs": len(jobs)}


def _watch(
    process: subprocess.Popen[str], started: float, cores: list[tuple[float, float, float]], memory: list[float]
) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        fields = [int(field) / tick for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        cores.append((time.monotonic() - started, fields[3] + fields[4], sum(fields)))
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        if found := re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE):
            memory[0] = max(memory[0], int(found[1]) / 1000)
        time.sleep(0.1)


@click.command()
@click.option("--against", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--turns", default=1, show_default=True)
@click.option("--attack-steps", default=12, show_default=True)
@click.option("--defend-steps", default=60, show_default=True)
def main(against: Path, turns: int, attack_steps: int, defend_steps: int) -> None:
    builds = {"before": against.resolve(), "now": Path(__file__).resolve().parents[1]}
    game = _game(attack_steps, defend_steps)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in builds}
    for turn in range(turns):
        for name, checkout in builds.items() if turn % 2 == 0 else reversed(builds.items()):
            found[name].append(play(checkout, game))
            figures = found[name][-1]
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
    machine = {"processor": compute.describe(compute.survey()), "cores": os.cpu_count(), "torch": torch.__version__}
    results = {
        "machine": machine,
        "against": revision.stdout.strip(),
        "steps": {"attack": attack_steps, "defend": defend_steps},
        "turns": found,
        "ratios": ratios,
    }
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
