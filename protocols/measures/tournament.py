"""All that was played, as the leaderboard is handed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import (
    Audit,
    Cost,
    Localisation,
    Look,
    Match,
    Measured,
    PostprocessedMatch,
    QualityGate,
    Search,
    Shift,
)
from fakeoff.protocols.measures.trainings import Training
from fakeoff.protocols.record.versions import Forfeit, Kind, PassedOver, Unranked, Version

M = TypeVar("M", bound=Measured[Any])


@dataclass(frozen=True, kw_only=True)
class TournamentRecord:
    """All that has been played so far, in an order that does not depend on the executor.

    Attributes:
        config: What was asked for.
        source_name: Of the reals.
        data: Hashes, counts and split of the reals; nothing of this machine.
        round: The last round played.
        versions: Of all players.
        measured: What was measured, by the name of the measure; :meth:`of` gives it by its type.
        forfeits: What failed.
        passed_over: Targets that could not be attacked.
        unranked: Who takes no place, and why.
        real_pools: Keys of the real pools by generator resolution and split.
        test_people: Who is on each real test photograph; empty in homes from before that was remembered.
        trainings: How the training of each version ended.
    """

    config: TournamentConfig
    source_name: str
    data: Mapping[str, Any]
    round: int
    versions: tuple[Version, ...]
    measured: Mapping[str, tuple[Measured[Any], ...]]
    forfeits: tuple[Forfeit, ...]
    passed_over: tuple[PassedOver, ...] = ()
    unranked: tuple[Unranked, ...] = ()
    real_pools: Mapping[int, Mapping[str, str]]
    test_people: tuple[int, ...] = ()
    trainings: tuple[Training, ...] = ()

    def of(self, measure: type[M]) -> tuple[M, ...]:
        """All results of a measure: ``record.of(Cost)``."""
        return cast("tuple[M, ...]", self.measured.get(measure.name, ()))

    @property
    def matches(self) -> tuple[Match, ...]:
        """Every version against every version."""
        return self.of(Match)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """One for each generator version."""
        return self.of(Cost)

    @property
    def audits(self) -> tuple[Audit, ...]:
        """One for each generator version."""
        return self.of(Audit)

    @property
    def quality(self) -> tuple[QualityGate, ...]:
        """One for each generator version, where the gate is not left out."""
        return self.of(QualityGate)

    @property
    def looks(self) -> tuple[Look, ...]:
        """Of patch detectors at generator versions."""
        return self.of(Look)

    @property
    def localisations(self) -> tuple[Localisation, ...]:
        """Of patch detectors at manipulators' versions."""
        return self.of(Localisation)

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """One for each attack and patch detector."""
        return self.of(Shift)

    @property
    def postprocessed(self) -> tuple[PostprocessedMatch, ...]:
        """Matches behind what images go through on their way."""
        return self.of(PostprocessedMatch)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Of generator versions' latents, against detector versions."""
        return self.of(Search)

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
