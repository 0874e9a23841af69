"""Where things lie that are this user's on this machine: what can be had again, and what was decided here."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``fakeoff`` in ``XDG_CACHE_HOME``, else in ``~/.cache``; it need not exist.

    Raises:
        RuntimeError: Nothing says where it should be.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has relative paths ignored.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "fakeoff"


def state_folder() -> Path:
    """``fakeoff`` in ``XDG_STATE_HOME``, else in ``~/.local/state``; it need not exist.

    Raises:
        RuntimeError: Nothing says where it should be.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "fakeoff"
