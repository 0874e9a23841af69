"""For each check of a generator's contract a player that breaks it, and what it is told."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators import Batch, ExtraLoss, Generator, Plan, Wanted
from fakeoff.generators.contract import GeneratorContract
from tests.breaches import PLAYS_AS_IT_CAME, Case, assert_breach, case, checks
from tests.generators.test_fit_breaches import CASES as OF_FIT
from tests.generators.test_manipulation_breaches import CASES as OF_MANIPULATION

RngT = torch.Generator


class Good(Generator):
    """Keeps the contract with every capability: an affine map of its latents, fitted to the mean of the reals."""

    def __init__(self, *, resolution: int = 8, generator_lr: float = 0.05) -> None:
        super().__init__()
        self.resolution = resolution
        self.latent_dim = 4
        self.weight = nn.Parameter(0.3 * torch.randn(4, 3 * resolution**2))  # the arena seeds this draw
        self.mean = nn.Parameter(torch.zeros(3 * resolution**2))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.generator_lr = generator_lr
        self._optimiser = torch.optim.Adam(self.learned(), lr=generator_lr)

    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.learned(), lr=plan.rate or self.generator_lr)

    def training_state(self) -> Any:
        return {"optimiser": self._optimiser.state_dict()}

    def load_training_state(self, state: Any) -> None:
        self._optimiser.load_state_dict(state["optimiser"])

    def learned(self) -> list[nn.Parameter]:
        return [self.weight, self.mean]

    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return self.decode(self.draw(n, rng)).clamp(0, 1)

    def draw(self, n: int, rng: RngT) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=rng).to(self.mean.device)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return torch.sigmoid(z @ self.weight + self.mean).view(-1, 3, self.resolution, self.resolution)

    def train_step(self, batch: Batch, *, rng: RngT, extra_loss: ExtraLoss | None = None) -> dict[str, float]:
        fakes = self.decode(self.draw(len(batch), rng))
        loss = self.own_loss(fakes, batch.images)
        if extra_loss is not None:
            loss = loss + self.extra(extra_loss, fakes)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.steps += 1
        return self.measure(loss)

    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return F.mse_loss(fakes.float().mean(0), reals.mean(0))

    def extra(self, extra_loss: ExtraLoss, fakes: Tensor) -> Tensor:
        return extra_loss(fakes)

    def measure(self, loss: Tensor) -> dict[str, float]:
        return {"loss": loss.item()}

    def encode(self, images: Tensor) -> Tensor:
        flat = images.flatten(1).clamp(1e-3, 1 - 1e-3).logit() - self.mean
        return torch.linalg.lstsq(self.weight.T, flat.T).solution.T.contiguous()

    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: RngT) -> Batch:
        share = torch.rand(len(sources), 1, 1, 1, generator=rng).to(sources.device)
        return Batch(images=torch.lerp(targets, sources, share), mask=self.mask(share.expand_as(targets[:, :1])))

    def mask(self, share: Tensor) -> Tensor:
        return share


class OnlySamples(Generator):
    """Keeps the contract with no further capability, no parameter and no weights."""

    resolution = 8

    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return torch.rand(n, 3, 8, 8, generator=rng)


class Changed(Good):
    """What :class:`Good` samples, changed."""

    def sample(self, n: int, *, rng: RngT) -> Any:
        return self.change(super().sample(n, rng=rng))

    def change(self, images: Tensor) -> Any:
        raise NotImplementedError


class ReturnsNothing(Changed):
    def change(self, images: Tensor) -> Any:
        return None


class ReturnsAPair(Changed):
    def change(self, images: Tensor) -> Any:
        return images, {}


class Grey(Changed):
    def change(self, images: Tensor) -> Any:
        return images[:, :1]


class ChannelsLast(Changed):
    def change(self, images: Tensor) -> Any:
        return images.permute(0, 2, 3, 1)


class Doubles(Changed):
    def change(self, images: Tensor) -> Any:
        return images.double()


class FromMinusOne(Changed):
    def change(self, images: Tensor) -> Any:
        return images * 2 - 1


class UpTo255(Changed):
    def change(self, images: Tensor) -> Any:
        return images * 255


class SlightlyOutside(Changed):
    def change(self, images: Tensor) -> Any:
        return images * 1.5


class NotANumber(Changed):
    def change(self, images: Tensor) -> Any:
        return images / 0 * 0


class DropsTheFirstDimension(Changed):
    def change(self, images: Tensor) -> Any:
        return images.squeeze(0)


class Raises(Changed):
    def change(self, images: Tensor) -> Any:
        raise RuntimeError("the plugin's own bug,\nin two lines")


class OldSignature(Good):
    def sample(self, n: int) -> Any:  # type: ignore[override]
        return torch.rand(n, 3, 8, 8)


class NoResolution(OnlySamples):
    resolution = None  # type: ignore[assignment]


class RaisesInTheConstructor(Good):
    def __init__(self) -> None:
        super().__init__()
        raise KeyError("latents")


class ExitsInTheConstructor(Good):
    def __init__(self) -> None:
        raise SystemExit(3)


class ForgetsSuper(Good):
    def __init__(self) -> None:
        self.mean = nn.Parameter(torch.zeros(3))


class TakesNoPlainValue(Good):
    def __init__(self, *, device: Any = torch.device("cpu")) -> None:  # noqa: B008
        super().__init__()


class BuiltFromTheClock(Good):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.mean[0] = int.from_bytes(os.urandom(2), "big") / 2**18


class DrawsGlobally(Good):
    def draw(self, n: int, rng: RngT) -> Tensor:
        return torch.randn(n, self.latent_dim).to(self.mean.device)


class DrawsFromNumpy(Changed):
    def change(self, images: Tensor) -> Any:
        return images * float(np.random.uniform(0.5, 1))


class DrawsFromRandom(Changed):
    def change(self, images: Tensor) -> Any:
        return images * random.uniform(0.5, 1)


class SeedsGlobally(Changed):
    def change(self, images: Tensor) -> Any:
        torch.manual_seed(0)
        return images


class OwnSeed(Good):
    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return super().sample(n, rng=torch.Generator().manual_seed(0))


class StartsAnew(Good):
    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return super().sample(n, rng=torch.Generator().manual_seed(rng.initial_seed()))


class Remembers(Changed):
    calls = 0

    def change(self, images: Tensor) -> Any:
        self.calls += 1
        return images / self.calls


class Counts(Changed):
    def change(self, images: Tensor) -> Any:
        self.steps += 1  # type: ignore[operator]
        return images


class GoesBackToTraining(Changed):
    def change(self, images: Tensor) -> Any:
        self.train()
        return images


class MeasuresNothing(Good):
    def measure(self, loss: Tensor) -> Any:
        return {}


class MeasuresNone(Good):
    def measure(self, loss: Tensor) -> Any:
        return None


class MeasuresTensors(Good):
    def measure(self, loss: Tensor) -> Any:
        return {"loss": loss.detach()}


class MeasuresNaN(Good):
    def measure(self, loss: Tensor) -> Any:
        return {"loss": float("nan")}


class TrainsInFloat32Alone(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        if (reals.flatten(1) @ self.mean).dtype != torch.float32:
            raise TypeError("no kernel for bfloat16")
        return super().own_loss(fakes, reals)


class DropsOut(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return super().own_loss(F.dropout(fakes, 0.5), reals)


class DropsOutByNumpy(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return super().own_loss(fakes * float(np.random.uniform()), reals)


class WritesToTheReals(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return super().own_loss(fakes, reals.mul_(2).sub_(1))


class TrainsByTheClock(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return super().own_loss(fakes, reals) * (1 + int.from_bytes(os.urandom(2), "big") / 2**16)


class ForgetsAParameter(Good):
    def learned(self) -> list[nn.Parameter]:
        return [self.mean]


class NoiseBesideItsLatents(Good):
    """Inherits ``sample``: what is random besides the latents comes from the same ``rng``, after them."""

    sample = Generator.sample

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = super().decode(z)
        return images if rng is None else images + 0.2 * torch.rand(len(z), 1, 8, 8, generator=rng).to(images) - 0.1


class CutsAParameterOff(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return torch.sigmoid(z @ self.weight.detach() + self.mean).view(-1, 3, 8, 8)


class RestsOnPurpose(Good):
    """Keeps the contract: a parameter that says that it is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.resting = nn.Parameter(torch.zeros(3)).requires_grad_(False)


class SamplesWithOldWeights(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("old", self.mean.detach().clone())
        self.register_buffer("old_weight", self.weight.detach().clone())

    def sample(self, n: int, *, rng: RngT) -> Tensor:
        images = self.draw(n, rng) @ self.old_weight + self.old  # type: ignore[operator]
        return torch.sigmoid(images).view(-1, 3, 8, 8)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        if self.training:
            return super().decode(z)
        return torch.sigmoid(z @ self.old_weight + self.old).view(-1, 3, 8, 8)  # type: ignore[operator]


class IgnoresTheReals(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return (fakes.float() - 0.5).square().mean()


class IgnoresTheExtraLoss(Good):
    def train_step(self, batch: Batch, *, rng: RngT, extra_loss: ExtraLoss | None = None) -> dict[str, float]:
        return super().train_step(batch, rng=rng)


class DetachesTheFakes(Good):
    def extra(self, extra_loss: ExtraLoss, fakes: Tensor) -> Tensor:
        return extra_loss(fakes.detach())


class FlattensTheFakes(Good):
    def extra(self, extra_loss: ExtraLoss, fakes: Tensor) -> Tensor:
        return extra_loss(fakes.flatten(1))


class FakesFromMinusOne(Good):
    def extra(self, extra_loss: ExtraLoss, fakes: Tensor) -> Tensor:
        return extra_loss(fakes * 2 - 1)


class MeasuresTheExtraLossOnly(Good):
    def extra(self, extra_loss: ExtraLoss, fakes: Tensor) -> Tensor:
        return extra_loss(fakes).detach()


class NoLatentDim(Good):
    def __init__(self) -> None:
        super().__init__()
        self.latent_dim = "4"  # type: ignore[assignment]

    def draw(self, n: int, rng: RngT) -> Tensor:
        return torch.randn(n, 4, generator=rng).to(self.mean.device)


class DecodesTwice(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = super().decode(z)
        return images if self.training else torch.cat([images, images])

    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return super().sample(n, rng=rng)[:n]


class SamplesUniformLatents(Good):
    def sample(self, n: int, *, rng: RngT) -> Tensor:
        return self.decode(torch.rand(n, 4, generator=rng).to(self.mean.device))


class DecodesWithoutGradient(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        with torch.set_grad_enabled(self.training):
            return super().decode(z)


class DecodesFlat(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        images = super().decode(z)
        return images if self.training else images.round() + 0 * z.sum()


class DecodesByBatch(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(z - z.mean(0))


class GradientOfTheBatch(Good):
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(z + z.mean(0) - z.mean(0).detach())


class EncodesBackwards(Good):
    def encode(self, images: Tensor) -> Tensor:
        return super().encode(images.roll(1, 0))


class HasARateOfItsOwn(Good):
    def start(self, plan: Plan) -> None:
        self._optimiser = torch.optim.Adam(self.learned(), lr=self.generator_lr)


class ForgetsItsMomentum(Good):
    def training_state(self) -> Any:
        return {"optimiser": {**self._optimiser.state_dict(), "state": {}}}


class TellsWhatMustBeRun(Good):
    def training_state(self) -> Any:
        return {**super().training_state(), "rate": Fraction(1, 3)}


class TellsWhatCannotBeWritten(Good):
    def training_state(self) -> Any:
        return {"schedule": lambda step: step}


class LooksAtADefault(Good):
    load_training_state = Generator.load_training_state


class MakesFewerFakes(Good):
    def fakes(self, wanted: Wanted, *, rng: RngT) -> Batch:
        return super().fakes(replace(wanted, n=wanted.n - 1), rng=rng)


class KeepsPartOutsideOfTheState(Good):
    brightness = 0.0

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(z) * (1 - self.brightness)

    def measure(self, loss: Tensor) -> dict[str, float]:
        self.brightness = min(0.5, self.brightness + 0.01)
        return super().measure(loss)


class SharesMemory(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first", self.mean.detach()[:3])


class LeavesATensorBehind(Good):
    def __init__(self) -> None:
        super().__init__()
        self.tone = torch.full((3 * 64,), 0.1)

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return torch.sigmoid(z @ self.weight + self.mean + self.tone).view(-1, 3, 8, 8)


class DrawsOnTheCPU(Good):
    def draw(self, n: int, rng: RngT) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=rng)


class DrawsOnTheDevice(Good):
    def draw(self, n: int, rng: RngT) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=rng, device=self.mean.device)


class TrainsOnTheCPU(Good):
    def own_loss(self, fakes: Tensor, reals: Tensor) -> Tensor:
        return (fakes.float() - torch.rand(8, 1, 1, 1)[:1].expand(8, 1, 1, 1) * 0 - reals).square().mean()


class ComesBackToTheCPU(Changed):
    def change(self, images: Tensor) -> Any:
        return images.cpu()


class ReadsBytes(Changed):
    def change(self, images: Tensor) -> Any:
        return torch.from_numpy(images.detach().numpy())


class LooksAtTheDevice(Changed):
    def change(self, images: Tensor) -> Any:
        return images if images.device.type == "cpu" else images / 2


class DependsOnHash(Good):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.mean[0] = hash("seed") % 10**6 / 10**6


class DependsOnWhatRanBefore(Good):
    shade: ClassVar[float] = 1.0

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return super().decode(z) * self.shade


class DiesElsewhere(Good):
    def sample(self, n: int, *, rng: RngT) -> Tensor:
        if "PYTEST_CURRENT_TEST" not in os.environ or os.environ.get("FAKEOFF_TEST_DIES") != str(os.getpid()):
            os._exit(7)
        return super().sample(n, rng=rng)


def local_class() -> type[Generator]:
    class Local(Good):
        pass

    return Local


SAMPLES, BUILT, SEED = "samples_are_images", "it_is_built_the_same_each_time", "the_seed_decides_the_samples"
LEAVES, MEASURES = "sampling_leaves_everything_as_it_was", "training_measures_finite_numbers"
SAME, GLOBAL = "training_is_the_same_for_the_same_seed", "training_leaves_global_randomness_alone"
REACHES, SEES, LEADS = (
    "training_reaches_every_parameter",
    "an_extra_loss_sees_images",
    "an_extra_loss_leads_the_samples",
)
AS_SAMPLING, OWN_LATENT = "latents_decode_as_sampling_does", "each_latent_makes_its_own_image"
STATE = "a_state_is_all_there_is_to_a_version"
DEVICE, PROCESS = "it_moves_to_another_device", "it_works_in_another_process"

GOES_ON = "training_goes_on_where_it_was_stopped"

CASES = [
    case(ReturnsNothing, SAMPLES, came="NoneType", mend="no return", expected="sample(1, rng=rng) returns"),
    case(ReturnsAPair, SAMPLES, came="tuple", mend="nothing else"),
    case(Grey, SAMPLES, came="(1, 1, 8, 8)", mend="expand(-1, 3, -1, -1)"),
    case(ChannelsLast, SAMPLES, came="(1, 8, 8, 3)", mend="permute(0, 3, 1, 2)"),
    case(DropsTheFirstDimension, SAMPLES, came="(3, 8, 8)", mend="only one image"),
    case(Doubles, SAMPLES, came="float64", mend="to(torch.float32)"),
    case(FromMinusOne, SAMPLES, came="values from -0.", mend="(images + 1) / 2", expected="in [0, 1]"),
    case(UpTo255, SAMPLES, came="values from", mend="/ 255"),
    case(SlightlyOutside, SAMPLES, came="to 1.", mend="clamp(0, 1)"),
    case(NotANumber, SAMPLES, came="100% NaN", mend="division by zero"),
    case(Raises, SAMPLES, came="RuntimeError: the plugin's own bug, in two lines", mend="test_contract_breaches.py:"),
    case(OldSignature, SAMPLES, came="unexpected keyword argument 'rng'", mend="it is called as sample(1, rng=rng)"),
    case(NoResolution, SAMPLES, came="None", mend="self.resolution = resolution", expected="an int"),
    case(RaisesInTheConstructor, BUILT, came="KeyError: 'latents'", mend="in __init__", expected="InTheConstructor()"),
    case(ExitsInTheConstructor, BUILT, came="SystemExit: 3", mend="in __init__"),
    case(ForgetsSuper, BUILT, came="before Module.__init__() call", mend="in __init__"),
    case(TakesNoPlainValue, BUILT, came="device is not JSON serializable", mend="configuration file"),
    case(BuiltFromTheClock, BUILT, came="'mean' is another each time", mend="manual_seed(init_seed)"),
    case(DrawsGlobally, SEED, came="differs by up to", mend="generator=rng", also=(LEAVES, SAME, GLOBAL, AS_SAMPLING)),
    case(DrawsFromNumpy, LEAVES, came="that of numpy", mend="np.random.default_rng", also=(SEED, AS_SAMPLING)),
    case(DrawsFromRandom, LEAVES, came="that of random", mend="random.Random", also=(SEED, AS_SAMPLING)),
    case(SeedsGlobally, LEAVES, came="seeded, that of torch", mend="global_draws(rng)", expected="global random state"),
    case(OwnSeed, "other_seeds_make_other_samples", came="for two seeds", mend="from no other"),
    case(StartsAnew, "a_source_of_randomness_goes_on", came="twice", mend="initial_seed()"),
    case(Remembers, SEED, came="differs by", mend="keep nothing from one call to the next"),
    case(Counts, LEAVES, came="'steps' changed", mend="in train_step or fit only", expected="in eval mode"),
    case(GoesBackToTraining, LEAVES, came="train mode", mend="to the arena"),
    case(MeasuresNothing, MEASURES, came="an empty dict", mend="loss.item()"),
    case(MeasuresNone, MEASURES, came="NoneType", mend='return {"loss": loss.item()}', expected="finite numbers"),
    case(MeasuresTensors, MEASURES, came="'loss' is Tensor", mend="loss.item()"),
    case(MeasuresNaN, MEASURES, came="'loss' is nan", mend="learning rate"),
    case(TrainsInFloat32Alone, "training_works_in_bfloat16", came="bfloat16", mend="in own_loss"),
    case(DropsOut, GLOBAL, came="that of torch", mend="with global_draws(rng)", also=(SAME,)),
    case(DropsOutByNumpy, GLOBAL, came="that of numpy", mend="np.random.default_rng", also=(SAME,)),
    case(WritesToTheReals, "training_does_not_write_to_what_it_is_shown", came="images", mend="in place on images"),
    case(TrainsByTheClock, SAME, came="other", mend="draw from rng alone"),
    case(ForgetsAParameter, REACHES, came="'weight' did not", mend="hand it to an optimiser"),
    case(CutsAParameterOff, REACHES, came="'weight' did not", mend="detach()"),
    case(SamplesWithOldWeights, "training_moves_the_samples", came="the same images", mend="weights that are trained"),
    case(IgnoresTheReals, "training_learns_from_the_reals", came="the same images", mend="use the reals in the loss"),
    case(IgnoresTheExtraLoss, SEES, came="it was not called", mend="loss = loss + extra_loss(fakes)"),
    case(DetachesTheFakes, SEES, came="cut off", mend="detach()"),
    case(FlattensTheFakes, SEES, came="(12, 192)", mend="one entry for each image", expected="(12, 3, 8, 8)"),
    case(FakesFromMinusOne, SEES, came="values from -", mend="(images + 1) / 2"),
    case(MeasuresTheExtraLossOnly, LEADS, came="by 0.0", mend="add what it returns to the loss"),
    case(NoLatentDim, "latents_decode_to_images", came="'4'", mend="self.latent_dim = latent_dim"),
    case(DecodesTwice, "latents_decode_to_images", came="(6, 3, 8, 8)", mend="one entry for each"),
    case(SamplesUniformLatents, AS_SAMPLING, came="differs by", mend="call latents", expected="decode(latents("),
    case(DecodesWithoutGradient, OWN_LATENT, came="no gradient", mend="no_grad()"),
    case(EncodesBackwards, "images_are_encoded", came="to its own image", mend="in the same order"),
    case(HasARateOfItsOwn, "training_heeds_the_rate_of_its_plan", came="it moves one by", mend="plan.rate"),
    case(ForgetsItsMomentum, GOES_ON, came="other weights", mend="optimisers' state_dict()"),
    case(TellsWhatMustBeRun, GOES_ON, came="would have to be run", mend="counters as numbers"),
    case(TellsWhatCannotBeWritten, GOES_ON, came="cannot be written", mend="counters as numbers"),
    case(LooksAtADefault, GOES_ON, came="it has training_state() alone", mend="both, or neither"),
    case(MakesFewerFakes, "fakes_are_samples", came="(2, 3, 8, 8)", mend=""),
    case(DecodesFlat, OWN_LATENT, came="a gradient that is zero", mend="round()"),
    case(DecodesByBatch, OWN_LATENT, came="differs by", mend="no batch statistics", expected="alone and among others"),
    case(GradientOfTheBatch, OWN_LATENT, came="its neighbours", mend="nothing depend on the batch"),
    case(KeepsPartOutsideOfTheState, STATE, came="differs by", mend="register_buffer", also=(GOES_ON,)),
    case(SharesMemory, STATE, came="share memory", mend="no two of which share memory"),
    case(LeavesATensorBehind, DEVICE, came="add was given", mend="self.register_buffer('tone', tone, "),
    case(DrawsOnTheCPU, DEVICE, came="test_contract_breaches.py:", mend="generator=rng).to(x.device)"),
    case(DrawsOnTheDevice, DEVICE, came="a generator of the CPU", mend="torch.randn(..., generator=rng).to(device)"),
    case(ComesBackToTheCPU, DEVICE, came="images on cpu", mend="next(self.parameters()).device"),
    case(ReadsBytes, DEVICE, came="numpy", mend="detach().cpu().numpy()"),
    case(LooksAtTheDevice, DEVICE, came="differs by", mend="depend on tensor.device"),
    case(DependsOnHash, PROCESS, came="others", mend="hash()", expected="the same bytes"),
    case(local_class(), PROCESS, came="defined in a function", mend="top level"),
    case(DiesElsewhere, PROCESS, came="exit code 7", mend="imports by itself"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKEOFF_TEST_DIES", str(os.getpid()))
    assert_breach(GeneratorContract, case)


SKIPPED: dict[type[Generator], set[str]] = {
    Good: {"it learns by steps"},
    RestsOnPurpose: {"it learns by steps"},
    NoiseBesideItsLatents: {"it learns by steps"},
    OnlySamples: {
        PLAYS_AS_IT_CAME,
        "it is not latent",
        "it is not a manipulator",
        "it is not invertible",
    },
}


@pytest.mark.parametrize("player", SKIPPED, ids=lambda player: player.__name__)
def test_a_player_that_keeps_the_contract_passes(player: type[Generator]) -> None:
    done = checks(GeneratorContract.of(player), process=player is Good)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    assert {check.reason for check in done.values() if check.state == "skipped"} == SKIPPED[player]


def test_what_ran_before_must_not_matter_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DependsOnWhatRanBefore, "shade", 0.5)
    failed = {c.name: c for c in checks(GeneratorContract.of(DependsOnWhatRanBefore), process=True).values()}
    assert failed[f"test_{PROCESS}"].state == "failed"
    assert "what ran before" in failed[f"test_{PROCESS}"].mend


def test_every_check_of_the_contract_has_a_player_here_that_breaks_it() -> None:
    broken = {name for each in [*CASES, *OF_FIT, *OF_MANIPULATION] for name in (each.fails, *each.also)}
    assert {f"test_{name}" for name in broken} == set(GeneratorContract.checks())
