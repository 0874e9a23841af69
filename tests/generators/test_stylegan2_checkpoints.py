"""StyleGAN2s that people have: files of their true structure, against plain forward passes of their networks."""

from __future__ import annotations

import argparse
import math
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints import convert
from fakeoff.arena.players.specs import load_weights
from fakeoff.generators.stylegan2.player import StyleGAN2

SIDE, DIM, DEPTH, BASE, MOST = 16, 24, 2, 256, 32


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts() -> dict[int, int]:
    return {side: min(MOST, BASE // side) for side in (4, 8, 16)}


def player(**over: Any) -> StyleGAN2:
    small = {"resolution": SIDE, "channels": 3, "latent_dim": DIM, "mapping_layers": DEPTH, "features": BASE}
    return StyleGAN2(**{**small, "most_features": MOST, "noise": "constant", **over})


def fir() -> Tensor:
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(line, line) / 64


# --- rosinality's names, and what its networks compute, written out in the plainest way


def drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> OrderedDict[str, Tensor]:
    source = rng(seed)
    state = OrderedDict((name, torch.randn(shape, generator=source)) for name, shape in shapes.items())
    for name in state:
        if name.endswith("modulation.bias"):
            state[name] = 1 + 0.3 * state[name]
        elif name.endswith("kernel"):
            state[name] = fir() * (1 if seed == 9 else 4)  # the critic's filters follow no zeros
        elif name.startswith("style."):
            state[name] = state[name] * 100 / (10 if name.endswith("bias") else 1)
    return state


def rosinality_generator(seed: int = 0) -> OrderedDict[str, Tensor]:
    n = counts()
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(1, DEPTH + 1):
        shapes |= {f"style.{layer}.weight": (DIM, DIM), f"style.{layer}.bias": (DIM,)}

    def styled(name: str, inputs: int, outputs: int, *, up: bool = False) -> None:
        shapes.update({f"{name}.conv.weight": (1, outputs, inputs, 3, 3)})
        if up:
            shapes.update({f"{name}.conv.blur.kernel": (4, 4)})
        shapes.update({f"{name}.conv.modulation.weight": (inputs, DIM), f"{name}.conv.modulation.bias": (inputs,)})
        shapes.update({f"{name}.noise.weight": (1,), f"{name}.activate.bias": (outputs,)})

    def to_rgb(name: str, inputs: int) -> None:
        shapes.update({f"{name}.bias": (1, 3, 1, 1), f"{name}.conv.weight": (1, 3, inputs, 1, 1)})
        shapes.update({f"{name}.conv.modulation.weight": (inputs, DIM), f"{name}.conv.modulation.bias": (inputs,)})

    shapes |= {"input.input": (1, n[4], 4, 4)}
    styled("conv1", n[4], n[4])
    to_rgb("to_rgb1", n[4])
    for index, side in enumerate((8, 16)):
        styled(f"convs.{2 * index}", n[side // 2], n[side], up=True)
        styled(f"convs.{2 * index + 1}", n[side], n[side])
        shapes |= {f"to_rgbs.{index}.upsample.kernel": (4, 4)}
        to_rgb(f"to_rgbs.{index}", n[side])
    for index, side in enumerate((4, 8, 8, 16, 16)):
        shapes |= {f"noises.noise_{index}": (1, 1, side, side)}
    return drawn(shapes, seed)


def rosinality_discriminator() -> OrderedDict[str, Tensor]:
    n = counts()
    shapes: dict[str, tuple[int, ...]] = {"convs.0.0.weight": (n[16], 3, 1, 1), "convs.0.1.bias": (n[16],)}
    for index, side in enumerate((16, 8), 1):
        inputs, outputs = n[side], n[side // 2]
        shapes |= {f"convs.{index}.conv1.0.weight": (inputs, inputs, 3, 3), f"convs.{index}.conv1.1.bias": (inputs,)}
        shapes |= {f"convs.{index}.conv2.0.kernel": (4, 4), f"convs.{index}.conv2.1.weight": (outputs, inputs, 3, 3)}
        shapes |= {f"convs.{index}.conv2.2.bias": (outputs,), f"convs.{index}.skip.0.kernel": (4, 4)}
        shapes |= {f"convs.{index}.skip.1.weight": (outputs, inputs, 1, 1)}
    shapes |= {"final_conv.0.weight": (n[4], n[4] + 1, 3, 3), "final_conv.1.bias": (n[4],)}
    shapes |= {"final_linear.0.weight": (n[4], n[4] * 16), "final_linear.0.bias": (n[4],)}
    shapes |= {"final_linear.1.weight": (1, n[4]), "final_linear.1.bias": (1,)}
    return drawn(shapes, 9)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x < 0, 0.2 * x, x) * 2**0.5


def filtered(x: Tensor, kernel: Tensor, before: int, after: int) -> Tensor:
    x = F.pad(x, (before, after, before, after))
    return torch.stack([F.conv2d(image[:, None], kernel.flip(0, 1)[None, None])[:, 0] for image in x])


def zeros_between(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, 2 * h, 2 * w)
    wide[..., ::2, ::2] = x
    return wide


def modulated(state: dict[str, Tensor], name: str, x: Tensor, w: Tensor, *, demodulate: bool = True) -> Tensor:
    """An image at a time, with weights of its own."""
    weight = state[f"{name}.weight"][0]
    made = []
    for image, one in zip(x, w, strict=True):
        style = state[f"{name}.modulation.weight"] @ one / math.sqrt(DIM) + state[f"{name}.modulation.bias"]
        own = weight / math.sqrt(weight[0].numel()) * style[:, None, None]
        if demodulate:
            own = own / torch.sqrt(own.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if f"{name}.blur.kernel" in state:
            wide = F.conv_transpose2d(image[None], own.transpose(0, 1), stride=2)
            made.append(filtered(wide, state[f"{name}.blur.kernel"], 1, 1)[0])
        else:
            made.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2)[0])
    return torch.stack(made)


def rosinality_images(given: dict[str, Tensor], z: Tensor, *, mean: Tensor | None = None, psi: float = 1.0) -> Tensor:
    state = {name: value.double() for name, value in given.items()}
    w = z.double() / torch.sqrt(z.double().square().mean(1, keepdim=True) + 1e-8)
    for layer in range(1, DEPTH + 1):
        weight, bias = state[f"style.{layer}.weight"], state[f"style.{layer}.bias"]
        w = leaky(w @ (weight * 0.01 / math.sqrt(DIM)).t() + bias * 0.01)
    if mean is not None:
        w = mean + psi * (w - mean)

    def styled(name: str, x: Tensor, noise: int) -> Tensor:
        x = modulated(state, f"{name}.conv", x, w)
        x = x + state[f"{name}.noise.weight"] * state[f"noises.noise_{noise}"]
        return leaky(x + state[f"{name}.activate.bias"][:, None, None])

    def to_rgb(name: str, x: Tensor, before: Tensor | None) -> Tensor:
        image = modulated(state, f"{name}.conv", x, w, demodulate=False) + state[f"{name}.bias"]
        if before is None:
            return image
        return image + filtered(zeros_between(before), state[f"{name}.upsample.kernel"], 2, 1)

    x = styled("conv1", state["input.input"].expand(len(z), -1, -1, -1), 0)
    image = to_rgb("to_rgb1", x, None)
    for index in range(2):
        x = styled(f"convs.{2 * index}", x, 2 * index + 1)
        x = styled(f"convs.{2 * index + 1}", x, 2 * index + 2)
        image = to_rgb(f"to_rgbs.{index}", x, image)
    return image


def rosinality_values(given: dict[str, Tensor], images: Tensor) -> Tensor:
    state = {name: value.double() for name, value in given.items()}

    def conv(name: str, x: Tensor, **how: int) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight / math.sqrt(weight[0].numel()), **how)

    x = leaky(conv("convs.0.0", images.double()) + state["convs.0.1.bias"][:, None, None])
    for index in (1, 2):
        name = f"convs.{index}"
        y = leaky(conv(f"{name}.conv1.0", x, padding=1) + state[f"{name}.conv1.1.bias"][:, None, None])
        y = conv(f"{name}.conv2.1", filtered(y, state[f"{name}.conv2.0.kernel"], 2, 2), stride=2)
        y = leaky(y + state[f"{name}.conv2.2.bias"][:, None, None])
        x = (y + conv(f"{name}.skip.1", filtered(x, state[f"{name}.skip.0.kernel"], 1, 1), stride=2)) / math.sqrt(2)
    deviation = torch.sqrt(x.var(0, unbiased=False) + 1e-8).mean()  # of four images: one group
    x = torch.cat([x, deviation.expand(len(x), 1, 4, 4)], 1)
    x = leaky(conv("final_conv.0", x, padding=1) + state["final_conv.1.bias"][:, None, None]).flatten(1)
    weight = state["final_linear.0.weight"]
    x = leaky(x @ weight.t() / math.sqrt(weight.shape[1]) + state["final_linear.0.bias"])
    weight = state["final_linear.1.weight"]
    return (x @ weight.t() / math.sqrt(weight.shape[1]) + state["final_linear.1.bias"])[:, 0]


def agree(got: Tensor, expected: Tensor) -> None:
    """Within 1e-4 of the range of the expected values: drawn weights make images that are no photographs."""
    assert expected.abs().max() > 0.1
    assert (got - expected).abs().max() < 1e-4 * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize("form", ["zip", "older", "safetensors"])
def test_rosinalitys_checkpoints_make_the_images_of_its_network(tmp_path: Path, form: str) -> None:
    ema, critic = rosinality_generator(), rosinality_discriminator()
    mean = torch.randn(DIM, generator=rng(3))
    saved: dict[str, Any] = {"g_ema": ema, "d": critic, "latent_avg": mean}
    if form != "zip":  # of train.py, without its mean
        saved |= {"g": rosinality_generator(5), "args": argparse.Namespace(size=SIDE), "ada_aug_p": 0.1}
        saved |= {"g_optim": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}}
    path = tmp_path / "stylegan2.pt"
    torch.save(saved, path, _use_new_zipfile_serialization=form == "zip")
    if form == "safetensors":
        convert(path, tmp_path / "stylegan2.safetensors")
        path = tmp_path / "stylegan2.safetensors"
    ours = player(truncation=0.7)
    load_weights(ours, path)
    z = torch.randn(4, DIM, generator=rng(7))
    agree(ours.decode(z) * 2 - 1, rosinality_images(ema, z, mean=mean, psi=0.7))
    images = torch.rand(4, 3, SIDE, SIDE, generator=rng(8)) * 2 - 1
    agree(ours.critic(images), rosinality_values(critic, images))
    for name, value in ours.generator.state_dict().items():
        assert torch.equal(value, ours.average.state_dict()[name])


def test_without_a_mean_of_w_it_is_that_of_drawn_latents(tmp_path: Path) -> None:
    ema = rosinality_generator()
    torch.save({"g_ema": ema}, tmp_path / "stylegan2.pt")
    torch.save(ema, tmp_path / "alone.pt")
    one, other = player(), player()
    critic = {name: value.clone() for name, value in one.critic.state_dict().items()}
    load_weights(one, tmp_path / "stylegan2.pt")
    load_weights(other, tmp_path / "alone.pt")
    mean = one.average.mapping.w_avg
    w = one.average.mapping(torch.randn(20_000, DIM, generator=rng(4)))
    assert (mean - w.mean(0)).abs().max() < 5 * w.std() / math.sqrt(4096)
    assert torch.equal(mean, other.average.mapping.w_avg)
    for name, value in one.critic.state_dict().items():  # which the file does not have
        assert torch.equal(value, critic[name])


def test_rosinalitys_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    def refused(state: dict[str, Tensor], **over: Any) -> str:
        torch.save({"g_ema": state, "d": rosinality_discriminator()}, tmp_path / "x.pt")
        with pytest.raises(PluginError) as caught:
            load_weights(player(**over), tmp_path / "x.pt")
        return str(caught.value)

    ema = rosinality_generator()
    assert "g_ema.convs.0.wavelet" in refused(ema | {"convs.0.wavelet": torch.ones(1)})
    assert "g_ema.convs.999999999.conv.weight" in refused(ema | {"convs.999999999.conv.weight": torch.ones(1)})
    assert "filter otherwise in 'g_ema.convs.0.conv.blur.kernel'" in refused(
        ema | {"convs.0.conv.blur.kernel": torch.full((4, 4), 0.25)}
    )
    without = OrderedDict((name, value) for name, value in ema.items() if name != "convs.3.activate.bias")
    assert "average.synthesis.b16.conv1.bias" in refused(without)
    message = refused(ema, resolution=32, features=512, latent_dim=16)
    assert "the file's network has resolution = 16, latent_dim = 24, features = 256: give these parameters" in message


# --- NVIDIA's pickles: modules that torch_utils.persistence wraps, each with the source code of its class


@pytest.fixture
def persistence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Stands in for ``torch_utils.persistence`` and ``dnnlib``, as far as pickles name them."""

    def _reconstruct_persistent_obj(meta: Any) -> None:
        raise AssertionError("the pickle was run")

    package, module = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = _reconstruct_persistent_obj.__name__
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    dnnlib, util = types.ModuleType("dnnlib"), types.ModuleType("dnnlib.util")
    util.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})  # type: ignore[attr-defined]
    for one in (package, module, dnnlib, util):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    yield module
    for one in (package, module, dnnlib, util):
        monkeypatch.delitem(sys.modules, one.__name__, raising=False)


class Persistent(nn.Module):
    """What NVIDIA's decorator makes of a module: it is reduced to its source, its class's name and its attributes."""

    def __init__(self, class_name: str) -> None:
        super().__init__()
        self.class_name = class_name
        self._init_kwargs = sys.modules["dnnlib.util"].EasyDict(z_dim=DIM, kwargs={"channel_base": BASE})

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise AssertionError('the source was run')",
            "class_name": self.class_name,
            "state": self.__dict__,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


def persistent(state: dict[str, Tensor], class_name: str) -> Persistent:
    """A tree of modules with the state dict ``state``, and attributes as NVIDIA's layers have them."""
    root = Persistent(class_name)
    for name, value in state.items():
        node: nn.Module = root
        *path, last = name.split(".")
        for part in path:
            if part not in node._modules:
                node.add_module(part, Persistent(part))
            node = node._modules[part]  # type: ignore[assignment]
        if last in ("resample_filter", "noise_const", "w_avg"):
            node.register_buffer(last, value)
        else:
            node.register_parameter(last, nn.Parameter(value))
    for name, module in root.named_modules():
        layer = name.rpartition(".")[2]
        if "weight" in module._parameters and layer != "torgb":
            linear = layer in ("affine", "out", "skip")
            module.activation = "linear" if linear else "lrelu"
            module.act_gain = np.float64(1 if linear else np.sqrt(2))
            module.weight_gain = np.float32(0.5) * np.sqrt(2)
            if module._parameters["weight"].ndim == 2:  # type: ignore[union-attr]
                module.bias_gain = 0.01 if layer.startswith("fc") and name.startswith("mapping") else 1
    return root.eval().requires_grad_(False)


def published(seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A generator's and a critic's state in NVIDIA's names: ours, with weights drawn anew and the filters put in."""
    source = player(init_seed=seed)
    for module in source.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if name in ("bias", "noise_strength", "noise_const", "w_avg"):
                value.data.normal_(generator=rng(seed))
    generator, critic = (
        {name: value.clone() for name, value in network.state_dict().items()}
        for network in (source.average, source.critic)
    )
    filters = {f"synthesis.b{side}.resample_filter": fir() for side in (4, 8, 16)}
    filters |= {f"synthesis.b{side}.conv1.resample_filter": fir() for side in (4, 8, 16)}
    filters |= {f"synthesis.b{side}.conv0.resample_filter": fir() for side in (8, 16)}
    of_critic = {f"b{side}.{layer}resample_filter": fir() for side in (8, 16) for layer in ("", "conv0.", "skip.")}
    return generator | filters, critic | of_critic


def snapshot(**over: Any) -> dict[str, Any]:
    """What NVIDIA's training loop writes."""
    easy = sys.modules["dnnlib.util"].EasyDict
    generator, critic = published(1)
    pipe = Persistent("AugmentPipe")
    pipe.register_buffer("p", torch.ones(()))
    return {
        "training_set_kwargs": dict(easy(class_name="training.dataset.ImageFolderDataset", path="/data/ffhq.zip")),
        "G": persistent(published(2)[0], "Generator"),
        "D": persistent(critic, "Discriminator"),
        "G_ema": persistent(generator, "Generator"),
        "augment_pipe": pipe,
        **over,
    }


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("converted", [False, True])
def test_a_pickle_of_nvidias_is_read_without_running_its_code(
    tmp_path: Path, persistence: Any, protocol: int, converted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, critic = published(1)
    path = tmp_path / "network-snapshot.pkl"
    path.write_bytes(pickle.dumps(snapshot(), protocol))
    assert b"ctorch_utils.persistence\n_reconstruct" in path.read_bytes() or protocol > 3
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    if converted:
        said = str(convert(path, tmp_path / "network.safetensors"))
        assert f"G_ema {len(generator)}" in said
        assert f"D {len(critic)}" in said
        path = tmp_path / "network.safetensors"
    ours, directly = player(truncation=0.5), player(truncation=0.5)
    load_weights(ours, path)
    assert not {name for name in set(sys.modules) - before if name.startswith(("torch_utils", "dnnlib", "_imported"))}
    # The names and their meaning are held to plain references in test_stylegan2_networks.py.
    directly.load_state_dict({f"G_ema.{name}": value for name, value in generator.items()})
    z = torch.randn(3, DIM, generator=rng(5))
    assert torch.equal(ours.decode(z), directly.decode(z))
    assert ours.decode(z).std() > 0.01
    for name, value in ours.critic.state_dict().items():
        assert torch.equal(value, critic[name])


def test_a_pickle_that_is_one_network_is_its_average(tmp_path: Path, persistence: Any) -> None:
    (tmp_path / "g.pkl").write_bytes(pickle.dumps(persistent(published(1)[0], "Generator")))
    ours = player()
    load_weights(ours, tmp_path / "g.pkl")
    assert torch.equal(ours.average.synthesis.b4.const, published(1)[0]["synthesis.b4.const"])


def test_networks_that_compute_something_else_are_refused_by_name(tmp_path: Path, persistence: Any) -> None:
    def refused(data: dict[str, Any], **over: Any) -> str:
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(data))
        with pytest.raises(PluginError) as caught:
            load_weights(player(**over), tmp_path / "x.pkl")
        return str(caught.value)

    data = snapshot()
    data["G_ema"].synthesis.b8.conv1.activation = "relu"
    assert "activation 'relu' in 'G_ema.synthesis.b8.conv1', where stylegan2 has 'lrelu'" in refused(data)
    data = snapshot()
    data["G_ema"].mapping.fc1.bias_gain = 0.1
    assert "bias_gain 0.1 in 'G_ema.mapping.fc1', where stylegan2 has 0.01" in refused(data)
    data = snapshot()
    data["D"].b8.conv0.activation = "swish"
    assert "'D.b8.conv0'" in refused(data)
    data = snapshot()
    data["G"].synthesis.b8.conv1.activation = "relu"  # which nobody takes
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(data))
    load_weights(player(), tmp_path / "x.pkl")
    data = snapshot()
    data["G_ema"].mapping.add_module("embed", persistent({"weight": torch.ones(DIM, 3)}, "FullyConnectedLayer"))
    assert "trained with classes" in refused(data)
    assert "the file's network has mapping_layers = 2: give these parameters" in refused(snapshot(), mapping_layers=3)
    assert "the file's network has resolution = 16: give these parameters" in refused(snapshot(), resolution=32)
    del (data := snapshot())["G_ema"].mapping.fc1
    message = refused(data)
    assert "average.mapping.fc1.weight" in message


def test_a_player_of_more_layers_than_the_file_is_refused(tmp_path: Path, persistence: Any) -> None:
    """What is missing was filled with random weights once."""
    generator, _ = published(1)
    with pytest.raises(RuntimeError, match=r"Missing key.*average\.mapping\.fc2\.weight"):
        player(mapping_layers=3).load_state_dict(generator)
