"""Judges what manipulators make of faces, and draws some of it.

    fakeoff assets pull face-identity
    python scripts/judge_manipulations.py faceswap
    python scripts/judge_manipulations.py face2face --resolution 128 --out scratch/judged
    python scripts/judge_manipulations.py faceswap --reals celeba-999 --fakes 60 --out scratch/judged

Writes ``docs/results/faceswap-orl-64.json`` and ``docs/pictures/faceswap.png``; with ``--out`` both go into that
folder. Of photographs whose terms are not ours to change there is no picture without it. Every photograph in which a
face is found is changed about once, with a source of the same split and another person. Figures are of all splits
together, and of test alone: nothing may be chosen by these.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from manipulation_figures import Judged, Recogniser, judge, quantised
from PIL import Image
from pretraining import FOLDER, licence, processor, read_settings

from fakeoff.arena import compute, images
from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.images.batch import Batch, join
from fakeoff.arena.images.reals import SPLITS, open_source
from fakeoff.arena.players.specs import write_spec
from fakeoff.generators import Generator, abilities, players
from fakeoff.generators.manipulation import FaceFinder
from fakeoff.generators.manipulation.player import FaceManipulator
from fakeoff.generators.pairs import pair
from fakeoff.leaderboard.plots.plots import before_and_after, to_pixels
from fakeoff.protocols.rules.referee import build_generator

_DOCS = Path(__file__).parents[1] / "docs"
_COLUMNS, _AT_A_TIME = 8, 32
_PICTURE_SEED = 3


def read_reals(name: str, resolution: int) -> Batch:
    """All photographs of a source, with person and split."""
    source = open_source(name)
    parts = []
    for index, split in enumerate(SPLITS):
        person = torch.tensor(source.persons(split))
        pixels = source.load(split, resolution=resolution, colour=source.colour)
        parts.append(Batch(images=images.to_tensor(pixels), person=person, split=torch.full_like(person, index)))
    return join(parts)


def make(generator: Generator, reals: Batch, finder: FaceFinder, fakes: int) -> Judged:
    """Makes fakes of pairs of all splits, of each in proportion to its photographs."""
    assert reals.split is not None
    share = min(1.0, fakes / len(reals)) if fakes else 1.0
    sizes = {split: max(1, round(share * int((reals.split == i).sum()))) for i, split in enumerate(SPLITS)}
    faces = finder(reals.images)
    pairs = pair(reals, sizes, rng=torch.Generator().manual_seed(_PICTURE_SEED), usable=faces.found)
    made = []
    rng = torch.Generator().manual_seed(0)
    for sources, targets in zip(pairs.sources.split(_AT_A_TIME), pairs.targets.split(_AT_A_TIME), strict=True):
        if isinstance(generator, FaceManipulator):
            made.append(generator.change(reals, faces, sources, targets))
        else:
            made.append(generator.manipulate(reals.images[sources], reals.images[targets], rng=rng))
    whole = join(made)
    kept = replace(whole, images=quantised(whole.images) if _is_grey(reals) else images.to_tensor(_bits(whole)))
    return Judged(reals=reals, sources=pairs.sources, targets=pairs.targets, fakes=kept)


def _is_grey(reals: Batch) -> bool:
    return bool((reals.images[:, 0] == reals.images[:, 1]).all())


def _bits(made: Batch) -> images.Pixels:
    return images.quantise(made.images, colour="rgb")


def of_split(judged: Judged, name: str) -> Judged:
    """The fakes of one split."""
    assert judged.reals.split is not None
    chosen = judged.reals.split[judged.targets] == SPLITS.index(name)  # type: ignore[arg-type]
    return Judged(
        reals=judged.reals, sources=judged.sources[chosen], targets=judged.targets[chosen], fakes=judged.fakes[chosen]
    )


def picture(judged: Judged) -> Image.Image:
    """Draws rows of sources, targets, fakes and masks: the first of the people of test, each target person once."""
    judged = of_split(judged, "test")
    assert judged.reals.person is not None
    assert judged.fakes.mask is not None
    person = judged.reals.person[judged.targets].tolist()
    some = torch.tensor([person.index(who) for who in dict.fromkeys(person)][:_COLUMNS])
    rows = [
        ("source", judged.reals.images[judged.sources[some]]),
        ("target: its paired real", judged.reals.images[judged.targets[some]]),
        ("fake", judged.fakes.images[some]),
        ("mask: what was changed", judged.fakes.mask[some].expand(-1, 3, -1, -1)),
    ]
    drawn = to_pixels(before_and_after([(caption, images.quantise(row, colour="rgb")) for caption, row in rows]))
    return Image.fromarray(drawn).convert("L" if _is_grey(judged.reals) else "RGB")


@click.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, help="A parameter of the generator. Repeatable.")
@click.option("--reals", default="orl", show_default=True, help="'orl', 'celeba-999' or a folder.")
@click.option("--resolution", default=64, show_default=True)
@click.option("--fakes", default=0, type=click.IntRange(min=0), help="How many; one of each photograph without it.")
@click.option(
    "--out",
    type=FOLDER,
    help="Folder for the two files; the documents without it.",
)
@click.option("--only-picture", is_flag=True, help="Draw, and judge nothing.")
def main(
    name: str,
    settings: tuple[str, ...],
    reals: str,
    resolution: int,
    fakes: int,
    out: Path | None,
    only_picture: bool,
) -> None:
    compute.prepare_process(threads=1)
    parameters: dict[str, Any] = {"resolution": resolution, **read_settings(settings)}
    try:
        if "manipulator" not in abilities(players.load(name)):
            raise click.UsageError(f"generator '{name}' is no manipulator: it makes no fakes of reals")
        spec = write_spec(players, name=name, plugin=name, parameters=parameters)
        generator = build_generator(spec.identity(), places=spec.places()).eval()
        recogniser = None if only_picture else Recogniser()
        photographs = read_reals(reals, resolution)
    except FakeoffError as error:
        raise click.UsageError(str(error)) from error
    finder, began = FaceFinder(), time.process_time()
    with torch.no_grad():
        try:
            judged = make(generator, photographs, finder, fakes)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        seconds = time.process_time() - began
        drawn = picture(judged)
        if recogniser is not None:
            figures = {
                "all": judge(judged, finder, recogniser),
                "test": judge(of_split(judged, "test"), finder, recogniser),
            }
    stem = f"{name}-{Path(reals).name}-{resolution}"
    results, pictures = (out, out) if out else (_DOCS / "results", _DOCS / "pictures")
    results.mkdir(parents=True, exist_ok=True)
    if out or licence(reals) is None:
        drawn.save(pictures / f"{stem if out else name}.png", optimize=True)
    if recogniser is not None:
        result = {
            "generator": name,
            "parameters": parameters,
            "reals": Path(reals).name,
            "sha256": None if spec.weights is None else hashlib.sha256(spec.weights.read_bytes()).hexdigest(),
            "processor": processor(),
            "CPU seconds for each fake": round(seconds / len(judged.targets), 3),
            **figures,
        }
        (results / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")
        click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
