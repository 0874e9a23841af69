"""Pretrains a Progressive GAN, or another adversarial generator, on the training people of a source of reals; resumes
where it stopped.

    python scripts/pretrain_pgan.py --out scratch/pgan-orl-64
    python scripts/pretrain_pgan.py --generator stylegan --penalty-weight 0.1 --out scratch/stylegan-orl-64
    python scripts/pretrain_pgan.py --generator stylegan2 --penalty-weight 0.1 --out scratch/stylegan2-orl-64
    python scripts/pretrain_pgan.py --reals celeba-999 --penalty-weight 0.1 --out scratch/pgan-celeba-999-64

The first made ``generators/weights/pgan-orl-64.safetensors``. The people of the val and test splits are never trained
on; the log says how far the fakes are from those of test (see ``fakeoff.protocols.score.distances``). The terms of an
asset are shown, and written into the header of the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from pretraining import (
    COUNT,
    FOLDER,
    Training,
    build,
    draw_mirrored,
    header,
    open_reals,
    processor,
    read_settings,
    write_line,
    write_samples,
)
from safetensors.torch import save_file

from fakeoff.arena import compute, images
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch
from fakeoff.protocols.score import distances

_GROWING = ("pgan", "stylegan")


@click.command()
@click.option("--generator", default="pgan", show_default=True, help="Whom to train: it needs training_state.")
@click.option("--set", "settings", multiple=True, help="A parameter of the generator: latent_dim=64. Repeatable.")
@click.option("--reals", default="orl", show_default=True, help="'orl', 'celeba-999' or a folder of images.")
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="Folder for checkpoint, log and samples.",
)
@click.option("--resolution", default=64, show_default=True, help="Pixels a side.")
@click.option(
    "--images",
    "total",
    default=400_000,
    type=COUNT,
    show_default=True,
    help="Images to train on in all.",
)
@click.option("--batch", default=16, type=click.IntRange(min=2), show_default=True, help="Images a step.")
@click.option("--fade", default=16_000, show_default=True, help="pgan, stylegan: images to fade a level in.")
@click.option("--stable", default=16_000, show_default=True, help="pgan, stylegan: images to train a level for.")
@click.option("--every", default=4_000, type=COUNT, show_default=True, help="Images between checkpoints.")
@click.option("--generator-lr", default=1e-3, show_default=True)
@click.option("--critic-lr", default=1e-3, show_default=True)
@click.option("--penalty-weight", default=1.0, show_default=True, help="Of R1.")
@click.option("--threads", default=2, type=COUNT, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(
    generator: str,
    settings: tuple[str, ...],
    reals: str,
    out: Path,
    resolution: int,
    total: int,
    batch: int,
    fade: int,
    stable: int,
    every: int,
    generator_lr: float,
    critic_lr: float,
    penalty_weight: float,
    threads: int,
    seed: int,
) -> None:
    compute.prepare_process(threads=threads)
    precision = compute.faster([compute.survey().cpu])
    source = open_reals(reals)
    train, held_out = (source.load(split, resolution=resolution, colour=source.colour) for split in ("train", "test"))
    photographs = images.to_tensor(train)
    out.mkdir(parents=True, exist_ok=True)
    parameters: dict[str, Any] = {
        "resolution": resolution,
        "channels": 1 if source.colour == "grey" else 3,
        "generator_lr": generator_lr,
        "critic_lr": critic_lr,
        "penalty_weight": penalty_weight,
        "weights": None,
        "init_seed": seed,
    }
    if generator in _GROWING:
        parameters |= {"fade_images": fade, "stable_images": stable}
    player = compute.channels_last(build(generator, {**parameters, **read_settings(settings)}))
    rng = rng_from("pretrain", seed)
    told = {"reals": reals, "batch": batch, "seed": seed}
    training = Training(player=player, rng=rng, checkpoint=out / "checkpoint.pt", told=told)
    saved = training.resume()

    def step() -> dict[str, float]:
        reals_now = compute.image_layout(draw_mirrored(photographs, batch, rng=rng))
        with compute.autocast(precision):
            measured: dict[str, float] = player.train_step(Batch(images=reals_now), rng=rng)
        return measured

    seconds = saved.get("seconds", 0.0)  # older checkpoints do not say
    for stop in training.stops(step, images=total, every=every, seconds=seconds):
        fakes = images.quantise(player.sample(160, rng=rng_from("grid", seed)), colour=source.colour)
        write_samples(out / "samples.png", fakes)
        figures = {
            "kid": distances.eigenface_kid(fakes, held_out, basis=train),
            "swd": distances.sliced_wasserstein(fakes, held_out, rng=np.random.default_rng(seed)),
            **stop.measured,
        }
        line = {
            "images": stop.images,
            **({"level": player.level} if generator in _GROWING else {}),
            "seconds": round(stop.seconds(), 1),
            "processor": processor(),
            "threads": threads,
            **{name: round(value, 4) for name, value in figures.items()},
        }
        write_line(out / "log.jsonl", line)
        save_file(player.shipped_state(), out / "weights.safetensors", header(reals))
        training.save(seconds=stop.seconds())


if __name__ == "__main__":
    main()
