"""The folder of a game: nothing else knows what its files are called."""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.store import Store, write_atomically


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

    To say where a file lies touches nothing. As text it is its folder.

    Attributes:
        folder: As the user named it; it need not be there yet.
    """

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def store(self) -> Path:
        """The folder of results, by job key."""
        return self.folder / "store"

    @property
    def configuration(self) -> Path:
        """What its tournament was last played with, as TOML."""
        return self.folder / "config.toml"

    @property
    def tournament(self) -> Path:
        """Who played whom, by the keys of the results."""
        return self.folder / "tournament.json"

    @property
    def scoreboard(self) -> Path:
        """All figures of its tournament."""
        return self.folder / "scoreboard.json"

    @property
    def report(self) -> Path:
        """The page about it, for whoever was not there."""
        return self.folder / "report.html"

    @property
    def provenance(self) -> Path:
        """What its tournament was played with: releases, code, processors."""
        return self.folder / "provenance.json"

    @property
    def plugins(self) -> Path:
        """The plugin files that its games were played with."""
        return self.folder / "plugins.json"

    @property
    def imported(self) -> Path:
        """The folder of scores that detectors gave elsewhere, a file for each."""
        return self.folder / "imported"

    def imported_scores(self, name: str) -> Path:
        """The scores that a detector gave elsewhere."""
        return self.imported / f"{name}.json"

    @property
    def reproduction(self) -> Path:
        """What the game in it plays again, and what came of it."""
        return self.folder / "reproduction.json"

    @property
    def experiments(self) -> Path:
        """The folder of what experiments found."""
        return self.folder / "experiments"

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
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self.lock.open("w")
        except OSError as error:
            raise StoreError(f"nothing can be kept in '{self}': {one_line(error)}; use another --home") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreError(
                    f"another fakeoff is playing in '{self}'; wait for it, or use another --home"
                ) from error
            yield

    def open_store(self) -> Store:
        """The store of a home that was played; nothing is made.

        Raises:
            StoreError: Nothing was played there, or a later version of Fakeoff wrote it.
        """
        # Where nobody could even enter there is a tournament, and no result.
        if not self.store.is_dir() and not self.tournament.is_file():
            raise StoreError(f"nothing was played in '{self}'; play first: fakeoff run --home {self}")
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
                    path: path.read_bytes() if path.exists() else None
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


__all__ = ["Home"]
