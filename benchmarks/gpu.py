"""Times attack and training steps on a CUDA device: step times, utilisation, and the fraction of its measured peak.

    make bench-gpu

Each step is timed in bfloat16 and in float32 (TF32), at 64 and 128 pixels. Utilisation is the time that the device's
kernels took, from PyTorch's profiler, over the time that passed. The peak is the faster one of a large matrix product
and a large 3x3 convolution in the same precision. Results are written to ``benchmarks/results/gpu.json``, with the
card's name.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import flops
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from fakeoff import detectors, generators
from fakeoff.arena import compute, images
from fakeoff.arena.compute.precision import PRECISIONS
from fakeoff.arena.images.batch import Batch
from fakeoff.arena.images.pool import Pool, batch_of
from fakeoff.arena.seeds import rng_from

_RESULTS = Path(__file__).parent / "results" / "gpu.json"
_DETECTORS = ("xception_block1", "xception_block2", "resnet18_layer1")


def _peak(precision: compute.Precision, device: torch.device) -> float:
    """10^9 floating-point operations a second."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    square = torch.randn(8192, 8192, device=device, dtype=dtype)
    pictures = compute.image_layout(torch.randn(64, 256, 64, 64, device=device, dtype=dtype))
    weight = compute.image_layout(torch.randn(256, 256, 3, 3, device=device, dtype=dtype))
    with compute.autocast(precision, device):
        matrix = _median(lambda: square @ square, device, 10)
        convolution = _median(lambda: torch.conv2d(pictures, weight, padding=1), device, 10)
    return max(2 * 8192**3 / matrix, 2 * 64 * 64 * 64 * 256 * 256 * 9 / convolution) / 1e9


def _steps(resolution: int, precision: compute.Precision, device: torch.device) -> dict[str, Callable[[], Any]]:
    rng = rng_from("bench", resolution)
    pixels = np.random.default_rng(0).integers(0, 256, (256, resolution, resolution, 3), dtype=np.uint8)
    pool = Pool(pixels, device=device)
    is_fake = torch.arange(32, device=device) >= 16
    generator = generators.players.build("pgan", {"resolution": resolution, "weights": ""})
    generator.get_buffer("grown").fill_(float(np.log2(resolution) - 2))
    generator = compute.channels_last(generator.to(device))
    target = compute.channels_last(detectors.players.build("xception_block1", {}).to(device))
    target.eval().requires_grad_(False)

    def attack() -> None:
        with compute.autocast(precision, device):
            generator.train_step(
                Batch(images=pool.draw(16, rng=rng, flips=True)),
                rng=rng,
                extra_loss=lambda fakes: target.evasion_loss(
                    images.as_seen(fakes, resolution=resolution, colour="grey")
                ),
            )

    def defence(name: str) -> Callable[[], Any]:
        detector = compute.channels_last(detectors.players.build(name, {}).to(device)).train()

        def step() -> None:
            with compute.autocast(precision, device):
                detector.train_step(Batch(images=batch_of([pool, pool], 16, rng=rng), is_fake=is_fake), rng=rng)

        return step

    return {
        "attack: pgan against xception_block1": attack,
        **{f"defence: {name}": defence(name) for name in _DETECTORS},
    }


def _median(step: Callable[[], Any], device: torch.device, steps: int) -> float:
    seconds = []
    for turn in range(steps + 3):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        step()
        torch.cuda.synchronize(device)
        if turn >= 3:
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _busy(step: Callable[[], Any], device: torch.device, steps: int) -> float:
    """The share of the time in which the device's kernels ran."""
    torch.cuda.synchronize(device)
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize(device)
        passed = time.perf_counter() - started
    return sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6 / passed


@click.command()
@click.option("--steps", default=30, show_default=True, help="Steps timed of each kind.")
@click.option("--resolutions", default="64,128", show_default=True)
def main(steps: int, resolutions: str) -> None:
    if not torch.cuda.is_available():
        raise click.ClickException("there is no CUDA device here; for this machine's processor: make bench")
    device = torch.device("cuda", 0)
    compute.prepare_process(threads=1, device=device)
    console = Console(width=120)
    machine = compute.survey()
    result: dict[str, Any] = {
        "gpu": machine.gpus[0],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "steps": [],
    }
    table = Table(title=machine.gpus[0], title_justify="left")
    for heading in ("step", "pixels", "precision", "ms a step", "utilisation", "of the measured peak"):
        table.add_column(heading)
    for precision in PRECISIONS:
        peak = _peak(precision, device)
        result[f"peak_{precision}_gflop_per_s"] = peak
        for resolution in map(int, resolutions.split(",")):
            for name, step in _steps(resolution, precision, device).items():
                step()
                seconds = _median(step, device, steps)
                busy = _busy(step, device, steps)
                share = flops.count(step) / seconds / 1e9 / peak
                row = {"step": name, "pixels": resolution, "precision": precision}
                result["steps"].append({**row, "ms": 1000 * seconds, "utilisation": busy, "of_peak": share})
                table.add_row(name, str(resolution), precision, f"{1000 * seconds:.1f}", f"{busy:.0%}", f"{share:.0%}")
    console.print(table)
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
