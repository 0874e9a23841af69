"""The contract that ships, kept by every detector that is built in; and what is more than it asks for."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import nn

from fakeoff.arena.contract import run_contract
from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch, Detector, PatchDetector, abilities, players
from fakeoff.detectors.contract import DetectorContract

# These have their contracts beside their tests: tests/protocols/test_ensemble.py and test_rounds.py,
# tests/detectors/test_spectrum.py, test_classifiers.py and test_fixed.py.
_BESIDE = ("ensemble", "fixed", "patch_rounds", "power_spectrum", "rounds", "truncated")
NAMES = [entry.name for entry in players if entry.origin == "fakeoff" and entry.name not in _BESIDE]
PATCH_NAMES = [name for name in NAMES if issubclass(players.load(name), PatchDetector)]


def a_plain_toy(seed: int) -> Batch:
    """Reals are dark, fakes are bright, and all are as noisy."""
    is_fake = torch.arange(8) % 2 == 1
    noise = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return Batch(images=noise * 0.3 + 0.6 * is_fake.view(-1, 1, 1, 1), is_fake=is_fake)


class Shipped(DetectorContract):
    """What the networks that ship promise beyond the contract; without a player, so it is not collected."""

    resolution = 32
    steps: ClassVar[int] = 6

    def test_every_step_moves_the_weights_and_the_loss_falls(self) -> None:
        player = self.build()
        hashes, losses = [weights_hash(player.state_dict())], []
        for step in range(self.steps):
            player.train()
            measured = player.train_step(a_plain_toy(step), rng=torch.Generator().manual_seed(step))
            losses.append(measured["loss"])
            hashes.append(weights_hash(player.state_dict()))
        assert len(set(hashes)) == self.steps + 1
        assert losses[-1] < 0.7 * losses[0]


class BuiltIn(Shipped):
    """What those of them promise that judge patches."""

    def test_an_images_score_is_the_mean_of_its_patches(self) -> None:
        player = self.trained()
        assert isinstance(player, PatchDetector)
        scores = self.score(player, self.images(3))
        torch.testing.assert_close(self.patch_scores(player, self.images(3)).mean((1, 2)), scores)
        assert scores.std() > 0


class Hurry(DetectorContract):
    """Running statistics follow faster, so that a few steps stand for many."""

    def build(self) -> Detector:
        player = super().build()
        for module in player.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.5
        return player


class Hurried(Hurry, BuiltIn):
    """Both."""


class Whole(Hurry, Shipped):
    """Those that judge images: by one score, of which a step teaches less than of many patches."""

    steps = 10


class TestXceptionBlock1(BuiltIn):
    player = "xception_block1"


class TestResNet18Layer1(Hurried):
    player = "resnet18_layer1"


class TestXceptionBlock2(Hurried):
    player = "xception_block2"


class TestXceptionBlock3(Hurried):
    player = "xception_block3"


class TestXceptionBlock4(Hurried):
    player = "xception_block4"


class TestXceptionBlock5(Hurried):
    player = "xception_block5"


class TestMesoInception4(Whole):
    player = "meso_inception4"
    parameters: ClassVar = {"side": 32}


# Of 11 to 24 million weights, which are stored, hashed and trained by each check: minutes on two cores.
@pytest.mark.slow
class TestResNet18(Whole):
    player = "resnet18"


@pytest.mark.slow
class TestXception(Whole):
    player = "xception"
    steps = 7


@pytest.mark.slow
class TestCNNAugP01(Whole):
    player = "cnn_aug_p01"


@pytest.mark.slow
class TestCNNAugP05(Whole):
    player = "cnn_aug_p05"
    steps = 6


@pytest.mark.parametrize("contract", [TestResNet18, TestXception, TestCNNAugP05])
def test_a_large_one_keeps_what_needs_no_long_training_and_learns_in_a_few_steps(contract: type[Whole]) -> None:
    checks = (
        "test_scores_are_probabilities",
        "test_the_evasion_loss_is_a_number",
        "test_judging_twice_gives_the_same",
        "test_every_step_moves_the_weights_and_the_loss_falls",
    )
    done = {check.name: (check.state, check.came) for check in run_contract(contract, only=checks)}
    assert done == dict.fromkeys(checks, ("passed", ""))


def test_every_detector_that_ships_has_its_contract_here() -> None:
    assert sorted(c.player for kind in (BuiltIn, Hurried, Whole) for c in kind.__subclasses__() if c.__test__) == NAMES


def test_all_six_of_the_papers_patch_detectors_are_there() -> None:
    assert ["resnet18_layer1", *(f"xception_block{block}" for block in range(1, 6))] == PATCH_NAMES
    assert all(abilities(players.load(name)) == ("trainable", "differentiable", "patch") for name in PATCH_NAMES)


def test_all_five_of_its_rivals_are_there() -> None:
    rivals = [name for name in NAMES if name not in PATCH_NAMES]
    assert rivals == ["cnn_aug_p01", "cnn_aug_p05", "meso_inception4", "resnet18", "xception"]
    assert all(abilities(players.load(name)) == ("trainable", "differentiable") for name in rivals)
