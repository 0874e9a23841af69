"""Who is ahead: standings derived from matches alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Version, newest
from fakeoff.protocols.score.blind import OnVal


@dataclass(frozen=True, kw_only=True)
class DetectorStanding:
    """A detector version's place.

    Attributes:
        player: Its name.
        round: Its version.
        worst_auc: Over all generator versions that it was scored on.
        mean_auc: Likewise.
        worst_against: The generator version of ``worst_auc``.
        mean_ap: Likewise.
        mean_accuracy: At 0.5.
        matches: How many.
    """

    player: str
    round: int
    worst_auc: float
    mean_auc: float
    worst_against: str
    mean_ap: float
    mean_accuracy: float
    matches: int


@dataclass(frozen=True, kw_only=True)
class GeneratorStanding:
    """A generator version's place. Evasion is the share of its fakes that pass as real at 0.5.

    Attributes:
        player: Its name.
        round: Its version.
        evasion: The mean over the detector versions that neither it nor its earlier versions were trained
            against.
        target_evasion: The mean over the frozen targets of its last attack; None before the first.
        matches: How many ``evasion`` is the mean of.
    """

    player: str
    round: int
    evasion: float
    target_evasion: float | None
    matches: int


def rank_on_val(judged: Sequence[tuple[Version, OnVal]]) -> list[Version]:
    """Ranks detector versions by val alone: worst, then mean AUC over generator versions, accuracy, margin, name.

    The first one is the champion. Small val pools are often judged perfectly by several; accuracy and margin tell them
    apart.

    Args:
        judged: The candidates, each with its figures.
    """

    def merit(one: tuple[Version, OnVal]) -> tuple[float, float, float, float, str]:
        version, on_val = one
        return (-min(on_val.aucs), -_mean(on_val.aucs), -on_val.accuracy, -on_val.margin, version.label)

    return [version for version, _ in sorted(judged, key=merit)]


def detector_standings(record: TournamentRecord) -> list[DetectorStanding]:
    """Ranks the newest version of each detector, best first; who is unranked takes no place and counts for nobody."""
    return rank_detectors(counted_matches(record), _ranked(record, "detector"))


def generator_standings(record: TournamentRecord) -> list[GeneratorStanding]:
    """Ranks the newest version of each generator, best first; likewise."""
    lineage = [version for version in record.versions if version.kind == "generator"]
    return rank_generators(counted_matches(record), _ranked(record, "generator"), lineage=lineage)


def rank_detectors(matches: Sequence[Match], versions: Sequence[Version]) -> list[DetectorStanding]:
    """Ranks detector versions by worst-case, then mean AUC over the pool, best first; ties by name."""
    standings = []
    for version in versions:
        played = [match for match in matches if match.detector.label == version.label]
        if not played:
            continue
        worst = min(played, key=lambda match: (match.figures.auc, match.generator.label))
        standings.append(
            DetectorStanding(
                player=version.player,
                round=version.round,
                worst_auc=worst.figures.auc,
                mean_auc=_mean([match.figures.auc for match in played]),
                worst_against=worst.generator.label,
                mean_ap=_mean([match.figures.ap for match in played]),
                mean_accuracy=_mean([match.figures.accuracy for match in played]),
                matches=len(played),
            )
        )
    return sorted(standings, key=lambda s: (-s.worst_auc, -s.mean_auc, s.player, s.round))


def rank_generators(
    matches: Sequence[Match], versions: Sequence[Version], *, lineage: Sequence[Version]
) -> list[GeneratorStanding]:
    """Ranks generator versions by mean evasion over detectors that they were not trained against, best first.

    Args:
        matches: All matches.
        versions: Who is ranked.
        lineage: All generator versions: what a version was trained against includes its ancestors' targets.
    """
    standings = []
    for version in versions:
        trained_against = {
            target
            for ancestor in lineage
            if ancestor.player == version.player and ancestor.round <= version.round
            for target in ancestor.targets
        }
        played = [match for match in matches if match.generator.label == version.label]
        free = [1 - match.figures.recall_fake for match in played if match.detector.label not in trained_against]
        target = [1 - match.figures.recall_fake for match in played if match.is_target]
        if not free:
            continue
        standings.append(
            GeneratorStanding(
                player=version.player,
                round=version.round,
                evasion=_mean(free),
                target_evasion=_mean(target) if target else None,
                matches=len(free),
            )
        )
    return sorted(standings, key=lambda s: (-s.evasion, -(s.target_evasion or 0.0), s.player, s.round))


def _ranked(record: TournamentRecord, kind: Kind) -> list[Version]:
    """The newest version of each player of a kind, less those that are unranked."""
    unranked = _unranked(record)
    return [one for one in newest(record.versions, kind) if (kind, one.player, one.round) not in unranked]


def counted_matches(record: TournamentRecord) -> list[Match]:
    """The matches in which both sides are worth ranking."""
    unranked = _unranked(record)
    return [
        match
        for match in record.matches
        if not any((one.kind, one.player, one.round) in unranked for one in (match.generator, match.detector))
    ]


def _unranked(record: TournamentRecord) -> set[tuple[Kind, str, int]]:
    return {(one.kind, one.player, one.round) for one in record.unranked}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
