"""What the networks of StyleGAN2 are made of.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020. Names, shapes and scales of weights
are those of NVIDIA's ``stylegan2-ada-pytorch``, so that its state dicts fit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators.styles import GAIN, Linear, lrelu

FILTER = (1.0, 3.0, 3.0, 1.0)
"""The low-pass filter of every change of resolution, one way, before it is scaled to sum to 1."""


def resample_filter() -> Tensor:
    """The low-pass filter both ways, float32 ``(4, 4)``, summing to 1."""
    line = torch.tensor(FILTER)
    return torch.outer(line, line) / line.sum().square()


def blur(x: Tensor, low_pass: Tensor, *, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Filters each feature by itself.

    Args:
        x: ``(n, c, h, w)``.
        low_pass: :func:`resample_filter`, where ``x`` lies.
        padding: Zeros at each side.
        stride: 2 keeps every other pixel.
        gain: Multiplies the result; 4 makes up for zeros between the pixels.

    Returns:
        ``(n, c, (h + 2 * padding - 4) / stride + 1, ...)``.
    """
    kernel = (low_pass * gain).to(x.dtype).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, stride=stride, padding=padding, groups=x.shape[1])


def upsample(image: Tensor, low_pass: Tensor) -> Tensor:
    """Doubles the resolution: zeros between the pixels, then the filter; ``(n, c, h, w)`` to ``(n, c, 2h, 2w)``."""
    kernel = (low_pass * 4).to(image.dtype).expand(image.shape[1], 1, 4, 4)
    return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=image.shape[1])


class Conv2d(nn.Module):
    """A convolution with an equalised learning rate, which may halve the resolution (the critic's).

    Args:
        inputs: Features before.
        outputs: Features after.
        kernel: Pixels a side, 1 or 3.
        down: Whether it halves the resolution, filtering first.
        bias: Whether it has one.
        gain: Multiplies the result; :data:`GAIN` where a leaky ReLU follows.
    """

    bias: Tensor | None
    low_pass: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, down: bool = False, bias: bool = True, gain: float = GAIN
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.register_parameter("bias", nn.Parameter(torch.zeros(outputs)) if bias else None)
        self.deviation = 1.0
        self.scale = gain / math.sqrt(inputs * kernel * kernel)
        self.gain = gain
        self.kernel = kernel
        self.down = down
        # Always the same, so that no state holds it; a buffer, so that it lies where the weights do.
        self.register_buffer("low_pass", resample_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        bias = None if self.bias is None else self.bias * self.gain
        if not self.down:
            return F.conv2d(x, weight, bias, padding=self.kernel // 2)
        if self.kernel == 1:  # of a single pixel: leaving out before or after is the same
            return F.conv2d(blur(x, self.low_pass, padding=1, stride=2), weight, bias)
        return F.conv2d(blur(x, self.low_pass, padding=2), weight, bias, stride=2)


class ModulatedConv2d(nn.Module):
    """A convolution whose weights each image's style scales, and whose output is brought back to unit deviation.

    Section 2.2, Eqs. 1 to 3, then noise, bias and activation. It scales the inputs by the style, applies the same
    weights to all images, and scales the outputs by Eq. 3's factor. A grouped convolution with weights of its own for
    each image gives the same; on a CPU this takes a sixth to two thirds of its time, with gradients.

    Args:
        style_dim: Length of a w.
        inputs: Features before.
        outputs: Features after.
        side: Pixels a side after.
        up: Whether it doubles the resolution: zeros between the pixels, the convolution, then the filter.
    """

    noise_const: Tensor
    low_pass: Tensor

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int, up: bool) -> None:
        super().__init__()
        self.affine = Linear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.zeros(side, side))
        self.register_buffer("low_pass", resample_filter(), persistent=False)
        self.deviation = 1.0
        self.side = side
        self.up = up

    def forward(self, x: Tensor, w: Tensor, *, noise: Tensor | None) -> Tensor:
        """Convolves.

        Args:
            x: ``(n, inputs, h, w)``.
            w: float32 ``(n, style_dim)``.
            noise: Standard normal, ``(n, 1, side, side)`` or ``(side, side)``; None for none.

        Returns:
            ``(n, outputs, side, side)``.
        """
        with torch.autocast(w.device.type, enabled=False):
            style = self.affine(w)  # (n, inputs)
            # Eq. 3 for all outputs at once: the style is the same for all of a kernel's pixels.
            energy = style.square() @ self.weight.square().sum((2, 3)).t()
            factor = torch.rsqrt(energy + 1e-8) * GAIN  # (n, outputs)
        x = x * style.to(x.dtype)[..., None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = blur(x, self.low_pass, padding=1, gain=4.0)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = torch.addcmul((self.bias * GAIN).to(x.dtype).view(1, -1, 1, 1), x, factor.to(x.dtype)[..., None, None])
        if noise is not None:
            x = x + (noise * (self.noise_strength * GAIN)).to(x.dtype)
        return lrelu(x)


class ToImage(nn.Module):
    """Features to an image: a modulated 1x1 convolution without demodulation or activation (section 4.2)."""

    def __init__(self, style_dim: int, inputs: int, channels: int) -> None:
        super().__init__()
        self.affine = Linear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.empty(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.deviation = 1.0
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Args: x ``(n, inputs, h, w)``, w float32 ``(n, style_dim)``. Returns float32 ``(n, channels, h, w)``."""
        with torch.autocast(w.device.type, enabled=False):
            style = self.affine(w) * self.scale
            weights = self.weight.flatten(1) * style[:, None]  # (n, channels, inputs)
        n, inputs, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(n, -1, inputs)
        # A product over pixels: convolutions to one or three channels are slow, and change the memory's layout.
        image: Tensor = (pixels @ weights.to(x.dtype).transpose(1, 2)).to(w.dtype) + self.bias
        return image.view(n, height, width, -1).permute(0, 3, 1, 2)


def draw_weights(network: nn.Module, *, rng: torch.Generator) -> None:
    """Draws weights and constants from N(0, 1), those of slow layers larger; biases stay as they were made."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, Linear | Conv2d | ModulatedConv2d | ToImage):
                layer.weight.normal_(generator=rng).mul_(layer.deviation)
            if isinstance(layer, ModulatedConv2d):
                layer.noise_const.normal_(generator=rng)
            constant = getattr(layer, "const", None)
            if isinstance(constant, nn.Parameter):
                constant.normal_(generator=rng)
