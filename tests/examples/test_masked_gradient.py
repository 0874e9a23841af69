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
    names = ("resnet18_layer1", "stepped_resnet18_layer1")
    return {name.removesuffix("resnet18_layer1").strip("_"): players.build(name, {}).eval() for name in names}


def test_its_gradient_is_there_and_says_one_thing_of_all_pixels(
    detectors: dict[str, Detector], faces: torch.Tensor
) -> None:
    assert why_not_attackable(detectors["stepped"], faces) == ""
    images = faces.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(detectors["stepped"].evasion_loss(images), images)
    assert torch.allclose(gradient, gradient.mean((1, 2, 3), keepdim=True).expand_as(gradient))
    assert len(set(gradient.mean((1, 2, 3)).sign().tolist())) == 2  # brighter for some, darker for others


def test_it_says_what_the_plain_network_says(detectors: dict[str, Detector], faces: torch.Tensor) -> None:
    with torch.no_grad():
        plain, stepped = (detectors[name].score(faces) for name in ("", "stepped"))
    assert (plain - stepped).abs().max() < 0.01


def test_the_stored_game_names_it_and_that_of_the_plain_network_nobody() -> None:
    stored = json.loads((ROOT / "docs" / "results" / "masked-gradient-scoreboard.json").read_text())
    scoreboard = Scoreboard.from_json(stored)
    assert {one.detector for one in scoreboard.masking} == {"stepped"}
    [row] = scoreboard.searches
    assert row.detector == "stepped"
    honest = json.loads((ROOT / "docs" / "results" / "search-scoreboard.json").read_text())
    assert Scoreboard.from_json(honest).masking == ()
    assert Scoreboard.from_json(honest).searches
