"""What players print while they play: kept in the home, job by job."""

from __future__ import annotations

import re
from pathlib import Path

from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.store import write_atomically

OUTPUT = "output"
"""The folder of what players printed, in a home."""


def keep_printed(outcome: Outcome, home: Path) -> Path | None:
    """Writes what a job's player printed to ``HOME/output``.

    Returns:
        The file; None where nothing was printed.
    """
    if not outcome.printed.strip():
        return None
    name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", outcome.job.label).strip("-")
    path = home / OUTPUT / f"{name[:100]}-{outcome.job.key[:8]}.txt"
    write_atomically(path, outcome.printed.encode(errors="replace"))
    return path
