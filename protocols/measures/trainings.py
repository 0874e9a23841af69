"""Trainings: how each attack and each defence ended, so that nobody is judged as if it had been done who was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.record.versions import Kind, Version

End: TypeAlias = Literal["perfect", "no gain", "fooled", "budget", "limit"]
"""Why a training ended: nothing was wrong on val any more; nothing got better there; as many fakes passed as were asked
for; it was to take so many steps; its steps were over before any of these."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the training ended that made a version.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: Its version.
        steps: That were taken.
        most_steps: That were to be taken at most (``attack.steps``, ``defend.steps``).
        ended: Why it ended.
        val_accuracy: A detector's at its best look at val: of images, or of patches where ``defend.perfect`` says so.
            None of generators.
        passed: A generator's: which share of fakes of its own the frozen targets took for real at its end. None of
            detectors, and where nobody looked.
    """

    kind: Kind
    player: str
    round: int
    steps: int
    most_steps: int
    ended: End
    val_accuracy: float | None = None
    passed: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a job that trains says of it, whoever wrote the job; all of it may be missing."""

    steps: int = 0
    val_perfect: bool = False
    val_accuracy: float | None = None
    val_curve: tuple[tuple[float, float], ...] = ()
    passed: tuple[tuple[float, float], ...] = ()


def read_trainings(versions: Iterable[Version], store: Store, config: TournamentConfig) -> tuple[Training, ...]:
    """How each version's training ended, in the order of the versions.

    Versions that nothing trained, or that learned from everything at once, are left out.

    Args:
        versions: Of all players.
        store: Where their results are.
        config: What was asked for.

    Raises:
        DamagedResultError: A result is damaged.
    """
    return tuple(_trainings(versions, store, config))


def _trainings(versions: Iterable[Version], store: Store, config: TournamentConfig) -> Iterator[Training]:
    for version in versions:
        told = store.figures(version.key, _Told)
        if version.kind == "detector" and told.val_curve:
            most = config.defend.steps
            ended: End = "perfect" if told.val_perfect else "no gain" if told.steps < most else "limit"
        elif version.targets and told.steps:
            most, until = config.attack.steps, config.attack.until
            passed = told.passed[-1][1] if told.passed else 0.0
            ended = "budget" if until >= 1 else "fooled" if passed >= until else "limit"
        else:
            continue
        yield Training(
            kind=version.kind,
            player=version.player,
            round=version.round,
            steps=told.steps,
            most_steps=most,
            ended=ended,
            val_accuracy=told.val_accuracy if version.kind == "detector" else None,
            passed=told.passed[-1][1] if told.passed else None,
        )


__all__ = ["End", "Training", "read_trainings"]
