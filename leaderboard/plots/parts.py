"""Where in the face the fight is, player by player: what of a scoreboard's parts and shifts is a player's."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from fakeoff.arena.parsers import PARTS


def newest_cells(scoreboard: Mapping[str, Any], kind: str, player: str) -> list[Mapping[str, Any]]:
    """The cells of ``parts`` between the newest version of a player and the newest of each opponent."""
    newest: dict[tuple[str, str], int] = {}
    for cell in scoreboard["cells"]:
        for side in ("generator", "detector"):
            key = (side, cell[side])
            newest[key] = max(newest.get(key, 0), cell[f"{side}_round"])
    return [
        cell
        for cell in scoreboard["parts"]
        if cell[kind] == player
        and all(cell[f"{side}_round"] == newest[side, cell[side]] for side in ("generator", "detector"))
    ]


def shifts_of_round(
    scoreboard: Mapping[str, Any], round_: int, *, kind: str = "", player: str = ""
) -> list[Mapping[str, Any]]:
    """The part shifts of a round, of one player or of all."""
    return [
        entry
        for entry in scoreboard["part_shifts"]
        if entry["generator_round"] == round_ and (not kind or entry[kind] == player)
    ]


def part_points(scoreboard: Mapping[str, Any], kind: str, player: str, round_: int) -> dict[str, float]:
    """A player's metrics of a round.

    Returns:
        ``part/hair`` and so on: the share of fakes whose most predictive patch is of that part, in the mean over
        opponents, newest version against newest. ``part_shift`` and ``part_shift_null``: how far the attacks of this
        round moved that distribution, and how far chance does; in the mean over the generator's targets (over all
        opponents where none of them judges patches, and for detectors).
    """
    points: dict[str, float] = {}
    cells = newest_cells(scoreboard, kind, player)
    if cells:
        points |= {f"part/{part}": fmean([cell["fake"]["parts"][part] for cell in cells]) for part in PARTS}
    shifts = shifts_of_round(scoreboard, round_, kind=kind, player=player)
    if kind == "generator":
        shifts = [entry for entry in shifts if entry["is_target"]] or shifts
    if shifts:
        points["part_shift"] = fmean([entry["shift"]["tv"] for entry in shifts])
        points["part_shift_null"] = fmean([entry["shift"]["tv_null"] for entry in shifts])
    return points
