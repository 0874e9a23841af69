"""The scoreboard file: everything that a tournament found, rebuilt from stored scores, byte by byte the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.players.specs import WEIGHTS
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.config import LIMITS, TournamentConfig
from fakeoff.protocols.record.records import Audit, Look, Match, Shift, TournamentRecord
from fakeoff.protocols.record.standings import detector_standings, generator_standings
from fakeoff.protocols.score.metrics import METRICS
from fakeoff.protocols.score.patches import TRUTHS

SCHEMA_VERSION = 2


def build_scoreboard(record: TournamentRecord) -> dict[str, Any]:
    """Derives the scoreboard from a record.

    Returns:
        ``schema_version``, ``config``, ``data``, ``round``, ``standings``, ``attacks``, ``costs``, ``audits``,
        ``forfeits``, ``passed_over``, ``unranked``, ``cells``, ``parts`` and ``part_shifts``; no times and no paths.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config_record(record.config, source_name=record.source_name),
        "data": record.data,
        "round": record.round,
        "standings": {
            "detectors": [dataclasses.asdict(standing) for standing in detector_standings(record)],
            "generators": [dataclasses.asdict(standing) for standing in generator_standings(record)],
        },
        "attacks": [
            {"generator": version.player, "round": version.round, "targets": list(version.targets)}
            for version in record.versions
            if version.kind == "generator" and version.targets
        ],
        "costs": [
            {"generator": cost.generator.player, "generator_round": cost.generator.round, **cost.figures}
            for cost in record.costs
        ],
        "audits": [_audited(audit) for audit in record.audits],
        "forfeits": [dataclasses.asdict(forfeit) for forfeit in record.forfeits],
        "passed_over": [dataclasses.asdict(passed) for passed in record.passed_over],
        "unranked": [dataclasses.asdict(unranked) for unranked in record.unranked],
        "cells": [_cell(match) for match in record.matches],
        "parts": [
            {**_pair(look), **{truth: _looked(look.figures[truth]) for truth in TRUTHS}}
            for look in record.looks
            if look.has_parts
        ],
        "part_shifts": [
            {
                **_pair(shift),
                "is_target": shift.is_target,
                **{key: value for key, value in shift.figures.items() if key != "has_parts"},
            }
            for shift in record.shifts
            if shift.figures["has_parts"]
        ],
    }


def config_record(config: TournamentConfig, *, source_name: str) -> dict[str, Any]:
    """A configuration as it is kept with results: all that decides them, and no path of this machine."""
    kept = config.model_dump(mode="json", exclude={"compute": set(LIMITS)})
    kept["reals"]["source"] = source_name
    for section in (*kept["generators"], *kept["detectors"], kept["parts"]):
        weights = section["parameters"].get(WEIGHTS)
        if isinstance(weights, str):
            section["parameters"][WEIGHTS] = Path(weights).name
    return kept


def scoreboard_text(scoreboard: Mapping[str, Any]) -> str:
    """The text of the scoreboard file."""
    return json.dumps(scoreboard, indent=2, allow_nan=False) + "\n"


def write_scoreboard(scoreboard: Mapping[str, Any], home: Home) -> None:
    """Writes ``HOME/scoreboard.json`` in one step."""
    write_atomically(home.scoreboard, scoreboard_text(scoreboard).encode())


def _cell(match: Match) -> dict[str, Any]:
    figures = match.figures
    cell = {
        **_pair(match),
        "is_target": match.is_target,
        "n_real": figures["n_real"],
        "n_fake": figures["n_fake"],
    }
    for metric in METRICS:
        cell[metric] = figures[metric]
        cell[f"{metric}_ci"] = figures[f"{metric}_ci"]
    return cell


def _looked(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {key: figures[key] for key in ("n", "ties", "parts", "parts_ci", "random_parts", "averaged_over")}


def _audited(audit: Audit) -> dict[str, Any]:
    figures = audit.figures
    probe = figures["probe"]
    return {
        "generator": audit.generator.player,
        "generator_round": audit.generator.round,
        **{
            f"{gravity}s": [found["sentence"] for found in figures["findings"] if found["gravity"] == gravity]
            for gravity in ("leak", "note")
        },
        "probe_ap": None if probe is None else probe["ap"],
        "probe_ap_ci": None if probe is None else list(probe["ap_interval"]),
    }


def _pair(played: Match | Look | Shift) -> dict[str, Any]:
    return {
        "generator": played.generator.player,
        "generator_round": played.generator.round,
        "detector": played.detector.player,
        "detector_round": played.detector.round,
    }
