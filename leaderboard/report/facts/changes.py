"""Each attack: the frozen detector before it and after it, and its retrained successor after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from fakeoff.leaderboard.report.facts.tables import NONE, Cell, Row, Table, change, score, share
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.duels import Duel, find_duels
from fakeoff.leaderboard.verdict.words import counted, version
from fakeoff.protocols.measures.changes import ChangeRow
from fakeoff.protocols.measures.match import MatchRow

_METRICS = {"accuracy": "Accuracy at 0.5", "auc": "AUC", "ap": "Average precision"}

_Changes: TypeAlias = Mapping[tuple[str, int, str, int, str], ChangeRow]


def change_tables(scoreboard: Scoreboard) -> list[Table]:
    """A table for each of accuracy, AUC and average precision; none where nobody was attacked."""
    duels, changes = find_duels(scoreboard), _changes(scoreboard)
    if not duels:
        return []
    return [
        Table(
            caption=f"{name}: the frozen detector before and after each attack, and its retrained successor",
            columns=["attack", "before", "after", "change", "retrained", "change by retraining"],
            rows=[_row(duel, changes, metric) for duel in duels],
            about="All on fakes that nobody learned from, and the same photographs."
            + (" A change has an interval of its own: it is certain where that leaves out 0." if changes else ""),
        )
        for metric, name in _METRICS.items()
    ]


def change_sentences(scoreboard: Scoreboard) -> list[str]:
    """What came of the attacks as a whole, a sentence each."""
    duels = find_duels(scoreboard)
    if not duels:
        return ["Nobody attacked."]
    said = [f"There {'was' if len(duels) == 1 else 'were'} {counted(len(duels), 'attack')} on a frozen detector."]
    accuracies = [row for (*_, metric), row in _changes(scoreboard).items() if metric == "accuracy"]
    fell = [row.change_ci for row in accuracies if row.change_ci is not None]
    rose = [row.recovery_ci for row in accuracies if row.recovery_ci is not None]
    if fell:
        sure = sum(high < 0 for _, high in fell)
        said.append(f"In {sure} of {len(fell)} the detector's accuracy certainly fell.")
    if rose:
        sure = sum(low > 0 for low, _ in rose)
        learned = "once the detector had learned from others like them"
        said.append(f"In {sure} of {len(rose)} it certainly rose on the same fakes, {learned}.")
    return said


def _changes(scoreboard: Scoreboard) -> _Changes:
    """By attack and metric; none in files of before."""
    return {
        (row.generator, row.generator_round, row.detector, row.detector_round, row.metric): row
        for row in scoreboard.changes
    }


def _row(duel: Duel, changes: _Changes, metric: str) -> Row:
    attack = version(duel.generator, duel.generator_round)
    row = changes.get((duel.generator, duel.generator_round, duel.detector, duel.detector_round, metric))
    percent = metric == "accuracy"
    if row is None:
        fell = change(_difference(duel.before, duel.after, metric), None, percent=percent)
        rose = change(_difference(duel.after, duel.retrained, metric), None, percent=percent)
    else:
        fell = change(row.change, row.change_ci, percent=percent)
        rose = change(row.recovery, row.recovery_ci, percent=percent)
    return Row(
        head=f"{attack} against {version(duel.detector, duel.detector_round)}",
        cells=[_told(duel.before, metric), _told(duel.after, metric), fell, _told(duel.retrained, metric), rose],
    )


def _told(cell: MatchRow | None, metric: str) -> Cell:
    if cell is None:
        return NONE
    value, interval = cell.value(metric), cell.interval(metric)
    return share(value, interval, chance=0.5) if metric == "accuracy" else score(value, interval)


def _difference(first: MatchRow | None, second: MatchRow | None, metric: str) -> float | None:
    return None if first is None or second is None else second.value(metric) - first.value(metric)


__all__ = ["change_sentences", "change_tables"]
