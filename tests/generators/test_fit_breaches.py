"""Generators that learn from everything at once: one that keeps the contract, and those that break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from fakeoff.generators import Batch, Batches, Generator
from fakeoff.generators.contract import GeneratorContract
from tests.breaches import Case, assert_breach, case, checks


class GoodFit(Generator):
    """Keeps the contract with no step: noise around the mean of the reals, as wide as they are spread."""

    resolution = 8

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "spread"):
            self.register_buffer(name, torch.full((3, 8, 8), 0.3))

    mean: Tensor
    spread: Tensor

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        noise = torch.randn(n, 3, 8, 8, generator=rng).to(self.mean.device)
        return (self.mean + self.spread * noise).clamp(0, 1)

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        mean = torch.cat([batch.images for batch in self.through(batches)]).mean(0)
        spread = torch.cat([(batch.images - mean).square() for batch in self.through(batches)]).mean(0).sqrt()
        self.learn(mean, spread)
        return {"spread": spread.mean().item()}

    def through(self, batches: Batches) -> Iterator[Batch]:
        return batches()

    def learn(self, mean: Tensor, spread: Tensor) -> None:
        self.mean.copy_(mean)
        self.spread.copy_(spread)


class FitStopsEarly(GoodFit):
    def through(self, batches: Batches) -> Iterator[Batch]:
        yield next(batches())


class FitLearnsNothing(GoodFit):
    def learn(self, mean: Tensor, spread: Tensor) -> None:
        pass


class FitLearnsSomethingElse(GoodFit):
    def learn(self, mean: Tensor, spread: Tensor) -> None:
        self.mean.fill_(0.6)


class FitSamplesWithOldState(GoodFit):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("learned", torch.zeros(3, 8, 8))

    def learn(self, mean: Tensor, spread: Tensor) -> None:
        self.learned.copy_(mean)  # type: ignore[operator]


class FitSeedsGlobally(GoodFit):
    def learn(self, mean: Tensor, spread: Tensor) -> None:
        torch.manual_seed(0)
        super().learn(mean, spread)


class FitWritesToTheReals(GoodFit):
    def through(self, batches: Batches) -> Iterator[Batch]:
        for batch in super().through(batches):
            batch.images.mul_(0.99)
            yield batch


THROUGH, FITTED = "fitting_goes_through_everything", "fitting_changes_the_state"
MOVES, GLOBAL = "training_moves_the_samples", "training_leaves_global_randomness_alone"

CASES = [
    case(FitStopsEarly, THROUGH, came="it stopped after 1 of 11 batches", mend="draw it from all"),
    case(FitLearnsNothing, FITTED, came="to the last bit", mend="self.register_buffer", also=(MOVES,)),
    case(FitLearnsSomethingElse, "training_learns_from_the_reals", came="the same images", mend="use the reals"),
    case(FitSamplesWithOldState, MOVES, came="the same images", mend="weights that are trained"),
    case(FitSeedsGlobally, GLOBAL, came="seeded, that of torch", mend="with global_draws(rng)"),
    case(FitWritesToTheReals, "training_does_not_write_to_what_it_is_shown", came="images", mend="in place on images"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(case: Case) -> None:
    assert_breach(GeneratorContract, case)


def test_a_generator_that_fits_keeps_all_of_the_contract() -> None:
    done = checks(GeneratorContract.of(GoodFit), process=True)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    assert {check.reason for check in done.values() if check.state == "skipped"} == {
        "it is not attackable",
        "it is not latent",
        "it is not a manipulator",
        "it is not invertible",
        "it learns by fit, which is called without autocast",
        "it learns by fit, and rates are for steps",
        "it learns by fit, which may leave a parameter as it is",
        "it learns by fit, which is not stopped on its way",
    }
