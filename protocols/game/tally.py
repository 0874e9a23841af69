"""The tally: what has been played so far, in an order that does not depend on what ended first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import MEASURES, Measured
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.measures.trainings import read_trainings
from fakeoff.protocols.record.versions import Forfeit, Kind, PassedOver, Place, Unranked, Version, place
from fakeoff.protocols.score.blind import TOLERANCE, OnVal, Scores


@dataclass(kw_only=True)
class Tally:
    """Collects what the moves of a game come to.

    Attributes:
        config: What was asked for.
        source_name: Of the reals.
        data: Hashes, counts and split of the reals.
        on_val: What val says of detector versions, by the key of the version: their thresholds.
        standing: Likewise, with the fakes of the newest round: who is champion.
        forfeits: What failed, by kind, player, round, stage and opponent.
        doubts: Why detector versions take no place by what val shows, by the key of the version; this may decide who is
            champion, and what test shows may not.
        measured: By the name of the measure, and by the places of the versions that it is about.
        leaks: By generator version: how its pools can be told from the reals by format alone.
    """

    config: TournamentConfig
    source_name: str
    data: Mapping[str, Any]
    on_val: dict[str, OnVal] = field(default_factory=dict)
    standing: dict[str, OnVal] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    forfeits: dict[tuple[str, str, int, str, str], Forfeit] = field(default_factory=dict)
    leaks: dict[str, list[str]] = field(default_factory=dict)
    real_pools: dict[int, Mapping[str, str]] = field(default_factory=dict)
    test_people: tuple[int, ...] = ()
    versions: dict[Place, Version] = field(default_factory=dict)
    measured: dict[str, dict[tuple[Place, ...], Measured[Any]]] = field(default_factory=dict)
    passed_over: set[PassedOver] = field(default_factory=set)
    _unranked: set[tuple[Kind, str, int, int, str]] = field(default_factory=set)  # who, version, round of the game, why
    _envelopes: dict[tuple[str, str], _Envelope] = field(default_factory=dict)

    def forfeit(self, forfeit: Forfeit) -> None:
        """Keeps a forfeit; of several in one place always the same one, whichever came first."""
        place = (forfeit.kind, forfeit.player, forfeit.round, forfeit.stage, forfeit.against)
        kept = self.forfeits.setdefault(place, forfeit)
        self.forfeits[place] = min(kept, forfeit, key=lambda one: one.reason)

    def leave_unranked(self, version: Version, reason: str, *, round_: int) -> None:
        """Keeps that a version takes no place.

        Args:
            version: Which.
            reason: One line; nothing is done where it is empty.
            round_: Of the game, in which it was found.
        """
        if reason:
            self._unranked.add((version.kind, version.player, version.round, round_, reason))

    def keep(self, measured: Measured[Any]) -> None:
        """Keeps what was measured."""
        self.measured.setdefault(measured.name, {})[measured.places] = measured

    def enter(self, version: Version) -> Version:
        """Keeps a version."""
        self.versions[place(version)] = version
        return version

    def compare_reals(self, detector: Version, pool: str, real: Scores, *, round_: int) -> None:
        """Holds the scores of the same photographs, in company of other fakes, to each other.

        Args:
            detector: Whose scores.
            pool: Key of the photographs.
            real: float32 ``(n,)``.
            round_: Of the game.
        """
        envelope = self._envelopes.get((detector.key, pool))
        if envelope is None:
            self._envelopes[detector.key, pool] = _Envelope(low=real.copy(), high=real.copy())
            return
        np.minimum(envelope.low, real, out=envelope.low)
        np.maximum(envelope.high, real, out=envelope.high)
        if float((envelope.high - envelope.low).max()) > TOLERANCE:
            self.leave_unranked(
                detector,
                "it gave the same photographs other scores beside other fakes: a score that depends on anything but "
                "the image cannot be compared",
                round_=round_,
            )

    def record(self, round_: int, store: Store) -> TournamentRecord:
        """All that has been played up to a round, though later rounds may have begun.

        Args:
            round_: The last one.
            store: Where results are.
        """
        versions = tuple(sorted((version for version in self.versions.values() if version.round <= round_), key=place))
        return TournamentRecord(
            config=self.config,
            source_name=self.source_name,
            data=self.data,
            round=round_,
            versions=versions,
            measured={measure.name: self._measured_until(round_, measure) for measure in MEASURES},
            forfeits=tuple(forfeit for forfeit in self.sorted_forfeits() if forfeit.round <= round_),
            passed_over=tuple(
                sorted(
                    (p for p in self.passed_over if p.round <= round_), key=lambda p: (p.round, p.detector, p.reason)
                )
            ),
            unranked=tuple(self._unranked_until(round_)),
            real_pools=dict(sorted(self.real_pools.items())),
            test_people=self.test_people,
            trainings=read_trainings(versions, store, self.config),
        )

    def _measured_until(self, round_: int, measure: type[Measured[Any]]) -> tuple[Measured[Any], ...]:
        found = self.measured.get(measure.name, {}).values()
        return tuple(sorted((one for one in found if one.round <= round_), key=lambda one: one.places))

    def sorted_forfeits(self) -> tuple[Forfeit, ...]:
        """One for each player, version and stage."""
        return tuple(sorted(self.forfeits.values(), key=lambda f: (f.round, f.kind, f.player, f.stage, f.against)))

    def _unranked_until(self, round_: int) -> Iterator[Unranked]:
        seen = set()
        for kind, player, version, found, why in sorted(self._unranked):
            if found <= round_ and (kind, player, version) not in seen:
                seen.add((kind, player, version))
                yield Unranked(kind=kind, player=player, round=version, reason=why)


@dataclass(kw_only=True)
class _Envelope:
    """The lowest and the highest score that each photograph was given."""

    low: Scores
    high: Scores


__all__ = ["Tally"]
