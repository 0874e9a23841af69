"""Who plays: versions of players, and what they lost by failing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.score.blind import Judging, read_on_val
from fakeoff.protocols.score.calibration import Thresholds

Kind: TypeAlias = Literal["generator", "detector"]

KINDS: tuple[Kind, Kind] = ("generator", "detector")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the job that trained a detector says of it, whoever wrote the job.

    Attributes:
        state: The hash of its weights; empty where it is not told.
        not_attackable: Why no attack could follow it; empty where one could, and where it is not told.
        threshold: P(fake) from which it says fake; None where val decides it later.
    """

    state: str = ""
    not_attackable: str = ""
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """How a training went, as the job that trained a version says it; all of it may be missing.

    Attributes:
        curves: By measure: a value for each step.
        val_curve: A detector's: step and accuracy on val.
    """

    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    val_curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Version:
    """A player after a round: ``pgan@2``.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: 0 is as it came.
        key: Of the result that holds its state.
        targets: A generator's: the detector versions that its attack in this round was against.
        pools: A generator's: keys of its fake pools by split.
        resolution: A generator's, in pixels.
        on_val: A detector's: its scores of val, which decide its threshold and who is champion. None where it was
            trained by a job of an experiment's own, whose record has a ``threshold``.
    """

    kind: Kind
    player: str
    round: int
    key: str
    targets: tuple[str, ...] = ()
    pools: Mapping[str, str] = field(default_factory=dict)
    resolution: int = 0
    on_val: Judging | None = None

    @property
    def label(self) -> str:
        """``pgan@2``."""
        return f"{self.player}@{self.round}"

    def threshold(self, store: Store) -> float:
        """A detector's: P(fake) from which it says fake, chosen on val.

        Args:
            store: Where its scores of val are.

        Raises:
            StoreError: They are damaged.
        """
        return self.thresholds(store).accuracy

    def thresholds(self, store: Store) -> Thresholds:
        """A detector's thresholds for several purposes, chosen on val.

        Those at a false positive rate are None where a job of an experiment's own trained it: its val was not scored.

        Args:
            store: See :meth:`threshold`.

        Raises:
            StoreError: See :meth:`threshold`.
        """
        if self.on_val is not None:
            return read_on_val(self.on_val, store).thresholds
        trained = store.figures(self.key, Trained)
        if trained.threshold is None:
            raise StoreError(f"the result that holds {self.label} has no threshold; play again to compute it anew")
        return Thresholds(accuracy=trained.threshold)


@dataclass(frozen=True, kw_only=True)
class Forfeit:
    """What a player lost by failing.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: When.
        stage: ``enter``, ``attack``, ``sample``, ``defend``, ``score``, ``look`` or ``search``.
        against: Of ``score``, ``look`` and ``search``: the generator version that could not be judged.
        reason: One line.
    """

    kind: Kind
    player: str
    round: int
    stage: str
    reason: str
    against: str = ""


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A detector that would have been attacked, and could not be; or that adversarial training was to be for.

    Attributes:
        detector: Its version, such as ``forest@0``.
        round: Of the attack that passed it over, or of its defence.
        reason: One line.
    """

    detector: str
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unranked:
    """A version that takes no place: a detector whose scores cannot be compared, or a generator below the quality gate.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: Its version.
        reason: One line.
    """

    kind: Kind
    player: str
    round: int
    reason: str


def blame(version: Version, stage: str, *, round_: int | None = None, against: str = "") -> Forfeit:
    """What a version's player loses if a job fails; the reason is still to come.

    Args:
        version: Whose job it is.
        stage: Of the job.
        round_: When; the version's round by default.
        against: The generator version that is judged.
    """
    return Forfeit(
        kind=version.kind,
        player=version.player,
        round=version.round if round_ is None else round_,
        stage=stage,
        reason="",
        against=against,
    )


Place: TypeAlias = tuple[str, str, int, str]
"""What tells a version from all others, and sorts them."""


def place(version: Version) -> Place:
    """What tells a version from all others, and sorts them."""
    return version.kind, version.player, version.round, version.key


def newest(versions: Sequence[Version], kind: Kind) -> list[Version]:
    """The newest version of each player of a kind, by name."""
    latest: dict[str, Version] = {}
    for version in sorted(versions, key=lambda v: v.round):
        if version.kind == kind:
            latest[version.player] = version
    return [latest[name] for name in sorted(latest)]
