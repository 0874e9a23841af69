"""Judging is blind: a detector scores images of both sides and is not told which is which, and marks no exam.

What a player says are scores. Which of them are of fakes, and what follows from that, is the driver's to know.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.postprocessing import parse_operations, postprocess
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.jobs.limits import wants_memory
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.typed import as_record
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import Desk, payload_of
from fakeoff.protocols.score.blind import Mixture
from fakeoff.protocols.score.patches import Patches

VERSION = 2

_BATCHES = (32, 64)


@dataclass(frozen=True, kw_only=True)
class JudgeArguments:
    """What a judge is told.

    Attributes:
        detector: Who judges.
        sample: How many images are scored again, from 0.
        patches: Whether the scores of patches are kept; of a patch detector.
        through: What all images, reals and fakes, go through before it sees them:
            :mod:`fakeoff.arena.images.postprocessing`. None for nothing.
    """

    detector: Identity
    sample: int
    patches: bool
    through: str | None = None


def write_judge(
    desk: Desk, detector: Version, mixture: Mixture, *, what: str, stage: str, round_: int, patches: bool = False
) -> Job:
    """A detector version at a mixture of both sides.

    Args:
        desk: What is played.
        detector: Which version.
        mixture: Of the images that it judges.
        what: They are, for people: ``pgan@1``.
        stage: ``defend`` for val, ``score`` for test, ``look`` for patches alone.
        round_: When.
        patches: Whether the scores of patches are kept, for looks; of a patch detector.
    """
    label = f"score {detector.label} on {what}"
    arguments = _arguments(desk, detector, patches=patches)
    return _write(desk, judge, detector, mixture, arguments, label=label, stage=stage, round_=round_)


def write_judge_behind(desk: Desk, detector: Version, mixture: Mixture, *, through: str, what: str, round_: int) -> Job:
    """A detector version at a mixture that went through something on its way.

    Nothing is scored again: what such scores are asked is how they compare with those of the mixture as it is, and
    whose scores depend on more than the image has been found out there.

    Args:
        desk: What is played.
        detector: Which version.
        mixture: Of the images, as they were before.
        through: What they went through, a chain such as ``jpeg:75``.
        what: They are, for people: ``pgan@1``.
        round_: When.
    """
    label = f"score {detector.label} on {what} behind {through}"
    arguments = replace(_arguments(desk, detector, patches=False), sample=0, through=through)
    return _write(desk, judge, detector, mixture, arguments, label=label, stage="postprocess", round_=round_)


def write_judge_again(desk: Desk, detector: Version, mixture: Mixture, *, round_: int) -> Job:
    """A detector version at some of a mixture again, in a process in which no player ever ran.

    Args:
        desk: What is played.
        detector: Which version.
        mixture: That it judged.
        round_: When.
    """
    label = f"score {detector.label} again"
    arguments = _arguments(desk, detector, patches=False)
    return _write(
        desk, judge_again, detector, mixture, arguments, label=label, stage="defend", round_=round_, fresh=True
    )


def _arguments(desk: Desk, detector: Version, *, patches: bool) -> JudgeArguments:
    spec = desk.detectors[detector.player]
    return JudgeArguments(detector=spec.identity(), sample=desk.config.score.scored_again, patches=patches)


def _write(
    desk: Desk,
    task: Callable[[Context], Result],
    detector: Version,
    mixture: Mixture,
    arguments: JudgeArguments,
    *,
    label: str,
    stage: str,
    round_: int,
    fresh: bool = False,
) -> Job:
    return desk.job(
        task,
        VERSION,
        label=label,
        player=detector.player,
        specs=[desk.detectors[detector.player]],
        device=desk.device,
        payload=payload_of(arguments),
        inputs={"version": detector.key, "images": mixture.key},
        fresh=fresh,
        stage=stage,
        round_=round_,
    )


def judge(context: Context) -> Result:
    """Scores a mixture, and some of it a second time: in another order, and each image alone.

    Payload: :class:`JudgeArguments`. Inputs: ``version``, ``images`` (a
    :class:`fakeoff.protocols.score.blind.Mixture`, all of which goes through ``through`` before the detector sees it).
    The sizes of batches are drawn anew for each job.

    Returns:
        Arrays: ``scores`` float32 ``(n,)`` in the mixture's order; ``sample`` int64 ``(k,)``, places in it, and their
        scores ``again`` and ``alone``, float32 ``(k,)``; where patches are kept, ``patches`` float32 ``(n, h', w')``,
        P(fake) in the mixture's order, and on record ``patches``, a :class:`fakeoff.protocols.score.patches.Patches`,
        or ``no_patches``, why there are none.
    """
    arguments = context.arguments(JudgeArguments)
    detector, pool, rng = _seated(context, arguments)
    edges = [0]
    while edges[-1] < len(pool):
        edges.append(min(len(pool), edges[-1] + int(rng.integers(*_BATCHES, endpoint=True))))
    batches = [pool[first:last] for first, last in itertools.pairwise(edges)]
    record: dict[str, Any] = {"n": len(pool)}
    arrays: dict[str, npt.NDArray[Any]] = {}
    scores: Tensor | None = None
    if arguments.patches:
        scores = _judge_patches(cast("PatchDetector", detector), batches, record=record, arrays=arrays)
    if scores is None:
        scores = torch.cat([referee.judge(detector, batch) for batch in batches])
    sample = _sample(arguments, pool, rng)
    again = torch.cat([pool[place : place + 1] for place in sample]) if len(sample) else None
    arrays |= {"scores": scores.numpy(), "sample": sample}
    if again is not None:
        arrays["again"] = referee.judge(detector, again).numpy()
        arrays["alone"] = torch.cat([referee.judge(detector, image[None]) for image in again]).numpy()
    return Result(record=record, arrays=arrays)


def _judge_patches(
    detector: PatchDetector, batches: Sequence[Tensor], *, record: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]
) -> Tensor | None:
    """Keeps the scores of patches, or why there are none: whoever scores images by other means keeps those scores.

    Returns:
        float32 ``(n,)``: the scores of the images; None where what is asked for patches fails.
    """
    scores = None
    try:
        both = [referee.judge_both(detector, batch) for batch in batches]
        scores = torch.cat([images for images, _ in both])
        grids = list(dict.fromkeys(tuple(patches.shape[1:]) for _, patches in both))
        if len(grids) > 1:
            (h, w), (other_h, other_w) = grids[:2]
            raise JobFailed(
                f"patch_scores gave {h} x {w} patches of each image of one batch and {other_h} x {other_w} of another's"
            )
        said = Patches.of(detector)
    except JobFailed as error:
        record["no_patches"] = error.reason
    except Exception as error:
        if wants_memory(error):  # the machine's failure, not the detector's: tried again another time
            raise
        record["no_patches"] = f"raised {one_line(error)}"
    else:
        record["patches"] = as_record(said)
        arrays["patches"] = torch.cat([patches for _, patches in both]).numpy()
    return scores


def judge_again(context: Context) -> Result:
    """Scores some of a mixture; see :func:`judge`, which it is compared with. It is to run in a fresh process.

    Returns:
        Arrays: ``sample`` int64 ``(k,)``, places in the mixture, and ``scores`` float32 ``(k,)``.
    """
    arguments = context.arguments(JudgeArguments)
    detector, pool, rng = _seated(context, arguments)
    sample = _sample(arguments, pool, rng)
    scores = referee.judge(detector, torch.cat([pool[place : place + 1] for place in sample]))
    return Result(record={"n": len(sample)}, arrays={"sample": sample, "scores": scores.numpy()})


def _seated(context: Context, arguments: JudgeArguments) -> tuple[Detector, Pool, np.random.Generator]:
    detector = referee.build_detector(arguments.detector, version=context.inputs["version"], device=context.device)
    pixels = postprocess(context.inputs["images"].arrays["images"], parse_operations(arguments.through or ""))
    pool = Pool(pixels, device=context.device)
    return detector, pool, np.random.default_rng(seed_from(context.key, "judge"))


def _sample(arguments: JudgeArguments, pool: Pool, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.permutation(len(pool))[: arguments.sample].astype(np.int64)


__all__ = ["JudgeArguments", "judge", "judge_again", "write_judge", "write_judge_again"]
