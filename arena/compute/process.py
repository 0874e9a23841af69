"""How a process computes: threads, determinism and the allocator."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

from fakeoff.arena.compute.device import CPU

# mallopt's parameter numbers, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_KEEP_BYTES = 1 << 30


def keep_memory() -> bool:
    """Tells glibc to keep freed tensors instead of handing them back to the kernel.

    Every large tensor is otherwise mapped and faulted in anew. It changes this process only.

    Returns:
        Whether the C library took the settings (False where it is not glibc).
    """
    return _tell_malloc((_M_MMAP_THRESHOLD, _KEEP_BYTES), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, 1 << 26))


def share_memory() -> bool:
    """Tells glibc to let all threads of this process take from one heap, before they begin.

    By default each has one of its own, and keeps there what it has freed: with :func:`keep_memory` for good.

    Returns:
        Whether the C library took the setting (False where it is not glibc).
    """
    return _tell_malloc((_M_ARENA_MAX, 1))


def _tell_malloc(*settings: tuple[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
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


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Lets jobs set this process up as they need it, and puts it back: for a process that is the user's own.

    Threads, determinism, gradients, the default dtype and device and what is set for CUDA are as before; the
    allocator keeps its settings.
    """
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    deterministic = torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn, products = torch.backends.cudnn, torch.get_float32_matmul_precision()
    flags = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    with threadpool_limits(None, user_api="blas"):  # it puts back what others set meanwhile
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_grad_enabled(gradients)
            torch.set_default_dtype(dtype)
            # Not even the CPU by name: a default device that is set costs every operation a little.
            torch.set_default_device(None if device == CPU else device)
            torch.set_deterministic_debug_mode(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
            cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = flags
            torch.set_float32_matmul_precision(products)


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
