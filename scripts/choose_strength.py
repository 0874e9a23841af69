"""How much of a wanted expression `face2face` draws, at several strengths: the default is chosen by this.

    python scripts/choose_strength.py

Writes ``docs/results/expression-strength.json``. Of every photograph of the people of train and of val (never of test)
one fake is made at each strength, with the same sources; brows, eyes and lips are found anew in it, and the slope of
how far they are from rest over how far they were wanted says what share was drawn. Chosen is the largest strength at
which nothing is overdrawn: no slope of either split is above 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
import torch
from judge_manipulations import make, of_split, read_reals
from manipulation_figures import Judged, expressions
from pretraining import processor

from fakeoff.arena import compute
from fakeoff.generators import players
from fakeoff.generators.manipulation import FaceFinder

_RESULT = Path(__file__).parents[1] / "docs" / "results" / "expression-strength.json"
_STRENGTHS = (1.0, 1.5, 2.0, 2.5)
_SPLITS = ("train", "val")


def slopes(judged: Judged, finder: FaceFinder) -> dict[str, float]:
    """By feature: how far it is from rest in fakes for each unit that it is in the sources, least squares."""
    found = expressions(judged, finder(judged.reals.images), finder(judged.fakes.images))
    return {name: round(float(np.polyfit(of["source"], of["fake"], 1)[0]), 3) for name, of in found.items()}


def choose(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The largest strength at which no feature moves further than was wanted; the smallest where there is none."""
    fair = [name for name, splits in measured.items() if all(max(of.values()) <= 1 for of in splits.values())]
    return max(fair or [min(measured, key=float)], key=float)


@click.command()
@click.option("--resolution", default=64, show_default=True, type=click.IntRange(32, 512))
@click.option("--out", default=_RESULT, type=click.Path(dir_okay=False, path_type=Path), help="The result's file.")
def main(resolution: int, out: Path) -> None:
    compute.prepare_process(threads=1)
    reals, finder = read_reals("orl", resolution), FaceFinder()
    measured = {}
    for strength in _STRENGTHS:
        generator = players.build("face2face", {"resolution": resolution, "strength": strength})
        with torch.no_grad():
            judged = make(generator, reals, finder, 0)  # of test, too, at which nobody looks
            measured[str(strength)] = {split: slopes(of_split(judged, split), finder) for split in _SPLITS}
        click.echo(f"{strength}: {measured[str(strength)]}")
    result = {
        "reals": "orl",
        "resolution": resolution,
        "processor": processor(),
        "slopes": measured,
        "chosen": float(choose(measured)),
    }
    out.write_text(json.dumps(result, indent=1) + "\n")
    click.echo(f"chosen: {result['chosen']}")


if __name__ == "__main__":
    main()
