"""Localise: whether a patch detector's heatmaps lie where a manipulator changed its fakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.typed import as_record
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.pools import ON_IT, Known, beside
from fakeoff.protocols.score.localisation import LocalisationFigures, measure_localisation
from fakeoff.protocols.score.masked_fakes import MaskedFakes
from fakeoff.protocols.score.patches import Floats, Patches, resize_labels

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LocaliseArguments:
    """What it is told.

    Attributes:
        resamples: Of the bootstrap, from 100.
        confidence: Of the intervals, in (0.5, 1).
    """

    resamples: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Localised:
    """What localising comes to.

    Attributes:
        figures: None where every mask is empty, or of all pixels.
    """

    figures: LocalisationFigures | None


def write_localise(
    desk: Desk, generator: Version, detector: Version, *, patches: Mapping[str, str], known: tuple[Known, ...]
) -> Job:
    """Whether a detector version's heatmaps of a manipulator's fakes lie inside their masks.

    Args:
        desk: What is played.
        generator: Whose fakes.
        detector: Which version judged them.
        patches: Keys of what it said of the patches of the fakes of ``test`` and of ``val``, and of test's ``reals``:
            :func:`fakeoff.protocols.score.blind.patches_of`.
        known: What is known of the fakes, with their masks: :class:`fakeoff.protocols.rules.pools.Sampled`.
    """
    test, val = (generator.pools[split] for split in ("test", "val"))
    people: dict[str, str] = {name: beside(test, name) for name in ON_IT if name in known}
    paired = {"real_patches": patches["reals"], "target": beside(test, "target")} if "target" in known else {}
    return desk.job(
        localise,
        VERSION,
        label=f"localise what {generator.label} changed with {detector.label}",
        player=detector.player,
        payload=asdict(
            LocaliseArguments(resamples=desk.config.score.resamples, confidence=desk.config.score.confidence)
        ),
        inputs={
            "test_patches": patches["test"],
            "val_patches": patches["val"],
            "test_mask": beside(test, "mask"),
            "val_mask": beside(val, "mask"),
            **paired,
            **people,
        },
        stage="look",
        round_=max(generator.round, detector.round),
    )


def localise(context: Context) -> Result:
    """Holds a detector's heatmaps of P(fake) against the masks of fakes; no player is there.

    Payload: :class:`LocaliseArguments`. Inputs: ``test_patches`` and ``val_patches``
    (:func:`fakeoff.protocols.score.blind.patches_of`), ``test_mask`` and ``val_mask``. Where it is known
    (:data:`fakeoff.protocols.rules.pools.Known`) which reals the fakes of test were made from, ``target`` and
    ``real_patches``, what was said of test's reals; and who is on them, ``target_person`` and ``source_person``.

    Returns:
        Record: :class:`Localised`. Arrays: what :func:`measure_localisation` found of each fake.
    """
    arguments, inputs = context.arguments(LocaliseArguments), context.inputs
    judged = inputs["test_patches"].figures(Patches)
    fakes = {
        split: MaskedFakes(
            scores=inputs[f"{split}_patches"].arrays["patches"],
            masks=resize_labels(inputs[f"{split}_mask"].arrays["images"], judged.side),
        )
        for split in ("test", "val")
    }
    figures, found = measure_localisation(
        fakes["test"],
        fakes["val"],
        judged.receptive_field,
        paired=_of_paired_reals(inputs),
        people={name: inputs[name].arrays["images"] for name in ON_IT if name in inputs},
        resamples=arguments.resamples,
        confidence=arguments.confidence,
        rng=np.random.default_rng(seed_from(context.key, "localise")),
    )
    return Result(record=as_record(Localised(figures=figures)), arrays=found)


def _of_paired_reals(inputs: Mapping[str, Result]) -> Floats | None:
    """What was said of the patches of the real that each fake was made from; None where nobody knows which."""
    if "target" not in inputs:
        return None
    of_reals: Floats = inputs["real_patches"].arrays["patches"]
    paired: Floats = of_reals[inputs["target"].arrays["images"]]
    return paired


__all__ = ["Localised", "localise", "write_localise"]
