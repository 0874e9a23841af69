"""The contract that ships, kept by every generator that is built in; and what is more than it asks for."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fakeoff.generators import Generator, abilities, players
from fakeoff.generators.contract import GeneratorContract

SMALL = {"resolution": 16, "features": 64, "most_features": 16, "latent_dim": 16, "weights": ""}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class BuiltIn(GeneratorContract):
    """What the generators that ship promise beyond the contract; without a player, so it is not collected."""

    def test_samples_are_more_than_a_grey_plane_and_carry_no_gradient(self) -> None:
        images = self.build().eval().sample(3, rng=rng())
        assert not images.requires_grad
        assert images.std() > 0.001

    def test_an_attack_shows_within_six_steps_and_in_what_they_measure(self) -> None:
        seen: list[Tensor] = []

        def darker(fakes: Tensor) -> Tensor:
            seen.append(fakes)
            return 100 * fakes.mean()

        plain, attacked = self.build(), self.build()
        for step in range(6):
            self.step(plain, step)
            assert "extra_loss" in self.step(attacked, step, extra_loss=darker)
        assert len(seen) == 6
        before, after = (player.eval().sample(16, rng=rng()).mean().item() for player in (plain, attacked))
        assert after < before - 0.005


class TestPGAN(BuiltIn):
    player = "pgan"
    parameters: ClassVar = SMALL


class TestPGANThatGrowsAllTheWay(BuiltIn):
    player = "pgan"
    parameters: ClassVar = {
        **SMALL, "channels": 3, "loss": "wgan_gp", "penalty_weight": 10.0, "fade_images": 8, "stable_images": 8,
    }  # fmt: skip

    def test_it_has_grown(self) -> None:
        player: Generator = self.trained()
        assert player.level == 2
        assert all(parameter.requires_grad for parameter in player.synthesis.blocks.parameters())  # type: ignore[union-attr]


class TestGlow(BuiltIn):
    player = "glow"
    parameters: ClassVar = {"resolution": 16, "steps": 2, "width": 8, "weights": ""}


class TestGlowInColourOfEightBits(BuiltIn):
    player = "glow"
    parameters: ClassVar = {
        "resolution": 16,
        "channels": 3,
        "levels": 1,
        "steps": 1,
        "width": 8,
        "bits": 8,
        "weights": "",
    }


class TestMixture(BuiltIn):
    player = "gmm"
    parameters: ClassVar = {"resolution": 16, "components": 3, "factors": 4, "weights": ""}


class TestMixtureInColourWithNoise(BuiltIn):
    player = "gmm"
    parameters: ClassVar = {
        "resolution": 16, "channels": 3, "components": 2, "factors": 3, "noise": 0.5, "weights": "",
    }  # fmt: skip


class TestStyleGAN(BuiltIn):
    player = "stylegan"
    parameters: ClassVar = {**SMALL, "mapping_layers": 2}


class TestStyleGANThatGrowsAllTheWay(BuiltIn):
    player = "stylegan"
    parameters: ClassVar = {
        **SMALL, "mapping_layers": 2, "channels": 3, "first_side": 4, "fade_images": 8, "stable_images": 8,
    }  # fmt: skip


class TestStyleGAN2(BuiltIn):
    player = "stylegan2"
    parameters: ClassVar = {**SMALL, "mapping_layers": 2}


class TestMobileStyleGAN(BuiltIn):
    player = "mobilestylegan"
    parameters: ClassVar = {
        "resolution": 16, "side": 32, "latent_dim": 16, "mapping_layers": 2, "features": 64, "most_features": 16,
        "critic_features": 64, "most_critic_features": 16, "generator_lr": 5e-3, "weights": "",
    }  # fmt: skip


class TestMobileStyleGANOfAllItsPixels(BuiltIn):
    player = "mobilestylegan"
    parameters: ClassVar = {**TestMobileStyleGAN.parameters, "resolution": 32, "augmentation": False}


class TestFaceSwap(GeneratorContract):
    player = "faceswap"


class TestFeatheredFaceSwap(GeneratorContract):
    player = "faceswap"
    parameters: ClassVar = {"resolution": 48, "blending": "feathered"}


class TestFace2Face(GeneratorContract):
    player = "face2face"


class TestDeepfakes(GeneratorContract):
    player = "deepfakes"
    parameters: ClassVar = {"resolution": 32, "code": 8, "weights": "", "learning_rate": 1e-3}


class TestNeuralTextures(GeneratorContract):
    player = "neural_textures"
    parameters: ClassVar = {"resolution": 32, "channels": 4, "weights": "", "learning_rate": 1e-3}


def test_every_generator_that_ships_has_its_contract_here() -> None:
    here = {contract.player for contract in BuiltIn.__subclasses__()}
    here.add("images")  # with a folder, in tests/protocols/test_images_generator.py
    here |= {"faceswap", "face2face", "deepfakes", "neural_textures"}  # shown faces, above
    assert here == {entry.name for entry in players if entry.origin == "fakeoff"}


def test_the_papers_attacker_is_there_and_can_attack() -> None:
    assert set(abilities(players.load("pgan"))) == {"trainable", "attackable", "latent"}


def test_a_flow_is_invertible_too() -> None:
    assert set(abilities(players.load("glow"))) == {"trainable", "attackable", "latent", "invertible"}


def test_the_mixture_can_attack_and_be_inverted() -> None:
    assert set(abilities(players.load("gmm"))) == {"trainable", "attackable", "latent", "invertible"}
