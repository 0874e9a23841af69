"""One interface above both kinds, and one function that says what a player can do."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from fakeoff import detectors, generators
from fakeoff.arena.players.abilities import Ability, abilities, has_own
from fakeoff.arena.players.interface import Player
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.generators import Batch, Batches, ExtraLoss, Generator, Plan
from fakeoff.leaderboard.catalogue.listing import MEANINGS


class StepsGenerator(Generator):
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        return {}


class StepsDetector(Detector):
    differentiable = False

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        return {}


class Fits:
    """Beside an interface, not below it."""

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        return {}


class FitsGenerator(Fits, Generator):
    def encode(self, images: Tensor) -> Tensor:
        return images

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return z


class FitsDetector(Fits, PatchDetector):
    def patch_scores(self, images: Tensor) -> Tensor:
        return images


class BelowFits(FitsDetector):
    pass


@pytest.mark.parametrize(
    ("player", "words"),
    [
        (Generator, ("fixed",)),
        (StepsGenerator, ("trainable", "attackable")),
        (FitsGenerator, ("trainable", "latent", "invertible")),
        (Detector, ("fixed", "differentiable")),
        (StepsDetector, ("trainable",)),
        (FitsDetector, ("trainable", "differentiable", "patch")),
        (BelowFits, ("trainable", "differentiable", "patch")),
    ],
)
def test_what_a_class_can_do_is_seen_from_its_methods(player: type[Player], words: tuple[str, ...]) -> None:
    assert abilities(player) == words


def test_both_kinds_answer_through_the_same_function_and_share_start_and_fit() -> None:
    assert generators.abilities is detectors.abilities is abilities
    for kind in (Generator, Detector):
        assert issubclass(kind, Player)
        assert kind.start is Player.start
        assert kind.fit is Player.fit
    assert Detector.train_step is Player.train_step


def test_every_word_has_a_meaning_for_people() -> None:
    assert set(get_args(Ability)) <= set(MEANINGS)


def test_a_method_of_its_own_is_told_from_the_interfaces() -> None:
    class Starts(StepsDetector):
        def start(self, plan: Plan) -> None:
            pass

    assert has_own(Starts, "start")
    assert has_own(Starts, "train_step")
    assert not has_own(StepsDetector, "start")
    assert not has_own(StepsDetector, "fit")
    assert not has_own(FitsGenerator, "train_step")
