"""Where things lie that can be fetched or measured again."""

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
