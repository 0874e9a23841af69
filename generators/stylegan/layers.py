"""What the networks of StyleGAN are made of, besides what a Progressive GAN has.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019; sections,
equations and appendices below are that paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.generators.pgan_networks import EqualisedConv2d, UpsamplingConv2d
from fakeoff.generators.styles import Linear, lrelu

FILTER = (1.0, 2.0, 1.0)
"""The low-pass filter after each doubling and before each halving, one way, before it is scaled to sum to 1."""

_LEAST_VARIANCE = 1e-8


def low_pass() -> Tensor:
    """The binomial filter both ways, float32 ``(3, 3)``, summing to 1."""
    line = torch.tensor(FILTER)
    return torch.outer(line, line) / line.sum().square()


class Blur(nn.Module):
    """Filters each feature by itself: with a doubling by repetition before it, bilinear sampling (appendix C)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Always the same, so that no state holds it; a buffer, so that it lies where the weights do.
        self.register_buffer("kernel", low_pass(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Args: x ``(n, c, h, w)``. Returns the same shape; beyond the border there are zeros."""
        features = x.shape[1]
        return F.conv2d(x, self.kernel.to(x.dtype).expand(features, 1, 3, 3), padding=1, groups=features)


class DownsamplingConv2d(EqualisedConv2d):
    """A 3x3 convolution whose image is then halved by averaging.

    One 4x4 convolution with stride 2 gives the same image for 16 products a pixel in place of 36.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        nine = F.pad(self.weight * (self.scale / 4), (1, 1, 1, 1))
        sixteen = nine[..., 1:, 1:] + nine[..., 1:, :-1] + nine[..., :-1, 1:] + nine[..., :-1, :-1]
        return F.conv2d(x, sixteen, self.bias, stride=2, padding=1)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Adaptive instance normalisation (Eq. 1): each feature of each image gets the deviation and mean that are asked.

    Args:
        x: ``(n, c, h, w)``.
        scale: float32 ``(n, c)``.
        shift: float32 ``(n, c)``.

    Returns:
        ``(n, c, h, w)``, of the type of ``x``.
    """
    n, c, h, w = x.shape
    # Batch normalisation over one image with n * c features is the same thing, with one kernel for each feature. Mean
    # and variance written out took three times as long at 64 pixels on a CPU as the convolution before them.
    lines = x.reshape(1, n * c, h, w)
    normed = F.batch_norm(
        lines, None, None, scale.reshape(-1), shift.reshape(-1), training=True, momentum=0.0, eps=_LEAST_VARIANCE
    )
    return normed.view(n, c, h, w)


class StyledLayer(nn.Module):
    """One layer of the synthesis (Fig. 1b): a convolution or nothing, noise, bias, activation, and a style.

    Args:
        style_dim: Length of a w.
        inputs: Features before; 0 where the layer takes the constant as it is.
        outputs: Features after.
        side: Pixels a side after.
        up: Whether it doubles the resolution: by repetition, the convolution, then the filter.
    """

    def __init__(self, style_dim: int, inputs: int, outputs: int, *, side: int, up: bool = False) -> None:
        super().__init__()
        self.side = side
        self.conv = nn.Sequential()
        if up:
            self.conv.extend([UpsamplingConv2d(inputs, outputs, bias=False), Blur()])
        elif inputs:
            self.conv.append(EqualisedConv2d(inputs, outputs, 3, padding=1, bias=False))
        self.noise_strength = nn.Parameter(torch.zeros(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = Linear(style_dim, 2 * outputs)

    def forward(self, x: Tensor, w: Tensor, *, noise: Tensor | None) -> Tensor:
        """Makes the next features.

        Args:
            x: ``(n, inputs, h, w)``.
            w: float32 ``(n, style_dim)``.
            noise: Standard normal, float32 ``(n, 1, side, side)``; None for none.

        Returns:
            ``(n, outputs, side, side)``.
        """
        with torch.autocast(w.device.type, enabled=False):
            scale, shift = self.style(w).chunk(2, dim=1)  # (n, outputs) each
        x = self.conv(x)
        # Feature by feature in memory: what follows would go through a few features of each pixel one by one.
        before, x = x, x.contiguous()
        x = x + self.bias.to(x.dtype)[:, None, None]
        if noise is not None:
            x = torch.addcmul(x, noise.to(x.dtype), self.noise_strength.to(x.dtype)[:, None, None])
        x = adain(lrelu(x), scale + 1, shift)  # styles start from a scale of one (appendix C)
        last = before.is_contiguous(memory_format=torch.channels_last)
        return x.contiguous(memory_format=torch.channels_last) if last else x


class BlurredCriticBlock(nn.Module):
    """A block of the critic: as of a Progressive GAN, with the filter before it halves the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(inputs, inputs, 3, padding=1)
        self.blur = Blur()
        self.conv2 = DownsamplingConv2d(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return lrelu(self.conv2(self.blur(lrelu(self.conv1(x)))))
