"""MesoInception-4: a small network for faces, with few and wide-reaching convolutions.

Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", WIFS 2018, section II-B: in place of
Meso-4's first two layers stand two of inception, whose branches are dilated. Trained with squared error, as there and
in the paper's section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.seeds import global_draws
from fakeoff.detectors.whole import WholeNetwork

# Keras' default, where PyTorch has 1e-5. It matters: squared error leaves small activations.
_EPSILON = 1e-3
_SLOPE = 0.1
_DROPOUT = 0.5
# Of the maximum poolings.
_POOLS = (2, 2, 2, 4)
_HIDDEN = 16


class MesoInception4(WholeNetwork):
    """MesoInception-4, as published: squared error, dropout, and images of 256 pixels.

    Weights begin as in Keras, where it was made: Glorot's uniform distribution, biases of 0. Batch statistics are
    followed ten times as fast as Keras does by default: a training in the arena has hundreds of steps, not thousands.

    Args:
        side: Height and width in pixels that it is shown; the arena resizes for it. 256 is published, and another one
            changes the size of the first fully connected layer only.
        learning_rate: Adam's.
        init_seed: Of the initial weights.
    """

    def __init__(self, *, side: int = 256, learning_rate: float = 1e-3, init_seed: int = 0) -> None:
        if side < 1:
            raise ValueError(f"side is {side}; give 1 pixel or more")
        # It sees [0, 1], as published.
        super().__init__(_network(side), learning_rate=learning_rate, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        self.side = side
        rng = torch.Generator().manual_seed(init_seed)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=rng)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        with global_draws(rng):  # for dropout
            return super().train_step(batch, rng=rng)

    def objective(self, logits: Tensor, truth: Tensor) -> Tensor:
        """The mean squared error of P(fake)."""
        return F.mse_loss(logits.sigmoid(), truth)


class Inception(nn.Module):
    """Four branches side by side, each with a ReLU after every convolution: a 1x1, and three of 1x1 and 3x3.

    The 3x3 have dilations of 1, 2 and 3.

    Args:
        inputs: Channels.
        branches: Output channels of each branch.
    """

    def __init__(self, inputs: int, branches: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, *dilated = branches
        self.pointwise = nn.Sequential(nn.Conv2d(inputs, first, 1), nn.ReLU())
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1),
                nn.ReLU(),
                nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation),
                nn.ReLU(),
            )
            for dilation, outputs in enumerate(dilated, start=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.pointwise(x), *(branch(x) for branch in self.dilated)], dim=1)


class SamePool(nn.Module):
    """Maximum pooling with Keras' ``same`` padding: ``ceil(side / size)`` values a side.

    An even window cannot be centred: where padding is odd, there is one more on the right and at the bottom. PyTorch's
    own padding is the same on both sides.

    Args:
        size: Of the window, and from one to the next.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        height, width = (-length % self.size for length in x.shape[-2:])
        before = (width // 2, height // 2)
        pads = (before[0], width - before[0], before[1], height - before[1])
        return F.max_pool2d(F.pad(x, pads, value=-torch.inf), self.size)


def _network(side: int) -> nn.Sequential:
    for size in _POOLS:
        side = -(-side // size)
    return nn.Sequential(
        Inception(3, (1, 4, 4, 2)),
        nn.BatchNorm2d(11, eps=_EPSILON),
        SamePool(_POOLS[0]),
        Inception(11, (2, 4, 4, 2)),
        nn.BatchNorm2d(12, eps=_EPSILON),
        SamePool(_POOLS[1]),
        nn.Conv2d(12, 16, 5, padding=2),
        nn.ReLU(),
        nn.BatchNorm2d(16, eps=_EPSILON),
        SamePool(_POOLS[2]),
        nn.Conv2d(16, 16, 5, padding=2),
        nn.ReLU(),
        nn.BatchNorm2d(16, eps=_EPSILON),
        SamePool(_POOLS[3]),
        nn.Flatten(),
        nn.Dropout(_DROPOUT),
        nn.Linear(16 * side * side, _HIDDEN),
        nn.LeakyReLU(_SLOPE),
        nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, 1),
    )
