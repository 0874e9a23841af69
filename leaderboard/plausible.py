"""Whether what a scoreboard file says can be: files are handed around, and anybody may have written one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SHARES = ("auc", "ap", "ap_real", "accuracy", "accuracy_val_threshold", "recall_fake", "evasion", "target_evasion")
_OF_STANDINGS = ("worst_auc", "mean_auc", "mean_ap", "mean_accuracy", "p_best")
_BETWEEN_0_AND_1 = {*_SHARES, *_OF_STANDINGS}
_COUNTS = {"n_real", "n_fake", "real_units", "fake_units", "round", "generator_round", "detector_round", "matches"}
_ENDS = "_ci"
_ROUNDING = 1e-9  # what adding up leaves
_CELLS = "cells"
_PAIR = ("generator", "generator_round", "detector", "detector_round")


def check_plausible(data: Any) -> None:
    """Refuses figures that cannot be, matches that stand twice, and texts that would command a terminal.

    Whether they are true, playing the tournament again tells.

    Args:
        data: A scoreboard file, as JSON.

    Raises:
        ValueError: The first thing that cannot be, and where it stands.
    """
    for where, key, value in _leaves(data):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which is no figure")
        if isinstance(value, str) and any(not (one.isprintable() or one in "\n\t") for one in value):
            raise ValueError(f"{where} has characters that command a terminal")
        if key in _COUNTS and isinstance(value, int | float) and value < 0:
            raise ValueError(f"{where} is {value}, and is a count")
        if key in _BETWEEN_0_AND_1 and isinstance(value, int | float) and not -_ROUNDING <= value <= 1 + _ROUNDING:
            raise ValueError(f"{where} is {value}, and lies between 0 and 1")
    for where, key, ends in _intervals(data):
        low, high = ends
        if low > high:
            raise ValueError(f"{where} ends before it begins: {low} to {high}")
        if key.removesuffix(_ENDS) in _BETWEEN_0_AND_1 and not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ValueError(f"{where} is {low} to {high}, and lies between 0 and 1")
    cells = data.get(_CELLS) if isinstance(data, Mapping) else None
    found = Counter(tuple(map(str, map(cell.get, _PAIR))) for cell in cells or () if isinstance(cell, Mapping))
    if twice := [pair for pair, count in found.items() if count > 1]:
        maker, made, judge, judged = twice[0]
        raise ValueError(f"the match of {maker}@{made} and {judge}@{judged} stands in it twice")


def _leaves(data: Any, where: str = "") -> Iterator[tuple[str, str, Any]]:
    """Everything that holds nothing else: where it stands, under which key, and it."""
    key = where.rpartition(".")[2].partition("[")[0]
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield f"a name in {where or 'it'}", "", str(name)
            yield from _leaves(value, f"{where}.{name}" if where else str(name))
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _leaves(value, f"{where}[{at}]")
    else:
        yield where, key, data


def _intervals(data: Any, where: str = "") -> Iterator[tuple[str, str, Sequence[float]]]:
    """Every interval: where it stands, under which key, and its ends."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            inside = f"{where}.{name}" if where else str(name)
            if str(name).endswith(_ENDS) and isinstance(value, list) and len(value) == 2:
                if all(isinstance(end, int | float) for end in value):
                    yield inside, str(name), value
            else:
                yield from _intervals(value, inside)
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _intervals(value, f"{where}[{at}]")


__all__ = ["check_plausible"]
