"""Fits the mixture of factor analysers that ships to the training people of ORL, measures and draws it.

    python scripts/pretrain_gmm.py

writes ``generators/gmm/weights/gmm-orl-64.safetensors``, ``docs/results/gmm-orl-64.json`` and
``docs/pictures/gmm.png``. It takes a minute, so there is nothing to resume.
``--search`` also fits the other sizes that were considered, and logs
their likelihoods on the people of val; the people of test decide nothing.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.metrics import pairwise_distances_argmin_min
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import SPLITS, orl_faces
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch
from fakeoff.generators.factor_analysis import expectation_maximisation, k_means_start
from fakeoff.generators.gmm import GaussianMixture
from fakeoff.leaderboard.plots.plots import before_and_after, to_pixels
from fakeoff.protocols.rules.referee import draw
from fakeoff.protocols.score import distances

_ROOT = Path(__file__).parents[1]
_NAME = "gmm-orl-64"
_SIDE = 64
_FAKES = 280
_SEEDS = 5
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


def _flat(pixels: images.Pixels) -> np.ndarray:
    return pixels[..., 0].reshape(len(pixels), -1).astype(np.float64) / 255


def _distances(player: GaussianMixture, train: images.Pixels, test: images.Pixels) -> dict[str, Any]:
    runs = []
    for seed in range(_SEEDS):
        fakes = images.quantise(draw(player, _FAKES, rng=rng_from("show", seed)).images, colour="grey")
        nearest, distance = pairwise_distances_argmin_min(_flat(fakes), _flat(train))
        runs.append(
            {
                "kid": distances.eigenface_kid(fakes, test, basis=train),
                "swd": distances.sliced_wasserstein(fakes, test, rng=np.random.default_rng(seed)),
                "median distance to the nearest training photograph": float(np.median(distance)),
                "training photographs that are nearest to some fake": len(set(nearest.tolist())),
            }
        )
    held_out = pairwise_distances_argmin_min(_flat(test), _flat(train))[1]
    return {
        "fakes": {name: [round(run[name], 4) for run in runs] for name in runs[0]},
        "training reals": {
            "kid": round(distances.eigenface_kid(train, test, basis=train), 4),
            "swd": round(distances.sliced_wasserstein(train, test, rng=np.random.default_rng(0)), 4),
        },
        "held-out photographs": {
            "median distance to the nearest training photograph": round(float(np.median(held_out)), 4)
        },
    }


def _draw(player: GaussianMixture, train: images.Pixels, test: images.Pixels) -> Image.Image:
    fakes = images.quantise(draw(player, 42, rng=rng_from("show", 0)).images, colour="grey")
    nearest, _ = pairwise_distances_argmin_min(_flat(fakes[:14]), _flat(train))
    means = images.quantise(player._to_images(player.means.detach()), colour="grey")
    figure = before_and_after(
        [
            *(
                (f"gmm, not selected{'' if row else ' (noise = 0)'}", fakes[14 * row : 14 * (row + 1)])
                for row in range(3)
            ),
            ("the training photograph nearest to each fake of the first row", train[nearest]),
            ("the components' means", means[:14]),
            ("held-out real people", test[:: len(test) // 14][:14]),
        ]
    )
    return Image.fromarray(to_pixels(figure)).convert("L")


@click.command()
@click.option("--search", is_flag=True, help="Fit the other sizes as well; else their stored figures are kept.")
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

    log = _ROOT / "docs" / "results" / f"{_NAME}.json"
    searched = json.loads(log.read_text())["search"] if log.exists() else []
    width = torch.rand(len(photographs["train"]), 1, _SIDE, _SIDE, generator=rng_from("levels", seed)) - 0.5
    result = {
        "processor": compute.describe(compute.survey()),
        "threads": threads,
        "training": {
            "photographs": len(photographs["train"]),
            "with flips": len(train),
            "rounds": int(measured["rounds"]),
            "seconds": round(seconds, 1),
        },
        "size": {
            "components": len(player.means),
            "factors": player.factors.shape[1],
            "least_noise": player.least_noise,
            "parameters": sum(parameter.numel() for parameter in player.parameters()),
            "bytes": weights.stat().st_size,
        },
        "likelihood": {
            split: {
                "nats a dimension": round(float(player.log_likelihood(shown).mean()) / player.means.shape[1], 4),
                "bits a dimension": round(
                    float(player.bits_per_dimension(shown + width[: len(shown)] / 255).mean()), 4
                ),
            }
            for split, shown in photographs.items()
        },
        **_distances(player, pixels["train"], pixels["test"]),
        "search": _search(train, photographs["val"], seed) if search else searched,
    }
    log.write_text(json.dumps(result, indent=1) + "\n")
    _draw(player, pixels["train"], pixels["test"]).save(_ROOT / "docs" / "pictures" / "gmm.png", optimize=True)
    click.echo(json.dumps({name: value for name, value in result.items() if name != "search"}, indent=1))


if __name__ == "__main__":
    main()
