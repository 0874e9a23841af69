"""Measures and draws what the shipped Progressive GAN makes, beside people that it never saw.

    python scripts/show_pgan.py

writes ``docs/results/pgan-orl-64.json`` and ``docs/pictures/pgan-orl-64.png``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.metrics import pairwise_distances_argmin_min

from fakeoff import generators
from fakeoff.arena import images
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.specs import find_weights, load_weights
from fakeoff.arena.seeds import rng_from
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.leaderboard.plots.plots import before_and_after, to_pixels
from fakeoff.protocols.rules.referee import draw
from fakeoff.protocols.score import distances

_DOCS = Path(__file__).parents[1] / "docs"
_WEIGHTS = "pgan-orl-64"
_FAKES = 280
_SEEDS = 5


def _flat(pixels: images.Pixels) -> np.ndarray:
    return pixels[..., 0].reshape(len(pixels), -1).astype(np.float64) / 255


def main() -> None:
    source = orl_faces()
    train, test = (source.load(split, resolution=64, colour="grey") for split in ("train", "test"))
    generator = generators.players.build("pgan", {})
    load_weights(generator, find_weights(_WEIGHTS, ProgressiveGAN))
    runs = []
    for seed in range(_SEEDS):
        fakes = images.quantise(draw(generator, _FAKES, rng=rng_from("show", seed)).images, colour="grey")
        nearest, distance = pairwise_distances_argmin_min(_flat(fakes), _flat(train))
        runs.append(
            {
                "kid": distances.eigenface_kid(fakes, test, basis=train),
                "swd": distances.sliced_wasserstein(fakes, test, rng=np.random.default_rng(seed)),
                "median distance to the nearest training photograph": float(np.median(distance)),
                "training photographs that are nearest to some fake": len(set(nearest.tolist())),
            }
        )
    first = images.quantise(draw(generator, _FAKES, rng=rng_from("show", 0)).images, colour="grey")[:42]
    nearest, _ = pairwise_distances_argmin_min(_flat(first[:14]), _flat(train))
    noise = np.random.default_rng(0).integers(0, 256, (len(test), 64, 64, 1), dtype=np.uint8).repeat(3, 3)
    result = {
        "fakes": {name: [round(run[name], 4) for run in runs] for name in runs[0]},
        "training reals": {
            "kid": round(distances.eigenface_kid(train, test, basis=train), 4),
            "swd": round(distances.sliced_wasserstein(train, test, rng=np.random.default_rng(0)), 4),
        },
        "noise": {
            "kid": round(distances.eigenface_kid(noise, test, basis=train), 4),
            "swd": round(distances.sliced_wasserstein(noise, test, rng=np.random.default_rng(0)), 4),
        },
        "held-out photographs": {
            "median distance to the nearest training photograph": round(
                float(np.median(pairwise_distances_argmin_min(_flat(test), _flat(train))[1])), 4
            )
        },
    }
    (_DOCS / "results").mkdir(exist_ok=True)
    (_DOCS / "results" / f"{_WEIGHTS}.json").write_text(json.dumps(result, indent=1) + "\n")
    figure = before_and_after(
        [
            ("pgan, not selected", first[:14]),
            ("pgan, not selected", first[14:28]),
            ("pgan, not selected", first[28:42]),
            ("the training photograph nearest to each fake of the first row", train[nearest]),
            ("held-out real people", test[:: len(test) // 14][:14]),
        ]
    )
    Image.fromarray(to_pixels(figure)).save(_DOCS / "pictures" / f"{_WEIGHTS}.png")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
