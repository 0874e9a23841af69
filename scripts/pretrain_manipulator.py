"""Pretrains `deepfakes` or `neural_textures` on the training people of a source of reals, and resumes where it stopped.

    python scripts/pretrain_manipulator.py deepfakes --out scratch/deepfakes-orl-64 --minutes 20
    python scripts/pretrain_manipulator.py neural_textures --out scratch/neural-textures-orl-64 --minutes 20

Called again with the same options it goes on, to the last bit as if it had never stopped. The people of the val and
test splits are never trained on. The log says how well the training people are drawn and the people of val, each with
another photograph of the person beside (``val_drawn`` rises where training people are learned by heart).
``weights.safetensors`` is the latest checkpoint, ``best.safetensors`` the one that draws the people of val best.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import torch
from pretraining import COUNT, FOLDER, Training, build, header, open_reals, processor, read_settings, write_line
from safetensors.torch import save_file
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import RealSource, Split
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Plan
from fakeoff.generators.manipulation.faces import Faces
from fakeoff.generators.manipulation.learned import LearnedManipulator, draw_others

_AT_A_TIME = 40


def look(player: LearnedManipulator[Any, Any], source: RealSource, split: Split) -> tuple[Any, Tensor]:
    """All photographs of a split and their mirror images, as a player studies them, and who is on each."""
    shown = images.to_tensor(source.load(split, resolution=player.resolution, colour=source.colour))
    person = torch.tensor(source.persons(split))
    both = torch.cat([shown, shown.flip(-1)])
    with torch.no_grad():
        found = [player.finder(part) for part in both.split(_AT_A_TIME)]
        faces = Faces(
            points=torch.cat([each.points for each in found]),
            parts=torch.cat([each.parts for each in found]),
            found=torch.cat([each.found for each in found]),
        )
        if not faces.found.any():
            raise click.UsageError(f"no face was found in the {len(shown)} {split} photographs of '{source.name}'")
        lesson = player.study(both[faces.found], faces[faces.found])
    return lesson, person.repeat(2)[faces.found]


def drawn(player: LearnedManipulator[Any, Any], lesson: Any, person: Tensor) -> float:
    """How far the averaged network's drawings of people are off, each with another photograph; the same each time."""
    rng = rng_from("drawn")
    losses = [
        player.drawn(lesson[places], draw_others(person[places], same=True, rng=rng), rng=rng)
        for places in torch.randperm(len(person), generator=rng).split(_AT_A_TIME)
    ]
    return sum(losses) / len(losses)


def draw(person: Tensor, batch: int, *, rng: torch.Generator) -> Tensor:
    """Places of photographs, two of each of as many people as fit."""
    everybody = person.unique()
    chosen = []
    for one in everybody[torch.randperm(len(everybody), generator=rng)[: batch // 2]]:
        places = (person == one).nonzero().squeeze(1)
        chosen.append(places[torch.randperm(len(places), generator=rng)[:2]])
    return torch.cat(chosen)


@click.command()
@click.argument("name", type=click.Choice(["deepfakes", "neural_textures"]))
@click.option("--reals", default="orl", show_default=True, help="'orl' or a folder of images.")
@click.option("--out", type=FOLDER, required=True, help="Folder for checkpoint and weights.")
@click.option("--log", type=click.Path(path_type=Path), help="JSON lines; by default log.jsonl in --out.")
@click.option("--minutes", default=20.0, show_default=True, help="To train for now, of the clock.")
@click.option(
    "--images",
    "total",
    default=60_000,
    type=COUNT,
    show_default=True,
    help="Images to train on in all.",
)
@click.option("--every", default=2_000, type=COUNT, show_default=True, help="Images between checkpoints.")
@click.option("--batch", default=16, type=click.IntRange(min=4), show_default=True, help="Images a step.")
@click.option("--set", "settings", multiple=True, help="A parameter of the generator. Repeatable.")
@click.option("--threads", default=1, type=COUNT, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(
    name: str,
    reals: str,
    out: Path,
    log: Path | None,
    minutes: float,
    total: int,
    every: int,
    batch: int,
    settings: tuple[str, ...],
    threads: int,
    seed: int,
) -> None:
    compute.prepare_process(threads=threads)
    source = open_reals(reals)
    parameters: dict[str, Any] = {"weights": "", "init_seed": seed, **read_settings(settings)}
    player: LearnedManipulator[Any, Any] = build(name, parameters)
    out.mkdir(parents=True, exist_ok=True)
    log = log or out / "log.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    rng = rng_from("pretrain", seed)
    told = {"reals": reals, "batch": batch, "seed": seed}
    training = Training(player=player, rng=rng, checkpoint=out / "checkpoint.pt", shape=parameters, told=told)
    saved = training.resume()
    if not saved:
        player.start(Plan(purpose="pretrain", steps=total // batch, batch=batch))
    seconds, fewest = saved.get("seconds", 0.0), saved.get("fewest", math.inf)
    lesson, person = look(player, source, "train")
    unseen, strangers = look(player, source, "val")

    def step() -> dict[str, float]:
        places = draw(person, batch, rng=rng)
        partners = draw_others(person[places], same=True, rng=rng)
        return player.learn(lesson[places], partners, images=len(places), rng=rng)

    for stop in training.stops(step, images=total, every=every, minutes=minutes, seconds=seconds):
        line: dict[str, Any] = {
            "images": stop.images,
            "seconds": round(stop.seconds(), 1),
            "processor": processor(),
            "threads": threads,
            "train_drawn": round(drawn(player, lesson, person), 5),
            "val_drawn": round(drawn(player, unseen, strangers), 5),
            **{measure: round(value, 5) for measure, value in stop.measured.items()},
        }
        write_line(log, line)
        save_file(player.shipped_state(), out / "weights.safetensors", header(reals))
        if line["val_drawn"] < fewest:
            fewest = line["val_drawn"]
            save_file(player.shipped_state(), out / "best.safetensors", header(reals))
        training.save(seconds=stop.seconds(), fewest=fewest)


if __name__ == "__main__":
    main()
