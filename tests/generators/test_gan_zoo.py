"""Progressive GANs of pytorch_GAN_zoo, against a plain forward pass of its networks."""

from __future__ import annotations

import itertools
import math
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints import convert
from fakeoff.arena.players.specs import load_weights
from fakeoff.generators.pgan import ProgressiveGAN

DIM, DEPTHS = 20, (12, 12, 8)  # at 4, 8 and 16 pixels
CONFIG = {
    "depthScale0": DEPTHS[0], "initBiasToZero": True, "leakyReluLeak": 0.2, "depthOtherScales": list(DEPTHS[1:]),
    "perChannelNormalization": True, "alpha": 0, "miniBatchStdDev": True, "equalizedlR": True, "noiseVectorDim": DIM,
    "dimOutput": 3, "learningRate": 0.001, "attribKeysOrder": None, "categoryVectorDim": 0, "weightConditionG": 0.0,
    "GDPP": False, "latentVectorDim": DIM, "lossCriterion": "WGANGP", "lambdaGP": 10.0, "epsilonD": 0.001,
}  # fmt: skip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def player(**over: Any) -> ProgressiveGAN:
    small = {"resolution": 16, "channels": 3, "latent_dim": DIM, "features": 64, "most_features": 12, "weights": None}
    return ProgressiveGAN(**{**small, **over})


def drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> OrderedDict[str, Tensor]:
    source = rng(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, shape in shapes.items():
        state[f"{name}.module.weight"] = torch.randn(shape, generator=source)
        state[f"{name}.module.bias"] = torch.randn(shape[0], generator=source)
    return state


def generator(seed: int) -> OrderedDict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (before, depth) in enumerate(itertools.pairwise(DEPTHS)):
        shapes |= {f"scaleLayers.{index}.0": (depth, before, 3, 3), f"scaleLayers.{index}.1": (depth, depth, 3, 3)}
    shapes |= {f"toRGBLayers.{index}": (3, depth, 1, 1) for index, depth in enumerate(DEPTHS)}
    shapes |= {"formatLayer": (16 * DEPTHS[0], DIM), "groupScale0.0": (DEPTHS[0], DEPTHS[0], 3, 3)}
    return drawn(shapes, seed)


def discriminator(*, deviation: bool = True, outputs: int = 1) -> OrderedDict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (before, depth) in enumerate(itertools.pairwise(DEPTHS)):
        shapes |= {f"scaleLayers.{index}.0": (depth, depth, 3, 3), f"scaleLayers.{index}.1": (before, depth, 3, 3)}
    shapes |= {f"fromRGBLayers.{index}": (depth, 3, 1, 1) for index, depth in enumerate(DEPTHS)}
    shapes |= {"decisionLayer": (outputs, DEPTHS[0])}
    shapes |= {"groupScaleZero.0": (DEPTHS[0], DEPTHS[0] + deviation, 3, 3)}
    shapes |= {"groupScaleZero.1": (DEPTHS[0], 16 * DEPTHS[0])}
    return drawn(shapes, 9)


def layer(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """What the zoo calls a constrained layer: He's constant multiplies weights and biases alike."""
    weight, bias = state[f"{name}.module.weight"], state[f"{name}.module.bias"]
    constant = math.sqrt(2 / weight[0].numel())
    if weight.ndim == 2:
        return (x @ weight.t() + bias) * constant
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2) * constant


def leaky(x: Tensor) -> Tensor:
    return torch.where(x < 0, 0.2 * x, x)


def normed(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(1, keepdim=True) + 1e-8)


def larger(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def images(given: dict[str, Tensor], z: Tensor, alpha: float) -> Tensor:
    state = {name: value.double() for name, value in given.items()}
    x = normed(leaky(layer(state, "formatLayer", normed(z.double()))).view(len(z), -1, 4, 4))
    x = normed(leaky(layer(state, "groupScale0.0", x)))
    for index in range(2):
        before = x
        x = normed(leaky(layer(state, f"scaleLayers.{index}.0", larger(x))))
        x = normed(leaky(layer(state, f"scaleLayers.{index}.1", x)))
    coarse = larger(layer(state, "toRGBLayers.1", before))
    return alpha * coarse + (1 - alpha) * layer(state, "toRGBLayers.2", x)


def values(given: dict[str, Tensor], shown: Tensor, alpha: float) -> Tensor:
    """Of four images, which are one group of its minibatch deviation."""
    state = {name: value.double() for name, value in given.items()}
    coarse = leaky(layer(state, "fromRGBLayers.1", F.avg_pool2d(shown.double(), 2)))
    x = leaky(layer(state, "fromRGBLayers.2", shown.double()))
    for index in (1, 0):
        x = leaky(layer(state, f"scaleLayers.{index}.0", x))
        x = F.avg_pool2d(leaky(layer(state, f"scaleLayers.{index}.1", x)), 2)
        if index == 1:
            x = alpha * coarse + (1 - alpha) * x
    if state["groupScaleZero.0.module.weight"].shape[1] > DEPTHS[0]:
        deviation = torch.sqrt(x.var(0) + 1e-8).mean()
        x = torch.cat([x, deviation.expand(len(x), 1, 4, 4)], 1)
    x = leaky(layer(state, "groupScaleZero.0", x)).flatten(1)
    return layer(state, "decisionLayer", leaky(layer(state, "groupScaleZero.1", x)))[:, 0]


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the zoo's configuration: an object of a class that is not installed here."""
    for name in ("models", "models.utils", "models.utils.config"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    made = type("BaseConfig", (), {"__module__": "models.utils.config"})
    sys.modules["models.utils.config"].BaseConfig = made  # type: ignore[attr-defined]

    def make(**over: Any) -> Any:
        one = made()
        vars(one).update({**CONFIG, **over})
        return one

    return make


@pytest.mark.parametrize("alpha", [0, 0.25])
@pytest.mark.parametrize("form", ["zip", "older", "safetensors", "first days", "no deviation"])
def test_a_checkpoint_makes_the_images_of_its_network(tmp_path: Path, config: Any, alpha: float, form: str) -> None:
    average, critic = generator(1), discriminator(deviation=form != "no deviation", outputs=1)
    saved = {"config": config(alpha=alpha), "netG": generator(2), "netD": critic, "avgG": average}
    if form == "first days":
        for name in ("netG", "netD", "avgG"):
            saved[name] = OrderedDict((key.replace(".module.", "."), value) for key, value in saved[name].items())
    path = tmp_path / "celeba_s2_i1000.pt"
    torch.save(saved, path, _use_new_zipfile_serialization=form == "zip")
    if form == "safetensors":
        assert "models.utils.config.BaseConfig 1" in str(convert(path, tmp_path / "celeba.safetensors"))
        path = tmp_path / "celeba.safetensors"
    ours = player()
    load_weights(ours, path)
    assert ours.level == 2 - alpha
    z = torch.randn(4, DIM, generator=rng(3))
    expected = images(average, z, alpha)
    assert (ours.decode(z) * 2 - 1 - expected).abs().max() < 1e-4
    assert expected.std() > 0.1
    shown = torch.rand(4, 3, 16, 16, generator=rng(4)) * 2 - 1
    judged = values(critic, shown, alpha)
    assert (ours.critic(shown, level=ours.level) - judged).abs().max() < 1e-5
    assert judged.abs().max() > 0.05
    for name, value in ours.synthesis.state_dict().items():
        assert torch.equal(value, ours.average.state_dict()[name])


def test_a_checkpoint_without_average_or_critic_is_read(tmp_path: Path, config: Any) -> None:
    ours = player()
    critic = {name: value.clone() for name, value in ours.critic.state_dict().items()}
    torch.save({"config": config(), "netG": generator(2)}, tmp_path / "x.pt")
    load_weights(ours, tmp_path / "x.pt")
    z = torch.randn(2, DIM, generator=rng(3))
    assert (ours.decode(z) * 2 - 1 - images(generator(2), z, 0)).abs().max() < 1e-4
    for name, value in ours.critic.state_dict().items():
        assert torch.equal(value, critic[name])


REFUSED = {
    "classes": ({"categoryVectorDim": 47}, "with classes (categoryVectorDim 47)"),
    "a tangent": ({"lossCriterion": "DCGAN"}, "config.lossCriterion = 'DCGAN', where pgan has 'WGANGP'"),
    "another slope": ({"leakyReluLeak": 0.1}, "config.leakyReluLeak = 0.1, where pgan has 0.2"),
    "no norm": ({"perChannelNormalization": False}, "config.perChannelNormalization = False"),
    "plain rates": ({"equalizedlR": False}, "config.equalizedlR = False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pgan_cannot_compute_is_refused(tmp_path: Path, config: Any, name: str) -> None:
    over, reason = REFUSED[name]
    torch.save({"config": config(**over), "netG": generator(1)}, tmp_path / "x.pt")
    with pytest.raises(PluginError) as caught:
        load_weights(player(), tmp_path / "x.pt")
    assert reason in str(caught.value)


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path, config: Any) -> None:
    def refused(state: dict[str, Tensor], **over: Any) -> str:
        torch.save({"config": config(), "netG": state}, tmp_path / "x.pt")
        with pytest.raises(PluginError) as caught:
            load_weights(player(**over), tmp_path / "x.pt")
        return str(caught.value)

    state = generator(1)
    assert "netG.attention.module.weight" in refused(state | {"attention.module.weight": torch.ones(1)})
    lacking = {name: value for name, value in state.items() if name != "scaleLayers.1.1.module.bias"}
    assert "average.blocks.1.conv2.bias" in refused(lacking)
    message = refused(state, resolution=32, features=256, latent_dim=16, channels=1)
    expected = (
        "the file's network has resolution = 16, channels = 3, latent_dim = 20, features = 64: give these parameters"
    )
    assert expected in message
