"""Who holds the alias ``champion``: it moves only to who is better beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff.protocols.measures.standings import DetectorStanding

ALIAS = "champion"


def choose_champion(standings: Sequence[DetectorStanding], holder: str | None) -> str | None:
    """Chooses who holds the alias.

    Args:
        standings: Detectors, best first.
        holder: The detector that holds it; None where nobody does.

    Returns:
        A detector: the first in the table where nobody held it, or the holder takes no place any more; else the holder,
        unless the first surpasses it. None where nobody is ranked.
    """
    if not standings:
        return None
    first, *rest = standings
    held = next((one for one in standings if one.player == holder), None)
    if held is None or held is first:
        return first.player
    return first.player if surpasses(first, held, is_next=held is rest[0]) else held.player


def surpasses(first: DetectorStanding, other: DetectorStanding, *, is_next: bool) -> bool:
    """Whether a detector is better than another beyond what chance explains.

    To the next in the table the interval of the difference is known, and must exclude 0. To those further down it is
    told by ranks: an interval of ranks contains every rank that the data leave possible, for the whole table at once,
    so that of two that have none in common one is better.

    Args:
        first: A detector.
        other: One below it.
        is_next: Whether nobody is between them. Where intervals are not known, nothing is beyond doubt.
    """
    if is_next and first.ahead_ci is not None and first.ahead_ci[0] > 0:
        return True
    if first.rank_ci is None or other.rank_ci is None:
        return False
    return first.rank_ci[1] < other.rank_ci[0]


__all__ = ["ALIAS", "choose_champion", "surpasses"]
