"""How a process computes: threads, determinism and the allocator."""

from __future__ import annotations

import ctypes
import os

import torch
from threadpoolctl import threadpool_limits

from fakeoff.arena.compute.device import CPU

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


def prepare_process(*, threads: int, device: torch.device = CPU) -> None:
    """Sets a process up for one job. Call it at the start of every job, not once a worker.

    A reused worker keeps the thread count that torch saw first, and the number of threads decides the
    order of sums: it comes from the job, never from the machine.

    Args:
        threads: Threads for one operation.
        device: Where it will compute. On CUDA, operations that have no deterministic kernel warn; on a CPU they raise.
    """
    keep_memory()
    reset_modes()
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # numpy's and scipy's products
    # use_deterministic_algorithms does the same and imports half of torch's compiler: seconds, in every worker.
    torch.set_deterministic_debug_mode("warn" if device.type == "cuda" else "error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        _prepare_cuda()


def quiet_threads() -> None:
    """Lets idle threads of Intel's OpenMP spin for a millisecond, not for a fifth of a second.

    Not shorter: an operation of a training takes less than that, and threads that sleep between two of them made
    an attack on two threads a quarter slower. GNU's OpenMP spins for about as long by itself. Has an effect only before
    the first tensor operation of a process.
    """
    os.environ.setdefault("KMP_BLOCKTIME", "1")


def _prepare_cuda() -> None:
    # cuBLAS reads this when it starts; without it its products are not deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False  # it would choose kernels by how busy the GPU is
    # What is not autocast is float32: scores and penalties.
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
