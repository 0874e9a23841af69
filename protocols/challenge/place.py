"""Where a newcomer would stand: its place among those who are there, and how far it is from their best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fakeoff.protocols.measures import Match
from fakeoff.protocols.measures.gates import counted_matches, find_unranked
from fakeoff.protocols.measures.standings import (
    DetectorStanding,
    GeneratorStanding,
    detector_standings,
    generator_standings,
)
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.record.versions import Kind, Version, newest
from fakeoff.protocols.score.intervals import Difference, Figure, difference, mean_of, worst_of
from fakeoff.protocols.score.telling import tell, tell_figure, tell_range


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a newcomer would stand.

    Attributes:
        newcomer: Its newest version.
        standings: Of its kind, with it, best first.
        unranked: Why it would take no place; empty where it takes one.
        best: Who stands first among those who are there; None where nobody stands.
        apart: By how much its figures are above the best one's, by what they are: on draws that both share.
        worst: The match in which it does worst; None where it was not judged.
        uncounted: Why its matches count for nobody, behind a colon; empty where they do.
        confidence: Of intervals, as a share.
    """

    newcomer: Version
    standings: Sequence[DetectorStanding | GeneratorStanding]
    unranked: str
    best: Version | None
    apart: Mapping[str, Difference]
    worst: Match | None
    uncounted: str
    confidence: float

    @property
    def standing(self) -> DetectorStanding | GeneratorStanding | None:
        """Its own; None where it takes no place."""
        own = [one for one in self.standings if f"{one.player}@{one.round}" == self.newcomer.label]
        return own[0] if own else None

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence or two."""
        own, label = self.standing, self.newcomer.label
        if own is None:
            return f"{label} would take no place: {self.unranked or self._why_no_place()}."
        place = f"{label} would stand at place {own.rank} of {len(self.standings)}"
        if own.rank_ci is not None and own.rank_ci[0] != own.rank_ci[1]:
            place += f" (the data leave {own.rank_ci[0]} to {own.rank_ci[1]} possible)"
        if isinstance(own, DetectorStanding):
            said = f"its AUC is {tell(own.worst_auc, own.worst_auc_ci)} at worst, against {own.worst_against}"
        else:
            said = f"{tell(own.evasion, own.evasion_ci, digits=1, percent=True)} of its fakes pass as real before "
            said += "detectors that it was not trained against"
            if self.worst is not None:
                said += f", fewest before {self.worst.detector.label}"
        return f"{place}: {said}.{self._beside_the_best()}"

    def _why_no_place(self) -> str:
        if self.worst is None:
            return f"it has no match that counts{self.uncounted}"
        passes = tell_figure(_evasion(self.worst).value, digits=1, percent=True)
        return (
            f"it attacked every detector that is there; fewest of its fakes, {passes}, pass before "
            f"{self.worst.detector.label}"
        )

    def _beside_the_best(self) -> str:
        if self.best is None or not self.apart:
            return ""
        name, apart = next(iter(self.apart.items()))
        far = f"{tell_figure(apart.value, signed=True)} ({tell_range(apart.ci, signed=True)})"
        known = "" if apart.holds else "; which of the two is better is not known"
        return f" Beside {self.best.label}, the best that is there, its {name} differs by {far}{known}."


def find_place(joined: TournamentRecord, played: TournamentRecord, newcomer: Version) -> Place:
    """Finds a newcomer's place.

    Args:
        joined: The tournament with it.
        played: The tournament without it.
        newcomer: Its newest version.
    """
    kind, confidence = newcomer.kind, joined.config.score.confidence
    standings: Sequence[DetectorStanding | GeneratorStanding] = (
        detector_standings(joined) if kind == "detector" else generator_standings(joined)
    )
    matches = counted_matches(joined)
    own = [match for match in matches if _of(match, kind).label == newcomer.label]
    labels = [f"{one.player}@{one.round}" for one in standings]
    best = next((_find(played, kind, label) for label in labels if label != newcomer.label), None)
    theirs = [match for match in matches if best is not None and _of(match, kind).label == best.label]
    why = [one.reason for one in find_unranked(joined) if (one.kind, one.player) == (kind, newcomer.player)]
    return Place(
        newcomer=newcomer,
        standings=standings,
        unranked=why[0] if why else "",
        best=best,
        apart=_apart(own, theirs, joined, kind=kind, confidence=confidence) if own and theirs else {},
        uncounted=_why_uncounted(joined, newcomer),
        worst=min(own, key=lambda match: _merit(match, kind), default=None),
        confidence=confidence,
    )


def _why_uncounted(joined: TournamentRecord, newcomer: Version) -> str:
    """Why matches of the newcomer's count for nobody: who of its opponents takes no place; empty where all do."""
    other: Kind = "generator" if newcomer.kind == "detector" else "detector"
    met = {_of(match, other).label for match in joined.matches if _of(match, newcomer.kind).label == newcomer.label}
    out = {f"{one.player}@{one.round}": one.reason for one in find_unranked(joined) if one.kind == other}
    reasons = dict.fromkeys(out[label] for label in sorted(met & out.keys()))
    if not reasons:
        return ""
    whom = ", ".join(sorted(met & out.keys()))
    return f": whom it met take no place themselves ({whom}: {'; '.join(reasons)})"


def _apart(
    own: Sequence[Match], theirs: Sequence[Match], joined: TournamentRecord, *, kind: Kind, confidence: float
) -> Mapping[str, Difference]:
    """The differences to the best one, over the opponents that both met; a generator's, less its own targets."""
    other: Kind = "generator" if kind == "detector" else "detector"
    barred = set()
    if kind == "generator":
        players = {own[0].generator.player, theirs[0].generator.player}
        barred = {label for one in joined.versions if one.player in players for label in one.targets}
    met = [{_of(match, other).label for match in side} for side in (own, theirs)]
    common = (met[0] & met[1]) - barred
    if not common:
        return {}
    first, second = ([match for match in side if _of(match, other).label in common] for side in (own, theirs))
    if kind == "generator":
        own_share, their_share = (mean_of([_evasion(match) for match in side]) for side in (first, second))
        return {"share that passes": difference(own_share, their_share, confidence)}
    own_aucs, their_aucs = ([match.drawn["auc"] for match in side] for side in (first, second))
    return {
        "worst AUC": difference(worst_of(own_aucs), worst_of(their_aucs), confidence),
        "mean AUC": difference(mean_of(own_aucs), mean_of(their_aucs), confidence),
    }


def _of(match: Match, kind: Kind) -> Version:
    return match.generator if kind == "generator" else match.detector


def _merit(match: Match, kind: Kind) -> tuple[float, str]:
    if kind == "detector":
        return match.figures.auc, match.generator.label
    return _evasion(match).value, match.detector.label


def _evasion(match: Match) -> Figure:
    return match.drawn["recall_fake"].complement


def _find(played: TournamentRecord, kind: Kind, label: str) -> Version | None:
    found = [one for one in newest(played.versions, kind) if one.label == label]
    return found[0] if found else None


def match_rows(matches: Sequence[Match]) -> list[Row]:
    """A row for each match of a newcomer.

    Args:
        matches: Those in which it is one side.
    """
    rows: list[Row] = []
    for match in matches:
        passes = _evasion(match)
        row: dict[str, Cell] = {"generator": match.generator.label, "detector": match.detector.label}
        row["is target"] = match.is_target
        for name, title in (("auc", "AUC"), ("ap", "AP"), ("accuracy", "accuracy")):
            low, high = match.figures.interval(name)
            row |= {title: match.figures.value(name), f"{title} from": low, f"{title} to": high}
        low, high = passes.interval(0.95)
        rows.append({**row, "passes": passes.value, "passes from": low, "passes to": high})
    return rows


def standing_rows(place: Place) -> list[Row]:
    """The standings with the newcomer, a row each.

    Args:
        place: Where it would stand.
    """
    rows: list[Row] = []
    for one in place.standings:
        label = f"{one.player}@{one.round}"
        row: dict[str, Cell] = {"place": one.rank, "player": label, "newcomer": label == place.newcomer.label}
        ranks = one.rank_ci or (None, None)
        row |= {"place from": ranks[0], "place to": ranks[1]}
        if isinstance(one, DetectorStanding):
            row |= _named("worst AUC", one.worst_auc, one.worst_auc_ci)
            row |= {"worst against": one.worst_against, **_named("mean AUC", one.mean_auc, one.mean_auc_ci)}
        else:
            row |= _named("passes", one.evasion, one.evasion_ci)
            row |= {"passes before its target": one.target_evasion}
        rows.append(row)
    return rows


def place_row(place: Place, *, state: str) -> Row:
    """The place in one row: what the leaderboard reads.

    Args:
        place: It.
        state: Of the archive that it is a place in.
    """
    own, worst = place.standing, place.worst
    row: dict[str, Cell] = {
        "newcomer": place.newcomer.label,
        "kind": place.newcomer.kind,
        "place": None if own is None else own.rank,
        "of": len(place.standings),
        "worst against": None if worst is None else _other(worst, place.newcomer.kind).label,
        "best": None if place.best is None else place.best.label,
    }
    for name, apart in place.apart.items():
        row |= _named(f"{name}, difference to the best", apart.value, apart.ci)
    return {**row, "confidence": place.confidence, "state": state, "sentence": place.sentence}


def _other(match: Match, kind: Kind) -> Version:
    return match.detector if kind == "generator" else match.generator


def _named(name: str, value: float, interval: Sequence[float] | None) -> dict[str, Cell]:
    low, high = interval or (None, None)
    return {name: value, f"{name} from": low, f"{name} to": high}


__all__ = ["Place", "find_place", "match_rows", "place_row", "standing_rows"]
