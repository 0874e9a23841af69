"""What is left of detectors behind what images go through, as MLflow charts and tells it."""

from __future__ import annotations

from fakeoff.leaderboard.mlflow.standings import NOTHING
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.record.versions import Version

FRAGILE = "arena.fragile"
"""The tag of a detector's run that says which traces it lives on."""


def postprocessed_points(scoreboard: Scoreboard, version: Version) -> dict[str, float]:
    """A detector's mean AUC behind each chain, and by how much that is less than as images are.

    Args:
        scoreboard: What was found.
        version: Whose; of who takes no place, and of generators, there is nothing.
    """
    points: dict[str, float] = {}
    for row in scoreboard.detectors if version.kind == "detector" else ():
        for chain, one in row.postprocessed.items() if row.player == version.player else ():
            points |= {f"postprocessed/mean_auc {chain}": one.mean_auc, f"postprocessed/change {chain}": one.change}
    return points


def fragility_tag(scoreboard: Scoreboard, version: Version) -> dict[str, str]:
    """Which traces a detector lives on; nothing at all where no match was scored behind anything.

    Args:
        scoreboard: What was found.
        version: Whose.
    """
    for row in scoreboard.detectors if version.kind == "detector" else ():
        if row.player == version.player and row.postprocessed:
            return {FRAGILE: row.fragility[:4000] or NOTHING}
    return {}


__all__ = ["FRAGILE", "fragility_tag", "postprocessed_points"]
