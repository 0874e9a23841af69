"""Measures and draws what a generator's weights make, beside people that it never saw.

    python scripts/show_generator.py pgan
    python scripts/show_generator.py glow --weights scratch/glow-orl-64/weights.safetensors --out scratch/glow-orl-64
    python scripts/show_generator.py pgan --set channels=3 --reals celeba-999 --weights scratch/mine/weights.safetensors
    python scripts/show_generator.py --table

The first is for weights that ship: it writes ``docs/results/pgan-orl-64.json`` and ``docs/pictures/pgan-orl-64.png``
and puts the figures in the table of ``docs/generators.md``. With ``--out`` both files go into that folder, and the page
stays as it is. Of photographs whose terms are not ours to change, as those of an asset, the documents get figures and
no picture. ``--table`` writes the tables again from what is stored, and prints the first. The distances are to the
people of test: nothing may be chosen by these figures.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import click
from PIL import Image
from pretraining import licence, processor, read_settings, training_time
from quality_table import read_results, table, write_tables
from sample_quality import (
    Reals,
    bits_per_dimension,
    count_parameters,
    draw_fakes,
    measure,
    nearest,
    read_reals,
)

from fakeoff.arena import compute
from fakeoff.arena.errors import FakeoffError, JobFailed, PluginError
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.players.specs import PlayerSpec, write_spec
from fakeoff.generators import Generator, abilities, players
from fakeoff.leaderboard.plots.plots import before_and_after, to_pixels
from fakeoff.protocols.rules.referee import build_generator

_DOCS = Path(__file__).parents[1] / "docs"
_ROWS, _COLUMNS = 3, 14


def open_generator(name: str, parameters: dict[str, Any]) -> tuple[Generator, PlayerSpec]:
    """Builds a generator with its weights.

    Raises:
        PluginError: It has none, or no latents to draw.
    """
    spec = write_spec(players, name=name, plugin=name, parameters=parameters)
    if "latent" not in abilities(players.load(name)):
        raise PluginError(f"generator '{name}' has no latents to draw fakes from; show one that has decode")
    if spec.weights is None:
        raise PluginError(f"generator '{name}' comes without weights: give those to show with --weights FILE")
    return build_generator(spec.identity(), places=spec.places()), spec


def picture(name: str, generator: Generator, reals: Reals) -> Image.Image:
    """Draws three rows of the first fakes, under each the nearest training photographs, and people of test."""
    train, test, colour = reals.pixels["train"], reals.pixels["test"], reals.source.colour
    fakes = draw_fakes(generator, 0, colour=colour)[: _ROWS * _COLUMNS]
    rows = []
    for start in range(0, len(fakes), _COLUMNS):
        shown = fakes[start : start + _COLUMNS]
        rows.append((f"fakes of {name}, not selected", shown))
        index, _ = nearest(shown, train, colour=colour)
        rows.append(("under each, the training photograph nearest to it", train[index]))
    held_out = test[:: max(1, len(test) // _COLUMNS)][:_COLUMNS]
    rows.append(("held-out people, whom it never saw", held_out))
    return Image.fromarray(to_pixels(before_and_after(rows))).convert("L" if colour == "grey" else "RGB")


def describe(name: str, generator: Generator, spec: PlayerSpec, reals: Reals, log: Path | None) -> dict[str, Any]:
    """Everything that is told of a network, JSON-able."""
    assert spec.weights is not None
    source, seen = reals.source, getattr(generator, "images_seen", None)
    training: dict[str, Any] = {
        "photographs": len(reals.pixels["train"]),
        "people": len(source.groups("train")),
        **({} if seen is None else {"images": int(seen)}),
    }
    if log is not None and log.exists():
        training = {**training_time(log, up_to=training.get("images")), **training}
    bits = bits_per_dimension(generator, reals)
    return {
        "generator": name,
        "name": f"{name}-{source.name}-{generator.resolution}",
        "sha256": hashlib.sha256(spec.weights.read_bytes()).hexdigest(),
        "bytes": spec.weights.stat().st_size,
        "parameters": count_parameters(generator),
        "training": training,
        **measure(generator, reals),
        **({"bits per dimension": bits} if bits else {}),
    }


@click.command()
@click.argument("name", required=False)
@click.option("--weights", help="Whose samples to show, in place of what ships with the generator.")
@click.option("--set", "settings", multiple=True, help="A parameter of the generator: truncation=0.7. Repeatable.")
@click.option(
    "--reals", default="orl", show_default=True, help="What it was trained on: 'orl', 'celeba-999' or a folder."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the two files; the documents without it.")
@click.option("--log", type=click.Path(path_type=Path), help="Of its training; that in docs/results, where it is.")
@click.option("--threads", default=1, show_default=True)
@click.option("--table", "only_table", is_flag=True, help="Write the table from stored results, and print it.")
def main(
    name: str | None,
    weights: str | None,
    settings: tuple[str, ...],
    reals: str,
    out: Path | None,
    log: Path | None,
    threads: int,
    only_table: bool,
) -> None:
    if not only_table:
        if name is None:
            raise click.UsageError("name a generator, or give --table")
        compute.prepare_process(threads=threads)
        given = read_settings(settings) | ({} if weights is None else {"weights": weights})
        try:
            generator, spec = open_generator(name, given)
            photographs = read_reals(open_source(reals), resolution=generator.resolution)
            stored = _DOCS / "results" / f"{name}-{photographs.source.name}-{generator.resolution}-training.jsonl"
            result = describe(name, generator, spec, photographs, log or stored)
            drawn = picture(name, generator, photographs)
        except (FakeoffError, JobFailed) as error:
            raise click.UsageError(str(error)) from error
        terms = {} if (said := licence(reals)) is None else {"licence": said}
        result = {"processor": processor(), "threads": threads, "set": read_settings(settings), **terms, **result}
        results, pictures = (out, out) if out else (_DOCS / "results", _DOCS / "pictures")
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{result['name']}.json").write_text(json.dumps(result, indent=1) + "\n")
        if out or not terms:
            drawn.save(pictures / f"{result['name']}.png", optimize=True)
        click.echo(json.dumps(result, indent=1))
    if out is None:
        write_tables(_DOCS / "generators.md", _DOCS / "results")
        click.echo(table(read_results(_DOCS / "results")))


if __name__ == "__main__":
    main()
