"""Quality: whether a generator's fakes are worth ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.arena.typed import as_record
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.extent import Extent, extent_of
from fakeoff.protocols.score.quality import Quality, faults, measure_quality

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class QualityFigures:
    """What a generator version's fakes measure, and what is wrong with them.

    Attributes:
        quality: None where there are too few images to say.
        faults: Why it takes no place, one clause each.
    """

    quality: Quality | None
    faults: tuple[str, ...]


def write_quality(
    desk: Desk, generator: Version, *, first: Version, reals: Mapping[str, str], targets: str | None, made_of_none: bool
) -> Job:
    """Whether a generator version's fakes are worth ranking, by its val pool.

    Test's photographs are looked at for one thing: whether they are copied.

    Args:
        desk: What is played.
        generator: Which version.
        first: Its version 0.
        reals: Keys of the real pools by split.
        targets: Key of what photographs its val fakes were put into, where that is known.
        made_of_none: Whether its fakes are made of nothing that it is shown, so that it may copy no photograph at all.
    """
    return desk.job(
        quality,
        VERSION,
        label=f"quality of {generator.label}",
        player=generator.player,
        payload=replace(extent_of(desk), most_side=0).payload(),  # it looks at small images anyway
        inputs={
            "fake": generator.pools["val"],
            "fake_0": first.pools["val"],
            "real": reals["val"],
            "real_train": reals["train"],
            **({} if targets is None else {"target": targets}),
            **({"real_test": reals["test"]} if made_of_none else {}),
        },
        stage="quality",
        round_=generator.round,
    )


def quality(context: Context) -> Result:
    """Measures whether a generator version's fakes are worth ranking.

    Payload: :class:`fakeoff.protocols.rules.extent.Extent`. Inputs: ``fake``, ``fake_0`` (val pools from the same
    latents), ``real`` (val), ``real_train``, and ``target`` where it is known which of ``real`` each of ``fake`` was
    put into; ``real_test`` where no photograph may be copied.
    """
    fake, first, real, train = (
        context.inputs[name].arrays["images"] for name in ("fake", "fake_0", "real", "real_train")
    )
    rng = np.random.default_rng(seed_from(context.key, "quality"))
    targets = context.inputs["target"].arrays["images"] if "target" in context.inputs else None
    test = context.inputs.get("real_test")
    held_out = () if test is None else (real, test.arrays["images"])
    found = measure_quality(
        fake, first, real, train, targets=targets, held_out=held_out, some=context.arguments(Extent).some, rng=rng
    )
    return Result(record=as_record(QualityFigures(quality=found, faults=() if found is None else faults(found))))
