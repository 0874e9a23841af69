"""Who won, and how sure that is, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import listed, version
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.score.telling import tell, tell_figure

_NOBODY = ("The warnings say why, where anybody played.",)
_GUESSING = 0.5
_SELDOM = 0.005  # less is told as 0%
_SHOWN = 4  # of those that may be best; the table has all


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one side.

    Attributes:
        title: ``Detectors`` or ``Generators``.
        headline: Who is ahead, and whether that is sure.
        lines: Why, a sentence each.
        contenders: Versions that may be the best, best first.
    """

    title: str
    headline: str
    lines: tuple[str, ...]
    contenders: tuple[str, ...]


def judge_detectors(scoreboard: Scoreboard) -> Verdict:
    """Says which detector is ahead."""
    rows = scoreboard.detectors
    if not rows:
        return Verdict(title="Detectors", headline="No detector takes a place.", lines=_NOBODY, contenders=())
    ties = [row for row in rows if (row.worst_auc, row.mean_auc) == (rows[0].worst_auc, rows[0].mean_auc)]
    first = rows[0]
    line = (
        f"Of all its matches {_label(first)} did worst against {first.worst_against}: "
        f"AUC {tell(first.worst_auc, first.worst_auc_ci)}. "
        "The AUC is how often a fake looks more suspicious than a real photograph: 1 is always, 0.5 is guessing."
    )
    lines = [line]
    if (first.worst_auc_ci or (first.worst_auc, 1.0))[0] <= _GUESSING:
        lines.append("There it may be no better than guessing.")
    return _verdict("Detectors", "detector", rows, ties, lines=lines, confidence=scoreboard.confidence)


def judge_generators(scoreboard: Scoreboard) -> Verdict:
    """Says which generator is ahead."""
    rows = scoreboard.generators
    if not rows:
        none = "No generator takes a place."
        if scoreboard.cells and not scoreboard.detectors:
            none = "No generator takes a place, since no detector does: who passes before those is not asked."
        return Verdict(title="Generators", headline=none, lines=_NOBODY, contenders=())
    first = rows[0]
    ties = [row for row in rows if row.evasion == first.evasion]
    lines = [
        f"Of the fakes of {_label(first)}, {tell(first.evasion, first.evasion_ci, digits=1, percent=True)} "
        "pass as real before detectors that it never trained against."
    ]
    if first.target_evasion is not None:
        told = tell(first.target_evasion, first.target_evasion_ci, digits=1, percent=True)
        lines.append(f"Before the detector that its last attack was against it is {told}.")
    return _verdict("Generators", "generator", rows, ties, lines=lines, confidence=scoreboard.confidence)


def _verdict(
    title: str,
    noun: str,
    rows: Sequence[DetectorStanding | GeneratorStanding],
    ties: Sequence[DetectorStanding | GeneratorStanding],
    *,
    lines: list[str],
    confidence: float,
) -> Verdict:
    first = rows[0]
    told = any(row.rank_ci is not None for row in rows)
    contenders = [row for row in rows if row.rank_ci is not None and row.rank_ci[0] <= 1] if told else list(ties)
    leaders = [row for row in rows if row.rank == 1] or list(ties)
    names = [_label(row) for row in contenders]
    if len(rows) == 1:
        headline = f"{_label(first)} is the only {noun} that takes a place."
    elif len(leaders) > 1:
        headline = f"{_several(leaders)} share first place: their figures are the same."
    elif not told:
        headline = f"{_label(first)} is ahead; how sure that is was not measured."
    elif others := [row for row in contenders if row is not first]:
        share = first.p_best
        draws = "" if share is None else f" (first in {tell_figure(share, digits=0, percent=True)} of draws)"
        headline = f"{_label(first)} is ahead{draws}, but {_several(others)} may be the best {noun}, too."
    else:
        headline = f"{_label(first)} is the best {noun}, and no other may be."
    if len(rows) > 1 and told:
        lines = [*lines, *_sureness(rows, contenders, confidence=confidence)]
    return Verdict(title=title, headline=headline, lines=tuple(lines), contenders=tuple(names) if told else ())


def _sureness(
    rows: Sequence[DetectorStanding | GeneratorStanding],
    contenders: Sequence[DetectorStanding | GeneratorStanding],
    *,
    confidence: float,
) -> list[str]:
    sure = f"{100 * confidence:g}%"
    if len(contenders) == 1:
        line = f"With {sure} confidence nobody else is first, whoever else had been photographed for the test."
    else:
        line = f"With {sure} confidence the best is one of {len(contenders)}: {_several(contenders)}."
    chances = [(row, row.p_best) for row in rows if row.p_best is not None and row.p_best >= _SELDOM]
    if not chances:
        return [line]
    told = [f"{_label(row)} in {tell_figure(chance, digits=0, percent=True)}" for row, chance in chances[:_SHOWN]]
    return [line, f"When the test is drawn again and again, first comes {listed(told)} of the draws."]


def _several(rows: Sequence[DetectorStanding | GeneratorStanding]) -> str:
    names = [_label(row) for row in rows]
    if len(names) > _SHOWN:
        names = [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} more"]
    return listed(names)


def _label(row: DetectorStanding | GeneratorStanding) -> str:
    return version(row.player, row.round)


__all__ = ["Verdict", "judge_detectors", "judge_generators"]
