"""Where in the face fakes gave themselves away before an attack and after it, in words and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.report.facts.tables import Row, Table, share
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import version
from fakeoff.protocols.measures.looks import ShiftRow
from fakeoff.protocols.score.telling import tell_figure


@dataclass(frozen=True, kw_only=True)
class Move:
    """How one attack moved the fight over the face.

    Attributes:
        row: Of the scoreboard.
        title: Who attacked whom.
        sentence: What came of it.
        table: All shares.
    """

    row: ShiftRow
    title: str
    sentence: str
    table: Table


def find_moves(scoreboard: Scoreboard) -> list[Move]:
    """Of every attack against a patch detector; of all patch detectors where none was a target."""
    rows = [row for row in scoreboard.part_shifts if row.is_target] or list(scoreboard.part_shifts)
    return [_move(row) for row in sorted(rows, key=lambda row: (row.generator_round, row.generator, row.detector))]


def _move(row: ShiftRow) -> Move:
    attacked, frozen = version(row.generator, row.generator_round), version(row.detector, row.detector_round)
    retrained = version(row.detector, row.detector_round + 1)
    shift = row.shift
    size = tell_figure(shift.tv, digits=0, percent=True)
    chance = tell_figure(shift.tv_null, digits=0, percent=True)
    if shift.exceeds_null:
        verdict = f"{size} of the fakes are given away by another part than before, more than chance does ({chance})"
    else:
        verdict = f"nothing moved that chance does not move ({size} of the fakes, chance up to {chance})"
    most = (
        f"{frozen} went mostly by {_largest(row.before)}; {retrained}, after the attack, by {_largest(row.retrained)}"
    )
    parts = [part for part in PARTS if any(side.get(part) for side in (row.before, row.frozen, row.retrained))]
    return Move(
        row=row,
        title=f"{attacked} against {frozen}",
        sentence=f"{most}: {verdict}.",
        table=Table(
            caption=f"Parts of the face: {attacked} against {frozen}",
            columns=["part", f"{frozen}, before", f"{frozen}, after", f"{retrained}, after", "a random patch"],
            rows=[
                Row(
                    head=part,
                    cells=[
                        share(row.before[part], row.before_ci[part]),
                        share(row.frozen[part], row.frozen_ci[part]),
                        share(row.retrained[part], row.retrained_ci[part]),
                        share(row.random.get(part), None),
                    ],
                )
                for part in parts
            ],
        ),
    )


def _largest(shares: Mapping[str, float]) -> str:
    """The two largest shares, in words."""
    largest = sorted(shares, key=lambda part: -shares[part])[:2]
    told = [f"{part} ({tell_figure(shares[part], digits=0, percent=True)})" for part in largest if shares[part] > 0]
    return " and ".join(told) or "nothing"


__all__ = ["Move", "find_moves"]
