"""What a tournament leaves behind: versions, matches, costs and forfeits, each with the key of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.score.blind import Judging, Scores, read_on_val, sides
from fakeoff.protocols.score.patches import Truth

Kind: TypeAlias = Literal["generator", "detector"]


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
        if self.on_val is not None:
            return read_on_val(self.on_val, store).threshold
        return float(store.record(self.key)["threshold"])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A detector version at images of both sides.

    Attributes:
        detector: Their judge.
        judging: Its scores, from which everything follows.
        figures: The metrics and their intervals; see :func:`fakeoff.protocols.score.metrics.evaluate`.
    """

    detector: Version
    judging: Judging
    figures: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Of the result with its scores."""
        return self.judging.key

    def scores(self, store: Store) -> tuple[Scores, Scores]:
        """P(fake) of the reals and of the fakes, each float32 ``(n,)`` in the order of its pool.

        Args:
            store: Where they are.

        Raises:
            StoreError: They are damaged.
        """
        [real], [fake] = sides(self.judging, store)
        return real, fake


@dataclass(frozen=True, kw_only=True)
class Match(Judged):
    """One generator version against one detector version, on test.

    Attributes:
        generator: The fakes' maker.
        is_target: This detector version was the frozen target of this generator version's attack.
    """

    generator: Version
    is_target: bool


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How far a generator version went from its version 0 and from the reals.

    Attributes:
        generator: Which version.
        key: Of the result with the figures.
        figures: See :mod:`fakeoff.protocols.score.distances`.
    """

    generator: Version
    key: str
    figures: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Which patches gave the images of a match away, and on which parts of the face they lie.

    Attributes:
        generator: The fakes' maker.
        detector: Their judge, a patch detector.
        keys: Of the results by side, ``real`` and ``fake``; a detector version looks at the same reals once.
        figures: By side; see :func:`fakeoff.protocols.looking.look.look`.
    """

    generator: Version
    detector: Version
    keys: Mapping[Truth, str]
    figures: Mapping[Truth, Mapping[str, Any]]

    @property
    def has_parts(self) -> bool:
        """Whether patches are of one part rather than of the whole image."""
        return all(figures["has_parts"] for figures in self.figures.values())


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How an attack and the defence after it moved the fight over the face.

    Attributes:
        generator: The attacked version.
        detector: The version of the detector before the defence.
        is_target: It was the attack's frozen target.
        key: Of the result with the figures.
        figures: See :func:`fakeoff.protocols.looking.look.shift`.
    """

    generator: Version
    detector: Version
    is_target: bool
    key: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Whether a generator version's pools could be told from their reals by format alone.

    Attributes:
        generator: Whose fakes.
        key: Of the result with the report.
        figures: The report; see :class:`fakeoff.protocols.forensics.audit.AuditReport`.
    """

    generator: Version
    key: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Forfeit:
    """What a player lost by failing.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: When.
        stage: ``enter``, ``attack``, ``sample``, ``defend``, ``score`` or ``look``.
        against: Of ``score`` and ``look``: the generator version that could not be judged.
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
    """A detector that would have been attacked, and could not be.

    Attributes:
        detector: Its version, such as ``forest@0``.
        round: Of the attack that passed it over.
        reason: One line.
    """

    detector: str
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unranked:
    """A version whose scores cannot be compared with anybody's: it takes no place and is no champion.

    Attributes:
        kind: ``detector``.
        player: Its name.
        round: Its version.
        reason: One line.
    """

    kind: Kind
    player: str
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class TournamentRecord:
    """All that has been played so far, in an order that does not depend on the executor.

    Attributes:
        config: What was asked for.
        source_name: Of the reals.
        data: Hashes, counts and split of the reals; nothing of this machine.
        round: The last round played.
        versions: Of all players.
        matches: Every version against every version.
        costs: One for each generator version.
        audits: One for each generator version.
        looks: Of patch detectors at generator versions.
        shifts: One for each attack and patch detector.
        forfeits: What failed.
        passed_over: Targets that could not be attacked.
        unranked: Who takes no place, and why.
        real_pools: Keys of the real pools by generator resolution and split.
    """

    config: TournamentConfig
    source_name: str
    data: Mapping[str, Any]
    round: int
    versions: tuple[Version, ...]
    matches: tuple[Match, ...]
    costs: tuple[Cost, ...]
    audits: tuple[Audit, ...]
    looks: tuple[Look, ...]
    shifts: tuple[Shift, ...]
    forfeits: tuple[Forfeit, ...]
    passed_over: tuple[PassedOver, ...] = ()
    unranked: tuple[Unranked, ...] = ()
    real_pools: Mapping[int, Mapping[str, str]]

    @property
    def pools(self) -> dict[str, Mapping[str, str]]:
        """Keys of all pools by name and split.

        ``pgan@1`` and so on, and ``real``; ``real-64px`` and so on where generators have several resolutions.
        """
        several = len(self.real_pools) > 1
        reals = {f"real-{side}px" if several else "real": pools for side, pools in self.real_pools.items()}
        return reals | {version.label: version.pools for version in self.versions if version.kind == "generator"}

    def find(self, kind: Kind, name: str) -> Version:
        """Finds a version by its name.

        Args:
            kind: ``generator`` or ``detector``.
            name: A version such as ``pgan@1``, or a player's name for its newest version.

        Raises:
            ConfigError: There is none.
        """
        versions = [version for version in self.versions if version.kind == kind]
        named = [version for version in versions if name in (version.player, version.label)]
        if not named:
            players = sorted({version.player for version in versions})
            meant = suggestion(name, [*players, *(version.label for version in versions)]) or "."
            raise ConfigError(f"no {kind} '{name}' in this home{meant} Its {kind}s: {', '.join(players) or 'none'}")
        return max(named, key=lambda version: version.round)
