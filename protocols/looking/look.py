"""Look: which patches give each image away, on which parts of the face they lie, and heatmaps.

Chai et al., ECCV 2020, sections 4.2 and 4.3, Figs. 3, 4 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.typed import as_record
from fakeoff.protocols.looking.figures import LookFigures, ShiftFigures
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.pools import ON_IT
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.part_shift import PartShift, measure_shift
from fakeoff.protocols.score.patches import Floats, Labels, Patches, Truth
from fakeoff.protocols.score.people import People, resample_people

PARSE_VERSION = 1
LOOK_VERSION = 5
SHIFT_VERSION = 3

EASIEST_AVERAGED = 100
"""Over how many of the easiest images a heatmap is averaged, as in Fig. 3; at most half of them."""

SHOWN = 8
"""How many of the easiest and of the hardest images keep their patch scores."""


@dataclass(frozen=True, kw_only=True)
class ParseArguments:
    """Who parses.

    Attributes:
        parser: The face parser.
    """

    parser: Identity


@dataclass(frozen=True, kw_only=True)
class LookArguments:
    """What a look is told.

    Attributes:
        truth: What the pool is, ``real`` or ``fake``.
        draws: Random patches of each image, from 1.
        resamples: Of the bootstrap of people or images, from 100.
        confidence: Of the intervals, in (0.5, 1).
    """

    truth: Truth
    draws: int
    resamples: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ShiftArguments:
    """What a comparison of looks is told.

    Attributes:
        resamples: Of the bootstrap of the images, from 100.
        confidence: Of the intervals, in (0.5, 1).
    """

    resamples: int
    confidence: float


def write_parse(desk: Desk, pool: str, *, what: str, round_: int) -> Job:
    """The parts of the faces of a pool.

    Args:
        desk: What is played, with a parser.
        pool: Its key.
        what: It holds, for people.
        round_: When.
    """
    assert desk.parser is not None
    return desk.job(
        parse,
        PARSE_VERSION,
        label=f"parse the faces of {what}",
        player=f"face parser '{desk.parser.name}'",
        specs=[desk.parser],
        device=desk.device,
        payload=asdict(ParseArguments(parser=desk.parser.identity())),
        inputs={"pool": pool},
        places=desk.parser.places(),
        stage="parse",
        round_=round_,
    )


def write_look(
    desk: Desk,
    detector: Version,
    patches: str,
    *,
    truth: Truth,
    labels: str,
    people: Mapping[str, str],
    what: str,
    round_: int,
) -> Job:
    """Which patches of which parts give away the images of a test pool.

    Args:
        desk: What is played.
        detector: Which version judged them.
        patches: Key of what it said of them: :func:`fakeoff.protocols.score.blind.patches_of`.
        truth: What the pool is.
        labels: Key of the parts of its faces.
        people: Keys of who is on its images, where that is known: :func:`fakeoff.protocols.rules.pools.who_is_on`.
        what: It holds, for people.
        round_: When.
    """
    arguments = LookArguments(
        truth=truth,
        draws=desk.config.parts.random_patches,
        resamples=desk.config.score.resamples,
        confidence=desk.config.score.confidence,
    )
    return desk.job(
        look,
        LOOK_VERSION,
        label=f"look with {detector.label} at {what}",
        player=detector.player,
        payload=asdict(arguments),
        inputs={"patches": patches, "labels": labels, **people},
        stage="look",
        round_=round_,
    )


def write_shift(desk: Desk, *, before: str, frozen: str, retrained: str, player: str, round_: int) -> Job:
    """How the parts moved between three looks.

    Args:
        desk: What is played.
        before: Key of the frozen detector's look at the generator's version before the attack.
        frozen: Of its look at the version after it.
        retrained: Of its successor's look at that version.
        player: The detector's name.
        round_: When.
    """
    score = desk.config.score
    return desk.job(
        shift,
        SHIFT_VERSION,
        label=f"compare the parts of {player}",
        player=player,
        payload=asdict(ShiftArguments(resamples=score.resamples, confidence=score.confidence)),
        inputs={"before": before, "frozen": frozen, "retrained": retrained},
        stage="shift",
        round_=round_,
    )


def parse(context: Context) -> Result:
    """Labels the parts of every face of a pool.

    Payload: :class:`ParseArguments`. Inputs: ``pool``. Places: ``weights``.

    Returns:
        Array ``labels``: uint8 ``(n, h, w)``, indices into :data:`fakeoff.arena.parsers.PARTS`.
    """
    device = context.device
    parser = referee.build_parser(context.arguments(ParseArguments).parser, places=context.places, device=device)
    labels = referee.label(parser, Pool(context.inputs["pool"].arrays["images"], device=device))
    return Result(record={"n": len(labels)}, arrays={"labels": labels.numpy()})


def look(context: Context) -> Result:
    """Finds the most predictive patch of every image of a pool, and draws random ones from the same images.

    No player is there: what a patch detector says of patches comes from a judging, in which it was told nothing.

    Payload: :class:`LookArguments`. Inputs: ``patches`` (:func:`fakeoff.protocols.score.blind.patches_of`), ``labels``;
    and, where it is known who is on the images, ``target_person`` and ``source_person``.

    Returns:
        Record: :class:`fakeoff.protocols.looking.figures.LookFigures`.

        Arrays: ``units`` int64 ``(n, 2)``, row and column of the patch in the detector's output; ``parts`` uint8
        ``(n,)``; ``random_parts`` uint8 ``(n, draws)``; ``average`` and ``normalised_average`` float32 ``(h', w')``,
        the mean P(correct class) of the easiest images; ``easiest`` and ``hardest`` int64 ``(k,)``, places in the
        pool, and ``easiest_scores``, ``hardest_scores`` float32 ``(k, h', w')``, P(fake).
    """
    arguments, inputs = context.arguments(LookArguments), context.inputs
    truth, judged = arguments.truth, inputs["patches"].figures(Patches)
    scores: Floats = inputs["patches"].arrays["patches"]
    labels, field = patches.resize_labels(inputs["labels"].arrays["labels"], judged.side), judged.receptive_field
    size = (labels.shape[1], labels.shape[2])
    grid = (scores.shape[1], scores.shape[2])
    rng = np.random.default_rng(seed_from(context.key, "patches"))
    units, ties = patches.most_predictive(scores, truth=truth, rng=rng)
    random = patches.random_patches(len(scores), draws=arguments.draws, grid=grid, rng=rng)
    found = patches.assign_parts(labels, patches.windows(units[:, None], field, size=size))[:, 0]
    by_chance = patches.assign_parts(labels, patches.windows(random, field, size=size))
    averaged, heatmaps = _heatmaps(scores, truth=truth)
    people = [inputs[name].arrays["images"] for name in ON_IT if name in inputs]
    parts_ci, units_drawn = _intervals(found, people, arguments, rng=rng)
    figures = LookFigures(
        n=len(scores),
        receptive_field=field,
        has_parts=not patches.sees_whole_image(field, grid=grid, size=size),
        ties=ties,
        parts=_named(patches.distribution(found)),
        parts_ci=parts_ci,
        random_parts=_named(patches.distribution(by_chance)),
        averaged_over=averaged,
        people=units_drawn if people else None,
        side=judged.side,
    )
    return Result(
        record=as_record(figures),
        arrays={"units": units, "parts": found, "random_parts": by_chance, **heatmaps},
    )


def shift(context: Context) -> Result:
    """Compares the parts that gave fakes away before an attack with those that do after it.

    Payload: :class:`ShiftArguments`.
    Inputs: looks at test fakes: ``before`` (the frozen detector at the generator's previous version), ``frozen`` (the
    same detector at the attacked version) and ``retrained`` (its successor at the attacked version).

    Returns:
        Record: ``has_parts`` and, where it is true, :class:`fakeoff.protocols.looking.figures.ShiftFigures`.
    """
    arguments, inputs = context.arguments(ShiftArguments), context.inputs
    looks = {name: inputs[name].figures(LookFigures) for name in ("before", "frozen", "retrained")}
    if not all(look.has_parts for look in looks.values()):
        return Result(record={"has_parts": False})
    parts: dict[str, Labels] = {name: inputs[name].arrays["parts"] for name in looks}

    def moved(name: str, first: str) -> PartShift:
        return measure_shift(
            parts[first],
            parts["retrained"],
            resamples=arguments.resamples,
            confidence=arguments.confidence,
            rng=np.random.default_rng(seed_from(context.key, name)),
        )

    figures = ShiftFigures(
        n=len(parts["before"]),
        before=looks["before"].parts,
        before_ci=looks["before"].parts_ci,
        frozen=looks["frozen"].parts,
        frozen_ci=looks["frozen"].parts_ci,
        retrained=looks["retrained"].parts,
        retrained_ci=looks["retrained"].parts_ci,
        random=looks["retrained"].random_parts,
        shift=moved("shift", "before"),
        shift_on_same_images=moved("shift_on_same_images", "frozen"),
    )
    return Result(record={"has_parts": True, **as_record(figures)})


def _heatmaps(scores: Floats, *, truth: Truth) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Over how many images the mean is, and what is kept of the scores: the mean, the easiest and the hardest."""
    correct = scores if truth == "fake" else 1 - scores
    by_ease = np.argsort(-correct.mean(axis=(1, 2)), kind="stable")
    averaged = min(EASIEST_AVERAGED, -(-len(scores) // 2))
    easiest = correct[by_ease[:averaged]].astype(np.float64)
    first, last = by_ease[:SHOWN], by_ease[::-1][:SHOWN]
    return averaged, {
        "average": easiest.mean(axis=0).astype(np.float32),
        "normalised_average": patches.normalise(easiest).mean(axis=0),
        "easiest": first,
        "easiest_scores": scores[first],
        "hardest": last,
        "hardest_scores": scores[last],
    }


def _intervals(
    found: Labels, people: Sequence[People], arguments: LookArguments, *, rng: np.random.Generator
) -> tuple[dict[str, tuple[float, float]], int]:
    """Bootstrap intervals of the share of each part, and over how many units they are: people, or images."""
    weights, units = resample_people(people, len(found), resamples=arguments.resamples, rng=rng)
    shares = np.stack([weights[:, found == part].sum(axis=1) for part in range(len(PARTS))], axis=1)
    tails = [(1 - arguments.confidence) / 2, (1 + arguments.confidence) / 2]
    low, high = np.quantile(shares, tails, axis=0).clip(0, 1)
    named = {part: (float(a), float(b)) for part, a, b in zip(PARTS, low, high, strict=True)}
    return named, units


def _named(shares: Floats) -> dict[str, float]:
    return {part: float(share) for part, share in zip(PARTS, shares, strict=True)}
