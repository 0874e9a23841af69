"""A game in a few sentences: what happened, what warns of it, and what is not known."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.leaderboard.home.challenges import Challenge
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.attacks import tell_attacks, tell_unbroken
from fakeoff.leaderboard.verdict.cautions import Caution, find_cautions, find_limits, who_was_tested
from fakeoff.leaderboard.verdict.leaders import judge_detectors, judge_generators
from fakeoff.protocols.score.telling import tell_figure


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A game in words.

    Attributes:
        said: What happened: each attack, who was never fooled, who is ahead.
        warned: What makes it worth less than it looks, the gravest first.
        unknown: What the figures cannot tell.
    """

    said: tuple[str, ...]
    warned: tuple[Caution, ...]
    unknown: tuple[str, ...]


def summarise(scoreboard: Scoreboard, challenges: Sequence[Challenge] = ()) -> Summary:
    """Tells a game.

    Args:
        scoreboard: What was found.
        challenges: Of its detectors.
    """
    leaders = [judge.headline for judge in (judge_detectors(scoreboard), judge_generators(scoreboard))]
    said = [*tell_attacks(scoreboard), tell_unbroken(scoreboard), *leaders]
    limits = [tell_precision(scoreboard), *find_limits(scoreboard)]
    return Summary(
        said=tuple(filter(None, said)),
        warned=tuple(find_cautions(scoreboard, challenges)),
        unknown=tuple(filter(None, limits)),
    )


def tell_precision(scoreboard: Scoreboard) -> str:
    """How small a difference can be seen, in a sentence; empty where nobody measured it.

    Half of an interval's length, in the median match and in the worst.

    Args:
        scoreboard: What was found.
    """
    tested = who_was_tested(scoreboard)
    halves = [(interval[1] - interval[0]) / 2 for cell in scoreboard.cells if (interval := cell.interval("auc"))]
    if not halves or not tested:
        return ""
    median, most = (tell_figure(half, digits=2) for half in (statistics.median(halves), max(halves)))
    sure = f"{100 * scoreboard.confidence:g}%"
    return (
        f"All of it is of {tested}. With so many an AUC is known to within {median} (the median match) or "
        f"{most} (the worst; half of {sure} intervals): smaller differences cannot be seen."
    )


__all__ = ["Summary", "summarise", "tell_precision"]
