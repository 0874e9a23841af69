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
    if not scoreboard.cells:
        why = "nobody was left to play" if scoreboard.forfeits else "no match was played"
        nothing = f"Nothing was scored: {why}{'; the forfeits say why' if scoreboard.forfeits else ''}."
        return Summary(said=(nothing,), warned=(), unknown=())
    leaders = [judge.headline for judge in (judge_detectors(scoreboard), judge_generators(scoreboard))]
    return Summary(
        said=(*tell_story(scoreboard), *leaders),
        warned=tuple(find_cautions(scoreboard, challenges)),
        unknown=tuple(tell_unknown(scoreboard)),
    )


def tell_story(scoreboard: Scoreboard) -> list[str]:
    """What happened: each attack, and who was never fooled.

    Args:
        scoreboard: What was found.
    """
    return [*tell_attacks(scoreboard), *filter(None, [tell_unbroken(scoreboard)])]


def tell_unknown(scoreboard: Scoreboard) -> list[str]:
    """What the figures cannot tell; first, how well one by itself is known.

    Args:
        scoreboard: What was found.
    """
    return [*filter(None, [tell_precision(scoreboard)]), *find_limits(scoreboard)]


def tell_precision(scoreboard: Scoreboard) -> str:
    """How well a figure by itself is known, in words; empty where nobody measured it.

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
        f"All of it is of {tested}. With so many the AUC of a match by itself is known to within {median} (the median "
        f"match) or {most} (the worst; half of {sure} intervals). What differs by less is told apart, if at all, by "
        "intervals of the change itself, which are narrower: they are of the same people."
    )


__all__ = ["Summary", "summarise", "tell_precision", "tell_story", "tell_unknown"]
