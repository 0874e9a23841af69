"""Who is ahead, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff.leaderboard.home.challenges import Challenge, challenge_marks
from fakeoff.leaderboard.report.facts.tables import NONE, Row, Table, score, share, without_empty
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import counted, version
from fakeoff.protocols.measures import MEASURES
from fakeoff.protocols.measures.rows import Column, R
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.score.telling import tell_figure

_OF_DETECTORS = ("detector", "rank", "first in", "worst AUC", "against", "mean AUC", "mean AP", "accuracy at 0.5")


def standings_tables(scoreboard: Scoreboard, challenges: Sequence[Challenge] = ()) -> list[Table]:
    """The tables of detectors and of generators, where any takes a place.

    Args:
        scoreboard: What was found.
        challenges: Of its detectors, as far as the home keeps any.
    """
    tables = (_detectors(scoreboard, challenges), _generators(scoreboard))
    return [without_empty(table) for table in tables if table.rows]


def cost_table(scoreboard: Scoreboard) -> Table | None:
    """What evasion cost each generator version."""
    measured = [(measure, scoreboard.of(measure)) for measure in MEASURES if measure.columns]
    versions = sorted({row.version_of("generator") for _, rows in measured for row in rows})
    if not versions:
        return None
    return Table(
        caption="What each generator version looks like",
        columns=["version", *(column.heading for measure, _ in measured for column in measure.columns)],
        rows=[
            Row(
                head=version(*one),
                cells=[text for measure, rows in measured for text in _columns(measure.columns, rows, one)],
            )
            for one in versions
        ],
        about="SSIM to @0: how alike its images are to those of its first version, 1 is the same. KID and SWD: how far "
        "they are from the photographs as whole faces and in their texture; lower is closer. They have no intervals.",
    )


def _detectors(scoreboard: Scoreboard, challenges: Sequence[Challenge]) -> Table:
    marks = challenge_marks(challenges, scoreboard.detectors)
    challenged = " Challenged: what stronger attacks, played afterwards, left of it." if marks else ""
    return Table(
        caption="Detectors, by the AUC of their worst match",
        columns=[
            "detector",
            "rank",
            "first in",
            "worst AUC",
            "against",
            "mean AUC",
            "mean AP",
            "accuracy at 0.5",
            *(["challenged"] if marks else []),
        ],
        rows=[
            Row(
                head=version(row.player, row.round),
                cells=[
                    _rank(row, place),
                    _first_in(row),
                    score(row.worst_auc, row.worst_auc_ci),
                    row.worst_against,
                    score(row.mean_auc, row.mean_auc_ci),
                    score(row.mean_ap, row.mean_ap_ci),
                    share(row.mean_accuracy, row.mean_accuracy_ci, chance=0.5),
                    *marks[place - 1 : place],
                ],
                note=f"over {counted(row.matches, 'match', 'matches')}",
            )
            for place, row in enumerate(scoreboard.detectors, start=1)
        ],
        about="The newest version of each. Rank: its place, and between which places it may be. "
        f"First in: in how many of the draws of the test it comes first.{challenged}",
    )


def _generators(scoreboard: Scoreboard) -> Table:
    return Table(
        caption="Generators, by evasion",
        columns=["generator", "rank", "first in", "evasion", "evasion before its target"],
        rows=[
            Row(
                head=version(row.player, row.round),
                cells=[
                    _rank(row, place),
                    _first_in(row),
                    share(row.evasion, row.evasion_ci),
                    share(row.target_evasion, row.target_evasion_ci),
                ],
                note=f"over {counted(row.matches, 'match', 'matches')}",
            )
            for place, row in enumerate(scoreboard.generators, start=1)
        ],
        about="The newest version of each. Evasion: the share of its fakes that pass as real before detectors that it "
        "never trained against; its target is the detector that its last attack was against.",
    )


def _rank(row: DetectorStanding | GeneratorStanding, place: int) -> str:
    if row.rank is None:
        return str(place)
    low, high = row.rank_ci or (row.rank, row.rank)
    return str(row.rank) if low == high else f"{row.rank} ({low} to {high})"


def _first_in(row: DetectorStanding | GeneratorStanding) -> str:
    return NONE if row.p_best is None else tell_figure(row.p_best, digits=0, percent=True)


def _columns(columns: Sequence[Column[R]], rows: Sequence[R], one: tuple[str, int]) -> list[str]:
    mine = next((row for row in rows if row.version_of("generator") == one), None)
    return [NONE if mine is None else column.text(mine) for column in columns]


__all__ = ["cost_table", "standings_tables"]
