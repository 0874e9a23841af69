"""Jobs: what they are, what they may take, where they run, and where their results are kept."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fakeoff.arena.jobs.job import Job, Outcome, Report, Result, hand_over

if TYPE_CHECKING:
    from fakeoff.arena.jobs.execution import Context, execute, import_house

__all__ = [
    "Context",
    "Job",
    "Outcome",
    "Report",
    "Result",
    "execute",
    "hand_over",
    "import_house",
]


def __getattr__(name: str) -> Any:
    # On first use: to run a job takes PyTorch, and to read what one left does not.
    if name in __all__:
        return getattr(importlib.import_module("fakeoff.arena.jobs.execution"), name)
    raise AttributeError(f"module 'fakeoff.arena.jobs' has no attribute '{name}'")
