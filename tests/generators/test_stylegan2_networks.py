"""StyleGAN2's networks against plain references, and against NVIDIA's names, shapes and counts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.players.specs import load_weights
from fakeoff.generators.stylegan2.layers import (
    Conv2d,
    Linear,
    ModulatedConv2d,
    blur,
    draw_weights,
    resample_filter,
    upsample,
)
from fakeoff.generators.stylegan2.networks import Critic, Network, widths
from fakeoff.generators.stylegan2.player import StyleGAN2
from fakeoff.generators.stylegan2.published import from_published


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Plain references, from the paper's equations: loops over images and pixels, nothing of the networks under test.


def fir() -> Tensor:
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    return line[:, None] * line[None] / 64


def zeros_between(image: Tensor) -> Tensor:
    out = torch.zeros(*image.shape[:2], image.shape[2] * 2, image.shape[3] * 2, dtype=image.dtype)
    out[:, :, ::2, ::2] = image
    return out


def filtered(image: Tensor, before: int, after: int, gain: float) -> Tensor:
    """Every output pixel as a sum over a window of 4 x 4."""
    padded = F.pad(image, (before, after, before, after))
    height, width = padded.shape[2] - 3, padded.shape[3] - 3
    out = torch.zeros(*image.shape[:2], height, width, dtype=image.dtype)
    for y in range(height):
        for x in range(width):
            out[:, :, y, x] = (padded[:, :, y : y + 4, x : x + 4] * fir()).sum((2, 3)) * gain
    return out


def upsampled(image: Tensor) -> Tensor:
    return filtered(zeros_between(image), 2, 1, 4.0)


def modulated(x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False, demodulate: bool = True) -> Tensor:
    """Eqs. 1 to 3 for one image after the other."""
    made = []
    for image, scales in zip(x, style, strict=True):
        own = weight * scales[None, :, None, None]
        if demodulate:
            own = own / torch.sqrt((own**2).sum((1, 2, 3), keepdim=True) + 1e-8)
        if up:
            # A true convolution, with the weights mirrored, of all that the filter spreads over the border: that is
            # what the published weights were trained for.
            out = F.conv2d(filtered(zeros_between(image[None]), 3, 2, 4.0), own.flip(2, 3))
        else:
            out = F.conv2d(image[None], own, padding=own.shape[-1] // 2)
        made.append(out)
    return torch.cat(made)


def dense(x: Tensor, state: dict[str, Tensor], name: str, rate: float = 1.0) -> Tensor:
    weight = state[f"{name}.weight"] * rate / math.sqrt(x.shape[1])
    return x @ weight.T + state[f"{name}.bias"] * rate


def activated(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def reference(state: dict[str, Tensor], ws: Tensor, noise: dict[str, Tensor], sides: list[int]) -> Tensor:
    x = state["b4.const"].expand(len(ws), -1, -1, -1)
    image, layer = None, 0
    for side in sides:
        for conv in ("conv1",) if side == 4 else ("conv0", "conv1"):
            name = f"b{side}.{conv}"
            style = dense(ws[:, layer], state, f"{name}.affine")
            x = modulated(x, state[f"{name}.weight"], style, up=conv == "conv0")
            x = x + noise[name] * state[f"{name}.noise_strength"]
            x = activated(x + state[f"{name}.bias"][None, :, None, None])
            layer += 1
        name = f"b{side}.torgb"
        style = dense(ws[:, layer], state, f"{name}.affine") / math.sqrt(x.shape[1])
        own = modulated(x, state[f"{name}.weight"], style, demodulate=False)
        own = own + state[f"{name}.bias"][None, :, None, None]
        image = own if image is None else upsampled(image) + own
    assert image is not None
    return image


def small_network(channels: int = 3) -> Network:
    """At 16 pixels, with biases and noise that are not zero."""
    network = Network(12, mapping_layers=3, features=widths(16, features=128, most=24), channels=channels)
    draw_weights(network, rng=rng(1))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng(len(name))))
        network.mapping.w_avg.normal_(generator=rng(3))
    return network


def doubles(network: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.double() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("side", [4, 7])
def test_upsampling_and_blur_are_the_filter_written_out(side: int) -> None:
    image = torch.randn(2, 3, side, side, generator=rng())
    assert (upsample(image, resample_filter()) - upsampled(image.double())).abs().max() < 1e-5
    assert (blur(image, resample_filter(), padding=2) - filtered(image.double(), 2, 2, 1.0)).abs().max() < 1e-5
    assert (
        blur(image, resample_filter(), padding=1, stride=2) - filtered(image.double(), 1, 1, 1.0)[..., ::2, ::2]
    ).abs().max() < 1e-5


def test_the_filter_keeps_the_brightness_and_the_place() -> None:
    flat = torch.full((1, 1, 8, 8), 0.7)
    assert torch.allclose(upsample(flat, resample_filter())[..., 2:-2, 2:-2], torch.tensor(0.7))
    assert torch.allclose(blur(flat, resample_filter(), padding=1, stride=2)[..., 1:-1, 1:-1], torch.tensor(0.7))
    slope = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.allclose(upsample(slope, resample_filter())[0, 0, 5, 2:-2], torch.arange(0.75, 6.5, 0.5), atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_a_modulated_convolution_is_one_convolution_an_image(up: bool) -> None:
    conv = ModulatedConv2d(6, 5, 7, side=8, up=up)
    draw_weights(conv, rng=rng())
    with torch.no_grad():
        conv.bias.normal_(generator=rng(1))
        conv.noise_strength.fill_(0.4)
    before = 4 if up else 8
    x, w = torch.randn(3, 5, before, before, generator=rng(2)), torch.randn(3, 6, generator=rng(3))
    noise = torch.randn(3, 1, 8, 8, generator=rng(4))
    state = doubles(conv)
    expected = modulated(x.double(), state["weight"], dense(w.double(), state, "affine"), up=up)
    expected = activated(expected + 0.4 * noise + state["bias"][None, :, None, None])
    found = conv(x, w, noise=noise)
    assert (found - expected).abs().max() < 1e-5
    assert torch.allclose(conv(x, w, noise=noise[0, 0]), conv(x, w, noise=noise[:1].expand(3, -1, -1, -1)), atol=1e-6)
    assert not torch.allclose(conv(x, w, noise=None), found, atol=1e-2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_synthesis_is_the_papers(channels: int) -> None:
    network = small_network(channels)
    synthesis = network.synthesis
    ws = torch.randn(2, synthesis.layers, 12, generator=rng(5))
    noise = synthesis.draw_noise(2, rng=rng(6))
    names = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    assert synthesis.layers == 6
    maps = dict(zip(names, [one.double() for one in noise], strict=True))
    expected = reference(doubles(synthesis), ws.double(), maps, [4, 8, 16])
    assert expected.std() > 0.1
    assert (synthesis(ws, noise=noise) - expected).abs().max() < 1e-5
    constant = {name: synthesis.state_dict()[f"{name}.noise_const"].double() for name in names}
    expected = reference(doubles(synthesis), ws.double(), constant, [4, 8, 16])
    assert (synthesis(ws, noise=synthesis.constant_noise()) - expected).abs().max() < 1e-5


def test_the_mapping_is_slow_layers_of_a_normed_latent() -> None:
    mapping = small_network().mapping
    z = torch.randn(4, 12, generator=rng()) * 5
    state = doubles(mapping)
    w = z.double() / torch.sqrt((z.double() ** 2).mean(1, keepdim=True))
    for layer in range(3):
        w = activated(dense(w, state, f"fc{layer}", rate=0.01))
    assert (mapping(z) - w).abs().max() < 1e-5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (mapping(z) - w).abs().max() < 1e-5
    assert mapping.get_submodule("fc0").weight.std().item() == pytest.approx(100, rel=0.2)


def test_truncation_draws_towards_the_mean_of_w() -> None:
    network = small_network()
    z = torch.randn(2, 12, generator=rng())
    w, mean = network.mapping(z), network.mapping.w_avg
    ws = network.styles(z, psi=0.5)
    assert ws.shape == (2, 6, 12)
    assert torch.allclose(ws[:, 4], mean + 0.5 * (w - mean), atol=1e-5)
    assert torch.allclose(network.styles(z, psi=0.0)[1, 0], mean, atol=1e-6)
    assert torch.equal(network.styles(z)[:, 2], w)


def test_mixed_styles_change_the_latent_once_and_keep_the_first() -> None:
    network = small_network()
    z, other = torch.randn(400, 12, generator=rng(1)), torch.randn(400, 12, generator=rng(2))
    ws = network.mixed_styles(z, other, 0.9, rng=rng())
    one, two = network.mapping(z), network.mapping(other)
    is_first = (ws - one[:, None]).abs().amax(2) < 1e-4
    assert is_first[:, 0].all()
    assert (is_first | ((ws - two[:, None]).abs().amax(2) < 1e-4)).all()
    assert (is_first[:, 1:].int() <= is_first[:, :-1].int()).all()
    assert (~is_first.all(1)).float().mean().item() == pytest.approx(0.9, abs=0.05)
    assert set(is_first.sum(1).tolist()) == {1, 2, 3, 4, 5, 6}
    assert torch.allclose(network.mixed_styles(z, other, 0.0, rng=rng()), one[:, None].expand(-1, 6, -1), atol=1e-5)


def test_the_critic_is_residual_and_halves_with_the_filter() -> None:
    critic = Critic(features=widths(16, features=128, most=24), channels=3)
    draw_weights(critic, rng=rng(1))
    with torch.no_grad():
        for name, parameter in critic.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(generator=rng(len(name)))
    state = doubles(critic)
    images = torch.randn(4, 3, 16, 16, generator=rng(2))

    def conv(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        out = F.conv2d(x, weight / math.sqrt(weight[0].numel()), padding=weight.shape[-1] // 2)
        return out + state[f"{name}.bias"][None, :, None, None]

    x = activated(conv(images.double(), "b16.fromrgb"))
    for side in (16, 8):
        deep = activated(conv(x, f"b{side}.conv0"))
        weight = state[f"b{side}.conv1.weight"]
        deep = F.conv2d(filtered(deep, 2, 2, 1.0), weight / math.sqrt(weight[0].numel()), stride=2)
        deep = activated(deep + state[f"b{side}.conv1.bias"][None, :, None, None])
        weight = state[f"b{side}.skip.weight"]
        past = F.conv2d(filtered(x, 1, 1, 1.0)[..., ::2, ::2], weight / math.sqrt(weight.shape[1]))
        x = (deep + past) / math.sqrt(2)
    deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    x = activated(conv(torch.cat([x, deviation.expand(4, 1, 4, 4)], 1), "b4.conv"))
    x = activated(dense(x.flatten(1), state, "b4.fc"))
    expected = dense(x, state, "b4.out")[:, 0]
    assert (critic(images) - expected).abs().max() < 1e-5


def test_layers_have_an_equalised_rate() -> None:
    for layer, x in (
        (Conv2d(32, 64, 3, gain=1.0), torch.randn(4, 32, 8, 8, generator=rng(1))),
        (Linear(64, 2000, rate=0.01), torch.randn(40, 64, generator=rng(1))),
    ):
        draw_weights(layer, rng=rng())
        inner = layer(x)[..., 1:-1, 1:-1] if x.ndim == 4 else layer(x)
        assert inner.std().item() == pytest.approx(1, rel=0.1)


# NVIDIA's stylegan2-ada-pytorch, without classes: written down from its definition, nothing of ours.


def published_generator(resolution: int, *, base: int, dim: int = 512, mapping: int = 8) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (dim,)}
    for layer in range(mapping):
        shapes |= {f"mapping.fc{layer}.weight": (dim, dim), f"mapping.fc{layer}.bias": (dim,)}
    side, before = 4, 0
    while side <= resolution:
        block, count = f"synthesis.b{side}", min(base // side, 512)
        shapes[f"{block}.resample_filter"] = (4, 4)
        if side == 4:
            shapes[f"{block}.const"] = (count, 4, 4)
        for conv, inputs in (("conv0", before), ("conv1", count)):
            if not inputs:
                continue
            name = f"{block}.{conv}"
            shapes |= {
                f"{name}.weight": (count, inputs, 3, 3), f"{name}.bias": (count,), f"{name}.noise_strength": (),
                f"{name}.noise_const": (side, side), f"{name}.resample_filter": (4, 4),
                f"{name}.affine.weight": (inputs, dim), f"{name}.affine.bias": (inputs,),
            }  # fmt: skip
        shapes |= {
            f"{block}.torgb.weight": (3, count, 1, 1), f"{block}.torgb.bias": (3,),
            f"{block}.torgb.affine.weight": (count, dim), f"{block}.torgb.affine.bias": (count,),
        }  # fmt: skip
        side, before = side * 2, count
    return shapes


def published_critic(resolution: int, *, base: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    side = resolution
    while side > 4:
        block, count, after = f"b{side}", min(base // side, 512), min(base // (side // 2), 512)
        shapes[f"{block}.resample_filter"] = (4, 4)
        layers = {"conv0": (count, count, 3, 3), "conv1": (after, count, 3, 3), "skip": (after, count, 1, 1)}
        if side == resolution:
            layers["fromrgb"] = (count, 3, 1, 1)
        for name, shape in layers.items():
            shapes |= {f"{block}.{name}.weight": shape, f"{block}.{name}.resample_filter": (4, 4)}
            if name != "skip":
                shapes[f"{block}.{name}.bias"] = shape[:1]
        side //= 2
    count = min(base // 4, 512)
    return shapes | {
        "b4.conv.weight": (count, count + 1, 3, 3), "b4.conv.bias": (count,), "b4.conv.resample_filter": (4, 4),
        "b4.fc.weight": (count, count * 16), "b4.fc.bias": (count,), "b4.out.weight": (1, count), "b4.out.bias": (1,),
    }  # fmt: skip


def trainable(shapes: dict[str, tuple[int, ...]]) -> int:
    buffers = ("resample_filter", "noise_const", "w_avg")
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(buffers))


PUBLISHED = {
    (256, 16384): (24_767_458, 24_001_089),  # "paper256"
    (256, 32768): (30_034_338, 28_864_129),
    (512, 32768): (30_276_583, 28_982_849),
    (1024, 32768): (30_370_060, 29_012_513),  # config F
}


@pytest.mark.parametrize(("resolution", "base"), PUBLISHED)
def test_published_weights_fit_to_the_last_one(resolution: int, base: int) -> None:
    generator, critic = published_generator(resolution, base=base), published_critic(resolution, base=base)
    assert (trainable(generator), trainable(critic)) == PUBLISHED[resolution, base]
    with torch.device("meta"):  # shapes without the memory
        features = widths(resolution, features=base, most=512)
        ours = torch.nn.ModuleDict(
            {
                "average": Network(512, mapping_layers=8, features=features, channels=3),
                "generator": Network(512, mapping_layers=8, features=features, channels=3),
                "critic": Critic(features=features, channels=3),
            }
        )
        state = {f"G_ema.{name}": torch.empty(shape) for name, shape in generator.items()}
        state |= {f"G.{name}": torch.empty(shape) for name, shape in generator.items()}
        state |= {f"D.{name}": torch.empty(shape) for name, shape in critic.items()}
    renamed = from_published(state)
    taken = ours.load_state_dict(renamed, strict=True, assign=True)
    assert not taken.missing_keys
    assert not taken.unexpected_keys
    for network, shapes in (("average", generator), ("critic", critic)):
        filters = [name for name in shapes if name.endswith("resample_filter")]
        assert len([name for name in renamed if name.startswith(f"{network}.")]) == len(shapes) - len(filters)
        assert sum(parameter.numel() for parameter in ours[network].parameters()) == trainable(shapes)


def small_published(side: int = 16) -> dict[str, Tensor]:
    shapes = published_generator(side, base=256, dim=24, mapping=2)
    state = {name: torch.randn(shape, generator=rng(index)) for index, (name, shape) in enumerate(shapes.items())}
    return {name: fir().float() if name.endswith("resample_filter") else value for name, value in state.items()}


def small_player(**over: object) -> StyleGAN2:
    small = {"resolution": 16, "channels": 3, "latent_dim": 24, "mapping_layers": 2, "features": 256}
    return StyleGAN2(**{**small, "most_features": 512, **over})  # type: ignore[arg-type]


def test_a_player_makes_the_images_of_the_published_weights_it_loads(tmp_path: Path) -> None:
    state = small_published()
    player = small_player(truncation=0.7, noise="constant")
    critic = {name: value.clone() for name, value in player.critic.state_dict().items()}
    save_file(state, tmp_path / "published.safetensors")
    load_weights(player, tmp_path / "published.safetensors")
    z = torch.randn(2, 24, generator=rng())
    double = {name: value.double() for name, value in state.items()}
    w = z.double() / torch.sqrt((z.double() ** 2).mean(1, keepdim=True))
    for layer in range(2):
        w = activated(dense(w, double, f"mapping.fc{layer}", rate=0.01))
    w = double["mapping.w_avg"] + 0.7 * (w - double["mapping.w_avg"])
    synthesis = {name.removeprefix("synthesis."): value for name, value in double.items()}
    maps = {name.removesuffix(".noise_const"): synthesis[name] for name in synthesis if name.endswith("noise_const")}
    expected = reference(synthesis, w[:, None].expand(-1, 6, -1), maps, [4, 8, 16])
    assert (player.decode(z) - (expected + 1) / 2).abs().max() < 1e-5 * max(1, expected.abs().max().item())
    for name, value in player.critic.state_dict().items():
        assert torch.equal(value, critic[name])
    for name, value in player.average.state_dict().items():
        assert torch.equal(value, player.generator.state_dict()[name])


def test_published_weights_that_do_not_fit_are_refused_by_name() -> None:
    state = small_published()
    with pytest.raises(RuntimeError, match=r"fc2"):
        small_player().load_state_dict(state | {"mapping.fc2.weight": torch.zeros(24, 24)})
    with pytest.raises(RuntimeError, match=r"b8\.conv1\.weight"):
        small_player(features=128).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"classes"):
        small_player().load_state_dict(state | {"mapping.embed.weight": torch.zeros(24, 10)})
    box = torch.full((4, 4), 1 / 16)
    with pytest.raises(RuntimeError, match=r"b8\.conv0\.resample_filter"):
        small_player().load_state_dict(state | {"synthesis.b8.conv0.resample_filter": box})
