"""Who is ahead, and how sure that is: standings derived from matches alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fakeoff.protocols.measures.fragility import PostprocessedStanding, describe_fragility, stand_behind
from fakeoff.protocols.measures.gates import counted_matches, find_unranked
from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.postprocessed import PostprocessedMatch
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Version, newest
from fakeoff.protocols.score.blind import OnVal
from fakeoff.protocols.score.intervals import Figure, Interval, interval_of_worst, mean_of, worst_of
from fakeoff.protocols.score.ranks import find_places


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
        rank: By worst-case, then mean AUC; who has both in common shares it. None in files from before intervals were
            over people, as all that follows.
        rank_ci: The best and the worst rank that the data leave possible, for the whole table at once.
        p_best: The share of resamples in which it is first; shared where several are.
        worst_auc_ci: The interval of ``worst_auc``.
        mean_auc_ci: That of ``mean_auc``.
        mean_ap_ci: That of ``mean_ap``.
        mean_accuracy_ci: That of ``mean_accuracy``.
        ahead: By how much ``worst_auc`` is above that of the next one in the table; None for the last.
        ahead_ci: Its interval.
        postprocessed: What is left of it behind what images go through, by chain, such as ``jpeg:75``; it decides no
            place. Empty where that was not scored.
    """

    player: str
    round: int
    worst_auc: float
    mean_auc: float
    worst_against: str
    mean_ap: float
    mean_accuracy: float
    matches: int
    rank: int | None = None
    rank_ci: tuple[int, int] | None = None
    p_best: float | None = None
    worst_auc_ci: Interval | None = None
    mean_auc_ci: Interval | None = None
    mean_ap_ci: Interval | None = None
    mean_accuracy_ci: Interval | None = None
    ahead: float | None = None
    ahead_ci: Interval | None = None
    postprocessed: Mapping[str, PostprocessedStanding] = field(default_factory=dict)

    @property
    def fragility(self) -> str:
        """Which traces it lives on that do not survive, in a sentence; empty where there are none."""
        return describe_fragility(f"{self.player}@{self.round}", self.postprocessed)


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
        rank: By ``evasion``, then ``target_evasion``; otherwise as a detector's.
        rank_ci: As a detector's.
        p_best: Likewise.
        evasion_ci: The interval of ``evasion``.
        target_evasion_ci: That of ``target_evasion``.
        ahead: By how much ``evasion`` is above that of the next one in the table; None for the last.
        ahead_ci: Its interval.
    """

    player: str
    round: int
    evasion: float
    target_evasion: float | None
    matches: int
    rank: int | None = None
    rank_ci: tuple[int, int] | None = None
    p_best: float | None = None
    evasion_ci: Interval | None = None
    target_evasion_ci: Interval | None = None
    ahead: float | None = None
    ahead_ci: Interval | None = None


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
    confidence = record.config.score.confidence
    counted = counted_matches(record)
    places = {match.places for match in counted}
    behind = [match for match in record.postprocessed if match.places in places]
    return rank_detectors(counted, _ranked(record, "detector"), confidence=confidence, postprocessed=behind)


def generator_standings(record: TournamentRecord) -> list[GeneratorStanding]:
    """Ranks the newest version of each generator, best first; likewise."""
    lineage = [version for version in record.versions if version.kind == "generator"]
    confidence = record.config.score.confidence
    return rank_generators(
        counted_matches(record), _ranked(record, "generator"), lineage=lineage, confidence=confidence
    )


def detector_merits(matches: Sequence[Match], version: Version) -> dict[str, Figure]:
    """A detector version's figures over the generator versions that it met, by the name of a standing's field.

    Args:
        matches: Those that count.
        version: Which; without a match it has no figures.
    """
    played = [match for match in matches if match.detector.label == version.label]
    if not played:
        return {}
    aucs, aps, accuracies = ([match.drawn[name] for match in played] for name in ("auc", "ap", "accuracy"))
    means = {"mean_auc": aucs, "mean_ap": aps, "mean_accuracy": accuracies}
    return {"worst_auc": worst_of(aucs), **{name: mean_of(figures) for name, figures in means.items()}}


def generator_merits(matches: Sequence[Match], version: Version, *, lineage: Sequence[Version]) -> dict[str, Figure]:
    """A generator version's figures over the detector versions that it met, likewise.

    Args:
        matches: Those that count.
        version: Which; without a match against somebody that it was not trained against it has no figures.
        lineage: See :func:`rank_generators`.
    """
    free, target = _evasions(matches, version, lineage)
    if not free:
        return {}
    return {"evasion": mean_of(free), **({"target_evasion": mean_of(target)} if target else {})}


def rank_detectors(
    matches: Sequence[Match],
    versions: Sequence[Version],
    *,
    confidence: float = 0.95,
    postprocessed: Sequence[PostprocessedMatch] = (),
) -> list[DetectorStanding]:
    """Ranks detector versions by worst-case, then mean AUC over the pool, best first; ties are listed by name.

    Args:
        matches: All matches.
        versions: Who is ranked.
        confidence: Of intervals, as a share.
        postprocessed: The same matches behind what images go through, as far as they were scored there.
    """
    standings: dict[str, DetectorStanding] = {}
    merits: dict[str, tuple[Figure, Figure]] = {}
    for version in versions:
        played = [match for match in matches if match.detector.label == version.label]
        if not played:
            continue
        worst = min(played, key=lambda match: (match.figures.auc, match.generator.label))
        aucs, found = [match.drawn["auc"] for match in played], detector_merits(matches, version)
        merits[version.label] = (found["worst_auc"], found["mean_auc"])
        standings[version.label] = DetectorStanding(
            player=version.player,
            round=version.round,
            worst_auc=worst.figures.auc,
            mean_auc=_mean([match.figures.auc for match in played]),
            worst_against=worst.generator.label,
            mean_ap=_mean([match.figures.ap for match in played]),
            mean_accuracy=_mean([match.figures.accuracy for match in played]),
            matches=len(played),
            worst_auc_ci=interval_of_worst(aucs, confidence),
            mean_auc_ci=found["mean_auc"].interval(confidence),
            mean_ap_ci=found["mean_ap"].interval(confidence),
            mean_accuracy_ci=found["mean_accuracy"].interval(confidence),
            postprocessed=stand_behind(version, postprocessed, confidence=confidence),
        )
    order = sorted(
        standings, key=lambda label: (-standings[label].worst_auc, -standings[label].mean_auc, _by_name(label))
    )
    places = find_places([merits[label] for label in order], confidence)
    return [replace(standings[label], **vars(place)) for label, place in zip(order, places, strict=True)]


def rank_generators(
    matches: Sequence[Match], versions: Sequence[Version], *, lineage: Sequence[Version], confidence: float = 0.95
) -> list[GeneratorStanding]:
    """Ranks generator versions by mean evasion over detectors that they were not trained against, best first.

    Args:
        matches: All matches.
        versions: Who is ranked.
        lineage: All generator versions: what a version was trained against includes its ancestors' targets.
        confidence: Of intervals, as a share.
    """
    standings: dict[str, GeneratorStanding] = {}
    merits: dict[str, tuple[Figure, ...]] = {}
    for version in versions:
        free, target = _evasions(matches, version, lineage)
        if not free:
            continue
        found = generator_merits(matches, version, lineage=lineage)
        merits[version.label] = tuple(found.values())
        standings[version.label] = GeneratorStanding(
            player=version.player,
            round=version.round,
            evasion=_mean([one.value for one in free]),
            target_evasion=_mean([one.value for one in target]) if target else None,
            matches=len(free),
            evasion_ci=found["evasion"].interval(confidence),
            target_evasion_ci=found["target_evasion"].interval(confidence) if target else None,
        )
    order = sorted(
        standings,
        key=lambda label: (-standings[label].evasion, -(standings[label].target_evasion or 0.0), _by_name(label)),
    )
    places = find_places([merits[label] for label in order], confidence)
    return [replace(standings[label], **vars(place)) for label, place in zip(order, places, strict=True)]


def _evasions(
    matches: Sequence[Match], version: Version, lineage: Sequence[Version]
) -> tuple[list[Figure], list[Figure]]:
    """How a generator version evades those whom it was not trained against, and its last targets."""
    trained_against = {
        target
        for ancestor in lineage
        if ancestor.player == version.player and ancestor.round <= version.round
        for target in ancestor.targets
    }
    played = [match for match in matches if match.generator.label == version.label]
    free = [_evasion(match) for match in played if match.detector.label not in trained_against]
    return free, [_evasion(match) for match in played if match.is_target]


def _evasion(match: Match) -> Figure:
    return match.drawn["recall_fake"].complement


def _by_name(label: str) -> tuple[str, int]:
    player, _, round_ = label.rpartition("@")
    return player, int(round_)


def _ranked(record: TournamentRecord, kind: Kind) -> list[Version]:
    """The newest version of each player of a kind, less those that are unranked."""
    unranked = {(one.kind, one.player, one.round) for one in find_unranked(record)}
    return [one for one in newest(record.versions, kind) if (kind, one.player, one.round) not in unranked]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
