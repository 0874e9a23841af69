"""Look: which patches give each image away, on which parts of the face they lie, and heatmaps.

Chai et al., ECCV 2020, sections 4.2 and 4.3, Figs. 3, 4 and 6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from fakeoff.arena import images
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.seeds import seed_from
from fakeoff.detectors import PatchDetector
from fakeoff.protocols import patches, referee
from fakeoff.protocols.part_shift import measure_shift
from fakeoff.protocols.patches import Floats, Labels, Truth

VERSION = 2

TRUTHS: tuple[Truth, ...] = ("real", "fake")

EASIEST_AVERAGED = 100
"""Over how many of the easiest images a heatmap is averaged, as in Fig. 3; at most half of them."""

SHOWN = 8
"""How many of the easiest and of the hardest images keep their patch scores."""


def parse(context: Context) -> Result:
    """Labels the parts of every face of a pool.

    Payload: ``parser`` (identity). Inputs: ``pool``. Places: ``weights``.
    """
    parser = referee.build_parser(context.payload["parser"], weights=context.places.get("weights"))
    labels = referee.label(parser, images.to_tensor(context.inputs["pool"].arrays["images"]))
    return Result(record={"n": len(labels)}, arrays={"labels": labels.numpy()})


def look(context: Context) -> Result:
    """Finds the most predictive patch of every image of a match, and draws random ones from the same images.

    Payload: ``detector`` (identity), ``draws`` (random patches an image), ``resamples``, ``confidence``.
    Inputs: ``version``, ``real``, ``fake`` (test pools), ``real_labels``, ``fake_labels``.
    """
    payload, inputs = context.payload, context.inputs
    detector = cast("PatchDetector", referee.build_detector(payload["detector"], version=inputs["version"]))
    record: dict[str, Any] = {"applies": True}
    arrays: dict[str, Any] = {}
    for truth in TRUTHS:
        pixels, labels = inputs[truth].arrays["images"], inputs[f"{truth}_labels"].arrays["labels"]
        scores = referee.judge_patches(detector, images.to_tensor(pixels)).numpy()
        field, size = detector.receptive_field, (pixels.shape[1], pixels.shape[2])
        grid = (scores.shape[1], scores.shape[2])
        record |= {"receptive_field": dataclasses.asdict(field), "grid": list(grid)}
        record["applies"] = not patches.sees_whole_image(field, grid=grid, size=size)
        rng = np.random.default_rng(seed_from(context.key, "patches", truth))
        units, ties = patches.most_predictive(scores, truth=truth, rng=rng)
        random = patches.random_patches(len(scores), draws=payload["draws"], grid=grid, rng=rng)
        found = patches.assign_parts(labels, patches.windows(units[:, None], field, size=size))[:, 0]
        by_chance = patches.assign_parts(labels, patches.windows(random, field, size=size))
        record[truth] = {
            "n": len(scores),
            "ties": ties,
            "parts": _named(patches.distribution(found)),
            "parts_ci": _intervals(found, payload, rng=rng),
            "random_parts": _named(patches.distribution(by_chance)),
        }
        arrays |= {f"{truth}_units": units, f"{truth}_parts": found, f"{truth}_random_parts": by_chance}
        summary, kept = _heatmaps(scores, truth=truth)
        record[truth] |= summary
        arrays |= {f"{truth}_{name}": values for name, values in kept.items()}
    return Result(record=record, arrays=arrays)


def shift(context: Context) -> Result:
    """Compares the parts that gave fakes away before an attack with those that do after it.

    Payload: ``resamples``, ``confidence``.
    Inputs: looks at test fakes: ``before`` (the frozen detector at the generator's previous version), ``frozen`` (the
    same detector at the attacked version) and ``retrained`` (its successor at the attacked version).
    """
    payload, inputs = context.payload, context.inputs
    if not all(inputs[name].record["applies"] for name in inputs):
        return Result(record={"applies": False})
    sides: dict[str, Labels] = {name: inputs[name].arrays["fake_parts"] for name in ("before", "frozen", "retrained")}
    record: dict[str, Any] = {"applies": True, "n": len(sides["before"])}
    for name, side in sides.items():
        record[name] = inputs[name].record["fake"]["parts"]
        record[f"{name}_ci"] = inputs[name].record["fake"]["parts_ci"]
        if len(side) != record["n"]:
            raise ValueError("the pools differ in size")
    record["random"] = inputs["retrained"].record["fake"]["random_parts"]
    for name, first in (("shift", "before"), ("shift_on_same_images", "frozen")):
        measured = measure_shift(
            sides[first],
            sides["retrained"],
            resamples=payload["resamples"],
            confidence=payload["confidence"],
            rng=np.random.default_rng(seed_from(context.key, name)),
        )
        record[name] = {
            **dataclasses.asdict(measured),
            "differences_ci": {part: list(interval) for part, interval in measured.differences_ci.items()},
        }
    return Result(record=record)


def _heatmaps(scores: Floats, *, truth: Truth) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is kept of the patch scores: the mean over the easiest images, and those of the easiest and the hardest."""
    certainty = scores.mean(axis=(1, 2)) if truth == "fake" else 1 - scores.mean(axis=(1, 2))
    by_ease = np.argsort(-certainty, kind="stable")
    averaged = min(EASIEST_AVERAGED, -(-len(scores) // 2))
    easiest = scores[by_ease[:averaged]].astype(np.float64)
    kept = {
        "average": (easiest if truth == "fake" else 1 - easiest).mean(axis=0).astype(np.float32),
        "normalised_average": patches.normalise(easiest if truth == "fake" else 1 - easiest).mean(axis=0),
        "easiest": by_ease[:SHOWN],
        "easiest_scores": scores[by_ease[:SHOWN]],
        "hardest": by_ease[::-1][:SHOWN],
        "hardest_scores": scores[by_ease[::-1][:SHOWN]],
    }
    return {"averaged_over": averaged}, kept


def _intervals(found: Labels, payload: Mapping[str, Any], *, rng: np.random.Generator) -> dict[str, list[float]]:
    """Bootstrap intervals of the share of each part."""
    shares = np.stack(
        [patches.distribution(found[rng.integers(len(found), size=len(found))]) for _ in range(payload["resamples"])]
    )
    tails = [(1 - payload["confidence"]) / 2, (1 + payload["confidence"]) / 2]
    low, high = np.quantile(shares, tails, axis=0)
    return {part: [float(a), float(b)] for part, a, b in zip(PARTS, low, high, strict=True)}


def _named(shares: Floats) -> dict[str, float]:
    return {part: float(share) for part, share in zip(PARTS, shares, strict=True)}
