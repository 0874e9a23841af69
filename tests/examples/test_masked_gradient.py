"""The example of a masked gradient: what it says of itself, and what its stored game found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.detectors import Detector, players
from fakeoff.detectors.attackable import why_not_attackable
from fakeoff.leaderboard.scoreboard import Scoreboard

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return to_tensor(open_source("orl").load("test", resolution=64, colour="grey")[:8])


@pytest.fixture(scope="module")
def detectors() -> dict[str, Detector]:
    load_plugin_file(ROOT / "examples" / "masked_gradient.py")
    names = ("resnet18_layer1", "stepped_resnet18_layer1", "black_box_resnet18_layer1")
    return {name.removesuffix("resnet18_layer1").strip("_"): players.build(name, {}).eval() for name in names}


def test_one_has_a_gradient_that_says_nothing_and_the_other_none(
    detectors: dict[str, Detector], faces: torch.Tensor
) -> None:
    assert why_not_attackable(detectors[""], faces) == why_not_attackable(detectors["stepped"], faces) == ""
    assert "not differentiable" in why_not_attackable(detectors["black_box"], faces)
    gradients = []
    for name in ("", "stepped"):
        images = faces.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(detectors[name].evasion_loss(images), images)
        gradients.append(gradient.flatten())
    assert abs(torch.cosine_similarity(*gradients, dim=0).item()) < 0.1


def test_both_say_what_the_plain_network_says(detectors: dict[str, Detector], faces: torch.Tensor) -> None:
    with torch.no_grad():
        plain, stepped, black_box = (detectors[name].score(faces) for name in ("", "stepped", "black_box"))
    assert torch.equal(plain, black_box)
    assert (plain - stepped).abs().max() < 0.01


def test_the_stored_game_names_the_one_and_not_the_other() -> None:
    stored = json.loads((ROOT / "docs" / "results" / "masked-gradient-scoreboard.json").read_text())
    scoreboard = Scoreboard.from_json(stored)
    assert {one.detector for one in scoreboard.masking} == {"stepped"}
    assert {row.detector for row in scoreboard.searches} == {"stepped", "black_box"}
    honest = json.loads((ROOT / "docs" / "results" / "search-scoreboard.json").read_text())
    assert Scoreboard.from_json(honest).masking == ()
    assert Scoreboard.from_json(honest).searches
