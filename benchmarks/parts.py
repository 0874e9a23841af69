"""Times what looking costs: the face parser by itself, and a whole tournament with and without it.

    python benchmarks/parts.py                      # the parser: seconds
    python benchmarks/parts.py --tournaments 2      # and the embedded tournament, both ways in turns: half an hour

The plain tournament plays without parts and without the audit of its pools. Results are written to
``benchmarks/results/parts.json``.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch

from fakeoff.arena import compute
from fakeoff.arena.parsers import parsers
from fakeoff.arena.players.specs import write_spec
from fakeoff.arena.seeds import rng_from
from fakeoff.protocols.rules import referee

_RESULTS = Path(__file__).parent / "results" / "parts.json"
_SIZES = (32, 64, 128)
_BATCH = 64
_PLAIN = "[parts]\nparser = ''\n[audit]\non_leak = 'skip'\n"


def time_parser(turns: int) -> dict[str, Any]:
    """Milliseconds an image on one core, in batches, by size: minimum, median and maximum over turns."""
    compute.prepare_process(threads=1)
    spec = write_spec(parsers, name="face_unet", plugin="face_unet", parameters={})
    parser = referee.build_parser(spec.identity(), places=spec.places())
    seconds: dict[int, list[float]] = {size: [] for size in _SIZES}
    batches = {size: torch.rand(_BATCH, 3, size, size, generator=rng_from("benchmark", size)) for size in _SIZES}
    for turn in range(turns + 1):
        for size, batch in batches.items():
            started = time.perf_counter()
            referee.label(parser, batch)
            if turn:  # the first warms up
                seconds[size].append(time.perf_counter() - started)
    return {
        f"{size}px": {
            name: 1000 * figure(values) / _BATCH
            for name, figure in (("minimum", min), ("median", statistics.median), ("maximum", max))
        }
        for size, values in seconds.items()
    }


def time_tournament(*, plain: bool) -> float:
    """Seconds of the embedded tournament in an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "game.toml"
        config.write_text(_PLAIN if plain else "")
        command = [sys.executable, "-m", "fakeoff.cli", "run", str(config), "--home", str(Path(folder) / "home")]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


@click.command()
@click.option("--turns", default=9, show_default=True, help="Of the parser.")
@click.option("--tournaments", default=0, show_default=True, help="Turns of the tournament, each both ways.")
def main(turns: int, tournaments: int) -> None:
    results: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    results["machine"] = {"processor": platform.machine(), "torch": torch.__version__}
    results["parser_ms_an_image"] = time_parser(turns)
    for size, figures in results["parser_ms_an_image"].items():
        click.echo(f"face_unet, {size}, batch {_BATCH}, one core: {figures['median']:.2f} ms an image (median)")
    if tournaments:
        pairs = []
        for turn in range(tournaments):
            with_parts, plain = (time_tournament(plain=way) for way in (False, True))
            pairs.append({"with_parts_s": with_parts, "plain_s": plain, "ratio": with_parts / plain})
            click.echo(f"tournament, turn {turn + 1}: {with_parts:.0f} s with parts, {plain:.0f} s without")
        results["tournament"] = pairs
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
