"""Times one attack step and one detector training step: Fakeoff's way against the plain way, in one run.

    make bench

The plain way is float32, contiguous, the allocator's defaults. Each way runs in a process of its own, because the
allocator's settings hold for a whole process, and the two take turns. The last table trains the same detector
both ways and shows the AP of each on held-out images. Results are written to ``benchmarks/results/``.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score

from fakeoff import detectors, generators
from fakeoff.arena import compute, images
from fakeoff.arena.reals import orl_faces
from fakeoff.arena.seeds import rng_from
from fakeoff.arena.specs import find_weights, load_weights
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.protocols.referee import draw, judge

_WAYS = ("fakeoff", "plain")
_DETECTORS = ("xception_block1", "resnet18_layer1")
_TRAINED = "resnet18_layer1"
_RESULTS = Path(__file__).parent / "results"


def _prepare(way: str, threads: int) -> compute.Precision:
    if way == "fakeoff":
        compute.prepare_process(threads=threads)
        return "bfloat16"
    torch.set_num_threads(threads)
    return "float32"


def _layout(way: str, model: Any) -> Any:
    return compute.channels_last(model) if way == "fakeoff" else model


def _pgan(way: str) -> Any:
    generator = generators.players.build("pgan", {})
    load_weights(generator, find_weights("pgan-orl-64", ProgressiveGAN))
    return _layout(way, generator)


def _time_steps(way: str, *, steps: int, threads: int) -> dict[str, float]:
    """Seconds of the median attack step and of the median training step of each detector."""
    precision = _prepare(way, threads)
    rng = rng_from("bench")
    reals = images.to_tensor(orl_faces().load("train", resolution=64, colour="grey"))
    medians: dict[str, float] = {}

    generator = _pgan(way)
    target = _layout(way, detectors.players.build(_DETECTORS[0], {})).eval().requires_grad_(False)

    def attack_step() -> None:
        with compute.autocast(precision):
            generator.train_step(
                reals[torch.randint(len(reals), (16,), generator=rng)],
                rng=rng,
                extra_loss=lambda fakes: target.evasion_loss(images.as_seen(fakes, resolution=64, colour="grey")),
            )

    medians["attack: pgan against xception_block1"] = _median(attack_step, steps)
    is_fake = torch.arange(32) >= 16
    for name in _DETECTORS:
        detector = _layout(way, detectors.players.build(name, {})).train()

        def training_step(detector: Any = detector) -> None:
            batch = reals[torch.randint(len(reals), (32,), generator=rng)]
            with compute.autocast(precision):
                detector.train_step(compute.image_layout(batch) if way == "fakeoff" else batch, is_fake, rng=rng)

        medians[f"defence: {name}"] = _median(training_step, steps)
    return medians


def _median(step: Any, steps: int) -> float:
    for _ in range(3):
        step()
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _train(way: str, *, threads: int, steps: int, seed: int) -> dict[str, float]:
    """AP on held-out people and latents of a detector trained this way on the PGAN that ships."""
    precision = _prepare(way, threads)
    source = orl_faces()
    reals = {s: images.to_tensor(source.load(s, resolution=64, colour="grey")) for s in ("train", "test")}
    generator = _pgan(way)
    rng = rng_from("fit", seed)
    fakes = images.to_tensor(images.quantise(draw(generator, 560, rng=rng), colour="grey"))
    detector = _layout(way, detectors.players.build(_TRAINED, {"init_seed": seed})).train()
    is_fake = torch.arange(32) >= 16
    for _ in range(steps):
        batch = torch.cat([pool[torch.randint(len(pool), (16,), generator=rng)] for pool in (reals["train"], fakes)])
        with compute.autocast(precision):
            detector.train_step(compute.image_layout(batch) if way == "fakeoff" else batch, is_fake, rng=rng)
    return {f"AP of {_TRAINED}, {steps} steps": _held_out(detector.eval(), generator, reals["test"], seed)}


def _held_out(detector: Any, generator: Any, reals: Any, seed: int) -> float:
    fakes = images.to_tensor(
        images.quantise(draw(generator, len(reals), rng=rng_from("held out", seed)), colour="grey")
    )
    scores = torch.cat([judge(detector, reals), judge(detector, fakes)])
    return float(average_precision_score(torch.arange(len(scores)) >= len(reals), scores))


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns that each way takes.")
@click.option("--steps", default=8, show_default=True, help="Steps timed in each turn.")
@click.option("--training-steps", default=500, show_default=True, help="Steps of each training for the AP table.")
@click.option("--seeds", default=2, show_default=True, help="Trainings of each way for the AP table.")
@click.option("--threads", default=2, show_default=True)
@click.option("--way", type=click.Choice(_WAYS), hidden=True)
@click.option("--train-seed", type=int, hidden=True)
def main(
    rounds: int, steps: int, training_steps: int, seeds: int, threads: int, way: str | None, train_seed: int | None
) -> None:
    if way is not None:  # one turn, in a process of its own
        if train_seed is None:
            click.echo(json.dumps(_time_steps(way, steps=steps, threads=threads)))
        else:
            click.echo(json.dumps(_train(way, threads=threads, steps=training_steps, seed=train_seed)))
        return

    def turn(way: str, *more: str) -> dict[str, float]:
        command = [sys.executable, __file__, "--way", way, "--steps", str(steps), "--threads", str(threads), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    console = Console(width=110)
    timings: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
    for index in range(rounds):
        for way in _WAYS:
            timings[way].append(turn(way))
            console.print(f"turn {index + 1} of {rounds}, {way}", highlight=False)
    precision = {
        way: [turn(way, "--train-seed", str(seed), "--training-steps", str(training_steps)) for seed in range(seeds)]
        for way in _WAYS
    }
    result = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": threads,
        "seconds": timings,
        "ap": precision,
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "training_step.json").write_text(json.dumps(result, indent=1) + "\n")
    _print(console, timings, precision)


def _print(console: Console, timings: dict[str, list[dict[str, float]]], precision: dict[str, Any]) -> None:
    table = Table(title="Seconds a step (median of turns)", title_justify="left")
    for heading in ("step", "fakeoff", "plain", "plain / fakeoff, turn by turn"):
        table.add_column(heading)
    for name in timings["fakeoff"][0]:
        ours, plain = ([turn[name] for turn in timings[way]] for way in _WAYS)
        ratios = [b / a for a, b in zip(ours, plain, strict=True)]
        table.add_row(
            name,
            f"{statistics.median(ours):.3f}",
            f"{statistics.median(plain):.3f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        )
    console.print(table)
    agreement = Table(title="AP on held-out images, seed by seed", title_justify="left")
    for heading in ("figure", "fakeoff", "plain"):
        agreement.add_column(heading)
    for name in precision["fakeoff"][0]:
        agreement.add_row(name, *(", ".join(f"{run[name]:.4f}" for run in precision[way]) for way in _WAYS))
    console.print(agreement)


if __name__ == "__main__":
    main()
