"""Standings as MLflow shows them: points for charts, and figures with intervals as text for its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.score.telling import tell, tell_figure

HEADLINES: Mapping[Kind, str] = {"detector": "0 headline/worst_auc", "generator": "0 headline/evasion"}
"""The metric that a player is ranked by, by kind. MLflow sorts metrics by name: these come first."""

_CHARTED: Mapping[Kind, tuple[str, ...]] = {
    "detector": ("mean_auc", "mean_ap", "mean_accuracy"),
    "generator": ("target_evasion",),
}
TOLD: Mapping[Kind, Mapping[str, str]] = {
    "detector": {
        "worst AUC": "worst_auc",
        "mean AUC": "mean_auc",
        "mean AP": "mean_ap",
        "mean accuracy": "mean_accuracy",
    },
    "generator": {"evasion": "evasion", "target evasion": "target_evasion"},
}
"""Figures that are shown with their intervals, by kind and heading."""

POSITION = "position"
"""The metric by which tables are sorted: the place in the file, of its own for each player."""

NOTHING = "-"
"""In a cell where there is nothing to say: MLflow keeps no empty text."""

Player = tuple[Kind, str]


def heading(name: str, confidence: float) -> str:
    """A column of figures with intervals; MLflow allows neither commas nor brackets nor a percent sign in its name.

    Args:
        name: Such as ``worst AUC``.
        confidence: Of the intervals, as a share.

    Example:
        >>> heading("worst AUC", 0.95)
        'worst AUC CI95'
    """
    return f"{name} CI{confidence * 100:g}".replace(".", "_")


def standing_points(scoreboard: Scoreboard) -> dict[Player, dict[str, float]]:
    """The standings' figures by kind and player: MLflow shows what the scoreboard says."""
    points: dict[Player, dict[str, float]] = {}
    for kind, standings in _standings(scoreboard).items():
        for place, standing in enumerate(standings, start=1):
            named = {
                HEADLINES[kind]: HEADLINES[kind].partition("/")[2],
                **{name: name for name in _CHARTED[kind]},
                "rank": "rank",
            }
            told = {name: getattr(standing, field) for name, field in named.items()}
            points[kind, standing.player] = {
                POSITION: float(place),
                **{name: float(value) for name, value in told.items() if value is not None},
            }
    return points


def standing_texts(scoreboard: Scoreboard) -> dict[Player, dict[str, str]]:
    """What the tables say of each player that is ranked, by heading."""
    texts: dict[Player, dict[str, str]] = {}
    for kind, standings in _standings(scoreboard).items():
        for place, standing in enumerate(standings, start=1):
            cells = {"rank": _rank(standing, place)}
            for name, field in TOLD[kind].items():
                value = getattr(standing, field)
                interval = getattr(standing, f"{field}_ci")
                told = NOTHING if value is None else tell(value, interval)
                cells[heading(name, scoreboard.confidence)] = told
            if standing.p_best is not None:
                cells["p best"] = tell_figure(standing.p_best, digits=2)
            if isinstance(standing, DetectorStanding):
                cells["worst against"] = standing.worst_against
            texts[kind, standing.player] = cells
    return texts


def unranked_texts(kind: Kind, reason: str, confidence: float) -> dict[str, str]:
    """What the tables say of a player that takes no place: nothing of what may have been said in an earlier round.

    Args:
        kind: ``generator`` or ``detector``.
        reason: Why.
        confidence: Of intervals.
    """
    figures = [heading(name, confidence) for name in TOLD[kind]]
    more = ["p best", *(["worst against"] if kind == "detector" else [])]
    return {"rank": f"unranked: {reason}"[:4000], **dict.fromkeys([*figures, *more], NOTHING)}


def unranked_reasons(scoreboard: Scoreboard) -> dict[Player, str]:
    """Why the newest versions of players take no place."""
    last = scoreboard.newest
    return {
        (one.kind, one.player): one.reason
        for one in scoreboard.unranked
        if last.get((one.kind, one.player), one.round) <= one.round
    }


def _rank(standing: DetectorStanding | GeneratorStanding, place: int) -> str:
    rank, interval = standing.rank, standing.rank_ci
    if rank is None:  # a file of before
        return str(place)
    if interval is None or interval[0] == interval[1]:
        return str(rank)
    return f"{rank} ({interval[0]} to {interval[1]})"


def _standings(scoreboard: Scoreboard) -> dict[Kind, Sequence[DetectorStanding | GeneratorStanding]]:
    return {"detector": scoreboard.detectors, "generator": scoreboard.generators}


__all__ = [
    "HEADLINES",
    "NOTHING",
    "POSITION",
    "TOLD",
    "heading",
    "standing_points",
    "standing_texts",
    "unranked_reasons",
    "unranked_texts",
]
