"""Gates: what a version must pass to take a place. Who fails one is listed with the reason, and counts for nobody.

Some are found while a game is played, and stand in its record: a detector whose score of an image depends on its
company, on when it is asked or on which process it is in; a generator below the quality gate. The others follow from
what was measured, here: fakes that format alone tells from their reals, a detector that could not tell fakes from reals
before anybody attacked it, and one that masks its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff.protocols.measures.masking import find_masking
from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Unranked, Version
from fakeoff.protocols.score.polarity import FAR_BELOW


def find_unranked(record: TournamentRecord) -> list[Unranked]:
    """Who takes no place, by kind, player, version and reason.

    Args:
        record: All that was played.
    """
    found = [*record.unranked, *_leaking(record)]
    out = {(one.kind, one.player, one.round) for one in found}
    found += [*_too_weak(record, out), *_masking(record)]
    return sorted(set(found), key=lambda one: (one.kind, one.player, one.round, one.reason))


def counted_matches(record: TournamentRecord) -> list[Match]:
    """The matches in which both sides are worth ranking."""
    unranked = {(one.kind, one.player, one.round) for one in find_unranked(record)}
    return [match for match in record.matches if not any(_place(one) in unranked for one in match.subjects)]


def _leaking(record: TournamentRecord) -> list[Unranked]:
    leaks = [(audit.generator, audit.row().leaks) for audit in record.audits]
    return [
        _unranked(version, f"format alone tells its fakes from their reals: {found[0]}")
        for version, found in leaks
        if found
    ]


def _too_weak(record: TournamentRecord, out: set[tuple[Kind, str, int]]) -> list[Unranked]:
    """All versions of the detectors whose version 0 is below the least AUC, in the mean over generators' versions 0."""
    least = record.config.score.least_auc
    aucs: dict[str, list[float]] = {}
    for match in record.matches:
        if match.generator.round == match.detector.round == 0 and not any(_place(one) in out for one in match.subjects):
            aucs.setdefault(match.detector.player, []).append(match.figures.auc)
    weak = {player: mean for player, found in aucs.items() if (mean := sum(found) / len(found)) < least}
    return [
        _unranked(
            version,
            f"before anybody attacked it, it told fakes from reals with an AUC of {weak[version.player]:.3f}, and "
            f"{least:g} is asked (score.least_auc){_swapped(weak[version.player])}",
        )
        for version in record.versions
        if version.kind == "detector" and version.player in weak
    ]


def _swapped(auc: float) -> str:
    """Asks one that lies far below guessing, of which too few people may make nothing certain."""
    return f"; turned round it would have {1 - auc:.3f}: does it return P(real)?" if auc < FAR_BELOW else ""


def _masking(record: TournamentRecord) -> list[Unranked]:
    versions: Sequence[Version] = [version for version in record.versions if version.kind == "detector"]
    of = {(version.player, version.round): version for version in versions}
    return [
        _unranked(of[one.detector, one.detector_round], one.sentence.partition(" ")[2]) for one in find_masking(record)
    ]


def _unranked(version: Version, reason: str) -> Unranked:
    return Unranked(kind=version.kind, player=version.player, round=version.round, reason=reason)


def _place(version: Version) -> tuple[Kind, str, int]:
    return version.kind, version.player, version.round


__all__ = ["counted_matches", "find_unranked"]
