"""Measures what ships, and cheats made of it, on the figures of the quality gate: where its limits come from.

    python scripts/calibrate_gate.py

prints the table of docs/scoreboard.md and writes docs/results/gate-calibration.json.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from fakeoff.arena.compute import survey
from fakeoff.arena.images import Pixels, quantise
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.players.specs import write_spec
from fakeoff.generators import players
from fakeoff.protocols.rules.referee import build_generator
from fakeoff.protocols.score.quality import faults, measure_quality

_CAST = ("pgan", "gmm", "stylegan", "stylegan2", "glow")
_EACH = 80
_OUT = Path(__file__).parents[1] / "docs" / "results" / "gate-calibration.json"


def samples(name: str) -> Pixels:
    """Of a generator with the weights that ship."""
    spec = write_spec(players, name=name, plugin=name, parameters={})
    player = build_generator(spec.identity(), places=spec.places())
    return quantise(player.sample(_EACH, rng=torch.Generator().manual_seed(1)), colour="grey")


def noisy(images: Pixels, deviation: float, *, rng: np.random.Generator) -> Pixels:
    """With grey normal noise, in levels."""
    return np.clip(images + rng.normal(0, deviation, (*images.shape[:3], 1)), 0, 255).astype(np.uint8)


def compressed(images: Pixels, quality: int) -> Pixels:
    """As JPEG, decoded."""
    decoded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "jpeg", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    return np.stack(decoded)


def cheats(faces: Pixels, train: Pixels, *, rng: np.random.Generator) -> Iterator[tuple[str, Pixels]]:
    """What should not take a place, by what it is; and some things on the border."""
    shape = (_EACH, *faces.shape[1:3], 1)
    yield "uniform noise", np.repeat(rng.integers(0, 256, shape, dtype=np.uint8), 3, axis=-1)
    blobs = gaussian_filter(rng.normal(0, 1, shape), (0, 6, 6, 0))
    yield "smooth blobs", np.repeat(np.clip(128 + 50 * blobs / blobs.std(), 0, 255).astype(np.uint8), 3, axis=-1)
    yield "plain grey", np.full_like(faces, 128)
    for deviation in (20, 40, 80):
        yield f"pgan with noise of {deviation} levels", noisy(faces, deviation, rng=rng)
    copies = train[rng.permutation(len(train))[:_EACH]]
    yield "training photographs", copies
    yield "the same, mirrored", copies[:, :, ::-1]
    yield "the same, moved by a pixel", np.roll(copies, (1, 1), axis=(1, 2))
    yield "the same, moved by three", np.roll(copies, (3, 3), axis=(1, 2))
    yield "the same, brighter", np.clip(copies * 1.15 + 10, 0, 255).astype(np.uint8)
    yield "the same, noise of 20 levels", noisy(copies, 20, rng=rng)
    yield "the same, JPEG of quality 30", compressed(copies, 30)
    yield "half of the same, half pgan", np.concatenate([copies[: _EACH // 2], faces[: _EACH // 2]])
    one = np.repeat(faces[:1], _EACH, axis=0)
    yield "one face of pgan", one
    yield "one face, noise of 20 levels", noisy(one, 20, rng=rng)
    yield "three faces, noise of 10 levels", noisy(np.tile(faces[:3], (_EACH // 3 + 1, 1, 1, 1))[:_EACH], 10, rng=rng)


def main() -> None:
    torch.set_num_threads(1)
    source = open_source("orl")
    train, val, test = (source.load(split, resolution=64, colour="grey") for split in ("train", "val", "test"))
    cast = {name: samples(name) for name in _CAST}
    rng = np.random.default_rng(0)
    measured = {}
    for name, images in [*cast.items(), ("people of test", test), *cheats(cast["pgan"], train, rng=rng)]:
        quality = measure_quality(images, images, val, train, rng=np.random.default_rng(0))
        if quality is None:
            raise SystemExit(f"too few images of {name}")
        figures = {key: round(value, 3) for key, value in dataclasses.asdict(quality).items()}
        measured[name] = {**figures, "gated": bool(faults(quality))}
        shown = " | ".join(f"{figures[key]:.2f}" for key in ("kid_share", "swd_share", "variety", "novelty"))
        print(f"| {name} | {shown} | {'gated' if faults(quality) else ''} |", flush=True)
    _OUT.write_text(json.dumps({"processor": survey().processor, "measured": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
