"""Fakeoff: an arena where fake-image generators and detectors play attack-defend rounds.

import fakeoff

game = fakeoff.play({"rounds": 1}, home="my-game")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakeoff.leaderboard.game import Game, judge, load, play, score

__version__ = "0.4.0"

__all__ = ["Game", "__version__", "judge", "load", "play", "score"]


def __getattr__(name: str) -> Any:
    # On first use: PyTorch and the rest take seconds to import, and most of Fakeoff is imported without them.
    if name in __all__:
        return getattr(importlib.import_module("fakeoff.leaderboard.game"), name)
    raise AttributeError(f"module 'fakeoff' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
