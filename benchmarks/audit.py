"""Times `fakeoff audit` against an earlier build, in turns on the same machine.

    python benchmarks/audit.py --against ../another-checkout

Two folders of pictures of 1024 pixels, once as JPEG 90 and once as PNG, and two of small ones, drawn from the ORL
photographs (enlarged, with sensor noise) so that nothing has to be pulled. Each build audits them as a command in a
process of its own, on one core and on all of them: wall time, CPU time and the most memory. Every turn and the median
of the ratios are written to ``benchmarks/results/audit.json``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import processes
from PIL import Image

from fakeoff.arena.images.reals import orl_faces

_RESULTS = Path(__file__).parent / "results" / "audit.json"
_CASES: Mapping[str, tuple[str, int, int]] = {
    "JPEG, 1024 px": (".jpg", 1024, 60),
    "PNG, 1024 px": (".png", 1024, 60),
    "JPEG, 256 px": (".jpg", 256, 300),
}
"""By name: the suffix, pixels a side, and pictures of each side."""


def _write(root: Path, *, suffix: str, side: int, count: int) -> None:
    photographs = [photograph.path for split in orl_faces().photographs.values() for photograph in split]
    for index in range(2 * count):
        folder = root / ("real" if index < count else "fake")
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(photographs[index % len(photographs)]) as image:
            large = np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))
        noise = np.random.default_rng(index).normal(0, 3, large.shape)
        picture = Image.fromarray((large + noise).round().clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{index:05d}{suffix}", quality=90)


def _audit(checkout: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "fakeoff.cli", "audit", str(folder / "real"), str(folder / "fake")]
    run = processes.run(command, folder=folder, environment={"PYTHONPATH": str(checkout / ".typing")})
    if run.code not in (0, 1):
        raise click.ClickException(f"the audit of {checkout} ended with exit code {run.code}: {run.lines[-1:]}")
    return {"seconds": run.wall, "cpu_seconds": run.cpu, "own_megabytes": run.own_megabytes}


def _ratio(turns: Sequence[Mapping[str, Mapping[str, float]]], clock: str) -> float:
    return statistics.median(turn["before"][clock] / turn["now"][clock] for turn in turns)


@click.command()
@click.option("--against", type=click.Path(path_type=Path, exists=True), required=True, help="An earlier checkout.")
@click.option("--turns", default=5, show_default=True)
def main(against: Path, turns: int) -> None:
    usable = sorted(os.sched_getaffinity(0))
    builds = {"before": against.resolve(), "now": Path(__file__).resolve().parents[1]}
    result: dict[str, Any] = {**processes.machine(), "usable_cores": len(usable), "turns": turns, "cases": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (suffix, side, count) in _CASES.items():
            folder = Path(scratch) / f"{side}{suffix}"
            _write(folder, suffix=suffix, side=side, count=count)
            for cores in sorted({1, len(usable)}):
                os.sched_setaffinity(0, usable[:cores])  # of all that is started
                taken = []
                for _ in range(turns):
                    taken.append({build: _audit(checkout, folder) for build, checkout in builds.items()})
                os.sched_setaffinity(0, usable)
                case = f"{name}, {count} a side, {cores} core{'s' if cores > 1 else ''}"
                ratios = {clock: round(_ratio(taken, clock), 2) for clock in ("seconds", "cpu_seconds")}
                result["cases"][case] = {"times_as_fast": ratios, "turns": taken}
                medians = {
                    build: tuple(
                        statistics.median(turn[build][clock] for turn in taken) for clock in ("seconds", "cpu_seconds")
                    )
                    for build in builds
                }
                click.echo(
                    f"{case}: {medians['before'][0]:.1f} s ({medians['before'][1]:.1f} s of CPU time) before, "
                    f"{medians['now'][0]:.1f} s ({medians['now'][1]:.1f} s) now: "
                    f"{ratios['seconds']:.2f} times as fast, {ratios['cpu_seconds']:.2f} by CPU time"
                )
    _RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
