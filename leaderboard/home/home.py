"""The folder of a game: nothing else knows what its files are called."""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.store import Store, write_atomically


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
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as file:
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

    def replace_configuration(self, text: bytes | None) -> bytes | None:
        """Puts a configuration in the place of the one that is kept, in one step.

        Args:
            text: As TOML; None keeps none.

        Returns:
            What was kept before, to be put back if the new one turns out not to be playable.
        """
        path = self.configuration
        before = path.read_bytes() if path.exists() else None
        if text is not None:
            write_atomically(path, text)
        else:
            path.unlink(missing_ok=True)
        return before

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
