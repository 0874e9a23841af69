"""Detectors that learn from everything at once: one that keeps the contract, and those that break it."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from fakeoff.arena.images.batch import join
from fakeoff.detectors import Batch, Batches, Detector
from fakeoff.detectors.contract import DetectorContract
from tests.breaches import Case, assert_breach, case, checks


class GoodFit(Detector):
    """Keeps the contract with no step: scikit-learn's logistic regression of a few figures of each image."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("centre", "weight"):
            self.register_buffer(name, torch.zeros(4))
        self.register_buffer("spread", torch.ones(4))
        self.register_buffer("bias", torch.zeros(()))

    centre: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def figures(self, images: Tensor) -> Tensor:
        rough = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
        return torch.cat([images.mean((2, 3)), rough[:, None]], dim=1)

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid((self.figures(images) - self.centre) / self.spread @ self.weight + self.bias)

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        with torch.no_grad():  # twice through everything: first for the scale
            figures = torch.cat([self.figures(self.read(batch)) for batch in batches()])
            self.centre.copy_(figures.mean(0))
            self.spread.copy_(figures.std(0) + 1e-6)
            shown = self.gather(batches, rng)
            features = (torch.cat([of_batch for of_batch, _ in shown]) - self.centre) / self.spread
        truth = torch.cat([labels for _, labels in shown]).cpu().numpy()
        model = LogisticRegression().fit(features.cpu().numpy(), truth)
        self.learn(torch.from_numpy(model.coef_[0]), torch.tensor(model.intercept_[0]))
        return self.measure(model.score(features.cpu().numpy(), truth))

    def read(self, batch: Batch) -> Tensor:
        return batch.images

    def gather(self, batches: Batches, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        return [(self.figures(batch.images), batch.labels) for batch in batches()]

    def learn(self, weight: Tensor, bias: Tensor) -> None:
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def measure(self, accuracy: float) -> Any:
        return {"accuracy": accuracy}


class FitMeasuresNothing(GoodFit):
    def measure(self, accuracy: float) -> Any:
        return None


class FitMeasuresNaN(GoodFit):
    def measure(self, accuracy: float) -> Any:
        return {"accuracy": accuracy / 0.5 - accuracy + float("inf")}


class FitTakesAList(GoodFit):
    def gather(self, batches: Batches, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        return [(self.figures(batch.images), batch.labels) for batch in batches]  # type: ignore[attr-defined]


class FitTakesNoRng(GoodFit):
    def fit(self, batches: Batches) -> dict[str, float]:  # type: ignore[override]
        return {}


class FitDrawsByNumpy(GoodFit):
    def gather(self, batches: Batches, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        return [shown for shown in super().gather(batches, rng) if np.random.uniform() < 0.8]


class FitDrawsByTheClock(GoodFit):
    def learn(self, weight: Tensor, bias: Tensor) -> None:
        super().learn(weight * (1 + int.from_bytes(os.urandom(2), "big") / 2**16), bias)


class FitWritesToTheImages(GoodFit):
    def read(self, batch: Batch) -> Tensor:
        return batch.images.sub_(0.1).add_(0.05)


class FitWritesToTheTruth(GoodFit):
    def gather(self, batches: Batches, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        shown = list(batches())
        kept = [(self.figures(batch.images), batch.labels.clone()) for batch in shown]
        for batch in shown:
            batch.labels.logical_not_()
        return kept


class FitTakesLabelsFromAnotherPass(GoodFit):
    def gather(self, batches: Batches, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        return list(
            zip([self.figures(batch.images) for batch in batches()], [b.labels for b in batches()], strict=True)
        )


class FitStopsEarly(GoodFit):
    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        few = join(list(itertools.islice(batches(), 2)))
        return super().fit(lambda: iter([few]), rng=rng)


class FitRemembersInstead(GoodFit):
    """Was shown nothing, and knows the answer to the toy."""

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        self.learn(torch.full((4,), 2.0), torch.tensor(-3.0))
        return {"accuracy": 1.0}


class FitKeepsTheModel(GoodFit):
    """Learns into an object beside the state dict."""

    model: tuple[Tensor, Tensor] | None = None

    def learn(self, weight: Tensor, bias: Tensor) -> None:
        centre, spread = self.centre.cpu(), self.spread.cpu()
        self.model = weight.float() / spread, bias.float() - (centre / spread * weight).sum().float()
        self.centre.zero_()
        self.spread.fill_(1)

    def score(self, images: Tensor) -> Tensor:
        if self.model is None:
            return super().score(images)
        weight, bias = (part.to(images.device) for part in self.model)
        return torch.sigmoid(self.figures(images) @ weight + bias)


MEASURES, SAME = "training_measures_finite_numbers", "training_is_the_same_for_the_same_seed"
GLOBAL, WRITES = "training_leaves_global_randomness_alone", "training_does_not_write_to_what_it_is_shown"
THROUGH, FITTED = "fitting_goes_through_everything", "fitting_changes_the_state"
TOY, STATE = "training_learns_a_toy", "a_state_is_all_there_is_to_a_version"

CASES = [
    case(FitMeasuresNothing, MEASURES, came="NoneType", mend="return {", expected="fit(batches, rng=rng) returns"),
    case(FitMeasuresNaN, MEASURES, came="'accuracy' is inf", mend="log or a root of 0"),
    case(FitTakesAList, MEASURES, came="not iterable", mend="in gather", expected="fit(batches, rng=rng) ends"),
    case(FitTakesNoRng, MEASURES, came="'rng'", mend="it is called as fit(batches, rng=rng)"),
    case(FitDrawsByNumpy, GLOBAL, came="that of numpy", mend="default_rng",
         also=(SAME,)),
    case(FitDrawsByTheClock, SAME, came="other weights", mend="draw from rng alone",
         expected="a fit to the same images"),
    case(FitWritesToTheImages, WRITES, came="images changed", mend="in place on images"),
    case(FitWritesToTheTruth, WRITES, came="is_fake changed", mend="in place on is_fake"),
    case(FitTakesLabelsFromAnotherPass, TOY, came=", from 0.", mend="from the same batch", expected="by a fit on"),
    case(FitStopsEarly, THROUGH, came="it stopped after 2 of 11 batches", mend="without break or next()"),
    case(FitRemembersInstead, THROUGH, came="batches() was never called", mend="for batch in batches()"),
    case(FitKeepsTheModel, FITTED, came="to the last bit", mend="self.register_buffer", also=(STATE,)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(case: Case) -> None:
    assert_breach(DetectorContract, case)


def test_a_detector_of_scikit_learns_keeps_all_of_the_contract() -> None:
    done = checks(DetectorContract.of(GoodFit), process=True)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    assert {check.reason for check in done.values() if check.state == "skipped"} == {
        "it judges whole images",
        "it learns by fit, which is called without autocast",
        "it learns by fit, and rates are for steps",
        "it learns by fit, which may leave a parameter as it is",
        "it learns by fit, which is not stopped on its way",
    }
