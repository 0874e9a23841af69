"""What follows from slots: small coroutines that wait for one and make a move of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.forensics.report import AuditReport
from fakeoff.protocols.game.engine import Slot
from fakeoff.protocols.game.moves import Moves
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.quality import faults, measure_quality


async def prepare_reals(moves: Moves, generator: Slot[Any]) -> None:
    """Makes the real pools that belong to a generator, as soon as its resolution is known."""
    version = await generator
    if version is not None:
        await moves.real_pools(version.resolution)


async def label(moves: Moves, generator: Slot[Any]) -> None:
    """Labels the faces of a generator's test pool."""
    version = await generator
    if version is not None:
        await moves.label(version)


async def weigh(moves: Moves, audits: Sequence[Slot[Any]], *, tally: Tally) -> None:
    """Refuses or reports leaks, once all that enter have been audited: of several the first is told.

    Raises:
        ConfigError: There is a leak, and the configuration refuses that.
    """
    for audit in await moves.known(audits):
        name = audit.generator.label
        if tally.config.audit.on_leak == "refuse" and audit.figures.leaks:
            await _refuse_no_faces(moves, audit.generator, audit.figures)
            _refuse_leak(name, audit.figures)
        if audit.figures.leaks:
            tally.leaks[name] = [leak.sentence for leak in audit.figures.leaks]


async def _refuse_no_faces(moves: Moves, generator: Version, report: AuditReport) -> None:
    """Refuses to play with a generator that nobody trained: what tells its noise from photographs is no format.

    Raises:
        ConfigError: Its fakes do not pass the quality gate.
    """
    if generator.round or not moves.can(generator, "trainable"):
        return
    # Here and at once, not in a job: nobody is to be trained meanwhile.
    reals = await moves.real_pools(generator.resolution)
    fakes, val, train = (
        moves.store.read(key).arrays["images"] for key in (generator.pools["val"], reals["val"], reals["train"])
    )
    rng = np.random.default_rng(seed_from(generator.key, "no faces"))
    measured = measure_quality(fakes, fakes, val, train, targets=None, some=moves.extent.some, rng=rng)
    found = () if measured is None else faults(measured)
    if found:
        name = generator.player
        raise ConfigError(
            f"generator '{name}' makes no faces yet: {found[0]}; no wonder that format alone tells them, "
            f"too: {report.leaks[0].sentence}. Train it, or enter weights that were trained: fakeoff run --protocol "
            f"pretrain --generators {name} writes such; to play all the same: --allow-leaks"
        )


def _refuse_leak(label: str, report: AuditReport) -> None:
    """Refuses to play on pools that can be told apart by format alone.

    Args:
        label: Of the generator version.
        report: Its audit's.

    Raises:
        ConfigError: There is a leak.
    """
    for leak in report.leaks:
        raise ConfigError(
            f"the real pools and those of {label} can be told apart by format alone: "
            f"{leak.sentence}; {leak.advice}; to play all the same: --allow-leaks",
            mend=("--set", "arena.colour=grey") if leak.sentence.startswith("colours: grey on") else (),
        )


async def pick(chosen: Slot[Any], place: int) -> Version | None:
    """One of those that were chosen; None beyond the last."""
    found: list[Version] = await chosen
    return found[place] if place < len(found) else None


async def newer(moves: Moves, before: Slot[Any], after: Slot[Any]) -> Version | None:
    """What an attack made of a version, or the version itself where it cannot attack."""
    old: Version | None = await before
    new: Version | None = await after
    if new is None and old is not None and not moves.can(old, "attackable"):
        return old
    return new
