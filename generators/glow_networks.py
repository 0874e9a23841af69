"""The bijection of Glow: images to independent standard normals and back, with its log-determinant.

Kingma & Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", NeurIPS 2018. Section, table and equation
numbers below are that paper's.

Every part maps ``(n, c, h, w)`` to the same shape in ``forward``, which also returns the logarithm of the absolute
determinant of its Jacobian, ``(n,)`` or ``()`` where it is the same for every image, and back in ``inverse``. Both are
differentiable: likelihoods are trained one way, and attacks the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Scales are e to the power of something bounded, where the paper leaves them free: one far out would divide by next to
# nothing on the way back, and float32 could not undo it any more.
_MOST_LOG_SCALE = 2.0
_MOST_LOG_DEVIATION = 4.0
# A channel that is constant in the first batch may not be so in the next.
_LEAST_DEVIATION = 1e-2
_WEIGHT_STD = 0.05
_ZERO_GAIN = 3.0


class ActNorm(nn.Module):
    """Shifts and scales each channel, at first so that the first batch has mean 0 and variance 1 (section 3.1).

    What the first batch asks for lies in buffers and what training adds to it in parameters, which start at zero: a
    learning rate, however small, is about the second alone.

    Args:
        channels: Of what it normalises.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("first_bias", torch.zeros(channels, 1, 1))
        self.register_buffer("first_log_scale", torch.zeros(channels, 1, 1))

    first_bias: Tensor
    first_log_scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x + (self.first_bias + self.bias)) * self._total_log_scale().exp()

    def inverse(self, y: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        return y * (-self._total_log_scale()).exp() - (self.first_bias + self.bias)

    def log_det(self, x: Tensor) -> Tensor:
        """The log-determinant for inputs of the shape of ``x``, which is all that it depends on; ``()``."""
        return x.shape[2] * x.shape[3] * self._total_log_scale().sum()

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Starts from a batch, ``(n, c, h, w)``."""
        deviation, mean = torch.std_mean(x, (0, 2, 3), keepdim=True, correction=0)
        self.first_bias.copy_(-mean[0])
        self.first_log_scale.copy_(-deviation[0].clamp_min(_LEAST_DEVIATION).log())

    def _total_log_scale(self) -> Tensor:
        return self.first_log_scale + self.log_scale


class InvertibleConv(nn.Module):
    """A 1x1 convolution with as many outputs as inputs, ``W = P L (U + diag(s))`` (Eq. 10 and 11).

    It starts as a random rotation. The permutation and the signs of ``s`` stay as they are.

    Args:
        channels: Inputs and outputs.
        rng: Draws the rotation.
    """

    def __init__(self, channels: int, *, rng: torch.Generator) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels, generator=rng, dtype=torch.float64))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.lower = nn.Parameter(lower.tril(-1).float())
        self.upper = nn.Parameter(upper.triu(1).float())
        self.log_diagonal = nn.Parameter(diagonal.abs().log().float())
        self.register_buffer("sign", diagonal.sign().float())
        # row i of W is row permutation[i] of L (U + diag(s))
        self.register_buffer("permutation", permutation.argmax(1))

    sign: Tensor
    permutation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        lower, upper = self._triangles()
        return F.conv2d(x, (lower @ upper)[self.permutation][..., None, None])

    def inverse(self, y: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        lower, upper = self._triangles()
        half = torch.linalg.solve_triangular(lower, self._unit(), upper=False, unitriangular=True)
        whole = torch.linalg.solve_triangular(upper, half, upper=True)
        return F.conv2d(y, whole[:, self.permutation][..., None, None])

    def log_det(self, x: Tensor) -> Tensor:
        """The log-determinant for inputs of the shape of ``x`` (Eq. 11); ``()``."""
        return x.shape[2] * x.shape[3] * self.log_diagonal.sum()

    def _triangles(self) -> tuple[Tensor, Tensor]:
        diagonal = torch.diag(self.sign * self.log_diagonal.exp())
        return self.lower.tril(-1) + self._unit(), self.upper.triu(1) + diagonal

    def _unit(self) -> Tensor:
        return torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)


class _Conv(nn.Module):
    """A convolution of odd size that keeps the size of images; drawn from N(0, 0.05) without a global generator."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(_WEIGHT_STD * torch.randn(outputs, inputs, kernel, kernel, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)


class _ZeroConv(nn.Module):
    """A 3x3 convolution that starts at zero, with a learned scale of its outputs (section 3.3).

    Its bias is one for each place, not only for each channel: faces are aligned, and what is usual differs between
    places. Its learning rate is equalised (Karras et al., ICLR 2018, section 4.1): a step of Adam moves every weight by
    the same, and over hundreds of inputs that would be a jump, which one coupling hands on to the next until nothing is
    finite.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs, side, side))
        self.log_gain = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.scale = 1 / math.sqrt(inputs * 9)

    def forward(self, x: Tensor) -> Tensor:
        raw = F.conv2d(x, self.weight * self.scale, padding=1) + self.bias
        return raw * (_ZERO_GAIN * self.log_gain).exp()


class AffineCoupling(nn.Module):
    """Scales and shifts half of the channels by what a small network makes of the other half (section 3.3).

    The network is three convolutions, 3x3, 1x1 and 3x3, the first two with actnorm and ReLU; the last one starts at
    zero, so that the whole starts as the identity.

    Args:
        channels: Even.
        side: Of what it changes, in places.
        width: Channels inside the network.
        rng: Draws its weights.
    """

    def __init__(self, channels: int, *, side: int, width: int, rng: torch.Generator) -> None:
        super().__init__()
        self.network = nn.Sequential(
            _Conv(channels // 2, width, 3, rng=rng),
            ActNorm(width),
            nn.ReLU(),
            _Conv(width, width, 1, rng=rng),
            ActNorm(width),
            nn.ReLU(),
            _ZeroConv(width, channels, side=side),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, 1)
        log_scale, shift = self._of(kept)
        return torch.cat([kept, changed * log_scale.exp() + shift], 1), log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        kept, changed = y.chunk(2, 1)
        log_scale, shift = self._of(kept)
        return torch.cat([kept, (changed - shift) * (-log_scale).exp()], 1)

    def _of(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.network(kept).chunk(2, 1)
        return _bounded(log_scale, _MOST_LOG_SCALE), shift


class FlowStep(nn.Module):
    """Actnorm, invertible 1x1 convolution, affine coupling: one step of the flow (Figure 2a, Table 1)."""

    def __init__(self, channels: int, *, side: int, width: int, rng: torch.Generator) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.mixing = InvertibleConv(channels, rng=rng)
        self.coupling = AffineCoupling(channels, side=side, width=width, rng=rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_det = self.coupling(self.mixing(self.norm(x)))
        return y, log_det + self.norm.log_det(x) + self.mixing.log_det(x)

    def inverse(self, y: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        x: Tensor = self.norm.inverse(self.mixing.inverse(self.coupling.inverse(y)))
        return x


class SplitPrior(nn.Module):
    """Makes the channels that leave the flow standard normal, given those that stay: a learned prior (section 3.4).

    Args:
        channels: That leave, and as many that stay.
        side: Of both, in places.
    """

    def __init__(self, channels: int, *, side: int) -> None:
        super().__init__()
        self.moments = _ZeroConv(channels, 2 * channels, side=side)

    def forward(self, leaving: Tensor, staying: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self._of(staying)
        return (leaving - mean) * (-log_deviation).exp(), -log_deviation.flatten(1).sum(1)

    def inverse(self, z: Tensor, staying: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        mean, log_deviation = self._of(staying)
        return z * log_deviation.exp() + mean

    def _of(self, staying: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.moments(staying).chunk(2, 1)
        return mean, _bounded(log_deviation, _MOST_LOG_DEVIATION)


class TopPrior(nn.Module):
    """The learned prior of what is left at the coarsest level: a mean and a deviation for each dimension."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels, side, side))
        self.log_deviation = nn.Parameter(torch.zeros(channels, side, side))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_deviation = _bounded(self.log_deviation, _MOST_LOG_DEVIATION)
        return (x - self.mean) * (-log_deviation).exp(), -log_deviation.sum()

    def inverse(self, z: Tensor) -> Tensor:
        """Undoes :meth:`forward`."""
        return z * _bounded(self.log_deviation, _MOST_LOG_DEVIATION).exp() + self.mean


class Flow(nn.Module):
    """The whole multi-scale flow (Figure 2b): squeeze, steps, split, and again, down to the coarsest level.

    Args:
        channels: Of the images.
        side: Of the images in pixels, divisible by ``2 ** levels``.
        levels: How often the image is squeezed; the paper's L.
        steps: Of each level; the paper's K.
        width: Channels inside the coupling networks.
        rng: Draws the weights.
    """

    def __init__(self, *, channels: int, side: int, levels: int, steps: int, width: int, rng: torch.Generator) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        self.splits = nn.ModuleList()
        self.shapes: list[tuple[int, int, int]] = []
        for level in range(levels):
            channels, side = 4 * channels, side // 2
            self.levels.append(nn.ModuleList(FlowStep(channels, side=side, width=width, rng=rng) for _ in range(steps)))
            if level < levels - 1:
                channels //= 2
                self.splits.append(SplitPrior(channels, side=side))
            self.shapes.append((channels, side, side))
        self.top = TopPrior(channels, side)
        self.register_buffer("is_started", torch.zeros((), dtype=torch.bool))

    is_started: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Takes images apart.

        Args:
            x: ``(n, channels, side, side)``.

        Returns:
            Latents ``(n, channels * side * side)``, the finest level's first, and the log-determinant of this map,
            ``(n,)``. The logarithm of the density of ``x`` is that of a standard normal at the latents, plus it.
        """
        latents: list[Tensor] = []
        log_det = x.new_zeros(len(x))
        for level, steps in enumerate(self.levels):
            x = F.pixel_unshuffle(x, 2)
            for step in _steps(steps):
                x, by = step(x)
                log_det = log_det + by
            if level < len(self.splits):
                x, leaving = x.chunk(2, 1)
                z, by = self.splits[level](leaving, x)
                latents.append(z.flatten(1))
                log_det = log_det + by
        z, by = self.top(x)
        latents.append(z.flatten(1))
        return torch.cat(latents, 1), log_det + by

    def inverse(self, latents: Tensor) -> Tensor:
        """Puts images together: undoes :meth:`forward`.

        Args:
            latents: ``(n, channels * side * side)``.

        Returns:
            ``(n, channels, side, side)``.
        """
        sizes = [channels * height * width for channels, height, width in self.shapes]
        *finer, coarsest = (z.view(-1, *shape) for z, shape in zip(latents.split(sizes, 1), self.shapes, strict=True))
        x: Tensor = self.top.inverse(coarsest)
        for level in reversed(range(len(self.levels))):
            if level < len(self.splits):
                x = torch.cat([x, self.splits[level].inverse(finer[level], x)], 1)  # type: ignore[operator]
            for step in reversed(list(_steps(self.levels[level]))):
                x = step.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return x

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """Starts every actnorm from what reaches it of a first batch (section 3.1), and remembers that it did.

        Args:
            x: ``(n, channels, side, side)``.
        """
        norms = [module for module in self.modules() if isinstance(module, ActNorm)]
        hooks = [norm.register_forward_pre_hook(lambda norm, inputs: norm.measure(inputs[0])) for norm in norms]
        try:
            self(x)
        finally:
            for hook in hooks:
                hook.remove()
        self.is_started.fill_(True)


def _steps(level: nn.Module) -> Iterator[FlowStep]:
    for step in level.children():
        assert isinstance(step, FlowStep)
        yield step


def _bounded(x: Tensor, most: float) -> Tensor:
    """Like ``x`` near 0, and never farther from 0 than ``most``."""
    return most * torch.tanh(x / most)


__all__ = ["ActNorm", "AffineCoupling", "Flow", "FlowStep", "InvertibleConv", "SplitPrior", "TopPrior"]
