"""Says how a home's tournament or experiment is computed, before anything is."""

from __future__ import annotations

from rich.console import Console

from fakeoff.arena.jobs.executors import Executor
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.config.computing import decide


def decide_and_say(config: TournamentConfig, *, executor: Executor, console: Console) -> TournamentConfig:
    """Puts what is measured to be best in the place of ``auto``, and prints it in one line; warnings follow.

    Raises:
        ConfigError: A GPU is asked for where there is none, or a cluster cannot be joined.
    """
    decision = decide(config, executor.machines())
    for line in decision.lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return decision.config
