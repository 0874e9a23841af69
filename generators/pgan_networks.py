"""The networks of a Progressive GAN.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018.
Section and table numbers below are that paper's.

A *level* says how far the pair has grown: 0 is 4 x 4 pixels, 1 is 8 x 8, and 1.25 is 8 x 8 faded in by a
quarter (section 2). Both networks work at the full resolution's interface at every level.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_SLOPE = 0.2
_STDDEV_GROUP = 4
_FUSED_FROM = 8
"""Pixels a side from which the fused upsampling is the faster one, in float32 and in bfloat16."""
_BFLOAT16_VECTOR = 32


class EqualisedConv2d(nn.Module):
    """Convolution whose weights are N(0, 1) and scaled by He's constant at run time (section 4.1)."""

    bias: Tensor | None

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, padding: int = 0, gain: float = 2**0.5, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.register_parameter("bias", nn.Parameter(torch.zeros(outputs)) if bias else None)
        self.scale = gain / math.sqrt(inputs * kernel * kernel)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class PointwiseConv2d(EqualisedConv2d):
    """A 1x1 convolution, as a product over each pixel's features.

    A convolution of one channel, which lies in memory both ways, would go on in the slower layout from here.
    """

    def __init__(self, inputs: int, outputs: int, *, gain: float = 2**0.5) -> None:
        super().__init__(inputs, outputs, 1, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # (n, h, w, inputs)
        return F.linear(pixels, self.weight.flatten(1) * self.scale, self.bias).permute(0, 3, 1, 2)


class UpsamplingConv2d(EqualisedConv2d):
    """A 3x3 convolution of an image that is first doubled by nearest neighbour.

    Of the nine weights, those that fall on the same pixel of the small image are added up beforehand: a transposed 4x4
    convolution with stride 2 gives the same image for 4 products a pixel in place of 9 (the published code's
    ``fused_scale``).
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] < _FUSED_FROM:
            return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        nine = F.pad(self.weight * self.scale, (1, 1, 1, 1))
        sixteen = nine[..., 1:, 1:] + nine[..., 1:, :-1] + nine[..., :-1, 1:] + nine[..., :-1, :-1]
        # a transposed convolution lays its weights down mirrored, inputs first
        return F.conv_transpose2d(x, sixteen.flip(2, 3).transpose(0, 1), self.bias, stride=2, padding=1)


class EqualisedLinear(nn.Module):
    """Linear layer with a run-time scale, as :class:`EqualisedConv2d`."""

    def __init__(self, inputs: int, outputs: int, *, gain: float = 2**0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias)


def draw_weights(module: nn.Module, *, rng: torch.Generator) -> None:
    """Draws every equalised weight from N(0, 1) and sets every bias to zero."""
    for layer in module.modules():
        if isinstance(layer, EqualisedConv2d | EqualisedLinear):
            with torch.no_grad():
                layer.weight.normal_(generator=rng)
                if layer.bias is not None:
                    layer.bias.zero_()


def pixel_norm(x: Tensor) -> Tensor:
    """Scales each pixel's feature vector to unit mean square (section 4.2)."""
    return _PixelNorm.apply(x) if x.ndim == 4 else x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class _PixelNorm(torch.autograd.Function):
    """With a backward of its own: autograd's takes three times as long on a CPU, most of it in casts and sums."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        scale = _spread(torch.rsqrt(_mean_over_features(x * x) + 1e-8), x)
        y = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        y, scale = ctx.saved_tensors
        along = _spread(_mean_over_features(gradient * y), y)
        return torch.addcmul(gradient, y, along, value=-1).mul_(scale)


def _mean_over_features(x: Tensor) -> Tensor:
    """``(n, c, h, w)`` to ``(n, 1, h, w)``, as a product with a vector: sums over few features are slow otherwise."""
    n, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, c)
    return (pixels @ pixels.new_full((c, 1), 1 / c)).view(n, h, w, 1).permute(0, 3, 1, 2)


def _spread(x: Tensor, like: Tensor) -> Tensor:
    """``(n, 1, h, w)`` in a form that multiplies ``like`` of ``(n, c, h, w)`` fast."""
    n, c, h, w = like.shape
    if x.dtype != torch.bfloat16 or c >= _BFLOAT16_VECTOR or x.device.type != "cpu":
        return x
    # Broadcasting over fewer features than a vector register holds runs one number at a time: 10 times slower.
    return (x.permute(0, 2, 3, 1).reshape(-1, 1) @ x.new_ones(1, c)).view(n, h, w, c).permute(0, 3, 1, 2)


def halve(x: Tensor) -> Tensor:
    """Averages over 2x2 pixels."""
    return _Halve.apply(x)  # type: ignore[no-any-return]


class _Halve(torch.autograd.Function):
    """``avg_pool2d`` whose backward repeats pixels, where PyTorch's own adds them one by one to zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # of differentiable operations: the penalty's gradient of a gradient goes through
        return F.interpolate(gradients[0] * 0.25, scale_factor=2.0, mode="nearest")


def minibatch_stddev(x: Tensor) -> Tensor:
    """Appends one map: the mean standard deviation of the features over groups of 4 images (section 3)."""
    n, _, h, w = x.shape
    group = math.gcd(n, _STDDEV_GROUP)
    # (group, n / group, c, h, w): images that lie n / group apart are compared
    y = x.float().view(group, n // group, *x.shape[1:])
    y = (y.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # (n / group,)
    return torch.cat([x, y.repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w).to(x)], 1)


def widths(resolution: int, *, base: int, most: int) -> list[int]:
    """Feature maps at 4, 8, ..., ``resolution`` pixels: ``min(base / (side / 2), most)`` (Table 2)."""
    sides = [2**power for power in range(2, int(math.log2(resolution)) + 1)]
    return [max(8, min(most, base * 2 // side)) for side in sides]


def _lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE)


class _SynthesisBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = UpsamplingConv2d(inputs, outputs)
        self.conv2 = EqualisedConv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = pixel_norm(_lrelu(self.conv1(x)))
        return pixel_norm(_lrelu(self.conv2(x)))


class Synthesis(nn.Module):
    """Latents to images in [-1, 1]; the outputs are linear, as in the paper (Table 2)."""

    def __init__(self, *, latent_dim: int, features: list[int], channels: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.dense = EqualisedLinear(latent_dim, features[0] * 16, gain=2**0.5 / 4)
        self.conv = EqualisedConv2d(features[0], features[0], 3, padding=1)
        self.blocks = nn.ModuleList(_SynthesisBlock(a, b) for a, b in itertools.pairwise(features))
        self.to_image = nn.ModuleList(PointwiseConv2d(f, channels, gain=1.0) for f in features)

    def forward(self, z: Tensor, *, level: float) -> Tensor:
        """Args: z ``(n, latent_dim)``. Returns ``(n, channels, side, side)`` with the level's side."""
        x = _lrelu(self.dense(pixel_norm(z))).view(len(z), -1, 4, 4)
        x = pixel_norm(_lrelu(self.conv(pixel_norm(x))))
        done, top = math.floor(level), math.ceil(level)
        for block in self.blocks[:done]:
            x = block(x)
        image: Tensor = self.to_image[done](x)
        if top == done:
            return image
        coarse = F.interpolate(image, scale_factor=2.0, mode="nearest")
        fine: Tensor = self.to_image[top](self.blocks[done](x))
        return torch.lerp(coarse, fine, level - done)


class CriticBlock(nn.Module):
    """Two convolutions, and the mean over 2x2 pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(inputs, inputs, 3, padding=1)
        self.conv2 = EqualisedConv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return halve(_lrelu(self.conv2(_lrelu(self.conv1(x)))))


class Critic(nn.Module):
    """Images to one realness value each, the mirror of :class:`Synthesis` (Table 2).

    Args:
        features: Feature maps at 4, 8, ... pixels.
        channels: 1 or 3.
        block: Makes what halves the resolution, of the features before and after.
    """

    def __init__(
        self, *, features: list[int], channels: int, block: Callable[[int, int], nn.Module] = CriticBlock
    ) -> None:
        super().__init__()
        self.from_image = nn.ModuleList(PointwiseConv2d(channels, f) for f in features)
        self.blocks = nn.ModuleList(block(b, a) for a, b in itertools.pairwise(features))
        self.conv = EqualisedConv2d(features[0] + 1, features[0], 3, padding=1)
        self.dense = EqualisedLinear(features[0] * 16, features[0])
        self.out = EqualisedLinear(features[0], 1, gain=1.0)

    def forward(self, images: Tensor, *, level: float) -> Tensor:
        """Args: images ``(n, channels, side, side)`` at the level's side. Returns float32 ``(n,)``."""
        done, top = math.floor(level), math.ceil(level)
        x: Tensor = _lrelu(self.from_image[top](images))
        if top > done:
            coarse = _lrelu(self.from_image[done](F.avg_pool2d(images, 2)))
            x = torch.lerp(coarse, self.blocks[done](x), level - done)
        for block in reversed(self.blocks[:done]):
            x = block(x)
        x = _lrelu(self.conv(minibatch_stddev(x)))
        x = self.out(_lrelu(self.dense(x.flatten(1))))
        return x.float().squeeze(1)
