"""For each check of a detector's contract a player that breaks it, and what it is told."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import Batch, Detector, PatchDetector, Plan, ReceptiveField
from fakeoff.detectors.contract import DetectorContract
from tests.breaches import PLAYS_AS_IT_CAME, Case, assert_breach, case, checks
from tests.detectors.test_fit_breaches import CASES as OF_FIT


class Good(PatchDetector):
    """Keeps the contract with every capability: two convolutions with a batch norm between them."""

    receptive_field = ReceptiveField.of([(5, 2, 1), (3, 1, 0)])

    def __init__(self, *, learning_rate: float = 0.02) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 3))
        self.learning_rate = learning_rate
        self._optimiser = torch.optim.Adam(self.learned(), lr=learning_rate)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.learned(), lr=plan.rate or self.learning_rate)

    def training_state(self) -> Any:
        return {"optimiser": self._optimiser.state_dict()}

    def load_training_state(self, state: Any) -> None:
        self._optimiser.load_state_dict(state["optimiser"])

    def learned(self) -> list[nn.Parameter]:
        return list(self.parameters())

    def patch_logits(self, images: Tensor) -> Tensor:
        return self.layers(images * 2 - 1).float()  # type: ignore[no-any-return]

    def patch_scores(self, images: Tensor) -> Tensor:
        return self.patch_logits(images).softmax(1)[:, 1]

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        images, is_fake = batch.images, batch.labels
        del rng
        loss = F.cross_entropy(self.patch_logits(images).mean((2, 3)), self.truth(is_fake))
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return self.measure(loss)

    def truth(self, is_fake: Tensor) -> Tensor:
        return is_fake.long()

    def measure(self, loss: Tensor) -> dict[str, float]:
        return {"loss": loss.item()}


class WholeImages(Detector):
    """Keeps the contract without patches and without training, and cannot be followed: bright images are fake."""

    differentiable = False

    def score(self, images: Tensor) -> Tensor:
        return (images * 255).round().mean((1, 2, 3)) / 255 > 0.5


class Bright(Detector):
    """Keeps the contract without patches and without training."""

    def score(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))


class Stepwise(Bright):
    """Keeps the contract, and says that no gradient flows through its scores."""

    differentiable = False

    def score(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return super().score(images)


class Of128Pixels(Good):
    """Keeps the contract where it is shown what it takes."""

    def patch_logits(self, images: Tensor) -> Tensor:
        if images.shape[-1] != 128:
            raise ValueError("128 px, please")
        return super().patch_logits(images)


class Of64PixelsAtMost(Bright):
    def score(self, images: Tensor) -> Tensor:
        assert images.shape[-1] <= 64, "too large"
        return super().score(images)


class Changed(Bright):
    """What :class:`Bright` scores, changed."""

    def score(self, images: Tensor) -> Any:
        return self.change(super().score(images), images)

    def change(self, scores: Tensor, images: Tensor) -> Any:
        raise NotImplementedError


class ScoresNothing(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return None


class ScoresInAColumn(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores[:, None]


class ScoresBothClasses(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return torch.stack([1 - scores, scores], 1)


class ScoresLogits(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores * 8 - 4


class ScoresTruth(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores > 0.5


class ScoresNaN(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores.log().sqrt()


class ScoresOneNumber(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores.squeeze()


class ByRank(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return torch.sigmoid(scores - scores.mean())


class ByPlace(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores * torch.linspace(1, 0.9, len(scores), device=scores.device)


class WritesToTheImages(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        images.data.mul_(0.5)
        return scores


class Counts(Changed):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def change(self, scores: Tensor, images: Tensor) -> Any:
        self.seen += len(images)  # type: ignore[operator]
        return scores


class DropsOut(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return F.dropout(images, 0.5).mean((1, 2, 3)) / 2


class DropsOutByNumpy(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores * float(np.random.uniform(0.5, 1))


class Remembers(Changed):
    calls = 0

    def change(self, scores: Tensor, images: Tensor) -> Any:
        self.calls += 1
        return scores / self.calls


class LearnsTheOpposite(Good):
    def truth(self, is_fake: Tensor) -> Tensor:
        return (~is_fake).long()


class LearnsNothing(Good):
    def truth(self, is_fake: Tensor) -> Tensor:
        return torch.zeros_like(is_fake, dtype=torch.long)


class TrainsWithoutPatches(Good):
    def train_step(self, images: Tensor, is_fake: Tensor, *, rng: torch.Generator) -> Any:  # type: ignore[override]
        return {}


class WritesToTheTruth(Good):
    def truth(self, is_fake: Tensor) -> Tensor:
        return is_fake.logical_not_().logical_not().long()


class ForgetsTheHead(Good):
    def learned(self) -> list[nn.Parameter]:
        return list(self.layers[:2].parameters())


class EvadesInPieces(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        return self.patch_scores(images).mean((1, 2))


class EvadesWithoutGradient(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        return super().evasion_loss(images).detach()


class EvadesFlat(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        return F.relu(self.patch_scores(images) - 1).mean() + 0.5


class EvadesToNaN(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        return (super().evasion_loss(images).detach() + 0 * images.mean() * 0).clamp(min=1) + (images.mean() * 0).sqrt()


class _Opposite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class LeadsAstray(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        return super().evasion_loss(_Opposite.apply(images))  # type: ignore[no-untyped-call]


class ScoresPatchesInALine(Good):
    def patch_scores(self, images: Tensor) -> Tensor:
        return super().patch_scores(images).flatten(1)

    def score(self, images: Tensor) -> Tensor:
        return self.patch_scores(images).mean(1)

    def evasion_loss(self, images: Tensor) -> Tensor:
        return F.cross_entropy(self.patch_logits(images), torch.zeros_like(self.patch_logits(images)[:, 0]).long())


class ScoresPatchesAsLogits(Good):
    def patch_scores(self, images: Tensor) -> Tensor:
        return self.patch_logits(images)[:, 1] * 100

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.patch_scores(images).mean((1, 2)))


class ScoresBesideItsPatches(Good):
    def score(self, images: Tensor) -> Tensor:
        return super().score(images) * 0.5


class NoField(Good):
    receptive_field = None  # type: ignore[assignment]


class FieldTooSmall(Good):
    receptive_field = ReceptiveField(size=7, stride=2, offset=0)


class FieldTooLarge(Good):
    receptive_field = ReceptiveField(size=41, stride=2, offset=-17)


class FieldOfAnotherStride(Good):
    receptive_field = ReceptiveField(size=9, stride=1, offset=-1)


class FieldShifted(Good):
    receptive_field = ReceptiveField(size=9, stride=2, offset=1)


class SeesTheWholeImage(Good):
    def patch_logits(self, images: Tensor) -> Tensor:
        return super().patch_logits(images * (0.9 + 0.1 * images.mean((1, 2, 3), keepdim=True)))


class AnotherGridInABatch(Good):
    """Gives fewer patches of each image where there are a few; its scores of images are none the wiser."""

    def patch_scores(self, images: Tensor) -> Tensor:
        scores = super().patch_scores(images)
        return scores if len(images) in (1, 3) else scores[:, :3, :3]

    def score(self, images: Tensor) -> Tensor:
        return super().patch_scores(images).mean((1, 2))


class SeesNothing(Bright, PatchDetector):
    receptive_field = ReceptiveField.of([(4, 4, 0)])

    def patch_scores(self, images: Tensor) -> Tensor:
        return torch.full_like(F.avg_pool2d(images.mean(1), 4), 0.5) + 0 * images.mean()

    def score(self, images: Tensor) -> Tensor:
        return self.patch_scores(images).mean((1, 2))


class MakesTensorsHere(Good):
    def evasion_loss(self, images: Tensor) -> Tensor:
        logits = self.patch_logits(images)
        return F.cross_entropy(logits, torch.zeros(logits[:, 0].shape, dtype=torch.long))


class ForgetsItsMomentum(Good):
    def training_state(self) -> Any:
        return {"optimiser": {**self._optimiser.state_dict(), "state": {}}}


class HasARateOfItsOwn(Good):
    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.learned(), lr=self.learning_rate)


class DrawsOnTheDevice(Good):
    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        images, is_fake = batch.images, batch.labels
        flip = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < 0.5
        return super().train_step(Batch(images=torch.where(flip, images.flip(-1), images), is_fake=is_fake), rng=rng)


class ScoresOnTheCPU(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores.cpu()


class BuiltFromTheClock(Good):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.layers[0].bias[0] += int.from_bytes(os.urandom(2), "big") / 2**18  # type: ignore[index, operator]


class KeepsPartOutsideOfTheState(Good):
    sharpness = 1.0

    def patch_logits(self, images: Tensor) -> Tensor:
        return super().patch_logits(images) * self.sharpness

    def measure(self, loss: Tensor) -> dict[str, float]:
        self.sharpness *= 1.1
        return super().measure(loss)


class DependsOnHash(Changed):
    def change(self, scores: Tensor, images: Tensor) -> Any:
        return scores * (hash("seed") % 10**6 / 10**6)


class DropsOutInTraining(Good):
    def patch_logits(self, images: Tensor) -> Tensor:
        return super().patch_logits(F.dropout(images, 0.3, self.training))


class MeasuresATensor(Good):
    def measure(self, loss: Tensor) -> Any:
        return {"loss": loss.detach()}


class TrainsInFloat32Alone(Good):
    def measure(self, loss: Tensor) -> Any:
        if self.layers[0](torch.zeros_like(self.layers[0].weight)).dtype != torch.float32:
            raise TypeError("no kernel for bfloat16")
        return super().measure(loss)


SCORES, SIZES, ITSELF = "scores_are_probabilities", "other_sizes", "an_image_is_judged_by_itself"
LEAVES, TWICE, TOY = "judging_leaves_everything_as_it_was", "judging_twice_gives_the_same", "training_learns_a_toy"
MEASURES, REACHES = "training_measures_finite_numbers", "training_reaches_every_parameter"
EVASION, LEADS = "the_evasion_loss_is_a_number", "evasion_leads_images_towards_passing_as_real"
PATCHES, FIELD = "patches_are_judged", "the_receptive_field_is_true"
DEVICE, STATE, BUILT = (
    "it_moves_to_another_device",
    "a_state_is_all_there_is_to_a_version",
    "it_is_built_the_same_each_time",
)
OF_LAYERS = "ReceptiveField.of([(kernel, stride, padding), ...])"

CASES = [
    case(ScoresNothing, SCORES, came="NoneType", mend="no return", expected="returns float32 (3,) in [0, 1]"),
    case(ScoresInAColumn, SCORES, came="shape (3, 1)", mend="squeeze(1)"),
    case(ScoresBothClasses, SCORES, came="shape (3, 2)", mend="softmax(1)[:, 1]"),
    case(ScoresLogits, SCORES, came="values from", mend="torch.sigmoid(logits)"),
    case(ScoresTruth, SCORES, came="bool", mend="to(torch.float32)"),
    case(ScoresNaN, SCORES, came="100% NaN", mend="division by zero"),
    case(ScoresOneNumber, SCORES, came="shape ()", mend="only one image", expected="(1,)"),
    case(Of128Pixels, SCORES, came="ValueError: 128 px, please", mend="it takes 128 px", expected="images of 64 px"),
    case(ByRank, ITSELF, came="differs by", mend="no statistics of it"),
    case(ByPlace, ITSELF, came="differs by", mend="nothing depend on the batch", expected="in another place"),
    case(WritesToTheImages, LEAVES, came="images changed", mend="images = images * 2 - 1"),
    case(Counts, LEAVES, came="'seen' changed", mend="where self.training"),
    case(DropsOut, TWICE, came="differs by", mend="dropout and noise where self.training", also=(LEAVES,)),
    case(DropsOutByNumpy, LEAVES, came="that of numpy", mend="np.random.default_rng", also=(TWICE,)),
    case(Remembers, TWICE, came="differs by", mend="keep nothing"),
    case(LearnsTheOpposite, TOY, came=", from 0.", mend="is_fake is True for fakes", expected="falls to"),
    case(LearnsNothing, TOY, came=", from 0.", mend="score is P(fake)"),
    case(TrainsWithoutPatches, MEASURES, came="TypeError", mend="it is called as train_step(batch, rng=rng)"),
    case(MeasuresATensor, MEASURES, came="'loss' is Tensor", mend="loss.item()"),
    case(TrainsInFloat32Alone, "training_works_in_bfloat16", came="no kernel for bfloat16", mend="in measure"),
    case(WritesToTheTruth, "training_does_not_write_to_what_it_is_shown", came="is_fake changed", mend="in place"),
    case(ForgetsTheHead, REACHES, came="'layers.3.weight' did not", mend="hand it to an optimiser"),
    case(DropsOutInTraining, "training_leaves_global_randomness_alone", came="that of torch", mend="global_draws(rng)",
         also=("training_is_the_same_for_the_same_seed",)),
    case(EvadesInPieces, EVASION, came="shape (2,)", mend="one entry", expected="returns float32 ()"),
    case(EvadesWithoutGradient, LEADS, came="no gradient", mend="detach()"),
    case(ForgetsItsMomentum, "training_goes_on_where_it_was_stopped", came="other weights", mend="optimisers'"),
    case(HasARateOfItsOwn, "training_heeds_the_rate_of_its_plan", came="it moves one by", mend="plan.rate"),
    case(EvadesFlat, LEADS, came="gradient of its evasion_loss is zero", mend="F.cross_entropy(logits, real)"),
    case(EvadesToNaN, LEADS, came="gradient of its evasion_loss is not finite", mend="F.cross_entropy(logits, real)"),
    case(LeadsAstray, LEADS, came=" after ", mend="the loss's own", expected="lowers evasion_loss"),
    case(ScoresPatchesInALine, PATCHES, came="shape (3, 841)", mend="no flatten", expected="(3, h', w')"),
    case(ScoresPatchesAsLogits, PATCHES, came="values from", mend="torch.sigmoid(logits)"),
    case(ScoresBesideItsPatches, PATCHES, came="and patches from", mend="as it is inherited"),
    case(NoField, FIELD, came="None", mend=OF_LAYERS),
    case(FieldTooSmall, FIELD, came="pixels outside", mend=OF_LAYERS, expected="size 7, stride 2, offset 0"),
    case(FieldTooLarge, FIELD, came="by its gradient it sees pixels", mend=OF_LAYERS),
    case(FieldOfAnotherStride, FIELD, came="pixels outside", mend=OF_LAYERS),
    case(FieldShifted, FIELD, came="pixels outside", mend=OF_LAYERS),
    case(SeesTheWholeImage, FIELD, came="pixels outside", mend="derive from Detector"),
    case(AnotherGridInABatch, FIELD, came="of one by itself", mend="follow from the image's size"),
    case(SeesNothing, FIELD, came="when all of them changed", mend="derive patch_scores from", also=(LEADS,)),
    case(MakesTensorsHere, DEVICE, came="cross_entropy was given", mend="device=x.device"),
    case(DrawsOnTheDevice, DEVICE, came="a generator of the CPU", mend="generator=rng).to(device)"),
    case(ScoresOnTheCPU, DEVICE, came="scores on cpu", mend="device=images.device"),
    case(BuiltFromTheClock, BUILT, came="'layers.0.bias' is another", mend="init_seed"),
    case(KeepsPartOutsideOfTheState, STATE, came="differs by", mend="self.register_buffer",
         also=("training_goes_on_where_it_was_stopped",)),
    case(DependsOnHash, "it_works_in_another_process", came="others", mend="hash()"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(case: Case) -> None:
    assert_breach(DetectorContract, case)


@pytest.mark.parametrize(
    ("player", "skipped"),
    [
        (Good, {"it learns by steps"}),
        (Bright, {PLAYS_AS_IT_CAME, "it judges whole images"}),
        (
            Stepwise,
            {
                PLAYS_AS_IT_CAME,
                "it judges whole images",
                "it says that it is not differentiable: it plays, but no attack can follow it",
            },
        ),
    ],
)
def test_a_player_that_keeps_the_contract_passes(player: type[Detector], skipped: set[str]) -> None:
    done = checks(DetectorContract.of(player), process=player is Good)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    assert {check.reason for check in done.values() if check.state == "skipped"} == skipped


def test_a_player_of_one_size_is_checked_at_that_size_and_told_where_to_play() -> None:
    done = checks(DetectorContract.of(Of128Pixels, resolution=128, most_steps=24), process=True)
    assert {name for name, check in done.items() if check.state == "failed"} == set()
    (size,) = (c for c in done.values() if c.state == "skipped" and c.reason != "it learns by steps")
    assert size.name == f"test_{SIZES}"
    assert "play it in an arena of 128 px" in size.reason


def test_a_size_that_it_does_not_take_is_named() -> None:
    done = checks(DetectorContract.of(Of64PixelsAtMost))
    assert done[SIZES].state == "skipped"
    assert "but not 128" in done[SIZES].reason


def test_every_check_of_the_contract_has_a_player_here_that_breaks_it() -> None:
    broken = {name for each in [*CASES, *OF_FIT] for name in (each.fails, *each.also)}
    # Another size is nobody's duty: it is named where it is skipped.
    assert {f"test_{name}" for name in broken | {SIZES}} == set(DetectorContract.checks())
