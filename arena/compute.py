"""How tensors are computed: threads, precision, memory format and the allocator.

Measured on 2 cores (``make bench``): bfloat16 autocast with channels_last and an allocator that keeps
its memory is several times as fast as torch's defaults, and AP does not move.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Literal, TypeAlias, TypeVar

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

Precision: TypeAlias = Literal["bfloat16", "float32"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)

# mallopt's parameter numbers, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEEP_BYTES = 1 << 30


def keep_memory() -> bool:
    """Tells glibc to keep freed tensors instead of handing them back to the kernel.

    Every large tensor is otherwise mapped and faulted in anew. It changes this process only.

    Returns:
        Whether the C library took the settings (False where it is not glibc).
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_THRESHOLD, _KEEP_BYTES), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, 1 << 26))
    return all(mallopt(name, value) == 1 for name, value in settings)


def reset_modes() -> None:
    """Puts back what a player may have switched for the whole process: gradients, the default dtype and device."""
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def prepare_process(*, threads: int) -> None:
    """Sets a process up for one job. Call it at the start of every job, not once a worker.

    A reused worker keeps the thread count that torch saw first, and the number of threads decides the
    order of sums: it comes from the job, never from the machine.

    Args:
        threads: Threads for one operation.
    """
    keep_memory()
    reset_modes()
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # numpy's and scipy's products
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def quiet_threads() -> None:
    """Stops idle OpenMP threads from spinning on cores that another job needs.

    Has an effect only before the first tensor operation of a process.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")


@contextlib.contextmanager
def autocast(precision: Precision) -> Iterator[None]:
    """Runs matrix products and convolutions in ``precision``; a no-op for float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def channels_last(model: ModuleT) -> ModuleT:
    """Moves a model's convolution weights to the memory format that the CPU kernels are fastest in."""
    return model.to(memory_format=torch.channels_last)


def image_layout(images: Tensor) -> Tensor:
    """Puts ``(n, c, h, w)`` into channels_last memory; the values stay as they are."""
    return images.contiguous(memory_format=torch.channels_last)
