"""What a machine is good at: its processor's features, its GPUs, and how fast they are in each precision."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fakeoff.arena.cache import cache_folder
from fakeoff.arena.compute.device import CPU
from fakeoff.arena.compute.precision import Speeds, measure
from fakeoff.arena.seeds import digest

SPEEDS = "speeds.json"

_METHOD = 1  # raise it when what is measured changes
_MOST_KEPT = 64

# What decides the speed of training, by the kernel's name of the flag; the last one of a group that is there is told.
_VECTORS = {"asimd": "NEON", "sve": "SVE", "avx": "AVX", "avx2": "AVX2", "avx512f": "AVX-512"}
_BFLOAT16 = {"bf16": "bfloat16", "avx512_bf16": "AVX-512 bfloat16", "amx_bf16": "AMX bfloat16"}
SWITCHES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY")
"""Environment variables that switch kernels of the libraries off, as if the processor had not the instructions."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that jobs run on.

    Attributes:
        name: Its host name.
        processor: The processor's name.
        features: Those of its instruction sets that decide how fast it trains.
        cpu: How fast it is on one thread.
        gpus: The names of its CUDA devices.
        gpu: How fast the first of them is; None where there is none.
    """

    name: str
    processor: str
    features: tuple[str, ...]
    cpu: Speeds
    gpus: tuple[str, ...] = ()
    gpu: Speeds | None = None


def survey() -> Machine:
    """Looks at this machine. What is measured is kept in the cache, for each kind of machine and release of PyTorch."""
    processor, flags = _processor()
    gpus = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    switches = {name: os.environ[name] for name in SWITCHES if name in os.environ}
    kind = {"method": _METHOD, "torch": torch.__version__, "processor": processor, "flags": sorted(flags), **switches}
    return Machine(
        name=platform.node(),
        processor=processor,
        features=_features(flags),
        cpu=_measured({**kind, "device": "cpu"}, CPU),
        gpus=gpus,
        gpu=_measured({**kind, "device": gpus[0]}, torch.device("cuda", 0)) if gpus else None,
    )


def describe(machine: Machine) -> str:
    """Says in a few words what a machine is: ``AMD EPYC with AVX-512, AVX-512 bfloat16``."""
    features = f" with {', '.join(machine.features)}" if machine.features else ""
    return f"{machine.processor}{features}"


def _measured(kind: Mapping[str, Any], device: torch.device) -> Speeds:
    key = digest(dict(kind))
    known = _read()
    with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        kept = Speeds(**{name: float(value) for name, value in known[key]["milliseconds"].items()})
        if 0 < kept.float32 < float("inf") and 0 < kept.bfloat16 < float("inf"):
            return kept
    speeds = measure(device)
    entry = {"on": f"{kind['processor']}, {kind['device']}, torch {kind['torch']}", "milliseconds": asdict(speeds)}
    newest = dict(list({**{k: v for k, v in known.items() if k != key}, key: entry}.items())[-_MOST_KEPT:])
    _write(newest)
    return speeds


def _file() -> Path | None:
    try:
        return cache_folder() / SPEEDS
    except RuntimeError:  # there is no home
        return None


def _read() -> dict[str, Any]:
    path = _file()
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text()) if path else {}
        return found if isinstance(found, dict) else {}
    return {}


def _write(content: Mapping[str, Any]) -> None:
    path = _file()
    with contextlib.suppress(OSError):  # a cache is a courtesy
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f"{path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(content, indent=1) + "\n")
            fresh.replace(path)


def _processor() -> tuple[str, frozenset[str]]:
    """The processor's name and flags, as the kernel tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"^(?:model name|Hardware|CPU part)\s*: *(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: *(.+)$", text, re.MULTILINE)
    return (
        name[1].strip() if name else platform.processor() or platform.machine(),
        frozenset(flags[1].split()) if flags else frozenset(),
    )


def _features(flags: frozenset[str]) -> tuple[str, ...]:
    groups = ([word for flag, word in group.items() if flag in flags] for group in (_VECTORS, _BFLOAT16))
    return tuple(words[-1] for words in groups if words)
