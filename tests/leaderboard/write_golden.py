"""Writes what scoreboards look like in every format, from the files beside it that are never written again.

python tests/leaderboard/write_golden.py            writes golden/leaderboard-*

golden/scoreboard-N.json is a file as the release that wrote version N wrote it. Read what changed before you keep it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakeoff.arena.typed import read_as
from fakeoff.leaderboard.boards import Form, board_text
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.imported.scores import ImportedScores
from fakeoff.leaderboard.scoreboard import Scoreboard

GOLDEN = Path(__file__).parent / "golden"

FORMS: tuple[tuple[Form, str], ...] = (("terminal", "txt"), ("markdown", "md"), ("json", "json"))


def golden_texts() -> Iterator[tuple[str, str]]:
    """The files by name."""
    imported = read_as(ImportedScores, _imported())
    for path in sorted(GOLDEN.glob("scoreboard-*.json")):
        data, version = json.loads(path.read_bytes()), path.stem.partition("-")[2]
        board = Board(name="example", scoreboard=Scoreboard.from_json(data), imported=(imported,))
        for form, ending in FORMS:
            yield f"leaderboard-{version}.{ending}", board_text([board], form)
        for table in ("standings", "cells"):
            yield f"leaderboard-{version}-{table}.csv", board_text([board], "csv", table=table)
        several = [board, Board(name="again", scoreboard=Scoreboard.from_json(_again(data)))]
        for form, ending in FORMS[:2]:
            yield f"leaderboard-{version}-two.{ending}", board_text(several, form)
        yield f"leaderboard-{version}-two.csv", board_text(several, "csv")


def _again(data: dict[str, Any]) -> dict[str, Any]:
    """The same tournament with another seed, and with another detector beside the one that was there."""
    config, standings = data["config"], data["standings"]
    other = {"plugin": "xception_block1", "name": "other", "parameters": {}}
    first = standings["detectors"][0]
    detectors = [{**first, "player": "other", "worst_auc": 1.0}, {**first, "worst_auc": 0.75}]
    return {
        **data,
        "config": {**config, "seed": 1, "detectors": [*config["detectors"], other]},
        "standings": {**standings, "detectors": detectors},
        "masking": [],
    }


def _imported() -> dict[str, Any]:
    """Figures that nobody measured: a table shows them, and nothing else."""
    ends = (0.75, 0.9375)
    figures = ("ap", "ap_real", "auc", "accuracy", "accuracy_val_threshold", "recall_fake")
    cell = {
        "generator": "pgan",
        "generator_round": 0,
        "n_real": 80,
        "n_fake": 158,
        "missing_real": 0,
        "missing_fake": 2,
        **dict.fromkeys(figures, 0.875),
        **{f"{figure}_ci": ends for figure in figures},
    }
    means = ("worst_auc", "mean_auc", "mean_ap", "mean_accuracy")
    standing = {
        **dict.fromkeys(means, 0.875),
        **{f"{figure}_ci": ends for figure in means},
        "worst_against": "pgan@0",
        "matches": 1,
    }
    pools = [("real/test", 80, 0), ("pgan@0/test", 160, 2)]
    return {
        "detector": "elsewhere",
        "file": "scores.csv",
        "sha256": "0" * 64,
        "threshold": 0.5,
        "chosen_on_val": 0,
        "pools": [
            {"name": name, "key": "0" * 64, "p_fake": [None] * missing + [0.5] * (n - missing)}
            for name, n, missing in pools
        ],
        "cells": [cell],
        "standing": standing,
        "absent": ["pgan@1"],
    }


def main() -> None:
    for name, text in golden_texts():
        (GOLDEN / name).write_text(text)


if __name__ == "__main__":
    main()
