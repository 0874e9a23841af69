"""Detectors from files in a game: built once from the file, then from their state alone; attacked where they can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exports import Small, to_onnx, to_torchscript

pytest.importorskip("onnxruntime")

Play = Callable[..., tuple[Any, Any]]


def test_they_play_from_their_state_and_are_targets_where_a_gradient_flows(
    tmp_path: Path, play: Play, toy_config: Callable[..., Any]
) -> None:
    files = [
        to_onnx(Small(), tmp_path / "detector.onnx", side=16),
        to_torchscript(Small(), tmp_path / "detector.ts", side=16),
    ]
    config = toy_config(
        rounds=1,
        detectors=[
            {"plugin": "fixed", "name": name, "parameters": {"model": model, "side": 16}}
            for name, model in zip(("onnx", "script"), files, strict=True)
        ],
        attack={"steps": 4, "batch": 4, "target": "all"},
        # It is a network of random weights, and whom it takes for real is nobody's business.
        score={"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False},
    )

    record, watcher = play(config)
    judged = [job for job in watcher.ran if job.name.startswith("judge")]
    assert judged
    assert not any(job.places for job in judged)
    assert not record.forfeits
    assert not record.unranked
    [passed_over] = record.passed_over
    assert passed_over.detector == "onnx@0"
    assert "not differentiable" in passed_over.reason
    attacked = next(version for version in record.versions if version.label == "toy_generator@1")
    assert attacked.targets == ("script@0",)
    # They do not change: there is no second version.
    assert {version.label for version in record.versions if version.kind == "detector"} == {"onnx@0", "script@0"}
    scores = {(match.detector.player, match.generator.round): match.figures.auc for match in record.measured["match"]}
    assert scores["onnx", 0] == pytest.approx(scores["script", 0], abs=0.01)
    assert set(scores) == {(player, round_) for player in ("onnx", "script") for round_ in (0, 1)}
