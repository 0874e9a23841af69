"""The layers that were rewritten for speed are the ones of the paper: against PyTorch's plain operations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fakeoff.generators.pgan_networks import (
    EqualisedConv2d,
    PointwiseConv2d,
    UpsamplingConv2d,
    draw_weights,
    halve,
    pixel_norm,
)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    images = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    return images.contiguous(memory_format=torch.channels_last)


def drawn(layer: EqualisedConv2d) -> EqualisedConv2d:
    rng = torch.Generator().manual_seed(1)
    draw_weights(layer, rng=rng)
    with torch.no_grad():
        layer.bias.normal_(generator=rng)
    return layer.double()


def plain_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


@settings(deadline=None, max_examples=25)
@given(side=st.sampled_from([4, 5, 8, 9, 16]), inputs=st.integers(1, 5), outputs=st.integers(1, 5), n=st.integers(1, 3))
def test_fused_upsampling_is_a_doubled_image_that_is_convolved(side: int, inputs: int, outputs: int, n: int) -> None:
    layer = drawn(UpsamplingConv2d(inputs, outputs))
    x = noise(n, inputs, side, side, dtype=torch.float64)
    doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
    expected = F.conv2d(doubled, layer.weight * layer.scale, layer.bias, padding=1)  # borders are padded with zeros
    torch.testing.assert_close(layer(x), expected)


def test_fused_upsampling_trains_as_the_plain_one() -> None:
    layer = drawn(UpsamplingConv2d(3, 4))
    x = noise(2, 3, 8, 8, dtype=torch.float64).requires_grad_()
    plain = F.conv2d(
        F.interpolate(x, scale_factor=2.0, mode="nearest"), layer.weight * layer.scale, layer.bias, padding=1
    )
    weigh = noise(*plain.shape, dtype=torch.float64)
    inputs = (x, layer.weight, layer.bias)
    for one, other in zip(
        torch.autograd.grad((layer(x) * weigh).sum(), inputs),
        torch.autograd.grad((plain * weigh).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_a_pointwise_convolution_keeps_the_layout_whatever_the_channels(channels: int) -> None:
    layer = drawn(PointwiseConv2d(channels, 8))
    x = noise(2, channels, 6, 5, dtype=torch.float64)
    y = layer(x)
    torch.testing.assert_close(y, F.conv2d(x, layer.weight * layer.scale, layer.bias))
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("features", [1, 3, 16, 40])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 4e-2)])
def test_pixel_norm_is_the_papers_in_both_precisions(features: int, dtype: torch.dtype, tolerance: float) -> None:
    x = noise(2, features, 4, 5, dtype=dtype)
    y = pixel_norm(x)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y.float(), plain_norm(x.float()), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("features", [3, 16])
def test_pixel_norms_own_gradient_is_right(features: int) -> None:
    x = noise(2, features, 3, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(pixel_norm, (x,))
    short = noise(2, features, 3, 3, dtype=torch.bfloat16).requires_grad_()
    long = short.detach().float().requires_grad_()
    weigh = noise(2, features, 3, 3)
    (one,) = torch.autograd.grad((pixel_norm(short).float() * weigh).sum(), short)
    (other,) = torch.autograd.grad((plain_norm(long) * weigh).sum(), long)
    torch.testing.assert_close(one.float(), other, atol=0.05, rtol=0.05)


def test_a_gradient_of_pixel_norms_gradient_is_refused_and_not_wrong() -> None:
    x = noise(1, 3, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(pixel_norm(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_halving_is_the_mean_of_four_and_the_penalty_goes_through_it() -> None:
    x = noise(2, 3, 4, 6, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(halve(x), F.avg_pool2d(x, 2))
    assert torch.autograd.gradcheck(halve, (x,))
    assert torch.autograd.gradgradcheck(lambda images: halve(images).pow(3), (x,))
