"""What the pages of runs say and chart, whoever's they are."""

from __future__ import annotations

from fakeoff.leaderboard.formats.markdown import escape
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.duels import Duel
from fakeoff.leaderboard.verdict.summary import summarise
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.calibration import Thresholds

_OF_A_DUEL = ("accuracy", "ap", "brier", "ece", "tpr_at_5_fpr")
_ROUNDS = "Step is the round; charts are under *Model metrics*, this one first."
NOTES = {
    "detector": "`0 headline/worst_auc` is the worst-case AUC of the newest version over every generator version, on "
    "held-out images. "
    + _ROUNDS
    + " `part` says where in the face fakes gave themselves away; under *Artifacts*, `parts/` and `heatmaps/` "
    "show it. `localisation`, against manipulators, says how much of its heatmaps lies where they changed the image. "
    "`search`, where it is there, is what a search of latents by its scores alone found, and the tag "
    "`arena.masking` says that its gradient is masked.",
    "generator": "`0 headline/evasion` is the share of the newest version's fakes that pass as real before detectors "
    "that it was never trained against. " + _ROUNDS + " Beside it, *faces before and after* has a slider through the "
    "rounds; in full size they are under *Artifacts*, `faces/`, and `part_shift/` shows how each attack "
    "moved the fight over the face.",
    "tournament": "Under *Artifacts*: `payoff/` (who catches whom, round by round), `duels.png` (each attack's frozen "
    "detector before and after), `part_shift/` (where in the face fakes gave themselves away, before and after), "
    "`scoreboard.json` (every figure) and `config.toml` (to play it again).",
}
"""What a run's page says first, in Markdown."""


def tournament_note(scoreboard: Scoreboard) -> str:
    """What a tournament's page says first: the game in words, then where things are.

    Args:
        scoreboard: Of the tournament, as far as it was played.
    """
    told = "\n".join(f"- {escape(sentence)}" for sentence in summarise(scoreboard).said)
    return f"After round {scoreboard.round}:\n\n{told}\n\n{NOTES['tournament']}"


def duel_points(duel: Duel, *, title: str) -> dict[str, float]:
    """Of a frozen target: its figures before and after the attack, and its successor's.

    Args:
        duel: The attack.
        title: How the points are called.
    """
    return {
        f"frozen target/{title}: {metric} {side}": value
        for side, cell in duel.sides.items()
        for metric in _OF_A_DUEL
        if (value := getattr(cell, metric)) is not None
    }


def threshold_points(thresholds: Thresholds) -> dict[str, float]:
    """``threshold`` is that with the best balanced accuracy."""
    points = {
        "threshold": thresholds.accuracy,
        "threshold_at_5_fpr": thresholds.at_5_fpr,
        "threshold_at_1_fpr": thresholds.at_1_fpr,
    }
    return {name: value for name, value in points.items() if value is not None}


def lineage_of(version: Version) -> str:
    """What a generator's version came from, after its label."""
    return f", finetuned against {', '.join(version.targets)}" if version.targets else ", as it came"


__all__ = ["NOTES", "duel_points", "lineage_of", "threshold_points", "tournament_note"]
