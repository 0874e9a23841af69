"""One game in one home, from the lock to the last job: the same for a tournament and for an experiment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console

from fakeoff.arena.images.reals import RealSource, open_source
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.leaderboard.conduct.beside import Beside
from fakeoff.leaderboard.conduct.witness import OnRound, Witness
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.terminal.progress import ProgressDisplay
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.config.computing import decide
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.log import Log, Unlogged


@dataclass(frozen=True, kw_only=True)
class Conductor:
    """What a game is played with, while its home is held.

    Attributes:
        home: Where everything is kept.
        config: What to play; device and precision are decided.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run.
        console: For progress.
    """

    home: Home
    config: TournamentConfig
    source: RealSource
    store: Store
    executor: Executor
    console: Console

    @contextlib.contextmanager
    def bench(self, spec: PlayerSpec, *, log: Log | None = None, on_round: OnRound | None = None) -> Iterator[Bench]:
        """A bench that is watched until the block ends. Jobs that still run are then ended, and the workers too.

        Args:
            spec: The protocol's recipe.
            log: Where points, tables, figures and files go; nowhere by default.
            on_round: What a finished round means. Rounds are shown where it is given.

        Raises:
            PluginError: A player is unknown, or takes other parameters.
        """
        display = ProgressDisplay(self.console, rounds=on_round is not None)
        with display, Beside(at_once=self.executor.here) as beside:
            bench = Bench(
                self.config,
                spec=spec,
                source=self.source,
                store=self.store,
                executor=self.executor,
                observer=Witness(home=self.home, display=display, beside=beside, on_round=on_round),
                log=log or Unlogged(),
                played=lambda: read_ledger(self.home, self.store),
            )
            _say(self.console, bench.warnings)
            try:
                yield bench
            finally:
                bench.abandon()
                self.executor.close()  # its workers are in the way of what is still drawn and logged


@contextlib.contextmanager
def conducted(config: TournamentConfig, *, home: Home, executor: Executor, console: Console) -> Iterator[Conductor]:
    """Holds a home for a game: opens its reals and store, and decides and says how it is computed.

    Args:
        config: What to play.
        home: It is locked until the block ends.
        executor: Where jobs run; it is closed at the end.
        console: For what is left out, how it is computed, and progress.

    Raises:
        ConfigError: A GPU is asked for where there is none, or a cluster cannot be joined.
        DataError: The reals cannot be used.
        StoreError: A damaged store, or a home that is in use.
    """
    with home.locked(), contextlib.closing(executor):
        source = open_source(
            config.reals.source, split_by=config.reals.split_by, skip_corrupt=config.reals.skip_corrupt
        )
        _say(console, [f"left out {file.name}: {file.reason}" for file in source.left_out])
        decision = decide(config, executor.machines())
        _say(console, decision.lines)
        store = Store(home.store)
        store.sweep()
        yield Conductor(
            home=home, config=decision.config, source=source, store=store, executor=executor, console=console
        )


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


__all__ = ["Conductor", "conducted"]
