"""The contract that ships, kept by every detector that is built in; and what is more than it asks for."""

from __future__ import annotations

import torch
from torch import nn

from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch, Detector, PatchDetector, abilities, players
from fakeoff.detectors.contract import DetectorContract

# These have their contracts beside their tests: tests/protocols/test_ensemble.py, tests/detectors/test_spectrum.py.
_BESIDE = ("ensemble", "power_spectrum")
NAMES = [entry.name for entry in players if entry.origin == "fakeoff" and entry.name not in _BESIDE]


def a_plain_toy(seed: int) -> Batch:
    """Reals are dark, fakes are bright, and all are as noisy."""
    is_fake = torch.arange(8) % 2 == 1
    noise = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return Batch(images=noise * 0.3 + 0.6 * is_fake.view(-1, 1, 1, 1), is_fake=is_fake)


class BuiltIn(DetectorContract):
    """What the detectors that ship promise beyond the contract; without a player, so it is not collected."""

    resolution = 32

    def test_an_images_score_is_the_mean_of_its_patches(self) -> None:
        player = self.trained()
        assert isinstance(player, PatchDetector)
        scores = self.score(player, self.images(3))
        torch.testing.assert_close(self.patch_scores(player, self.images(3)).mean((1, 2)), scores)
        assert scores.std() > 0

    def test_every_step_moves_the_weights_and_the_loss_falls(self) -> None:
        player = self.build()
        hashes, losses = [weights_hash(player.state_dict())], []
        for step in range(6):
            player.train()
            measured = player.train_step(a_plain_toy(step), rng=torch.Generator().manual_seed(step))
            losses.append(measured["loss"])
            hashes.append(weights_hash(player.state_dict()))
        assert len(set(hashes)) == 7
        assert losses[-1] < 0.7 * losses[0]


class Hurried(BuiltIn):
    """Running statistics follow faster, so that a few steps stand for many."""

    def build(self) -> Detector:
        player = super().build()
        for module in player.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.5
        return player


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


def test_every_detector_that_ships_has_its_contract_here() -> None:
    assert sorted(c.player for kind in (BuiltIn, Hurried) for c in kind.__subclasses__() if c.__test__) == NAMES


def test_all_six_of_the_papers_patch_detectors_are_there() -> None:
    assert ["resnet18_layer1", *(f"xception_block{block}" for block in range(1, 6))] == NAMES
    assert all(abilities(players.load(name)) == ("trainable", "differentiable", "patch") for name in NAMES)
