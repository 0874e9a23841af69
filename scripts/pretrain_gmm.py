"""Fits the mixture of factor analysers that ships to the training people of ORL.

    python scripts/pretrain_gmm.py
    python scripts/show_generator.py gmm

The first writes ``generators/gmm/weights/gmm-orl-64.safetensors``, ``docs/results/gmm-orl-64-training.jsonl`` and
``docs/pictures/gmm-means.png``; the second measures it. It takes a minute, so there is nothing to resume. ``--search``
also fits the other sizes that were considered, and writes their likelihoods on the people of val to
``docs/results/gmm-orl-64-search.json``; the people of test decide nothing.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import click
import torch
from PIL import Image
from pretraining import processor, write_line
from safetensors.torch import load_file, save_file
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import SPLITS, orl_faces
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch
from fakeoff.generators.factor_analysis import expectation_maximisation, k_means_start
from fakeoff.generators.gmm import GaussianMixture
from fakeoff.leaderboard.plots.plots import before_and_after, to_pixels

_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs"
_NAME = "gmm-orl-64"
_SIDE = 64
_SEARCHED = {"components": (1, 4, 8, 12, 16), "factors": (10, 20, 30), "least_noise": (0.03, 0.06, 0.09, 0.12)}


def _with_flips(photographs: Tensor) -> Tensor:
    return torch.cat([photographs, photographs.flip(-1)])


def _search(train: Tensor, val: Tensor, seed: int) -> list[dict[str, float]]:
    """Nats a dimension of both, for every size that was considered."""
    points, held_out = (images_[:, 0].flatten(1).double() for images_ in (train, val))
    found = []
    for components, factors, least_noise in itertools.product(*_SEARCHED.values()):
        start = k_means_start(
            points, components=components, factors=factors, least_noise=least_noise, rng=rng_from("gmm", seed)
        )
        *_, (mixture, density) = expectation_maximisation(
            start, points, rounds=20, tolerance=1e-3, least_noise=least_noise
        )
        line = {
            "components": components,
            "factors": factors,
            "least_noise": least_noise,
            "train": round(density / points.shape[1], 4),
            "val": round(float(mixture.log_density(held_out).mean()) / points.shape[1], 4),
        }
        click.echo(json.dumps(line))
        found.append(line)
    return found


def _draw_means(player: GaussianMixture) -> Image.Image:
    means = images.quantise(player._to_images(player.means.detach()), colour="grey")
    return Image.fromarray(to_pixels(before_and_after([("the components' means", means)]))).convert("L")


@click.command()
@click.option("--search", is_flag=True, help="Fit the other sizes as well.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(search: bool, seed: int, threads: int) -> None:
    compute.prepare_process(threads=threads)
    source = orl_faces()
    pixels = {split: source.load(split, resolution=_SIDE, colour=source.colour) for split in SPLITS}
    photographs = {split: images.to_tensor(shown) for split, shown in pixels.items()}
    train = _with_flips(photographs["train"])

    player = GaussianMixture(weights=None)
    started = time.monotonic()
    measured = player.fit(lambda: iter([Batch(images=train)]), rng=rng_from("gmm", seed))
    seconds = time.monotonic() - started
    weights = _ROOT / "generators" / "gmm" / "weights" / f"{_NAME}.safetensors"
    save_file(player.shipped_state(), weights)
    player.load_state_dict(load_file(weights))  # as it ships, in half precision, is how it is measured
    player.eval()

    line = {
        "images": int(measured["rounds"]) * len(train),
        "seconds": round(seconds, 1),
        "processor": processor(),
        "threads": threads,
        "rounds": int(measured["rounds"]),
        "components": len(player.means),
        "factors": player.factors.shape[1],
        "least_noise": player.least_noise,
        **{
            f"{split}_nats": round(float(player.log_likelihood(shown).mean()) / player.means.shape[1], 4)
            for split, shown in photographs.items()
        },
    }
    log = _DOCS / "results" / f"{_NAME}-training.jsonl"
    log.unlink(missing_ok=True)
    write_line(log, line)
    _draw_means(player).save(_DOCS / "pictures" / "gmm-means.png", optimize=True)
    if search:
        found = _search(train, photographs["val"], seed)
        (_DOCS / "results" / f"{_NAME}-search.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
