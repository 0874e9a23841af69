"""Each attack in words: who broke whom, how sure that is, what the retrained detector did, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.duels import Duel, find_duels
from fakeoff.leaderboard.verdict.words import counted, listed, version
from fakeoff.protocols.measures.changes import ChangeRow
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.score.intervals import Interval
from fakeoff.protocols.score.telling import tell, tell_figure, tell_range

BROKEN = 0.65
"""An accuracy below this is that of a broken detector: where section 4.3 of the paper finds those of its own."""

_MOST_TOLD = 4
"""So many attacks are told one by one; of more a count, and the hardest."""

Outcome: TypeAlias = Literal["broke", "weakened", "fooled nobody", "gave itself away", "not told"]
"""What an attack did to its frozen target: its accuracy certainly fell, below :data:`BROKEN` or not across that;
it did not fall for sure; it certainly rose; it fell, and nobody measured how sure that is."""

_VERBS: Mapping[Outcome, str] = {
    "broke": "broke",
    "weakened": "weakened",
    "fooled nobody": "did not fool",
    "gave itself away": "was easier to catch afterwards than before for",
    "not told": "attacked",
}
_CLAUSES: Mapping[Outcome, str] = {
    "broke": "broke their target",
    "weakened": "weakened it",
    "fooled nobody": "did not lower its accuracy for sure",
    "gave itself away": "raised it for sure",
}


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """An attack on one frozen detector version, and what came of it.

    Attributes:
        duel: Its matches.
        change: How the accuracy changed; None in files of before, and where a match is missing.
        outcome: What it did.
        counts: Whether its fakes take a place; those that are no faces fool anybody.
        is_caught: Whether the retrained detector's accuracy on the same fakes is above the frozen one's for sure, and
            it is not broken; None where there is no retrained one, or nobody measured how sure that is.
    """

    duel: Duel
    change: ChangeRow | None
    outcome: Outcome
    counts: bool
    is_caught: bool | None


def find_attacked(scoreboard: Scoreboard) -> list[Attacked]:
    """Every attack, by round, generator and detector.

    Args:
        scoreboard: What was found.
    """
    changes = {
        (row.generator, row.generator_round, row.detector, row.detector_round): row
        for row in scoreboard.changes
        if row.metric == "accuracy"
    }
    out = {(one.player, one.round) for one in scoreboard.unranked if one.kind == "generator"}
    found = []
    for duel in find_duels(scoreboard):
        row = changes.get((duel.generator, duel.generator_round, duel.detector, duel.detector_round))
        counts = (duel.generator, duel.generator_round) not in out
        found.append(
            Attacked(duel=duel, change=row, outcome=_outcome(duel, row), counts=counts, is_caught=_is_caught(duel, row))
        )
    return found


def tell_attacks(scoreboard: Scoreboard) -> list[str]:
    """What came of the attacks, a sentence or some for each; of many a count, and the hardest of them.

    Args:
        scoreboard: What was found.
    """
    attacked = find_attacked(scoreboard)
    if len(attacked) <= _MOST_TOLD:
        return [_tell(one, scoreboard) for one in attacked]
    counted_ones = [one for one in attacked if one.counts]
    hardest = sorted(counted_ones, key=_how_far)[: _MOST_TOLD - 1]
    return [_count(attacked), *(_tell(one, scoreboard) for one in hardest)]


def tell_unbroken(scoreboard: Scoreboard) -> str:
    """Who was never fooled, in a sentence; empty where everybody was.

    Those of whose versions none had, on the fakes of any round, an accuracy that may be as low as :data:`BROKEN`. Fakes
    that take no place count, too.

    Args:
        scoreboard: What was found.
    """
    lowest: dict[str, MatchRow] = {}
    for cell in scoreboard.cells:
        if cell.detector not in lowest or _low(cell) < _low(lowest[cell.detector]):
            lowest[cell.detector] = cell
    never = [cell for _, cell in sorted(lowest.items()) if _low(cell) >= BROKEN]
    if not never or not scoreboard.attacks:
        return ""
    told = [
        f"{cell.detector} (at worst {_told(cell)} accuracy, {version(cell.detector, cell.detector_round)} on "
        f"{version(cell.generator, cell.generator_round)}{_tell_tried(cell.detector, scoreboard)})"
        for cell in never
    ]
    return f"Never fooled by finetuned generators, in any round: {listed(told)}."


def _tell_tried(detector: str, scoreboard: Scoreboard) -> str:
    """Who tried otherwise than by finetuning against it, or that nobody did by that; empty where there is nothing."""
    attacked = {target.rpartition("@")[0] for attack in scoreboard.attacks for target in attack.targets}
    finetuned = "" if detector in attacked else "; nobody was finetuned against it"
    falls = [
        (row.found.recall_fake - row.start.recall_fake, row.start.recall_fake, row.found.recall_fake)
        for row in scoreboard.searches
        if row.detector == detector and row.start is not None and row.found is not None
    ]
    if not falls:
        return finetuned
    _, before, after = min(falls)
    return f"{finetuned}; a search of latents took what it finds of fakes from {_percent(before)} to {_percent(after)}"


def _outcome(duel: Duel, row: ChangeRow | None) -> Outcome:
    if row is None or row.change_ci is None:
        return "not told"
    if row.change_ci[0] > 0:
        return "gave itself away"
    if row.change_ci[1] >= 0:
        return "fooled nobody"
    stood = duel.before is None or duel.before.accuracy >= BROKEN
    return "broke" if stood and duel.after.accuracy < BROKEN else "weakened"


def _is_caught(duel: Duel, row: ChangeRow | None) -> bool | None:
    if duel.retrained is None or row is None or row.recovery_ci is None:
        return None
    return row.recovery_ci[0] > 0 and duel.retrained.accuracy >= BROKEN


def _how_far(one: Attacked) -> float:
    """By how much it changed its target's accuracy."""
    before = one.duel.before
    return 0.0 if before is None else one.duel.after.accuracy - before.accuracy


def _count(every: Sequence[Attacked]) -> str:
    """All in one sentence: those whose fakes take a place, and how many others there were."""
    attacked = [one for one in every if one.counts]
    others = len(every) - len(attacked)
    aside = f" Fakes of {others} more take no place: what they fool says nothing." if others else ""
    if not attacked:
        return f"There were {counted(len(every), 'attack')}, and the fakes of none take a place."
    counts = Counter(one.outcome for one in attacked)
    said = [f"{counts[outcome]} {clause}" for outcome, clause in _CLAUSES.items() if counts[outcome]]
    fell = [one for one in attacked if one.outcome in ("broke", "weakened")]
    caught = sum(one.is_caught is True for one in fell)
    again = f"; retraining caught {caught} of the {len(fell)} that did" if fell else ""
    return f"Of {counted(len(attacked), 'attack')} {listed(said)}{again}.{aside} Those that changed most:"


def _tell(one: Attacked, scoreboard: Scoreboard) -> str:
    """An attack: ``pgan broke resnet18_layer1@0 in round 1: ...``."""
    duel, row = one.duel, one.change
    target = version(duel.detector, duel.detector_round)
    said = f"{duel.generator} {_VERBS[one.outcome]} {target} in round {duel.generator_round}: accuracy "
    before, after = duel.before, duel.after
    said += f"{'?' if before is None else _percent(before.accuracy)} -> {_told(after)}"
    if row is not None and row.change is not None and row.change_ci is not None:
        said += f", a change of {_points(row.change, row.change_ci)}"
    return f"{said}. {_tell_again(one)}{_tell_cost(duel, scoreboard)}"


def _tell_again(one: Attacked) -> str:
    retrained = one.duel.retrained
    if retrained is None:
        return "It was not retrained."
    again = f"accuracy {_told(retrained)} on the same fakes"
    if one.outcome in ("fooled nobody", "gave itself away"):
        return f"Retrained: {again}."
    if one.is_caught is None:
        return f"Retrained, it has {again}."
    return f"Retraining caught it: {again}." if one.is_caught else f"Retraining did not catch it: {again}."


def _tell_cost(duel: Duel, scoreboard: Scoreboard) -> str:
    """What the attack cost the faces."""
    mine = (duel.generator, duel.generator_round)
    cost = next((row for row in scoreboard.costs if row.version_of("generator") == mine), None)
    out = [one.reason for one in scoreboard.unranked if (one.kind, one.player, one.round) == ("generator", *mine)]
    said = [f"SSIM {tell_figure(cost.ssim_to_first, digits=2)} to the faces before any attack"] if cost else []
    said += [f"{version(*mine)} takes no place, since {out[0].partition(';')[0]}"] if out else []
    return f" What it cost: {'; '.join(said)}." if said else ""


def _low(cell: MatchRow) -> float:
    """How low an accuracy may be."""
    interval = cell.interval("accuracy")
    return cell.accuracy if interval is None else interval[0]


def _told(cell: MatchRow) -> str:
    return tell(cell.accuracy, cell.interval("accuracy"), digits=1, percent=True)


def _percent(share: float) -> str:
    return tell_figure(share, digits=1, percent=True)


def _points(value: float, interval: Interval) -> str:
    """A difference of shares, in points."""
    told = tell_figure(value, digits=1, percent=True, signed=True).removesuffix("%")
    ends = tell_range(interval, digits=1, percent=True, signed=True).replace("%", "")
    return f"{told} points ({ends})"


__all__ = ["BROKEN", "Attacked", "Outcome", "find_attacked", "tell_attacks", "tell_unbroken"]
