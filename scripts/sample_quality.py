"""What a generator's samples are worth, in figures: distances, what they are near to, bits per dimension, sizes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import pairwise_distances_argmin_min

from fakeoff.arena import images
from fakeoff.arena.images.reals import SPLITS, RealSource, Split
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Generator
from fakeoff.protocols.rules.referee import draw
from fakeoff.protocols.score import distances

FAKES, DRAWS = 280, 5
NEAREST = "median distance to the nearest training photograph"
MET = "training photographs that are nearest to some fake"
COVERAGE = "coverage of the training people"
COVERAGE_BY_FEW = "coverage of the training people by as many fakes as there are held-out photographs"

_MEASURED_AT_A_TIME = 40
_PIXEL_BITS, _LEVELS = 8, 255


@dataclass(frozen=True, kw_only=True)
class Reals:
    """Photographs as a generator would be shown them.

    Attributes:
        source: Where they are from.
        pixels: By split, uint8 ``(n, resolution, resolution, 3)``.
        people: Who is on each training photograph.
    """

    source: RealSource
    pixels: dict[Split, images.Pixels]
    people: npt.NDArray[np.int64]


def read_reals(source: RealSource, *, resolution: int) -> Reals:
    """Reads all splits of a source."""
    pixels = {split: source.load(split, resolution=resolution, colour=source.colour) for split in SPLITS}
    return Reals(source=source, pixels=pixels, people=np.array(source.persons("train")))


def nearest(
    shown: images.Pixels, training: images.Pixels, *, colour: images.Colour
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Which training photograph is nearest to each image, and how far it is.

    Args:
        shown: uint8 ``(n, h, w, 3)``.
        training: Likewise.
        colour: Grey images are compared in one channel.

    Returns:
        Indices and Euclidean distances of pixels in [0, 1], ``(n,)`` each.
    """
    index, distance = pairwise_distances_argmin_min(_flat(shown, colour), _flat(training, colour))
    return index, distance


def coverage(index: npt.NDArray[np.int64], people: npt.NDArray[np.int64]) -> float:
    """The share of the training people of whom a photograph is the nearest of some image.

    Args:
        index: The training photograph that is nearest to each image.
        people: Who is on each training photograph.
    """
    return len(set(people[index].tolist())) / len(set(people.tolist()))


def draw_fakes(generator: Generator, seed: int, *, colour: images.Colour) -> images.Pixels:
    """One of the draws that are measured; the first one is what the picture shows.

    Returns:
        uint8 ``(280, resolution, resolution, 3)``.
    """
    return images.quantise(draw(generator, FAKES, rng=rng_from("show", seed)).images, colour=colour)


def measure(generator: Generator, reals: Reals) -> dict[str, Any]:
    """Distances of fakes to the people of test, and what they are near to; yardsticks for both."""
    train, test, colour = reals.pixels["train"], reals.pixels["test"], reals.source.colour
    runs = []
    for seed in range(DRAWS):
        fakes = draw_fakes(generator, seed, colour=colour)
        index, distance = nearest(fakes, train, colour=colour)
        runs.append(
            {
                **_apart(fakes, test, basis=train, seed=seed),
                NEAREST: float(np.median(distance)),
                MET: len(set(index.tolist())),
                COVERAGE: coverage(index, reals.people),
                COVERAGE_BY_FEW: coverage(index[: len(test)], reals.people),
            }
        )
    channels = 1 if colour == "grey" else 3
    noise = np.random.default_rng(0).integers(0, 256, (*test.shape[:3], channels), dtype=np.uint8)
    index, distance = nearest(test, train, colour=colour)
    return {
        "fakes": {name: [round(run[name], 4) for run in runs] for name in runs[0]},
        "training reals": _rounded(_apart(train, test, basis=train)),
        "noise": _rounded(_apart(noise.repeat(3 // channels, 3), test, basis=train)),
        "held-out photographs": {
            "photographs": len(test),
            "people": len(reals.source.groups("test")),
            **_rounded({NEAREST: float(np.median(distance)), COVERAGE: coverage(index, reals.people)}),
        },
    }


def bits_per_dimension(generator: Any, reals: Reals) -> dict[str, float]:
    """What photographs of each split cost, where the generator has a likelihood; else nothing.

    A player that takes ``rng`` spreads pixels over their levels itself. To the images of others uniform noise of a
    level's width is added (Theis et al., "A note on the evaluation of generative models", ICLR 2016). The noise is the
    same each time.

    Returns:
        The mean by split; and as ``of`` how many bits of a pixel the model sees.
    """
    if not hasattr(generator, "bits_per_dimension"):
        return {}
    spreads_itself = "rng" in inspect.signature(generator.bits_per_dimension).parameters
    photographs = {split: images.to_tensor(pixels) for split, pixels in reals.pixels.items()}
    channels = 1 if reals.source.colour == "grey" else 3
    side = generator.resolution
    most = max(map(len, photographs.values()))
    width = torch.rand(most, channels, side, side, generator=rng_from("levels", 0)) - 0.5
    bits: dict[str, float] = {"of": getattr(generator, "bits", _PIXEL_BITS)}
    for split, shown in photographs.items():
        rng = rng_from("bits per dimension")
        costs = []
        for part, level in zip(
            shown.split(_MEASURED_AT_A_TIME), width[: len(shown)].split(_MEASURED_AT_A_TIME), strict=True
        ):
            with torch.no_grad():
                costs.append(
                    generator.bits_per_dimension(part, rng=rng)
                    if spreads_itself
                    else generator.bits_per_dimension(part + level / _LEVELS)
                )
        bits[split] = round(float(torch.cat(costs).mean()), 4)
    return bits


def count_parameters(generator: torch.nn.Module) -> dict[str, int]:
    """How many numbers are trained, a critic's among them, and with how many samples are made.

    Where samples are made with a moving average of weights it is called ``average``, and is not trained itself.
    """
    average = {id(parameter) for parameter in getattr(generator, "average", torch.nn.Module()).parameters()}
    sizes = {id(parameter): parameter.numel() for parameter in generator.parameters()}
    trained = sum(size for key, size in sizes.items() if key not in average)
    return {"trained": trained, "sampled with": sum(sizes[key] for key in average) or trained}


def _flat(pixels: images.Pixels, colour: images.Colour) -> npt.NDArray[np.float64]:
    channels = pixels[..., :1] if colour == "grey" else pixels
    flat: npt.NDArray[np.float64] = channels.reshape(len(pixels), -1).astype(np.float64) / 255
    return flat


def _apart(shown: images.Pixels, test: images.Pixels, *, basis: images.Pixels, seed: int = 0) -> dict[str, float]:
    return {
        "kid": distances.eigenface_kid(shown, test, basis=basis),
        "swd": distances.sliced_wasserstein(shown, test, rng=np.random.default_rng(seed)),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
