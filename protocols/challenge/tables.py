"""What a challenge leaves as tables: every attack, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff.protocols.challenge.attempts import Attempt
from fakeoff.protocols.challenge.verdict import NAMES, Verdict
from fakeoff.protocols.measures import Judged
from fakeoff.protocols.record.log import Cell, Row


def attempt_rows(attempts: Sequence[Attempt], chosen: Sequence[Attempt]) -> list[Row]:
    """A row for each attack.

    Args:
        attempts: All of them.
        chosen: Those that val chose.
    """
    return [
        {
            "generator": attempt.generator.label,
            "attack": attempt.means,
            "budget": attempt.budget,
            "restart": attempt.restart,
            "rate": attempt.rate or None,
            "on val": attempt.on_val,
            "chosen": any(attempt is one for one in chosen),
            **_figures(attempt.judged),
            "does not count": attempt.faults or None,
        }
        for attempt in attempts
    ]


def verdict_row(verdict: Verdict, *, restarts: int, rates: Sequence[float]) -> Row:
    """The verdict in one row: what the leaderboard reads.

    Args:
        verdict: It.
        restarts: Of each generator's finetuning.
        rates: At which.
    """
    recorded, stronger = verdict.entry.worst, verdict.worst
    low, high = verdict.fall.ci
    return {
        "detector": verdict.entry.detector.label,
        "stands": verdict.stands,
        "not tried": verdict.is_untried,
        "metric": NAMES[verdict.metric],
        **_named("on the scoreboard", recorded, verdict.metric),
        "worst against": recorded.generator.label,
        **_named("under stronger attacks", stronger.judged, verdict.metric),
        "attacked by": stronger.told,
        "fall": verdict.fall.value,
        "fall from": low,
        "fall to": high,
        "attacks": verdict.attempts,
        "restarts": restarts,
        "rates": ", ".join(f"{rate:g}" if rate else "own" for rate in rates),
        "confidence": verdict.confidence,
        "state": verdict.entry.detector.key,
        "sentence": verdict.sentence,
        "rule": verdict.rule,
    }


def _figures(judged: Judged) -> dict[str, Cell]:
    row: dict[str, Cell] = {}
    for metric, name in NAMES.items():
        row |= _named(name, judged, metric)
    return row


def _named(name: str, judged: Judged, metric: str) -> dict[str, Cell]:
    low, high = judged.figures.interval(metric)
    return {name: judged.figures.value(metric), f"{name} from": low, f"{name} to": high}


__all__ = ["attempt_rows", "verdict_row"]
