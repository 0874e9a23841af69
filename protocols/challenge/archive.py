"""The archive of a home: all versions of its tournament, frozen, by the rounds in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fakeoff.arena.seeds import digest
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Version, newest


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What a newcomer meets.

    Attributes:
        played: The tournament.
    """

    played: TournamentRecord

    @property
    def rounds(self) -> range:
        """Those that were played, round 0 included."""
        return range(self.played.round + 1)

    @property
    def state(self) -> str:
        """The hash of all versions: another archive is another one to stand in."""
        return digest(sorted(version.key for version in self.played.versions))

    def versions(self, kind: Kind, *, until: int | None = None) -> list[Version]:
        """All versions of a kind, oldest first.

        Args:
            kind: ``generator`` or ``detector``.
            until: The last round; all of them by default.
        """
        last = self.played.round if until is None else until
        found = [one for one in self.played.versions if one.kind == kind and one.round <= last]
        return sorted(found, key=lambda one: (one.round, one.player))

    def history(self, round_: int) -> list[Version]:
        """The generator versions whose fakes the detectors of a round learned: ``defend.history``.

        Args:
            round_: Which.
        """
        found = self.versions("generator", until=round_)
        return found if self.played.config.defend.history == "all" else newest(found, "generator")

    def targets(self, round_: int) -> list[Version]:
        """The frozen detector versions that the attacks of a round were against; none where nobody attacked.

        Args:
            round_: From 1.
        """
        labels = {label for one in self.versions("generator") if one.round == round_ for label in one.targets}
        return [one for one in self.versions("detector") if one.label in labels]

    def joined(self, own: TournamentRecord) -> TournamentRecord:
        """The tournament as it would be with what a newcomer played.

        Args:
            own: The newcomer's: its versions, and what was measured of them.
        """
        measured = dict(self.played.measured)
        for name, found in own.measured.items():
            known = {one.places for one in measured.get(name, ())}
            measured[name] = (*measured.get(name, ()), *(one for one in found if one.places not in known))
        return replace(
            self.played,
            config=own.config,
            versions=(*self.played.versions, *_new(own.versions, self.played.versions)),
            measured=measured,
            forfeits=(*self.played.forfeits, *own.forfeits),
            unranked=tuple(dict.fromkeys((*self.played.unranked, *own.unranked))),
        )


def _new(versions: Sequence[Version], known: Sequence[Version]) -> list[Version]:
    labels = {(one.kind, one.label) for one in known}
    return [one for one in versions if (one.kind, one.label) not in labels]


__all__ = ["Archive"]
