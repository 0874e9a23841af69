from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.players.openvino_ir import read_constants
from fakeoff.generators.mobilestylegan import networks
from fakeoff.generators.mobilestylegan.layers import StyledConv, inverse_haar
from fakeoff.generators.mobilestylegan.networks import Mapping, Synthesis, draw_weights
from fakeoff.generators.mobilestylegan.published import from_published, is_published
from tests.openvino_ir import of_mapping, of_synthesis

FEATURES = {4: 16, 8: 12, 16: 8}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed))


@pytest.fixture
def small() -> tuple[Mapping, Synthesis]:
    """Networks of 32 pixels, with biases that are not zero."""
    mapping, synthesis = Mapping(6, layers=3), Synthesis(6, features=FEATURES)
    draw_weights(mapping, synthesis, rng=rng(1))
    with torch.no_grad():
        for name, parameter in (*mapping.named_parameters(), *synthesis.named_parameters()):
            if name.endswith("bias"):
                parameter.add_(0.3 * normal(*parameter.shape, seed=2))
    mapping.measure_mean(rng=rng(1))
    return mapping, synthesis


def published(mapping: Mapping, synthesis: Synthesis, **over: Any) -> dict[str, Tensor]:
    """Constants as an asset's weights name them."""
    state = {}
    for network, ir in (("mapping", of_mapping(mapping)), ("synthesis", of_synthesis(synthesis, **over))):
        for number, one in enumerate(read_constants(ir.xml(), ir.content)):
            state[f"{network}.{number:04d}.{one.consumer}.{one.port}"] = torch.from_numpy(np.array(one.value))
    return state


def test_the_inverse_wavelet_transform_undoes_the_transform() -> None:
    images = normal(2, 3, 8, 6)
    a, b, c, d = (images[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1))
    low = (a + b + c + d) / 2
    details = torch.stack([(a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2], 2)
    back = inverse_haar(torch.cat([low, details.flatten(1, 2)], 1))
    assert torch.allclose(back, images, atol=1e-6)


def test_the_inverse_wavelet_transform_is_the_published_filters_applied_down_and_then_across() -> None:
    bands, half = normal(2, 8, 3, 5), 0.5**0.5
    low, details = bands[:, :2], bands[:, 2:].view(2, 2, 3, 3, 5)

    def filtered(x: Tensor, signs: tuple[float, float], *, down: bool) -> Tensor:
        kernel = (
            torch.tensor(signs).mul(half).view(1, 1, 2, 1) if down else torch.tensor(signs).mul(half).view(1, 1, 1, 2)
        )
        return F.conv_transpose2d(x, kernel.repeat(2, 1, 1, 1), stride=(2, 1) if down else (1, 2), groups=2)

    left = filtered(low, (1, 1), down=True) + filtered(details[:, :, 0], (1, -1), down=True)
    right = filtered(details[:, :, 1], (1, 1), down=True) + filtered(details[:, :, 2], (1, -1), down=True)
    expected = filtered(left, (1, 1), down=False) + filtered(right, (1, -1), down=False)
    assert torch.allclose(inverse_haar(bands), expected, atol=1e-6)


@pytest.mark.parametrize("separable", [True, False])
def test_a_styled_convolution_is_one_with_weights_of_its_own_for_each_image(separable: bool) -> None:
    layer = StyledConv(5, 4, 6, side=7, separable=separable)
    assert layer.conv.bias is not None
    with torch.no_grad():
        layer.noise.copy_(normal(1, 7, 7, seed=3))
        layer.conv.bias.copy_(normal(6, seed=4))
    x, w = normal(2, 4, 7, 7), normal(2, 5, seed=1)
    weight = layer.conv.weight * layer.depthwise.weight[:, 0] if separable else layer.conv.weight  # (6, 4, 3, 3)
    for index in range(2):
        factors = (layer.modulation.affine.weight @ w[index] + layer.modulation.affine.bias) / math.sqrt(4 * 9)
        plain = F.conv2d(x[index : index + 1], weight * factors[None, :, None, None], padding=1)
        plain = plain + layer.conv.bias[:, None, None] + layer.noise
        expected = torch.where(plain > 0, plain, 0.2 * plain)
        assert torch.allclose(layer(x, w)[index], expected[0], atol=1e-5)


def test_the_mapping_network_is_as_of_stylegan2(small: tuple[Mapping, Synthesis]) -> None:
    mapping, _ = small
    z = normal(3, 6)
    w = z / z.square().mean(1, keepdim=True).sqrt()
    for layer in mapping.layers:
        w = F.leaky_relu(w @ layer.weight.t() + layer.bias, 0.2) * 2**0.5  # type: ignore[operator, union-attr]
    assert torch.allclose(mapping(z), w, atol=1e-5)
    assert torch.allclose(mapping(5 * z), w, atol=1e-4)


def test_truncation_draws_towards_the_mean_of_w(small: tuple[Mapping, Synthesis]) -> None:
    mapping, _ = small
    assert torch.allclose(mapping.w_avg, mapping(normal(4096, 6, seed=8)).mean(0), atol=0.15)
    assert mapping.w_avg.abs().max() > 0.1
    w = mapping(normal(3, 6))
    assert torch.equal(mapping.truncate(w, 1.0), w)
    assert torch.allclose(mapping.truncate(w, 0.25), mapping.w_avg + 0.25 * (w - mapping.w_avg), atol=1e-6)


@pytest.mark.parametrize("resolution", [16, 8, 4])
def test_lower_resolutions_are_means_of_the_pixels(small: tuple[Mapping, Synthesis], resolution: int) -> None:
    mapping, synthesis = small
    w = mapping(normal(3, 6))
    full = synthesis(w, resolution=32)
    assert full.shape == (3, 3, 32, 32)
    expected = F.avg_pool2d(full, 32 // resolution)
    assert torch.allclose(synthesis(w, resolution=resolution), expected, atol=1e-6)


def test_a_few_at_a_time_gives_the_same_images_and_the_same_gradient(
    small: tuple[Mapping, Synthesis], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping, synthesis = small
    aim = normal(5, 3, 8, 8, seed=9)

    def learn() -> tuple[Tensor, list[Tensor]]:
        w = mapping(normal(5, 6)).detach().requires_grad_()
        images = synthesis(w, resolution=8)
        return images.detach(), list(torch.autograd.grad((images * aim).sum(), [w, *synthesis.parameters()]))

    images, gradients = learn()
    monkeypatch.setattr(networks, "_PIXELS_AT_A_TIME", 2 * 16 * 16)
    held = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: held.append(tensor.numel()) or tensor, lambda x: x):
        synthesis(mapping(normal(5, 6)).detach(), resolution=8)
    again, parts = learn()
    assert torch.allclose(again, images, atol=1e-6)
    for one, other in zip(parts, gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-4)
    assert sum(held) < 5 * 16 * 16 * 8  # less than a single layer's features


def test_the_published_constants_go_where_they_belong(small: tuple[Mapping, Synthesis]) -> None:
    mapping, synthesis = small
    state = published(mapping, synthesis)
    assert is_published(state)
    found = from_published(state, Mapping(6, layers=3), Synthesis(6, features=FEATURES))
    expected = {f"mapping.{name}": value for name, value in mapping.state_dict().items()}
    expected |= {f"synthesis.{name}": value for name, value in synthesis.state_dict().items()}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if name == "mapping.w_avg":  # over other latents
            assert torch.allclose(value, expected[name], atol=0.15)
        else:
            assert torch.equal(value, expected[name]), name
    assert not is_published(found)


def test_constants_of_other_networks_are_refused(small: tuple[Mapping, Synthesis]) -> None:
    mapping, synthesis = small
    state = published(mapping, synthesis)
    with pytest.raises(RuntimeError, match="mapping network has fewer constants for MatMul"):
        from_published(state, Mapping(6, layers=4), synthesis)
    with pytest.raises(RuntimeError, match="mapping network has 1 constants for MatMul more"):
        from_published(state, Mapping(6, layers=2), synthesis)
    with pytest.raises(RuntimeError, match=r"the scale of to_bands.modulation is 0.3536, and here 0.2887"):
        from_published(state, mapping, Synthesis(6, features={4: 16, 8: 12, 16: 12}))
    less = {name: value for name, value in state.items() if ".GroupConvolution." not in name}
    with pytest.raises(RuntimeError, match="synthesis network has fewer constants for GroupConvolution"):
        from_published(less, mapping, synthesis)


@pytest.mark.parametrize(
    ("over", "what"), [({"slope": 0.1}, "the slope after conv is 0.1"), ({"scale": 2}, "the scale of")]
)
def test_constants_of_another_kind_are_refused(
    small: tuple[Mapping, Synthesis], over: dict[str, Any], what: str
) -> None:
    with pytest.raises(RuntimeError, match=what):
        from_published(published(*small, **over), *small)


def test_fresh_features_neither_fade_nor_explode() -> None:
    mapping, synthesis = Mapping(16, layers=2), Synthesis(16, features={4: 32, 8: 32, 16: 32, 32: 16, 64: 8})
    draw_weights(mapping, synthesis, rng=rng())
    images = synthesis(mapping(normal(4, 16)), resolution=128)
    assert 0.05 < images.std() < 2
