"""One game in one home, from the lock to the last job: the same for a tournament and for an experiment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console

from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.jobs.unfinished import Unfinished
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.arena.seeds import sealed
from fakeoff.leaderboard.conduct.beside import Beside
from fakeoff.leaderboard.conduct.witness import OnRound, Witness
from fakeoff.leaderboard.home.costs import Costs, remembered
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.plugin_files import remember_files
from fakeoff.leaderboard.terminal.ahead import Ahead
from fakeoff.leaderboard.terminal.progress import ProgressDisplay, Verbosity
from fakeoff.protocols import protocols
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.config.computing import decide
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.planning import GamePlan, plan_game
from fakeoff.protocols.game.recipes import open_reals, tell_reals
from fakeoff.protocols.measures.tournament import TournamentRecord
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
        verbosity: How much is said of it.
    """

    home: Home
    config: TournamentConfig
    source: RealSource
    store: Store
    executor: Executor
    console: Console
    verbosity: Verbosity = "normal"

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
        display = ProgressDisplay(
            self.console,
            rounds=on_round is not None,
            ahead=self._look_ahead(spec),
            verbosity=self.verbosity,
            place=self.store.place,
        )
        with display, Beside(at_once=self.executor.here) as beside:
            bench = Bench(
                self.config,
                spec=spec,
                source=self.source,
                store=self.store,
                executor=self.executor,
                observer=Witness(home=self.home, display=display, beside=beside, on_round=on_round),
                log=log or Unlogged(),
                played=self._played,
            )
            remember_files(self.home, bench.plugin_files)
            _say(self.console, bench.warnings)
            try:
                yield bench
            finally:
                bench.abandon()
                self.executor.close()  # its workers are in the way of what is still drawn and logged

    def plan(self, spec: PlayerSpec) -> GamePlan:
        """What a game has still to do; nothing is run for that.

        Args:
            spec: The protocol's recipe.

        Raises:
            FakeoffError: Whatever would stop the game, as far as that is known.
        """
        protocol = protocols.build(spec.plugin, spec.parameters)
        with sealed("protocol", self.config.seed):
            return plan_game(
                self.config, protocol.play, spec=spec, source=self.source, store=self.store, played=self._played
            )

    @property
    def costs(self) -> Costs:
        """What jobs took on this machine before."""
        return remembered(self.executor.machines()[0].processor)

    @property
    def cores(self) -> int:
        """On which jobs run side by side."""
        return 1 if self.executor.here else int(getattr(self.executor, "workers", 1))

    def _look_ahead(self, spec: PlayerSpec) -> Ahead:
        """What is still to come, as far as the protocols that ship say it without being played."""
        planned: list[Job] = []
        if self.verbosity != "quiet" and protocols.load(spec.plugin).__module__.startswith("fakeoff."):
            with contextlib.suppress(Exception):  # the game itself says what is wrong
                planned = self.plan(spec).computed
        return Ahead(planned, costs=self.costs, cores=self.cores)

    def _played(self) -> TournamentRecord:
        return read_ledger(self.home, self.store)


@contextlib.contextmanager
def conducted(
    config: TournamentConfig, *, home: Home, executor: Executor, console: Console, verbosity: Verbosity = "normal"
) -> Iterator[Conductor]:
    """Holds a home for a game: opens its reals and store, and decides and says how it is computed.

    Args:
        config: What to play.
        home: It is locked until the block ends.
        executor: Where jobs run; it is closed at the end.
        console: For what is left out, how it is computed, and progress.
        verbosity: How much is said of that.

    Raises:
        ConfigError: A GPU is asked for where there is none, or a cluster cannot be joined.
        DataError: The reals cannot be used.
        StoreError: A damaged store, or a home that is in use.
    """
    with home.locked(), contextlib.closing(executor):
        conductor = seated(config, home=home, executor=executor, console=console, verbosity=verbosity)
        conductor.store.sweep()
        Unfinished.of(conductor.store).sweep()
        yield conductor


def seated(
    config: TournamentConfig, *, home: Home, executor: Executor, console: Console, verbosity: Verbosity = "normal"
) -> Conductor:
    """What a game would be played with; nothing is held and nothing is written.

    Args:
        config: What to play.
        home: Where.
        executor: Where jobs would run.
        console: See :func:`conducted`.
        verbosity: Likewise.

    Raises:
        FakeoffError: See :func:`conducted`.
    """
    source = open_reals(config.reals)
    _say(console, tell_reals(source, quiet=verbosity == "quiet"))
    decision = decide(config, executor.machines())
    _say(console, [line for line in decision.lines if verbosity != "quiet" or line.startswith("warning")])
    return Conductor(
        home=home,
        config=decision.config,
        source=source,
        store=Store(home.store),
        executor=executor,
        console=console,
        verbosity=verbosity,
    )


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


__all__ = ["Conductor", "conducted", "seated"]
