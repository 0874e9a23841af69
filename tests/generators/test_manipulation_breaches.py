"""Generators that make fakes of reals: those that keep the contract, and those that break it."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators import Batch, ExtraLoss, Generator, Plan, Wanted
from fakeoff.generators.contract import GeneratorContract
from tests.breaches import PLAYS_AS_IT_CAME, Case, assert_breach, case, checks


class Good(Generator):
    """Keeps the contract: it samples noise, and lays a source over a target."""

    resolution = 8

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        return torch.rand(n, 3, 8, 8, generator=rng)

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        share = torch.rand(len(sources), 1, 1, 1, generator=rng).to(sources.device)
        return Batch(images=torch.lerp(targets, sources, share), mask=self.mask(share.expand_as(targets[:, :1])))

    def mask(self, share: Tensor) -> Tensor:
        return share


class WritesToTheTargets(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=targets.lerp_(sources, 0.5))


class ManipulatesToATensor(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return super().manipulate(sources, targets, rng=rng).images  # type: ignore[return-value]


class ManipulatesGlobally(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=torch.lerp(targets, sources, random.random()))


class ManipulatesByTheClock(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=torch.lerp(targets, sources, int.from_bytes(os.urandom(2), "big") / 2**16))


class ManipulatesOutOfRange(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=sources + targets)


class ManipulatesInDoubles(Good):
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=torch.lerp(targets, sources, 0.5).double())


class MasksTooLittle(Good):
    def mask(self, share: Tensor) -> Tensor:
        left = share.clone()
        left[..., share.shape[-1] // 2 :] = 0
        return left


class MasksInColour(Good):
    def mask(self, share: Tensor) -> Tensor:
        return share.expand(-1, 3, -1, -1)


class LosesTheSplit(Good):
    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        return Batch(images=super().fakes(wanted, rng=rng).images)


class MakesMoreForTrain(Good):
    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        if wanted.reals is None:
            return super().fakes(wanted, rng=rng)
        return super().fakes(Wanted(n=wanted.n, reals=wanted.reals, sizes={"train": wanted.n}), rng=rng)


class PairsByTheClock(Good):
    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        if wanted.reals is None:
            return super().fakes(wanted, rng=rng)
        return super().fakes(wanted, rng=torch.Generator().manual_seed(int.from_bytes(os.urandom(2), "big")))


class NamesTargetsOfAnotherSplit(Good):
    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        made = super().fakes(wanted, rng=rng)
        return made if made.target is None else replace(made, target=made.target.flip(0))


class OnlyManipulates(Generator):
    """Keeps the contract with no sample: it makes its fakes of reals alone, and learns how much of them to take."""

    def __init__(self, *, resolution: int = 8) -> None:
        super().__init__()
        self.resolution = resolution
        self.share = nn.Parameter(torch.zeros(3, 1, 1))
        self._optimiser = torch.optim.Adam([self.share], lr=0.05)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam([self.share], lr=plan.rate or 0.05)

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        return Batch(images=self.change((sources * torch.sigmoid(self.share) + targets) / 2))

    def change(self, images: Tensor) -> Tensor:
        return images

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        fakes = self.manipulate(batch.images.roll(1, 0), batch.images, rng=rng).images
        loss = F.mse_loss(fakes.mean((2, 3)), batch.images.mean((2, 3)))
        if extra_loss is not None:
            loss = loss + extra_loss(fakes)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}


class OnlyManipulatesTooFar(OnlyManipulates):
    def change(self, images: Tensor) -> Tensor:
        return images * 1.8


class OnlyManipulatesWithoutASize(OnlyManipulates):
    def __init__(self) -> None:
        super().__init__()
        self.resolution = None  # type: ignore[assignment]


MANIPULATES = "manipulating_makes_images"
MASK, OF_REALS = "a_mask_says_what_was_changed", "fakes_of_reals_keep_their_split"

CASES = [
    case(ManipulatesToATensor, "manipulating_makes_images", came="Tensor", mend="return Batch(images=images)"),
    case(WritesToTheTargets, MANIPULATES, came="targets changed", mend="in place on targets"),
    case(ManipulatesGlobally, MANIPULATES, came="that of random", mend="random.Random"),
    case(ManipulatesByTheClock, MANIPULATES, came="differs by", mend="draw from rng alone"),
    case(ManipulatesOutOfRange, MANIPULATES, came="values from", mend="clamp(0, 1)"),
    case(ManipulatesInDoubles, MANIPULATES, came="float64", mend="to(torch.float32)"),
    case(MasksTooLittle, MASK, came="50% of the pixels", mend="torch.lerp(targets, made, mask)"),
    case(MasksInColour, MASK, came="(3, 3, 8, 8)", mend="one entry for each image"),
    case(LosesTheSplit, OF_REALS, came="no split", mend="split=split", expected="{'train': 3, 'val': 1, 'test': 2}"),
    case(MakesMoreForTrain, OF_REALS, came="{'train': 6, 'val': 0, 'test': 0}", mend="as it is inherited"),
    case(NamesTargetsOfAnotherSplit, OF_REALS, came="int64: [", mend="the place of each fake's target among the reals"),
    case(PairsByTheClock, OF_REALS, came="differs by", mend="draw from rng alone"),
    case(OnlyManipulatesTooFar, MANIPULATES, came="values from", mend="clamp(0, 1)"),
    case(OnlyManipulatesWithoutASize, MANIPULATES, came="None", mend="self.resolution = resolution"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(case: Case) -> None:
    assert_breach(GeneratorContract, case)


SKIPPED: dict[type[Generator], set[str]] = {
    Good: {PLAYS_AS_IT_CAME, "it is not latent", "it is not invertible"},
    OnlyManipulates: {
        "it makes its fakes of reals: it has no sample",
        "it is not latent",
        "it is not invertible",
        "it says of no pixel whether it was changed",
        "it learns by steps",
        "it has no training_state(): a training that is killed begins anew",
    },
}


@pytest.mark.parametrize("player", SKIPPED, ids=lambda player: player.__name__)
def test_a_generator_that_manipulates_keeps_all_of_the_contract(player: type[Generator]) -> None:
    done = checks(GeneratorContract.of(player), process=True)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    assert {check.reason for check in done.values() if check.state == "skipped"} == SKIPPED[player]
