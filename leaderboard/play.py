"""One tournament in one home: played, logged and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.images import save_png
from fakeoff.arena.jobs.executors import Executor
from fakeoff.leaderboard.conduct.beside import Beside
from fakeoff.leaderboard.conduct.conductor import conducted
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger, write_ledger
from fakeoff.leaderboard.home.provenance import (
    Provenance,
    begin_provenance,
    conditions_of,
    keep_provenance,
    recipes_of,
)
from fakeoff.leaderboard.home.replaced import changed_settings, tell_replaced
from fakeoff.leaderboard.mlflow.away import say_if_away, say_unlogged
from fakeoff.leaderboard.mlflow.backlog import Backlog
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.report.report import write_report
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, write_scoreboard
from fakeoff.leaderboard.terminal.progress import Verbosity
from fakeoff.protocols import protocols
from fakeoff.protocols.attack_defend import AttackDefend, play_on, tournament_spec
from fakeoff.protocols.config import TournamentConfig, print_config
from fakeoff.protocols.measures.tournament import TournamentRecord


def plays_a_tournament(config: TournamentConfig) -> bool:
    """Whether a configuration's protocol is the tournament, which has a scoreboard, rather than an experiment.

    A subclass of it has a ``play`` of its own, which is what is to be played.

    Raises:
        PluginError: There is no such protocol, or it does not load.
    """
    return protocols.load(config.protocol.plugin) is AttackDefend


def play(
    config: TournamentConfig,
    *,
    home: Home,
    executor: Executor,
    console: Console,
    server: str | None = None,
    verbosity: Verbosity = "normal",
) -> Scoreboard:
    """Plays a tournament, or what is missing of it; see :func:`play_record`.

    Returns:
        The scoreboard, as written to ``HOME/scoreboard.json``.
    """
    return build_scoreboard(
        play_record(config, home=home, executor=executor, console=console, server=server, verbosity=verbosity)
    )


def play_record(
    config: TournamentConfig,
    *,
    home: Home,
    executor: Executor,
    console: Console,
    server: str | None = None,
    verbosity: Verbosity = "normal",
) -> TournamentRecord:
    """Plays a tournament, or what is missing of it.

    Args:
        config: What to play.
        home: Where everything is kept. It is locked meanwhile.
        executor: Where jobs run; it is closed at the end.
        console: For progress, and for what MLflow could not be told.
        server: The address of an MLflow server to log to; None is the home's own MLflow.
        verbosity: How much is said of the game.

    Returns:
        What was played.

    Raises:
        FakeoffError: Bad input, a damaged store, or a home that is in use.
    """
    with conducted(config, home=home, executor=executor, console=console, verbosity=verbosity) as conductor:
        log, decided = MlflowLog(home, conductor.store, server=server), conductor.config
        rounds = _Rounds(home, log)
        say_if_away(console, home=home, server=server)
        conditions = conditions_of(executor.machines())
        spec = tournament_spec(decided)
        with _killed_if_interrupted(log), conductor.bench(spec, on_round=rounds.keep) as bench:
            # A configuration that cannot be played, or is refused on the way, must not replace the one that was.
            text = print_config(decided).encode()
            before = home.replace_configuration(text)
            if verbosity != "quiet" and (changed := changed_settings(before.files[home.configuration] or text, text)):
                command = f"{home.named('').to_play} --name {'another' if not home.name else f'{home.name}-2'}"
                console.print(tell_replaced(changed, command=command), markup=False, highlight=False, soft_wrap=True)
            try:
                rounds.provenance = begin_provenance(home, conditions=conditions, players=recipes_of(decided))
                record = play_on(bench)
            except ConfigError:
                # Where nothing was played before, rounds that were played until it was refused are worth keeping.
                if not (before.is_empty and rounds.kept):
                    home.put_back(before)
                raise
            except BaseException:
                log.hurry()  # nobody waits for MLflow who wants to stop
                raise
        for line in filter(None, (rounds.trouble, log.mended)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        say_unlogged(console, rounds.backlog.close(), home=home, server=server)
        return record


def rebuild_scoreboard(home: Home) -> Scoreboard:
    """Rebuilds a home's scoreboard from its stored scores alone.

    Raises:
        StoreError: Nothing was played there, or the store is damaged.
    """
    return build_scoreboard(read_ledger(home, home.open_store()))


def export_pools(home: Home, folder: Path, *, splits: Sequence[str]) -> dict[str, int]:
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
    try:  # before anything is written
        for name, pools in record.pools.items():
            for split in splits:
                store.read(pools[split]).arrays["images"]
            if Path(name).name != name:
                raise ValueError(f"'{name}' is no name of a player")
    except (KeyError, ValueError) as error:
        raise StoreError(f"'{home.tournament}' is damaged; rebuild it with: {home.to_play}") from error
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
        with contextlib.suppress(StoreError):  # MLflow is away; what ended the game matters more
            log.interrupt()
        raise


class _Rounds:
    """Keeps a tournament's rounds: ledger and scoreboard at once, MLflow beside the game.

    Attributes:
        kept: How many were finished.
        backlog: Those that MLflow has not been told yet.
        provenance: What is played with; None before it is known.
        trouble: Why there is no report, in one line; empty where there is nothing to say.
    """

    def __init__(self, home: Home, log: MlflowLog) -> None:
        self._home, self.backlog = home, Backlog(log)
        self.kept = 0
        self.provenance: Provenance | None = None
        self.trouble = ""

    def keep(self, record: TournamentRecord, beside: Beside) -> None:
        self.kept += 1
        write_ledger(record, self._home)
        scoreboard = build_scoreboard(record)
        write_scoreboard(scoreboard, self._home)
        if self.provenance is not None:
            keep_provenance(self.provenance, self._home)
        if record.round >= record.config.rounds:
            beside.do(lambda: self._report(record))
        beside.do(lambda: self.backlog.log(record, scoreboard))

    def _report(self, record: TournamentRecord) -> None:
        """Writes the page about the game, which goes to MLflow too. The game is played, whatever becomes of it."""
        try:
            write_report(self._home, record=record)
        except Exception as error:
            self._home.report.unlink(missing_ok=True)  # one of before would tell of another game
            again = f"fakeoff report {self._home.options}"
            self.trouble = f"the report could not be written: {one_line(error)}; try again with: {again}"
