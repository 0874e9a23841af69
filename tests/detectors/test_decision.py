"""From patches to an image: three decisions, of which a detector can be entered with any."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.specs import weights_hash, write_spec
from fakeoff.detectors import PatchDetector, players
from fakeoff.detectors.decision import Decision, decide
from fakeoff.protocols.rules import referee

DECISIONS: tuple[Decision, ...] = ("after_softmax", "before_softmax", "vote")
NAMES = ("resnet18_layer1", "xception_block1")


def patches(*logits: float) -> Tensor:
    return torch.tensor(logits).view(1, 1, -1).sigmoid()


def test_a_patch_that_is_very_sure_counts_for_more_before_the_softmax_and_for_no_more_in_a_vote() -> None:
    one_of_three = patches(8.0, -1.0, -1.0)
    sigmoid = [1 / (1 + math.exp(-logit)) for logit in (8, -1, -1)]
    assert decide(one_of_three, "after_softmax").item() == pytest.approx(sum(sigmoid) / 3)
    assert decide(one_of_three, "before_softmax").item() == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-4)
    assert decide(one_of_three, "vote").item() == pytest.approx(1 / 3)
    undecided = torch.full((1, 2, 2), 0.5)  # more likely neither
    assert [decide(undecided, decision).item() for decision in DECISIONS] == [0.5, 0.5, 0.0]


def test_both_ends_of_float32_weigh_the_same() -> None:
    saturated = torch.tensor([[[0.0, 1.0]], [[1e-40, 1.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    found = decide(saturated, "before_softmax")
    assert found[:2] == pytest.approx([0.5, 0.5], abs=1e-6)
    assert found.isfinite().all()
    assert 0 <= found[2] < 1e-6 < 1 - 1e-6 < found[3] <= 1


@given(
    scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12),
    decision=st.sampled_from(DECISIONS),
)
@settings(max_examples=60, deadline=None)
def test_an_images_score_is_a_probability_that_no_patchs_rising_lowers(scores: list[float], decision: Decision) -> None:
    image = torch.tensor(scores, dtype=torch.float64).view(1, 1, -1)
    found = decide(image, decision).item()
    assert 0 <= found <= 1
    for place in range(len(scores)):
        risen = image.clone()
        risen[0, 0, place] = (1 + risen[0, 0, place]) / 2
        assert decide(risen, decision).item() >= found - 1e-12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decision", DECISIONS)
def test_a_detectors_score_is_its_decision_of_its_patches(name: str, decision: Decision) -> None:
    player = players.build(name, {"decision": decision}).eval()
    assert isinstance(player, PatchDetector)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(player.score(images), decide(player.patch_scores(images), decision))
    # It learns and is attacked as before: by patches.
    same = players.build(name, {}).eval()
    assert weights_hash(player.state_dict()) == weights_hash(same.state_dict())
    torch.testing.assert_close(player.evasion_loss(images), same.evasion_loss(images))  # type: ignore[operator]


def test_the_referee_looks_once_whatever_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    player = players.build("resnet18_layer1", {"decision": "vote"})
    assert isinstance(player, PatchDetector)
    looks: list[int] = []
    original = player.patch_scores
    monkeypatch.setattr(player, "patch_scores", lambda images: (looks.append(len(images)), original(images))[1])
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    scores, seen = referee.judge_both(player, images)
    assert looks == [3]
    torch.testing.assert_close(scores, decide(seen, "vote"))


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_decision_leaves_the_recipe_as_it_was_and_another_does_not(name: str) -> None:
    def parameters(**given: str) -> dict[str, object]:
        return write_spec(players, name="x", plugin=name, parameters=given).identity()["parameters"]

    before = {"learning_rate": 1e-3, "init_seed": 0}
    assert parameters() == parameters(decision="after_softmax") == before
    assert parameters(decision="vote") == {**before, "decision": "vote"}
    with pytest.raises(PluginError, match="parameter 'decision' = 'loudest'"):
        parameters(decision="loudest")
