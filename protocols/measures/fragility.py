"""What is left of a detector behind what images go through, and whether it lives on traces that do not survive that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fakeoff.arena.images.postprocessing import chain_heading, parse_operations
from fakeoff.protocols.measures.postprocessed import PostprocessedMatch
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.intervals import Interval, difference, interval_of_worst, mean_of
from fakeoff.protocols.score.telling import tell_figure, tell_range

LARGE = 0.1
"""A detector lives on fragile traces where it loses so much of its mean AUC, and the interval leaves out 0: a fifth of
what lies between guessing and being right always."""


@dataclass(frozen=True, kw_only=True)
class PostprocessedStanding:
    """A detector version behind a chain, over the same matches as its standing, less those that it forfeited there.

    Attributes:
        mean_auc: Over those matches; comparable with the standing's.
        mean_auc_ci: Its interval.
        change: By how much ``mean_auc`` is above that of the same images as they are; below 0 where something was lost.
        change_ci: Its interval, from the same resamples.
        worst_auc: Over those matches.
        worst_auc_ci: Its interval.
        worst_against: The generator version of ``worst_auc``.
        matches: How many.
        fragile: Whether it lives on traces that do not survive: :data:`LARGE`.
    """

    mean_auc: float
    mean_auc_ci: Interval
    change: float
    change_ci: Interval
    worst_auc: float
    worst_auc_ci: Interval
    worst_against: str
    matches: int
    fragile: bool


def stand_behind(
    version: Version, matches: Sequence[PostprocessedMatch], *, confidence: float
) -> dict[str, PostprocessedStanding]:
    """What is left of a detector version, by chain.

    Args:
        version: Which.
        matches: All that count, behind their chains.
        confidence: Of intervals, as a share.
    """
    mine = [match for match in matches if match.detector.label == version.label]
    chains = dict.fromkeys(chain for match in mine for chain in match.behind)
    return {
        chain: _stand([match for match in mine if chain in match.behind], chain, confidence=confidence)
        for chain in chains
    }


def describe_fragility(label: str, behind: Mapping[str, PostprocessedStanding]) -> str:
    """Which traces a detector lives on that do not survive, in a sentence; empty where there are none.

    Args:
        label: Of the detector version: ``resnet18@1``.
        behind: Its standings by chain.
    """
    fragile = {chain: one for chain, one in behind.items() if one.fragile}
    if not fragile:
        return ""
    *others, last = (_told(chain) for chain in fragile)
    chains = f"{', '.join(others)} and {last}" if others else last
    losses = ", ".join(_loss(chain, one) for chain, one in fragile.items())
    return f"{label} lives on traces that do not survive {chains}: its mean AUC falls {losses}"


def _told(chain: str) -> str:
    """A chain in words: ``JPEG of quality 75``."""
    return ", then ".join(operation.words for operation in parse_operations(chain))


def _stand(matches: Sequence[PostprocessedMatch], chain: str, *, confidence: float) -> PostprocessedStanding:
    before = [match.before["auc"] for match in matches]
    after = [match.behind[chain]["auc"] for match in matches]
    mean = mean_of(after)
    change = difference(mean, mean_of(before), confidence)
    worst = min(matches, key=lambda match: (match.behind[chain]["auc"].value, match.generator.label))
    return PostprocessedStanding(
        mean_auc=mean.value,
        mean_auc_ci=mean.interval(confidence),
        change=change.value,
        change_ci=change.ci,
        worst_auc=worst.behind[chain]["auc"].value,
        worst_auc_ci=interval_of_worst(after, confidence),
        worst_against=worst.generator.label,
        matches=len(matches),
        fragile=change.holds and change.value <= -LARGE,
    )


def _loss(chain: str, one: PostprocessedStanding) -> str:
    before, after = tell_figure(one.mean_auc - one.change), tell_figure(one.mean_auc)
    by = f"{tell_figure(one.change, signed=True)}, {tell_range(one.change_ci, signed=True)}"
    return f"from {before} to {after} behind {chain_heading(chain)} ({by})"


__all__ = ["LARGE", "PostprocessedStanding", "describe_fragility", "stand_behind"]
