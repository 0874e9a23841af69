"""The seat without a network and without a gradient, in a game."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakeoff.detectors import abilities, players

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]


def test_it_plays_and_the_attack_passes_it_over_and_says_so(play: Play, toy_config: Config) -> None:
    config = toy_config(
        detectors=[{"plugin": "power_spectrum"}, {"plugin": "toy_detector"}],
        attack={"target": "all", "steps": 2, "batch": 4},
        parts={"parser": ""},
    )
    record, _ = play(config)
    assert not record.forfeits
    [attacked] = [version for version in record.versions if version.targets]
    assert attacked.targets == ("toy_detector@0",)
    assert [passed.detector for passed in record.passed_over] == ["power_spectrum@0"]
    assert "not differentiable" in record.passed_over[0].reason
    cells = {
        match.detector.label: match.figures for match in record.matches if match.generator.label == "toy_generator@0"
    }
    assert cells["power_spectrum@0"].auc > 0.9  # noise of its own is not that of a camera
    assert cells["power_spectrum@0"].vote is None
    assert abilities(players.load("power_spectrum")) == ("trainable",)
