"""The folder of a game: nothing else knows what its files are called."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.images.folders import printable
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.store import Store, write_atomically
from fakeoff.protocols.config.config import NAME

_READERS_SECONDS = 0.1  # a reader holds the lock for less


@dataclass(frozen=True, kw_only=True)
class Played:
    """What a home says of its tournament: its configuration, its ledger and its scoreboard.

    Attributes:
        files: Contents by path; None where there was none.
    """

    files: Mapping[Path, bytes | None]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was played."""
        return all(content is None for content in self.files.values())


@dataclass(frozen=True)
class Home:
    """Where everything of a game is kept: its store, configuration, scoreboard and MLflow.

    A home holds one tournament without a name, and any number of named ones, each with a configuration, a scoreboard,
    a report and experiments of its own. They share the store, so that nothing is computed twice, and MLflow.

    To say where a file lies touches nothing. As text it is its folder.

    Attributes:
        folder: As the user named it; it need not be there yet.
        name: Of the tournament in it that is meant; empty for the one without a name.

    Raises:
        ConfigError: The name cannot be a folder's, or the folder's is no UTF-8.
    """

    folder: Path
    name: str = ""

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch(NAME, self.name):
            raise ConfigError(
                f"'{self.name}' cannot be the name of a tournament: use letters, digits and _ . -, 64 at most, and "
                "begin with a letter, a digit or _"
            )
        try:
            str(self.folder).encode()
        except UnicodeEncodeError as error:
            shown = printable(str(self.folder))
            raise ConfigError(f"'{shown}' cannot be a home: its name is no UTF-8, and MLflow keeps it") from error

    def __str__(self) -> str:
        return str(self.folder)

    @classmethod
    def around(cls, scoreboard: Path) -> Home | None:
        """The home in which a scoreboard file lies where a game leaves it, with the tournament that it is of.

        Args:
            scoreboard: The file.

        Returns:
            None of a file elsewhere.
        """
        found = cls(scoreboard.parent)
        above = cls(scoreboard.parent.parent.parent)
        if scoreboard.parent.parent == above.tournaments and re.fullmatch(NAME, scoreboard.parent.name):
            found = cls(above.folder, scoreboard.parent.name)
        return found if scoreboard == found.scoreboard else None

    @property
    def words(self) -> str:
        """What is meant, for messages: ``'my-game'``, or ``'my-game', tournament 'first'``."""
        return f"'{self}', tournament '{self.name}'" if self.name else f"'{self}'"

    @property
    def to_play(self) -> str:
        """The command that plays it, or what is missing of it."""
        return shlex.join(["fakeoff", "run", "--home", str(self), *(["--name", self.name] if self.name else [])])

    @property
    def options(self) -> str:
        """The options of other commands that mean it: ``--home my-game --tournament first``."""
        return shlex.join(["--home", str(self), *(["--tournament", self.name] if self.name else [])])

    def named(self, name: str) -> Home:
        """The same home, with another tournament that is meant.

        Args:
            name: Its name; empty for the one without.
        """
        return Home(self.folder, name)

    def names(self) -> tuple[str, ...]:
        """The tournaments that were begun here, in order of their names; the one without a name comes first."""
        begun = [""] if self.named("").was_begun else []
        if self.tournaments.is_dir():
            folders = sorted(path.name for path in self.tournaments.iterdir() if path.is_dir())
            begun += [name for name in folders if re.fullmatch(NAME, name) and self.named(name).was_begun]
        return tuple(begun)

    @property
    def was_begun(self) -> bool:
        """Whether there is anything of this tournament: its ledger, or a scoreboard that was copied alone."""
        return self.tournament.is_file() or self.scoreboard.is_file()

    @property
    def tournaments(self) -> Path:
        """The folder of named tournaments, a folder for each."""
        return self.folder / "tournaments"

    @property
    def place(self) -> Path:
        """The folder of what is this tournament's own: for the one without a name the home itself."""
        return self.tournaments / self.name if self.name else self.folder

    @property
    def store(self) -> Path:
        """The folder of results, by job key."""
        return self.folder / "store"

    @property
    def configuration(self) -> Path:
        """What its tournament was last played with, as TOML."""
        return self.place / "config.toml"

    @property
    def configuration_to_begin_with(self) -> Path:
        """The configuration that counts where none is given: its own; of a new name that of the one without a name."""
        own = self.configuration
        return own if own.exists() or not self.name else self.named("").configuration

    @property
    def tournament(self) -> Path:
        """Who played whom, by the keys of the results."""
        return self.place / "tournament.json"

    @property
    def scoreboard(self) -> Path:
        """All figures of its tournament."""
        return self.place / "scoreboard.json"

    @property
    def report(self) -> Path:
        """The page about it, for whoever was not there."""
        return self.place / "report.html"

    @property
    def provenance(self) -> Path:
        """What its tournament was played with: releases, code, processors."""
        return self.place / "provenance.json"

    @property
    def plugins(self) -> Path:
        """The plugin files that its games were played with."""
        return self.folder / "plugins.json"

    @property
    def imported(self) -> Path:
        """The folder of scores that detectors gave elsewhere, a file for each."""
        return self.place / "imported"

    def imported_scores(self, name: str) -> Path:
        """The scores that a detector gave elsewhere."""
        return self.imported / f"{name}.json"

    @property
    def reproduction(self) -> Path:
        """What the game in it plays again, and what came of it."""
        return self.place / "reproduction.json"

    @property
    def experiments(self) -> Path:
        """The folder of what experiments found."""
        return self.place / "experiments"

    def experiment_result(self, name: str) -> Path:
        """The result file of an experiment."""
        return self.experiments / f"{name}.json"

    def experiment_files(self, name: str) -> Path:
        """The folder of an experiment's figures, tables and files."""
        return self.experiments / name

    @property
    def output(self) -> Path:
        """The folder of what players printed, a file for each job."""
        return self.folder / "output"

    @property
    def database(self) -> Path:
        """MLflow's database."""
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The folder of MLflow's artifacts."""
        return self.folder / "mlflow-artifacts"

    @property
    def logged(self) -> Path:
        """What is remembered of what was logged to MLflow."""
        return self.folder / "mlflow.json"

    @property
    def server_output(self) -> Path:
        """What MLflow's server printed when it last showed the home."""
        return self.folder / "ui.log"

    @property
    def unpacked(self) -> Path:
        """What the archive said of itself that it was unpacked from."""
        return self.folder / "unpacked.json"

    @property
    def lock(self) -> Path:
        """Held by whoever plays; see :meth:`locked`."""
        return self.folder / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the home for one driver; the folder is made if it is not there.

        Raises:
            StoreError: Another process holds it.
        """
        try:
            # Private: photographs, weights and scores are in it. Who shares it gives the right to it.
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.lock.open("w")
        except OSError as error:
            raise StoreError(f"nothing can be kept in '{self}': {one_line(error)}; use another --home") from error
        with file:
            try:
                _hold(file)
            except OSError as error:
                raise StoreError(
                    f"another fakeoff is playing in '{self}'; wait for it, or use another --home"
                ) from error
            yield

    @contextlib.contextmanager
    def unplayed(self) -> Iterator[None]:
        """Holds the home for one who reads all of it, and writes nothing: nobody begins to play meanwhile.

        Raises:
            StoreError: Somebody plays.
        """
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context(self.lock.open("rb"))
            except FileNotFoundError:  # nobody ever played here: it was unpacked
                yield
                return
            except OSError as error:
                raise StoreError(f"'{self.lock}' cannot be read: {one_line(error)}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreError(f"another fakeoff is playing in '{self}'; wait for it") from error
            yield

    @property
    def what_first(self) -> str:
        """What to do for whom there is nothing here yet: to play, or to wait for the game that is being played."""
        try:
            with self.unplayed():
                pass
        except StoreError as error:
            if isinstance(error.__cause__, BlockingIOError):
                return "a game is being played there, and has no first round yet: wait for it"
        return f"play first: {self.to_play}"

    def open_store(self) -> Store:
        """The store of a home that was played; nothing is made.

        Raises:
            StoreError: Nothing was played there, or a later version of Fakeoff wrote it.
        """
        # Where nobody could even enter there is a tournament, and no result.
        if not self.store.is_dir() and not self.tournament.is_file():
            raise StoreError(f"nothing was played in '{self}'; {self.what_first}")
        return Store(self.store)

    def replace_configuration(self, text: bytes) -> Played:
        """Puts a configuration in the place of the one that is kept, in one step.

        Args:
            text: As TOML.

        Returns:
            What was kept before, to be put back if the new one turns out not to be playable.

        Raises:
            StoreError: It cannot be read or written.
        """
        try:
            before = Played(
                files={
                    path: read_file(path) if path.exists() else None
                    for path in (self.configuration, self.tournament, self.scoreboard, self.provenance)
                }
            )
        except OSError as error:
            raise StoreError(f"the files of '{self}' cannot be read: {one_line(error)}") from error
        write_atomically(self.configuration, text)
        return before

    def put_back(self, before: Played) -> None:
        """Puts back what :meth:`replace_configuration` replaced, and what was written since.

        Args:
            before: As it was returned.
        """
        for path, content in before.files.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, content)
        if self.name:
            with contextlib.suppress(OSError):  # it was there before, or holds something else
                self.place.rmdir()

    def keep_printed(self, outcome: Outcome) -> Path | None:
        """Keeps what a job's player printed.

        Returns:
            The file; None where nothing was printed.
        """
        if not outcome.printed.strip():
            return None
        name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", outcome.job.label).strip("-")
        path = self.output / f"{name[:100]}-{outcome.job.key[:8]}.txt"
        write_atomically(path, outcome.printed.encode(errors="replace"))
        return path


def _hold(file: IO[str]) -> None:
    """Locks a file; a reader who looks whether somebody plays holds it for an instant, and is waited for."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_READERS_SECONDS)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["Home"]
