"""One tournament in one home: played, logged and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images import save_png
from fakeoff.arena.images.reals import RealSource, open_source
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.beside import Beside
from fakeoff.leaderboard.computing import decide_and_say
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger, write_ledger
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.scoreboard import build_scoreboard, write_scoreboard
from fakeoff.leaderboard.terminal.progress import ProgressDisplay
from fakeoff.protocols import protocols
from fakeoff.protocols.attack_defend import AttackDefend, play_on, set_up
from fakeoff.protocols.config import TournamentConfig, print_config
from fakeoff.protocols.record.records import TournamentRecord


def plays_a_tournament(config: TournamentConfig) -> bool:
    """Whether a configuration's protocol is the tournament, which has a scoreboard, rather than an experiment.

    A subclass of it has a ``play`` of its own, which is what is to be played.

    Raises:
        PluginError: There is no such protocol, or it does not load.
    """
    return protocols.load(config.protocol.plugin) is AttackDefend


def play(config: TournamentConfig, *, home: Home, executor: Executor, console: Console) -> dict[str, Any]:
    """Plays a tournament, or what is missing of it; see :func:`play_record`.

    Returns:
        The scoreboard, as written to ``HOME/scoreboard.json``.
    """
    return build_scoreboard(play_record(config, home=home, executor=executor, console=console))


def play_record(config: TournamentConfig, *, home: Home, executor: Executor, console: Console) -> TournamentRecord:
    """Plays a tournament, or what is missing of it.

    Args:
        config: What to play.
        home: Where everything is kept. It is locked meanwhile.
        executor: Where jobs run; it is closed at the end.
        console: For progress.

    Returns:
        What was played.

    Raises:
        FakeoffError: Bad input, a damaged store, or a home that is in use.
    """
    with home.locked(), contextlib.closing(executor):
        source = open_source(
            config.reals.source, split_by=config.reals.split_by, skip_corrupt=config.reals.skip_corrupt
        )
        _tell_left_out(source, console)
        config = decide_and_say(config, executor=executor, console=console)
        store = Store(home.store)
        store.sweep()
        log = MlflowLog(home, store)
        with _killed_if_interrupted(log), ProgressDisplay(console) as display, Beside(at_once=executor.here) as beside:
            witness = _Witness(home=home, log=log, display=display, beside=beside)
            bench = set_up(config, source=source, store=store, executor=executor, observer=witness)
            # A configuration that cannot be played, or is refused on the way, must not replace the one that was.
            before = home.replace_configuration(print_config(config).encode())
            try:
                return play_on(bench)
            except BaseException as error:
                if isinstance(error, ConfigError) and not witness.rounds:
                    home.replace_configuration(before)
                raise
            finally:
                bench.abandon()
                executor.close()  # its workers are in the way of what is still drawn and logged


def rebuild_scoreboard(home: Home) -> dict[str, Any]:
    """Rebuilds a home's scoreboard from its stored scores alone.

    Raises:
        StoreError: Nothing was played there, or the store is damaged.
    """
    return build_scoreboard(read_ledger(home, home.open_store()))


def export_pools(home: Home, folder: Path, *, splits: Iterable[str]) -> dict[str, int]:
    """Writes a home's real and fake pools as PNG files: ``FOLDER/real/test/``, ``FOLDER/pgan@1/test/``.

    Reals are written as they are paired with each generator resolution; with more than one, the folder is
    called ``real-64px``.

    Returns:
        Images written, by folder.

    Raises:
        StoreError: Nothing was played there, or the store is damaged.
    """
    store = home.open_store()
    record = read_ledger(home, store)
    return {
        f"{name}/{split}": len(save_png(store.read(pools[split]).arrays["images"], folder / name / split, prefix=split))
        for name, pools in record.pools.items()
        for split in splits
    }


@contextlib.contextmanager
def _killed_if_interrupted(log: MlflowLog) -> Iterator[None]:
    """Marks MLflow's runs when the game ends early, after all that was logged beside it."""
    try:
        yield
    except BaseException:
        log.interrupt()
        raise


class _Witness:
    """Passes what happens on to the display, MLflow and the files."""

    def __init__(self, *, home: Home, log: MlflowLog, display: ProgressDisplay, beside: Beside) -> None:
        self._home, self._log, self._display, self._beside = home, log, display, beside
        self.rounds = 0

    def begun(self, job: Job) -> None:
        self._display.begun(job)

    def reused(self, job: Job) -> None:
        self._display.reused(job)

    def damaged(self, job: Job, reason: str) -> None:
        self._display.damaged(job, reason)

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        self._display.progress(job, done, total, note)

    def finished(self, outcome: Outcome) -> None:
        self._display.finished(outcome, kept=self._home.keep_printed(outcome))

    def round_finished(self, record: TournamentRecord) -> None:
        self.rounds += 1
        write_ledger(record, self._home)
        write_scoreboard(build_scoreboard(record), self._home)
        self._beside.do(lambda: self._log.log_round(record))


def _tell_left_out(source: RealSource, console: Console) -> None:
    for file in source.left_out:
        console.print(f"left out {file.name}: {file.reason}", markup=False, highlight=False, soft_wrap=True)
