"""StyleGAN's networks against plain references written from the paper, and its counts of weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.generators.pgan_networks import Critic, EqualisedConv2d, UpsamplingConv2d
from fakeoff.generators.pgan_networks import draw_weights as draw_critic
from fakeoff.generators.stylegan.layers import Blur, BlurredCriticBlock, DownsamplingConv2d, StyledLayer, adain
from fakeoff.generators.stylegan.networks import Network, draw_weights, layers_at
from fakeoff.generators.styles import widths


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Plain references, from the paper's equations: loops over images, features and pixels.


def normed(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Eq. 1: one feature of one image after the other."""
    out = torch.empty_like(x)
    for image in range(len(x)):
        for feature in range(x.shape[1]):
            one = x[image, feature]
            deviation = math.sqrt(((one - one.mean()) ** 2).mean().item() + 1e-8)
            out[image, feature] = (one - one.mean()) / deviation * scale[image, feature] + shift[image, feature]
    return out


def blurred(x: Tensor) -> Tensor:
    """Every pixel as a sum over its neighbours; what lies beyond the border is zero."""
    weights, out = (1.0, 2.0, 1.0), torch.zeros_like(x)
    _, _, height, width = x.shape
    for row in range(height):
        for column in range(width):
            for down, a in zip((-1, 0, 1), weights, strict=True):
                for right, b in zip((-1, 0, 1), weights, strict=True):
                    if 0 <= row + down < height and 0 <= column + right < width:
                        out[:, :, row, column] += a * b / 16 * x[:, :, row + down, column + right]
    return out


def repeated(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def dense(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return x @ state[f"{name}.weight"].T / math.sqrt(x.shape[1]) + state[f"{name}.bias"]


def conv(x: Tensor, weight: Tensor, gain: float = math.sqrt(2)) -> Tensor:
    return F.conv2d(x, weight * gain / math.sqrt(weight[0].numel()), padding=weight.shape[-1] // 2)


def activated(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def layer(x: Tensor, w: Tensor, noise: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    if name.startswith("blocks") and name.endswith("layer1"):  # these double
        x = blurred(conv(repeated(x), state[f"{name}.conv.0.weight"]))
    elif f"{name}.conv.0.weight" in state:
        x = conv(x, state[f"{name}.conv.0.weight"])
    strengths = state[f"{name}.noise_strength"]
    x = torch.stack([x[:, feature] + strength * noise for feature, strength in enumerate(strengths)], 1)
    x = activated(x + state[f"{name}.bias"][None, :, None, None])
    style = dense(w, state, f"{name}.style")
    features = x.shape[1]
    return normed(x, 1 + style[:, :features], style[:, features:])


def synthesised(state: dict[str, Tensor], ws: Tensor, noise: list[Tensor], level: int) -> Tensor:
    x = state["const"].expand(len(ws), -1, -1, -1)
    names = ["layer1", "layer2"] + [f"blocks.{block}.layer{one}" for block in range(level) for one in (1, 2)]
    for index, name in enumerate(names):
        x = layer(x, ws[:, index], noise[index], state, name)
    image = conv(x, state[f"to_image.{level}.weight"], gain=1.0)
    return image + state[f"to_image.{level}.bias"][None, :, None, None]


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_adain_gives_each_feature_of_each_image_the_deviation_and_mean_that_are_asked(
    layout: torch.memory_format,
) -> None:
    x = (torch.randn(3, 5, 4, 6, generator=rng()) * 4 + 7).contiguous(memory_format=layout)
    scale, shift = torch.randn(3, 5, generator=rng(1)), torch.randn(3, 5, generator=rng(2))
    found = adain(x, scale, shift)
    assert (found - normed(x.double(), scale.double(), shift.double())).abs().max() < 1e-5
    assert torch.allclose(found.mean((2, 3)), shift, atol=1e-5)
    assert torch.allclose(found.std((2, 3), unbiased=False), scale.abs(), atol=1e-4)


def test_adain_in_half_the_precision_norms_in_the_whole() -> None:
    x = (torch.randn(2, 3, 8, 8, generator=rng()) + 20).bfloat16()  # a mean that is large beside the deviation
    scale, shift = torch.ones(2, 3), torch.zeros(2, 3)
    found = adain(x, scale, shift)
    assert found.dtype == torch.bfloat16
    assert (found.double() - normed(x.double(), scale.double(), shift.double())).abs().max() < 0.02


def test_adains_gradient_is_right() -> None:
    x = torch.randn(2, 3, 4, 4, generator=rng(), dtype=torch.float64).requires_grad_()
    scale, shift = (torch.randn(2, 3, generator=rng(seed), dtype=torch.float64).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(adain, (x, scale, shift))


@pytest.mark.parametrize("side", [4, 7])
def test_the_filter_is_the_binomial_one_written_out(side: int) -> None:
    x = torch.randn(2, 3, side, side, generator=rng())
    assert (Blur()(x) - blurred(x.double())).abs().max() < 1e-6
    flat = torch.full((1, 1, 8, 8), 0.7)
    assert torch.allclose(Blur()(flat)[..., 1:-1, 1:-1], torch.tensor(0.7))
    assert not Blur().state_dict()


def test_repeated_and_filtered_is_linear_interpolation() -> None:
    slope = torch.arange(8.0).expand(1, 1, 8, 8)
    bilinear = F.interpolate(slope, scale_factor=2.0, mode="bilinear", align_corners=False)
    found = Blur()(repeated(slope))
    assert torch.allclose(found[..., 2:-2, 2:-2], bilinear[..., 2:-2, 2:-2], atol=1e-5)


@pytest.mark.parametrize("side", [4, 6, 16])
def test_fused_downsampling_is_a_convolution_that_is_halved(side: int) -> None:
    fused = DownsamplingConv2d(3, 5)
    draw_critic(fused, rng=rng())
    with torch.no_grad():
        fused.bias.normal_(generator=rng(1))
    fused.double()
    x = torch.randn(2, 3, side, side, generator=rng(2), dtype=torch.float64).requires_grad_()
    plain = F.avg_pool2d(conv(x, fused.weight) + fused.bias[:, None, None], 2)
    torch.testing.assert_close(fused(x), plain)
    weigh = torch.randn(plain.shape, generator=rng(3), dtype=torch.float64)
    inputs = (x, fused.weight, fused.bias)
    for one, other in zip(
        torch.autograd.grad((fused(x) * weigh).sum(), inputs),
        torch.autograd.grad((plain * weigh).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("before", [4, 8])
def test_a_layer_is_convolution_noise_bias_activation_and_style(up: bool, before: int) -> None:
    side = before * 2 if up else before
    one = StyledLayer(6, 5, 7, side=side, up=up)
    draw_weights(one, rng=rng())
    with torch.no_grad():
        for parameter in (one.bias, one.noise_strength, one.style.bias):
            parameter.normal_(generator=rng(1))
    x, w = torch.randn(3, 5, before, before, generator=rng(2)), torch.randn(3, 6, generator=rng(3))
    noise = torch.randn(3, 1, side, side, generator=rng(4))
    name = "blocks.0.layer1" if up else "blocks.0.layer2"
    state = {f"{name}.{key}": value for key, value in doubles(one).items()}
    expected = layer(x.double(), w.double(), noise[:, 0].double(), state, name)
    found = one(x, w, noise=noise)
    assert (found - expected).abs().max() < 1e-4
    last = x.contiguous(memory_format=torch.channels_last)
    assert (one(last, w, noise=noise) - expected).abs().max() < 1e-4
    assert one(last, w, noise=noise).is_contiguous(memory_format=torch.channels_last)
    silent = one(x, w, noise=None)
    assert (silent - layer(x.double(), w.double(), 0 * noise[:, 0].double(), state, name)).abs().max() < 1e-4
    assert not torch.allclose(silent, found, atol=1e-2)


@pytest.mark.parametrize(("level", "channels"), [(0, 3), (1, 1), (2, 3)])
def test_the_synthesis_is_the_papers(level: int, channels: int) -> None:
    synthesis = small_network(channels).synthesis
    ws = torch.randn(2, layers_at(level), 12, generator=rng(5))
    noise = synthesis.draw_noise(2, level=level, rng=rng(6))
    assert [one.shape for one in noise] == [(2, 1, side, side) for side in (4, 8, 16)[: level + 1] for _ in range(2)]
    expected = synthesised(doubles(synthesis), ws.double(), [one[:, 0].double() for one in noise], level)
    assert expected.std() > 0.1
    assert (synthesis(ws, noise=noise, level=level) - expected).abs().max() < 1e-4


def test_a_new_level_fades_in_from_the_image_before_it() -> None:
    synthesis = small_network().synthesis
    ws = torch.randn(2, 6, 12, generator=rng(5))
    noise = synthesis.draw_noise(2, level=2, rng=rng(6))
    coarse = repeated(synthesis(ws[:, :4], noise=noise[:4], level=1))
    fine = synthesis(ws, noise=noise, level=2)
    assert torch.allclose(synthesis(ws, noise=noise, level=1.25), 0.75 * coarse + 0.25 * fine, atol=1e-5)


def test_noise_of_a_strength_of_its_own_reaches_each_feature() -> None:
    one = StyledLayer(6, 0, 4, side=16)
    draw_weights(one, rng=rng())
    with torch.no_grad():
        one.noise_strength.copy_(torch.tensor([0.0, 1.0, -1.0, 3.0]))
        one.bias.fill_(50.0)  # where no leaky ReLU bends
    x, w = torch.randn(1, 4, 16, 16, generator=rng(1)), torch.zeros(1, 6)
    noise = torch.randn(1, 1, 16, 16, generator=rng(2))
    found = one(x, w, noise=noise)[0]
    for feature, strength in enumerate((0.0, 1.0, -1.0, 3.0)):
        raw = x[0, feature] + strength * noise[0, 0]
        assert torch.allclose(found[feature], (raw - raw.mean()) / raw.std(unbiased=False), atol=1e-3)


def test_truncation_draws_layers_of_low_resolution_towards_the_mean_of_w() -> None:
    network = small_network()
    z = torch.randn(2, 12, generator=rng())
    w, mean = network.mapping(z), network.mapping.w_avg
    ws = network.styles(z, level=2, psi=0.5, truncated_side=8)
    assert ws.shape == (2, 6, 12)
    assert torch.allclose(ws[:, :4], (mean + 0.5 * (w - mean))[:, None].expand(-1, 4, -1), atol=1e-5)
    assert torch.equal(ws[:, 4:], w[:, None].expand(-1, 2, -1))
    assert torch.allclose(network.styles(z, level=0, psi=0.0)[1, 1], mean, atol=1e-6)
    assert torch.equal(network.styles(z, level=0.5), w[:, None].expand(-1, 4, -1))


@pytest.mark.parametrize(("level", "layers"), [(0, 2), (1, 4), (1.5, 6)])
def test_styles_are_mixed_among_the_layers_that_there_are(level: float, layers: int) -> None:
    network = small_network()
    z, other = torch.randn(200, 12, generator=rng(1)), torch.randn(200, 12, generator=rng(2))
    ws = network.mixed_styles(z, other, 0.9, level=level, rng=rng())
    one, two = network.mapping(z), network.mapping(other)
    is_first = (ws - one[:, None]).abs().amax(2) < 1e-4
    assert (is_first | ((ws - two[:, None]).abs().amax(2) < 1e-4)).all()
    assert (~is_first.all(1)).float().mean().item() == pytest.approx(0.9, abs=0.06)
    assert set(is_first.sum(1).tolist()) == set(range(1, layers + 1))


def test_the_critic_filters_before_it_halves() -> None:
    critic = Critic(features=[24, 16, 8], channels=3, block=BlurredCriticBlock)
    draw_critic(critic, rng=rng(1))
    with torch.no_grad():
        for name, parameter in critic.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(generator=rng(len(name)))
    state = doubles(critic)
    images = torch.randn(4, 3, 16, 16, generator=rng(2))

    def with_bias(x: Tensor, name: str) -> Tensor:
        return conv(x, state[f"{name}.weight"]) + state[f"{name}.bias"][None, :, None, None]

    x = activated(with_bias(images.double(), "from_image.2"))
    for block in (1, 0):
        x = blurred(activated(with_bias(x, f"blocks.{block}.conv1")))
        x = activated(F.avg_pool2d(with_bias(x, f"blocks.{block}.conv2"), 2))
    deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    x = activated(with_bias(torch.cat([x, deviation.expand(4, 1, 4, 4)], 1), "conv"))
    x = activated(
        x.flatten(1) @ state["dense.weight"].T * math.sqrt(2 / state["dense.weight"].shape[1]) + state["dense.bias"]
    )
    expected = dense(x, state, "out")[:, 0]
    assert (critic(images, level=2.0) - expected).abs().max() < 1e-4


def test_layers_have_an_equalised_rate_and_convolutions_before_noise_no_bias() -> None:
    network = small_network()
    convolutions = [one for one in network.synthesis.modules() if type(one) in (EqualisedConv2d, UpsamplingConv2d)]
    assert len(convolutions) == 5
    assert all(one.bias is None for one in convolutions)
    for one in convolutions:
        assert one.weight.std().item() == pytest.approx(1, rel=0.1)
        assert one.scale == pytest.approx(math.sqrt(2 / one.weight[0].numel()))


def counted(resolution: int, *, base: int, most: int, dim: int, mapping: int, channels: int) -> tuple[int, int]:
    """Weights of both networks, from the paper's description alone."""
    count = {side: min(base // side, most) for side in [2**power for power in range(2, 11)] if side <= resolution}
    generator = mapping * (dim * dim + dim) + 16 * count[4]
    critic = count[4] * (count[4] + 1) * 9 + count[4] + 16 * count[4] ** 2 + count[4] + count[4] + 1
    for side, now in count.items():
        before = count.get(side // 2, 0)
        generator += 9 * now * (before + now)  # the constant has one convolution less
        generator += 2 * (now + now + 2 * (dim + 1) * now)  # noise, bias and style of two layers
        generator += channels * (now + 1)
        critic += (channels + 1) * now + (9 * now * (now + before) + now + before if before else 0)
    return generator, critic


def test_the_published_size_has_the_weights_that_the_paper_says() -> None:
    with torch.device("meta"):  # shapes without the memory
        features = widths(1024, features=16384, most=512)
        generator = Network(512, mapping_layers=8, features=features, channels=3)
        critic = Critic(features=list(features.values()), channels=3, block=BlurredCriticBlock)
    sizes = tuple(sum(one.numel() for one in network.parameters()) for network in (generator, critic))
    assert sizes == counted(1024, base=16384, most=512, dim=512, mapping=8, channels=3)
    assert round(sizes[0] / 1e6, 1) == 26.2  # Figure 1's caption
