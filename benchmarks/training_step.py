"""Times one attack step and training steps of detectors, side by side in one run, in turns.

    make bench
    python benchmarks/training_step.py --against ../another-checkout    # and an earlier build, in its better precision

Ways:

- ``fakeoff, bfloat16`` and ``fakeoff, float32``: as jobs do it. ``auto`` takes one of them; the table says which.
- ``plain``: the same players in PyTorch's defaults: float32, contiguous, the allocator's own settings.
- ``published``: plain, and at every step the three accuracies that the authors' training code computes (of patches, of
  the patches' votes, of the mean patch). They published no finetuning, so the attack has none.

Each turn of a way runs in a process of its own, because the allocator's settings hold for a whole process.
Floating-point operations are counted by PyTorch's counter; the peak is the faster one of a large matrix product and a
large 3x3 convolution in the same precision on as many threads. At the end a detector is trained both ways, and the AP
of each on held-out images is shown. Results are written to ``benchmarks/results/``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import flops
import published
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score
from torch import Tensor

from fakeoff import detectors, generators
from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.specs import find_weights, load_weights
from fakeoff.arena.seeds import rng_from
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.protocols.rules.referee import draw, judge

_WAYS = ("fakeoff, bfloat16", "fakeoff, float32", "plain", "published")
_ATTACK = "attack: pgan against xception_block1"
_DETECTORS = ("xception_block1", "xception_block2", "resnet18_layer1")
_TRAINED = "resnet18_layer1"
_RESULTS = Path(__file__).parent / "results"
_WARM_UP = 3


def _handed(images: Tensor, is_fake: Tensor | None = None) -> tuple[Any, ...]:
    """What a step is handed, by this build and by those before there were batches."""
    if hasattr(generators, "Batch"):
        return (generators.Batch(images=images, is_fake=is_fake),)
    return (images,) if is_fake is None else (images, is_fake)


def _images(made: Any) -> Tensor:
    """What was drawn, by this build and by those before there were batches."""
    images: Tensor = getattr(made, "images", made)
    return images


def _is_ours(way: str) -> bool:
    return way.startswith("fakeoff")


def _prepare(way: str, threads: int) -> Any:
    if _is_ours(way):
        compute.prepare_process(threads=threads)
    else:
        torch.set_num_threads(threads)
    return "bfloat16" if way.endswith("bfloat16") else "float32"


def _layout(way: str, model: Any) -> Any:
    return compute.channels_last(model) if _is_ours(way) else model


def _pgan(way: str) -> Any:
    generator = generators.players.build("pgan", {})
    load_weights(generator, find_weights("pgan-orl-64", ProgressiveGAN))
    return _layout(way, generator)


def _steps(way: str, precision: Any) -> dict[str, Callable[[], None]]:
    """What is timed, by name."""
    rng = rng_from("bench")
    reals = images.to_tensor(orl_faces().load("train", resolution=64, colour="grey"))
    generator = _pgan(way)
    target = _layout(way, detectors.players.build("xception_block1", {})).eval().requires_grad_(False)

    def attack() -> None:
        batch = reals[torch.randint(len(reals), (16,), generator=rng)]
        with compute.autocast(precision):
            generator.train_step(
                *_handed(compute.image_layout(batch) if _is_ours(way) else batch),
                rng=rng,
                extra_loss=lambda fakes: target.evasion_loss(images.as_seen(fakes, resolution=64, colour="grey")),
            )

    is_fake = torch.arange(32) >= 16

    def defence(name: str) -> Callable[[], None]:
        detector = _layout(way, detectors.players.build(name, {})).train()

        def step() -> None:
            batch = reals[torch.randint(len(reals), (32,), generator=rng)]
            with compute.autocast(precision):
                detector.train_step(*_handed(compute.image_layout(batch) if _is_ours(way) else batch, is_fake), rng=rng)
            if way == "published":
                _published_accuracies(detector, batch, is_fake)

        return step

    steps = {f"defence: {name}": defence(name) for name in _DETECTORS}
    return steps if way == "published" else {_ATTACK: attack, **steps}


def _published_accuracies(detector: Any, batch: torch.Tensor, is_fake: torch.Tensor) -> None:
    """What the authors' code computes from a step's logits. The forward pass is not taken twice: zeros stand in."""
    grid = (batch.shape[-1] - 1) // detector.receptive_field.stride
    published.accuracies(torch.zeros(len(batch), 2, grid, grid), is_fake)


def _time(way: str, *, steps: int, threads: int) -> dict[str, dict[str, float]]:
    """Of each step: seconds and CPU seconds (medians), and the floating-point operations of it, in 10^9."""
    precision = _prepare(way, threads)
    timed: dict[str, dict[str, float]] = {}
    for name, step in _steps(way, precision).items():
        for _ in range(_WARM_UP):
            step()
        gflop = flops.count(step) / 1e9
        seconds, computed = [], []
        for _ in range(steps):
            started, before = time.perf_counter(), time.process_time()
            step()
            seconds.append(time.perf_counter() - started)
            computed.append(time.process_time() - before)
        timed[name] = {
            "seconds": statistics.median(seconds),
            "cpu_seconds": statistics.median(computed),
            "gflop": gflop,
        }
    return timed


def _peak(precision: str, *, threads: int) -> dict[str, float]:
    """10^9 floating-point operations a second of a large matrix product and of a large convolution."""
    compute.prepare_process(threads=threads)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    square = torch.randn(2048, 2048).to(dtype)
    pictures = compute.image_layout(torch.randn(32, 128, 32, 32).to(dtype))
    weight = compute.image_layout(torch.randn(128, 128, 3, 3).to(dtype))
    products = {
        "matrix product": (lambda: square @ square, 2 * 2048**3),
        "3x3 convolution": (lambda: torch.conv2d(pictures, weight, padding=1), 2 * 32 * 32 * 32 * 128 * 128 * 9),
    }
    found = {}
    for name, (product, operations) in products.items():
        product()
        fastest = float("inf")
        for _ in range(8):
            started = time.perf_counter()
            product()
            fastest = min(fastest, time.perf_counter() - started)
            if fastest > 1:  # emulated
                break
        found[name] = operations / fastest / 1e9
    return found


def _train(way: str, *, threads: int, steps: int, seed: int) -> float:
    """AP on held-out people and latents of a detector trained this way on the PGAN that ships."""
    precision = _prepare(way, threads)
    source = orl_faces()
    reals = {s: images.to_tensor(source.load(s, resolution=64, colour="grey")) for s in ("train", "test")}
    generator = _pgan(way)
    rng = rng_from("fit", seed)
    fakes = images.to_tensor(images.quantise(_images(draw(generator, 560, rng=rng)), colour="grey"))
    detector = _layout(way, detectors.players.build(_TRAINED, {"init_seed": seed})).train()
    is_fake = torch.arange(32) >= 16
    for _ in range(steps):
        batch = torch.cat([pool[torch.randint(len(pool), (16,), generator=rng)] for pool in (reals["train"], fakes)])
        with compute.autocast(precision):
            detector.train_step(*_handed(compute.image_layout(batch) if _is_ours(way) else batch, is_fake), rng=rng)
    held_out = images.to_tensor(
        images.quantise(_images(draw(generator, len(reals["test"]), rng=rng_from("held out", seed))), colour="grey")
    )
    detector.eval()
    scores = torch.cat([judge(detector, reals["test"]), judge(detector, held_out)])
    return float(average_precision_score(torch.arange(len(scores)) >= len(reals["test"]), scores))


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns that each way takes.")
@click.option("--steps", default=8, show_default=True, help="Steps timed in each turn.")
@click.option("--training-steps", default=500, show_default=True, help="Steps of each training for the AP table.")
@click.option("--seeds", default=2, show_default=True, help="Trainings of each way for the AP table; 0 leaves it out.")
@click.option("--threads", default=1, show_default=True)
@click.option("--against", type=click.Path(exists=True, path_type=Path), help="Another checkout, timed in turns too.")
@click.option("--turn", type=click.Choice([*_WAYS, *(f"peak {p}" for p in ("bfloat16", "float32"))]), hidden=True)
@click.option("--train-seed", type=int, hidden=True)
def main(
    rounds: int,
    steps: int,
    training_steps: int,
    seeds: int,
    threads: int,
    against: Path | None,
    turn: str | None,
    train_seed: int | None,
) -> None:
    if turn is not None:  # one turn, in a process of its own
        answer: Any
        if turn.startswith("peak"):
            answer = _peak(turn.removeprefix("peak "), threads=threads)
        elif train_seed is not None:
            answer = _train(turn, threads=threads, steps=training_steps, seed=train_seed)
        else:
            answer = _time(turn, steps=steps, threads=threads)
        click.echo(json.dumps(answer))
        return

    def take(way: str, *more: str, checkout: Path | None = None) -> Any:
        command = [sys.executable, __file__, "--turn", way, "--steps", str(steps), "--threads", str(threads), *more]
        where = {"PYTHONPATH": str(checkout.resolve() / ".typing")} if checkout else {}
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **where})
        if done.returncode:
            raise click.ClickException(f"{way}: {done.stderr.strip().splitlines()[-1]}")
        return json.loads(done.stdout.splitlines()[-1])

    console = Console(width=130)
    machine = compute.survey()
    chosen = f"fakeoff, {compute.faster([machine.cpu])}"
    console.print(
        f"{compute.describe(machine)}; bfloat16 is {machine.cpu.gain:.2g} times as fast as float32", style="bold"
    )
    result: dict[str, Any] = {
        "processor": machine.processor,
        "features": list(machine.features),
        "switches": {name: value for name, value in os.environ.items() if name in compute.SWITCHES},
        "torch": torch.__version__,
        "threads": threads,
        "chosen": chosen,
        "peak_gflop_per_s": {precision: take(f"peak {precision}") for precision in ("bfloat16", "float32")},
    }
    turns: dict[str, list[Any]] = {way: [] for way in (*_WAYS, *(["earlier"] if against else []))}
    for index in range(rounds):
        for way, taken in turns.items():
            earlier = way == "earlier"
            taken.append(take(chosen if earlier else way, checkout=against if earlier else None))
            console.print(f"turn {index + 1} of {rounds}, {way}", highlight=False)
    result["turns"] = turns
    result["ap"] = {
        way: [take(way, "--train-seed", str(seed), "--training-steps", str(training_steps)) for seed in range(seeds)]
        for way in (chosen, "plain")
    }
    _RESULTS.mkdir(exist_ok=True)
    name = "training_step" + ("-emulated" if result["switches"] else "")
    (_RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    _print(console, result)


def _print(console: Console, result: dict[str, Any]) -> None:
    turns, chosen = result["turns"], result["chosen"]
    peak = {precision: max(found.values()) for precision, found in result["peak_gflop_per_s"].items()}
    others = [way for way in turns if way != chosen]
    table = Table(
        title=f"Milliseconds a step on {result['threads']} thread(s); auto chooses: {chosen}", title_justify="left"
    )
    for heading in ("step", chosen, "of the peak", *(f"{way} / chosen" for way in others)):
        table.add_column(heading)
    for step in turns[chosen][0]:
        ours = [turn[step]["seconds"] for turn in turns[chosen]]
        rate = statistics.median(turn[step]["gflop"] / turn[step]["seconds"] for turn in turns[chosen])
        cells = [f"{1000 * statistics.median(ours):.0f}", f"{rate / peak[chosen.split(', ')[1]]:.0%}"]
        for way in others:
            if step not in turns[way][0]:
                cells.append("none")
                continue
            ratios = [turn[step]["seconds"] / own for turn, own in zip(turns[way], ours, strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        table.add_row(step, *cells)
    console.print(table)
    for precision, found in result["peak_gflop_per_s"].items():
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in found.items())
        console.print(f"measured peak in {precision}, 10^9 operations a second: {rates}", highlight=False)
    for way, figures in result["ap"].items():
        if figures:
            console.print(f"AP of {_TRAINED} on held-out images, {way}: {', '.join(f'{ap:.4f}' for ap in figures)}")


if __name__ == "__main__":
    main()
