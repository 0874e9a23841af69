"""Measures what a game on many photographs takes, beside an earlier build on the same photographs.

    python benchmarks/scale.py --photographs 30000 --side 256
    python benchmarks/scale.py --photographs 6000 --side 128 --against ../another-checkout

The photographs are crops and flips of ``celeba-999`` under new names, each person's in a folder of its own; of ORL,
which needs nothing pulled, with ``--reals orl``. Toy players with few steps at the photographs' resolution, on Ray with
two workers: almost all that is left is how photographs are read, kept, handed over and measured. Of each build: wall
and CPU seconds, the most memory of the driver and of a worker (anonymous, ``RssAnon``), the most shared memory, and
what the store takes on the disk. Stored in ``benchmarks/results/scale.json``, by case.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import processes
from PIL import Image

from fakeoff.arena.images.reals import SPLITS, open_source

_RESULTS = Path(__file__).parent / "results" / "scale.json"
_TOYS = Path(__file__).parents[1] / "tests" / "toy_players.py"
_LEAST_OF_A_SIDE = 0.8

_CONFIG = """
rounds = {rounds}
generators = [{{ plugin = "toy_generator" }}]
detectors = [{{ plugin = "toy_detector" }}, {{ plugin = "toy_brightness" }}]
reals = {{ source = {photographs}, split_by = "folder" }}
arena.resolution = {side}
pools = {{ train_fakes = {fakes}, val_fakes = 100, test_fakes = 200 }}
attack = {{ steps = 8, batch = 4 }}
defend = {{ steps = 20, batch = 8, check_every = 10 }}
score = {{ resamples = 100, through = [], least_auc = 0.0 }}
search.when = "never"
parts.parser = ""
audit.on_leak = "report"
compute = {{ attack_threads = 1, precision = "float32", device = "cpu" }}
"""


def _write_photographs(folder: Path, *, reals: str, count: int, side: int) -> None:
    """Crops and flips of a source's photographs, as JPEG 92; those of one photograph are of one person."""
    source = open_source(reals)
    photographs = [photograph for split in SPLITS for photograph in source.photographs[split]]
    rng = np.random.default_rng(0)
    for index in range(count):
        photograph = photographs[index % len(photographs)]
        with Image.open(photograph.path) as image:
            whole = image.convert("RGB")
        edge = int(min(whole.size) * rng.uniform(_LEAST_OF_A_SIDE, 1))
        left, top = (int(rng.integers(0, length - edge + 1)) for length in whole.size)
        made = whole.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.LANCZOS)
        if rng.random() < 0.5:
            made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        person = folder / photograph.group.replace("/", "-")
        person.mkdir(parents=True, exist_ok=True)
        made.save(person / f"{index:06d}.jpg", quality=92)


def _play(checkout: Path, config: Path, home: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "fakeoff.cli", "run", str(config), "--plugin", str(_TOYS), "--home", str(home)]
    environment = {"PYTHONPATH": str(checkout / ".typing")}
    shutil.rmtree(home, ignore_errors=True)
    run = processes.run([*command, "--workers", "2", "-q"], folder=config.parent, environment=environment)
    if run.code:
        said = "\n".join(line for _, line in run.lines[-5:])
        raise click.ClickException(f"the game of {checkout} ended with exit code {run.code}: {said}")
    stored = sum(path.stat().st_size for path in (home / "store").rglob("*") if path.is_file())
    return {
        "seconds": round(run.wall, 1),
        "cpu_seconds": round(run.cpu, 1),
        "driver_megabytes": round(run.own_megabytes),
        "worker_megabytes": round(run.workers_megabytes),
        "shared_megabytes": round(run.shared_megabytes),
        "store_megabytes": round(stored / 1e6),
    }


@click.command()
@click.option("--photographs", default=6000, show_default=True)
@click.option("--side", default=128, show_default=True, help="Of the photographs and of the arena, in pixels.")
@click.option("--fakes", default=400, show_default=True, help="Of train, of each generator version.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--reals", default="celeba-999", show_default=True)
@click.option("--against", "before", type=click.Path(path_type=Path, file_okay=False), help="An earlier build.")
@click.option(
    "--work", type=click.Path(path_type=Path, file_okay=False), help="Where; photographs there are used again."
)
@click.option("--only-before", is_flag=True, help="Play the earlier build alone.")
def main(
    photographs: int, side: int, fakes: int, rounds: int, reals: str, before: Path | None, work: Path | None,
    only_before: bool,
) -> None:  # fmt: skip
    """Plays a game on many photographs and keeps what it took."""
    with tempfile.TemporaryDirectory() as place:
        folder = work or Path(place)
        of = folder / f"photographs-{photographs}-{side}-{reals}"
        if not of.is_dir():
            partial = of.with_suffix(".partial")
            _write_photographs(partial, reals=reals, count=photographs, side=side)
            partial.rename(of)
        config = folder / "game.toml"
        config.write_text(_CONFIG.format(photographs=json.dumps(str(of)), side=side, fakes=fakes, rounds=rounds))
        builds = {} if only_before else {"now": Path(__file__).parents[1]}
        builds = {**({"before": before.resolve()} if before else {}), **builds}
        took = {name: _play(checkout, config, folder / f"home-{name}") for name, checkout in builds.items()}
    case = f"{photographs} photographs of {side} px, {rounds} round(s)"
    for name, figures in took.items():
        click.echo(f"{case}, {name}: " + ", ".join(f"{key} {value:g}" for key, value in figures.items()))
    kept: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    kept[case] = {**kept.get(case, {}), **processes.machine(), **took}
    _RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
