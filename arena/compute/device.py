"""Where tensors lie and in which precision they are multiplied: the one place that knows of devices."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sized
from typing import Literal, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from fakeoff.arena.errors import JobFailed

Precision: TypeAlias = Literal["bfloat16", "float32"]
DeviceName: TypeAlias = Literal["cpu", "cuda"]
Device: TypeAlias = torch.device

CPU = torch.device("cpu")

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class GpuMemoryError(JobFailed):
    """A GPU has not enough memory, even for the smallest batch."""


def torch_device(name: DeviceName) -> torch.device:
    """The device of a job in this process; on CUDA the current one, which Ray chooses for its workers."""
    return CPU if name == "cpu" else torch.device("cuda", 0)


def device_of(player: nn.Module) -> torch.device:
    """Where a player's weights lie; the CPU where it has none."""
    for tensor in (*player.parameters(), *player.buffers()):
        return tensor.device
    return CPU


@contextlib.contextmanager
def autocast(precision: Precision, device: torch.device = CPU) -> Iterator[None]:
    """Runs matrix products and convolutions in ``precision``.

    On CUDA, float32 multiplies in TF32: 10 bits of mantissa, sums in float32. Outside of this context, which is where
    images are scored, float32 is float32 everywhere.

    Args:
        precision: Of products; weights and what they are summed up in stay float32.
        device: Where the tensors lie.
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cuda" and precision == "float32":
            stack.enter_context(_tf32())
        stack.enter_context(
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"),
        )
        yield


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def channels_last(model: ModuleT) -> ModuleT:
    """Moves a model's convolution weights to the memory format that kernels are fastest in, on CPU and GPU."""
    return model.to(memory_format=torch.channels_last)


def image_layout(images: Tensor) -> Tensor:
    """Puts ``(n, c, h, w)`` into channels_last memory; the values stay as they are."""
    return images.contiguous(memory_format=torch.channels_last)


def move(tensor: Tensor, device: torch.device) -> Tensor:
    """Moves a tensor; to a GPU through pinned memory and without waiting for the copy."""
    if tensor.device == device:
        return tensor
    if device.type == "cuda" and tensor.device.type == "cpu" and torch.cuda.is_available():
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Batches(Protocol, Sized):
    """Images that can be cut: tensors, and pools at rest."""

    def __getitem__(self, part: slice, /) -> Tensor:
        """Some of them: float32 ``(n, 3, h, w)``."""


def in_batches(
    work: Callable[[Tensor], Tensor], images: Tensor | Batches, *, size: int, device: torch.device = CPU
) -> Tensor:
    """Does something to images batch by batch; halves the batch whenever a GPU has not the memory for it.

    Args:
        work: Takes float32 ``(b, 3, h, w)`` in channels_last memory on ``device``; returns ``(b, ...)``.
        images: Of ``(n, 3, h, w)``.
        size: Of a batch, to begin with.
        device: Where the work is done.

    Returns:
        ``(n, ...)`` on the CPU.

    Raises:
        GpuMemoryError: Not even one image fits.
    """
    done: list[Tensor] = []
    start = 0
    while start < len(images):
        try:
            batch = image_layout(move(images[start : start + size], device))
            done.append(work(batch).cpu())
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise GpuMemoryError("ran out of the GPU's memory with a batch of one image") from error
            size = max(1, size // 2)
            torch.cuda.empty_cache()
        else:
            start += len(batch)
    return torch.cat(done)
