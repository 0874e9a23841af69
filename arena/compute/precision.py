"""Which precision is the faster one here: measured, never guessed from a processor's name.

On a CPU with AVX-512 or AMX bfloat16 instructions bfloat16 is about twice as fast as float32; on one without, it is
emulated and 8 to 14 times slower.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from fakeoff.arena.compute.device import CPU, Precision, autocast, image_layout

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
CLEARLY_FASTER = 1.1
"""bfloat16 is chosen where it gains this much: it costs digits, so a tie goes to float32."""

_LEAST_TURNS, _MOST_TURNS, _SECONDS = 3, 12, 0.5
_IMAGES, _SIDE = 8, 28


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """What one training step of a small convolutional network takes.

    Attributes:
        float32: Milliseconds; of CPU time, on one thread, where it ran on a CPU.
        bfloat16: Likewise.
    """

    float32: float
    bfloat16: float

    @property
    def gain(self) -> float:
        """How many times as fast as float32 bfloat16 is."""
        return self.float32 / self.bfloat16

    def slowdown(self, precision: Precision) -> float:
        """How many times slower a precision is than the other one; below 1 where it is faster."""
        return 1 / self.gain if precision == "bfloat16" else self.gain


def faster(machines: Iterable[Speeds]) -> Precision:
    """The precision for all of several machines: the one whose slowest machine is the faster."""
    speeds = list(machines)
    slowest = {precision: max(getattr(of, precision) for of in speeds) for precision in PRECISIONS}
    return "bfloat16" if slowest["bfloat16"] * CLEARLY_FASTER < slowest["float32"] else "float32"


def measure(device: torch.device = CPU) -> Speeds:
    """Times forward and backward passes of a 3x3, a depthwise and a pointwise convolution, in both precisions.

    Takes about a second at most. The two take turns, and the fastest pass of each counts: of its CPU time, so that a
    busy machine does not matter. It leaves threads, random state and gradients' mode as they were.

    Args:
        device: Where.
    """
    threads = torch.get_num_threads()
    network, images = _probe(device)
    fastest = dict.fromkeys(PRECISIONS, float("inf"))
    try:
        torch.set_num_threads(1)
        with torch.enable_grad():
            started = time.perf_counter()
            for turn in range(_MOST_TURNS):
                if turn >= _LEAST_TURNS and time.perf_counter() - started > _SECONDS:
                    break
                for precision in PRECISIONS:
                    taken = _time_step(network, images, precision)
                    if turn:  # the first compiles kernels
                        fastest[precision] = min(fastest[precision], taken)
    finally:
        torch.set_num_threads(threads)
    return Speeds(**{precision: 1000 * seconds for precision, seconds in fastest.items()})


def _probe(device: torch.device) -> tuple[nn.Module, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    # skip_init leaves torch's global random state alone
    layers = (
        nn.utils.skip_init(nn.Conv2d, 32, 64, 3, padding=1, bias=False),
        nn.utils.skip_init(nn.Conv2d, 64, 64, 3, padding=1, groups=64, bias=False),
        nn.utils.skip_init(nn.Conv2d, 64, 128, 1, bias=False),
    )
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1, generator=rng)
    images = torch.randn(_IMAGES, 32, _SIDE, _SIDE, generator=rng)
    network = network.to(device).to(memory_format=torch.channels_last)
    return network, image_layout(images.to(device))


def _time_step(network: nn.Module, images: torch.Tensor, precision: Precision) -> float:
    device = images.device
    clock = time.perf_counter if device.type == "cuda" else time.thread_time
    _wait(device)
    started = clock()
    with autocast(precision, device):
        loss = F.relu(network(images)).float().mean()
    loss.backward()
    network.zero_grad(set_to_none=True)
    _wait(device)
    return clock() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
