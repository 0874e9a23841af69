"""Pretrains a Glow on the training people of a source of reals; stops after some minutes and resumes where it stopped.

    python scripts/pretrain_glow.py --out scratch/glow-orl-64 --minutes 60

Called again with the same options it goes on, to the last bit as if it had never stopped. The people of the val and
test splits are never trained on. The log says what photographs of the training people and of the people of val cost in
bits per dimension: where the second rises, the first are learned by heart. ``weights.safetensors`` is the latest
checkpoint, ``fewest-val-bits.safetensors`` the one at which the people of val cost least.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from pretraining import (
    COUNT,
    FOLDER,
    Training,
    build,
    draw_mirrored,
    header,
    open_reals,
    processor,
    write_line,
    write_samples,
)
from safetensors.torch import save_file
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch, Plan
from fakeoff.generators.glow import Glow
from fakeoff.protocols.score import distances

_FAKES = 160
_MEASURED_AT_A_TIME = 40


def bits_per_dimension(player: Glow, photographs: Tensor, *, device: torch.device) -> float:
    """The mean over photographs, with the same noise each time."""
    rng = rng_from("bits per dimension")
    costs = [
        player.bits_per_dimension(compute.image_layout(part.to(device)), rng=rng)
        for part in photographs.split(_MEASURED_AT_A_TIME)
    ]
    return torch.cat(costs).mean().item()


def draw(photographs: Tensor, batch: int, *, jitter: float = 0.0, rng: torch.Generator) -> Tensor:
    """Photographs, each mirrored or not and moved a little; ``(batch, 3, h, w)``.

    Args:
        photographs: ``(n, 3, h, w)``.
        batch: How many to draw.
        jitter: The most that a photograph is shifted each way and made larger or smaller, as a share of its side;
            it is turned by as much in radians.
        rng: The only source of randomness.
    """
    drawn = draw_mirrored(photographs, batch, rng=rng)
    if not jitter:
        return drawn
    turn, scale, right, down = (torch.rand(4, batch, generator=rng) * 2 - 1) * jitter
    cos, sin = turn.cos() * (1 + scale), turn.sin() * (1 + scale)
    moved = torch.stack([cos, -sin, 2 * right, sin, cos, 2 * down], dim=1).view(batch, 2, 3)
    grid = torch.nn.functional.affine_grid(moved, list(drawn.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        drawn, grid, mode="bicubic", padding_mode="border", align_corners=False
    ).clamp(0, 1)


@click.command()
@click.option("--reals", default="orl", show_default=True, help="'orl' or a folder of images.")
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="Folder for checkpoint, weights, samples.",
)
@click.option("--log", type=click.Path(path_type=Path), help="JSON lines; by default log.jsonl in --out.")
@click.option("--minutes", default=60.0, show_default=True, help="To train for now, of the clock.")
@click.option(
    "--images",
    "total",
    default=400_000,
    type=COUNT,
    show_default=True,
    help="Images to train on in all.",
)
@click.option("--every", default=4_000, type=COUNT, show_default=True, help="Images between checkpoints.")
@click.option("--batch", default=16, type=click.IntRange(min=2), show_default=True, help="Images a step.")
@click.option("--resolution", default=64, show_default=True, help="Pixels a side.")
@click.option("--steps", default=8, show_default=True, help="Of the flow at each level.")
@click.option("--width", default=64, show_default=True, help="Channels inside the coupling networks.")
@click.option("--bits", type=click.Choice(["5", "8"]), default="5", show_default=True, help="Of a pixel.")
@click.option("--jitter", default=0.0, show_default=True, help="Shift, turn and scale of photographs: 0.02 of a side.")
@click.option("--learning-rate", type=float, help="Another one than the training has; 0.001 at its start.")
@click.option("--threads", default=1, type=COUNT, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(
    reals: str,
    out: Path,
    log: Path | None,
    minutes: float,
    total: int,
    every: int,
    batch: int,
    resolution: int,
    steps: int,
    width: int,
    bits: str,
    jitter: float,
    learning_rate: float | None,
    threads: int,
    seed: int,
) -> None:
    device = compute.torch_device("cuda" if torch.cuda.is_available() else "cpu")
    compute.prepare_process(threads=threads, device=device)
    source = open_reals(reals)
    train, val = (source.load(split, resolution=resolution, colour=source.colour) for split in ("train", "val"))
    photographs, unseen = images.to_tensor(train), images.to_tensor(val)
    out.mkdir(parents=True, exist_ok=True)
    log = log or out / "log.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    shape: dict[str, Any] = {
        "resolution": resolution,
        "channels": 1 if source.colour == "grey" else 3,
        "steps": steps,
        "width": width,
        "bits": int(bits),
    }
    player: Glow = compute.channels_last(build("glow", shape | {"init_seed": seed})).to(device)
    rng = rng_from("pretrain", seed)
    told = {"reals": reals, "batch": batch, "seed": seed, "jitter": jitter}
    training = Training(player=player, rng=rng, checkpoint=out / "checkpoint.pt", shape=shape, told=told)
    saved = training.resume(rate=learning_rate)
    if not saved:
        player.start(Plan(purpose="pretrain", steps=total // batch, batch=batch, rate=learning_rate))
    seconds, fewest = saved.get("seconds", 0.0), saved.get("fewest_val_bits", math.inf)

    def step() -> dict[str, float]:
        reals_now = compute.image_layout(draw(photographs, batch, jitter=jitter, rng=rng).to(device))
        return player.train_step(Batch(images=reals_now), rng=rng)

    for stop in training.stops(step, images=total, every=every, minutes=minutes, seconds=seconds):
        fakes = images.quantise(player.sample(_FAKES, rng=rng_from("grid", seed)).cpu(), colour=source.colour)
        write_samples(out / "samples.png", fakes)
        line: dict[str, Any] = {
            "images": stop.images,
            "seconds": round(stop.seconds(), 1),
            "processor": processor(device),
            "threads": threads,
            "train_bits": round(bits_per_dimension(player, photographs, device=device), 4),
            "val_bits": round(bits_per_dimension(player, unseen, device=device), 4),
            "kid": round(distances.eigenface_kid(fakes, val, basis=train), 2),
            "swd": round(distances.sliced_wasserstein(fakes, val, rng=np.random.default_rng(seed)), 2),
            "rate": player.training_state()["rate"],
            **{name: round(value, 4) for name, value in stop.measured.items()},
        }
        write_line(log, line)
        save_file(player.shipped_state(), out / "weights.safetensors", header(reals))
        if line["val_bits"] < fewest:
            fewest = line["val_bits"]
            save_file(player.shipped_state(), out / "fewest-val-bits.safetensors", header(reals))
        training.save(seconds=stop.seconds(), fewest_val_bits=fewest)


if __name__ == "__main__":
    main()
