"""How far does a detector's average precision fall when its test images are JPEG-compressed?

    fakeoff run --protocol jpeg_robustness --plugin examples/jpeg_robustness.py

Detectors learn on lossless images, as in a tournament. Then test reals and test fakes are compressed alike, more and
more, and judged again: the codec never tells the sides apart, it only hides what the detector looks for.
"""

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs import Context, Result
from fakeoff.protocols import Protocol, register
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.score.metrics import MatchFigures


@register("jpeg_robustness")
class JpegRobustness(Protocol):
    """The average precision (AP) of detectors trained on lossless images, as test images are JPEG-compressed.

    Reals and fakes are compressed alike. Fake is positive, at 50/50 prevalence: 0.5 is chance.

    Args:
        qualities: JPEG qualities, from 100 down to 1.
    """

    def __init__(self, *, qualities: tuple[int, ...] = (100, 90, 80, 70, 50, 30, 20, 10)) -> None:
        if not all(1 <= quality <= 100 for quality in qualities):
            raise ValueError("JPEG qualities lie between 1 and 100")
        self.qualities = qualities

    def play(self, bench: Bench) -> None:
        generators = bench.enter()  # as they come, with their pools and the reals'
        detectors = bench.defend(bench.detectors, generators)  # trained on lossless images
        matches = bench.match(generators, detectors)
        found = {}
        for version in generators:
            sides = {"reals": bench.real_pools(version.resolution)["test"], "fakes": version.pools["test"]}
            for quality in self.qualities:
                label = f"{version.player}, JPEG {quality}"
                jobs = {
                    side: bench.job(
                        compress_pool, payload={"quality": quality}, inputs={"pool": pool}, label=f"{label}: {side}"
                    )
                    for side, pool in sides.items()
                }
                found[version.player, quality] = bench.judge(detectors, **jobs, what=label)
        rows = [make_row(match.detector.player, match.generator.player, "lossless", match.figures) for match in matches]
        for (generator, quality), line in found.items():  # reading waits until it is judged
            for judged in line:
                rows.append(make_row(judged.detector.player, generator, f"JPEG {quality}", judged.figures))
                bench.log({f"ap by JPEG quality/{rows[-1]['detector']}": judged.figures.ap}, step=quality)
        if rows:
            bench.table("AP by JPEG quality", sorted(rows, key=lambda row: row["detector"]))
            example = bench.pixels(generators[0].pools["test"])[0]
            bench.figure("AP by JPEG quality", draw(rows, example, confidence=bench.config.score.confidence))


def compress_pool(context: Context) -> Result:
    """A job: a pool at one quality. It runs in a worker, once."""
    pixels = compress(context.inputs["pool"].arrays["images"], context.payload["quality"])
    return Result(record={"n": len(pixels)}, arrays={"images": pixels})


def compress(pixels: Pixels, quality: int) -> Pixels:
    """Images through JPEG and back; uint8 ``(n, h, w, 3)``."""
    files = [io.BytesIO() for _ in pixels]
    for image, file in zip(pixels, files, strict=True):
        Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return np.stack([np.asarray(Image.open(file)) for file in files])


def make_row(detector: str, generator: str, images: str, figures: MatchFigures) -> dict[str, Any]:
    low, high = figures.ap_ci
    judged = {"detector": f"{detector} on {generator}", "test images": images}
    return {**judged, "AP": figures.ap, "AP from": low, "AP to": high}


def draw(rows: list[dict[str, Any]], face: Pixels, *, confidence: float) -> Figure:
    steps = list(dict.fromkeys(row["test images"] for row in rows))
    figure = Figure(figsize=(9, 5.8), dpi=120, layout="constrained")
    panels = figure.subplot_mosaic([steps, ["AP"] * len(steps)], height_ratios=(1, 3.2))
    for step in steps:
        image = face if step == "lossless" else compress(face[None], int(step.removeprefix("JPEG ")))[0]
        panels[step].imshow(image, interpolation="nearest")
        panels[step].set_axis_off()
    axes = panels["AP"]
    for pair in dict.fromkeys(row["detector"] for row in rows):
        curve = [row for row in rows if row["detector"] == pair]
        places = [steps.index(row["test images"]) for row in curve]
        (line,) = axes.plot(places, [row["AP"] for row in curve], "o-", label=pair)
        low, high = [row["AP from"] for row in curve], [row["AP to"] for row in curve]
        axes.fill_between(places, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    axes.axhline(0.5, color="black", linestyle=":", linewidth=1)
    axes.text(len(steps) - 1, 0.505, "chance", ha="right", va="bottom", fontsize=9)
    axes.set_xticks(range(len(steps)), [step.replace("lossless", "lossless,\nas in training") for step in steps])
    axes.set_xlim(-0.5, len(steps) - 0.5)  # under the faces
    axes.set_xlabel("quality of the test images: reals and fakes alike")
    axes.set_ylabel("average precision")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False, bbox_to_anchor=(0, 0.08))
    title = f"How JPEG hides fakes from detectors that were trained without it ({confidence:.0%} intervals)"
    figure.suptitle(f"{title}\nabove the curves: one of the fakes at each quality", fontsize=11, x=0.01, ha="left")
    return figure
