"""By how much two tournaments differ in every figure, with intervals: paired where they can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fakeoff.leaderboard.comparison.apart import contrasts_of_files
from fakeoff.leaderboard.comparison.contrast import (
    FIGURES,
    STANDINGS,
    Both,
    Contrast,
    Over,
    of_standing,
    ranked_in_both,
    version_label,
    with_levels,
)
from fakeoff.leaderboard.comparison.differing import Setting, differing_grounds, differing_settings
from fakeoff.leaderboard.comparison.paired import Drawn, Redrawn, redraw, why_unpaired
from fakeoff.leaderboard.comparison.sides import Side
from fakeoff.protocols.score.intervals import Figure, difference


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two tournaments.

    Attributes:
        a: What the first is called.
        b: What the second is called.
        settings: Those that differ.
        grounds: Which photographs, releases and machines differ.
        unpaired: Why differences are not paired; empty where they are.
        confidence: Of intervals, as a share.
        standings: Contrasts of players' newest versions.
        cells: Contrasts of matches that both have.
        only_in_a: Matches that the second lacks: ``pgan@2 against resnet18@2``.
        only_in_b: Matches that the first lacks.
    """

    a: str
    b: str
    settings: tuple[Setting, ...]
    grounds: tuple[str, ...]
    unpaired: str
    confidence: float
    standings: tuple[Contrast, ...]
    cells: tuple[Contrast, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]


def compare(a: Side, b: Side) -> Compared:
    """Holds two tournaments to each other: what differs is the second less the first.

    Args:
        a: A tournament.
        b: Another.

    Raises:
        StoreError: Stored scores are damaged.
    """
    unpaired = why_unpaired(a, b)
    confidence = max(side.scoreboard.confidence for side in (a, b))
    cells, standings = (contrasts_of_files if unpaired else _paired)(a, b, confidence)
    return Compared(
        a=a.name,
        b=b.name,
        settings=tuple(differing_settings(a, b)),
        grounds=tuple(differing_grounds(a, b)),
        unpaired=unpaired,
        confidence=confidence,
        standings=tuple(standings),
        cells=tuple(cells),
        only_in_a=_lacking(a, b),
        only_in_b=_lacking(b, a),
    )


def as_json(compared: Compared) -> dict[str, Any]:
    """What is printed as JSON."""
    record = dataclasses.asdict(compared)
    for section in ("standings", "cells"):
        rows: Sequence[Contrast] = getattr(compared, section)
        record[section] = [{**dataclasses.asdict(row), "holds": row.holds} for row in rows]
    return record


def _lacking(one: Side, other: Side) -> tuple[str, ...]:
    return tuple(f"{maker} against {judge}" for maker, judge in one.cells if (maker, judge) not in other.cells)


def _paired(a: Side, b: Side, confidence: float) -> tuple[list[Contrast], list[Contrast]]:
    ours, theirs = redraw(a, b)
    cells = [
        Both(
            generator=maker,
            detector=judge,
            figure=name,
            a=one.figures[name],
            b=other.figures[name],
            over=_over([one], [other]),
        )
        for (maker, judge), one in ours.redrawn.items()
        if (other := theirs.redrawn.get((maker, judge))) is not None
        for name in FIGURES
        if name in one.figures and name in other.figures
    ]
    standings = list(_standings(a, b, ours, theirs))
    return _contrasts(cells, confidence), _contrasts(standings, confidence)


def _standings(a: Side, b: Side, ours: Drawn, theirs: Drawn) -> Iterator[Both[Figure]]:
    for kind, player, rounds in ranked_in_both(a, b):
        one, other = (drawn.merits(kind, player, round_) for drawn, round_ in zip((ours, theirs), rounds, strict=True))
        met, met_too = (drawn.met(kind, player, round_) for drawn, round_ in zip((ours, theirs), rounds, strict=True))
        for name in STANDINGS[kind]:
            if name in one and name in other:
                label = version_label(player, rounds)
                over = _over(met, met_too)
                yield of_standing(kind, label, figure=name, a=one[name], b=other[name], over=over)


def _over(ours: Sequence[Redrawn], theirs: Sequence[Redrawn]) -> Over:
    """What figures of matches have in common: all of them."""
    if sorted(one.scores for one in ours) == sorted(one.scores for one in theirs):
        return "scores"
    return "people and fakes" if {one.fakes for one in ours} == {one.fakes for one in theirs} else "people"


def _contrasts(rows: Sequence[Both[Figure]], confidence: float) -> list[Contrast]:
    found = []
    for row, levels in with_levels(rows, confidence):
        # Of the same scores nothing is uncertain: their difference is none.
        alone, at_once = (
            (0.0, 0.0) if row.over == "scores" else difference(row.b, row.a, level).ci for level in levels
        )
        found.append(row.contrast(row.a.value, row.b.value, ci=alone, simultaneous_ci=at_once))
    return found


__all__ = ["Compared", "as_json", "compare"]
