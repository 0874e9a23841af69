"""A home's MLflow store, for the driver alone: what every log shares.

A driver may be killed at any time and play on later, and MLflow may be away for a while. What was logged is remembered
in ``HOME/mlflow.json``: run ids, and start times that every timestamp derives from, because MLflow takes a point that
is logged again for a second point unless its timestamp is the same. Runs carry tags by which they are found before any
is made, so that what is remembered may be lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.database_address import address_of
from fakeoff.leaderboard.mlflow.empty_database import put_empty_database
from fakeoff.leaderboard.mlflow.locations import know_artifacts_of, settle_artifacts
from fakeoff.leaderboard.mlflow.mending import mend_database
from fakeoff.leaderboard.mlflow.patience import SECONDS, Patience, Patient, quiet, reason
from fakeoff.leaderboard.mlflow.picture import Picture
from fakeoff.leaderboard.mlflow.points import Point, as_metrics

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
"""What MLflow must find set before it is imported or served."""

_OF_CALLS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Of each call to a server. MLflow's own seven retries add up to minutes; ours are bounded."""

_BATCH = 1000
_PARAMETERS_AT_ONCE = 100  # as many as MLflow takes
_LABEL = "arena.label"


def database_uri(home: Home) -> str:
    """MLflow's tracking address of a home.

    Raises:
        StoreError: Its folder's name cannot be part of one.
    """
    return address_of(home.database)


def experiment_name(source: str, *, resolution: int, colour: str) -> str:
    """What an arena's experiment is called: one for each arena."""
    return f"fakeoff {source} {resolution}px {colour}"


class MlflowStore:
    """MLflow's database and artifacts, and what a home remembers of them.

    Args:
        home: Where it is remembered; and where they lie, unless a server keeps them.
        server: The address of an MLflow server, as :func:`fakeoff.leaderboard.mlflow.address.server_address` gives it;
            None is the home's own database.
        patience: Seconds that MLflow may be away.
    """

    def __init__(self, home: Home, *, server: str | None = None, patience: float = SECONDS) -> None:
        self._home, self._server = home, server
        self._patience = Patience(patience)
        self._client: Any = None
        self._experiments: dict[str, str] = {}
        self._made: set[str] = set()
        self._seen: set[tuple[str, str, int]] = set()

    @property
    def place(self) -> str:
        """Where MLflow is, for people."""
        return f"at {self._server}" if self._server else f"in '{self._home}'"

    @property
    def is_shared(self) -> bool:
        """Whether a server keeps it, which others may use and which may have lost it since."""
        return self._server is not None

    @property
    def client(self) -> Any:
        """MLflow's own client, asked patiently; call it inside :meth:`errors`, and nothing that makes a new thing."""
        return Patient(self._patience.ask(self._opened), self._patience)

    def knock(self) -> None:
        """Asks for anything at all.

        Raises:
            StoreError: MLflow does not answer as it should.
        """
        with self.errors():
            self.client.search_experiments(max_results=1)

    def mend(self) -> str:
        """Puts a home's own database aside that is damaged; for who logs, before asking what was logged.

        Returns:
            What was done, in one line; empty where there was nothing to do.
        """
        return "" if self._server or self._client is not None else mend_database(self._home.database)

    def hurry(self) -> None:
        """Waits for MLflow no more; may be called from another thread."""
        self._patience.hurry()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what MLflow and its database raise into our error.

        Raises:
            StoreError: MLflow's database or files cannot be used.
        """
        os.environ.update(ENVIRONMENT)
        if self._server:
            os.environ.update(_OF_CALLS)
        from mlflow.exceptions import MlflowException  # it takes seconds, and reads the environment
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with quiet():
                yield
        except (OSError, MlflowException, SQLAlchemyError, sqlite3.Error) as error:
            self._made.clear()  # what was being written may be there
            what = f"MLflow at {self._server}" if self._server else f"MLflow's files in '{self._home}'"
            raise StoreError(f"{what} cannot be used: {reason(error)}") from error

    def experiments(self) -> list[str]:
        """The ids of Fakeoff's experiments, the one that was logged to last first.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        with self.errors():
            found = self.client.search_experiments(
                filter_string="name LIKE 'fakeoff %'", order_by=["last_update_time DESC"]
            )
            return [experiment.experiment_id for experiment in found]

    def experiment(self, name: str) -> str:
        """The id of an experiment, made on first need."""
        if name not in self._experiments:
            self._experiments[name] = self._patience.ask(self._open_experiment, name)
        return self._experiments[name]

    def _open_experiment(self, name: str) -> str:
        client = self._opened()
        found = client.get_experiment_by_name(name)
        if found is None:
            # A server says itself where artifacts go.
            folder = None if self._server else self._home.artifacts.resolve().as_uri()
            experiment = client.create_experiment(name, artifact_location=folder)
            client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
            found = client.get_experiment(experiment)
        place = found.artifact_location
        if self._server and urlsplit(place).scheme in ("", "file"):
            raise StoreError(
                f"MLflow at {self._server} keeps the artifacts of '{name}' in '{place}', where it alone can write; "
                "start it without --default-artifact-root and --no-serve-artifacts, and rename this experiment"
            )
        experiment_id: str = found.experiment_id
        return experiment_id

    def find_runs(self, experiment: str, tags: Mapping[str, str]) -> list[Any]:
        """The runs that have these tags, oldest first; deleted ones are not among them."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found: list[Any] = []
        token: str | None = None
        while True:
            page = self.client.search_runs([experiment], filter_string=wanted, page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def run(self, experiment: str, label: str, *, title: str, tags: Mapping[str, str], started_ms: int) -> str:
        """The id of a run; it is made where no run has its label and its tournament's or experiment's tag.

        Args:
            experiment: Where.
            label: What tells it from others of the same tournament.
            title: What MLflow calls it.
            tags: Of a new one; those that begin with ``arena.`` decide whether it is there.
            started_ms: Of a new one.
        """
        own = ("arena.tournament", "arena.identity")
        known = {key: value for key, value in tags.items() if key in own} | {_LABEL: label}

        def find_or_make() -> str:
            # An answer that was lost on its way left a run behind.
            for run in self.find_runs(experiment, known):
                return str(run.info.run_id)
            made = self._opened().create_run(
                experiment, start_time=started_ms, tags={**tags, _LABEL: label}, run_name=title
            )
            self._made.add(made.info.run_id)
            return str(made.info.run_id)

        return self._patience.ask(find_or_make)

    def parameters(self, run: str, parameters: Mapping[str, object]) -> None:
        """Logs parameters; one that is there must have the same value."""
        from mlflow.entities import Param

        batch = [Param(key[:250], str(value)[:6000]) for key, value in parameters.items()]
        for start in range(0, len(batch), _PARAMETERS_AT_ONCE):
            self.client.log_batch(run, params=batch[start : start + _PARAMETERS_AT_ONCE])

    def tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Sets tags, at once."""
        from mlflow.entities import RunTag

        self.client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])

    def points(self, run: str, points: Sequence[Point], *, started_ms: int) -> None:
        """Logs points: name, value and step; the timestamp is the step after the start, or later where it corrects."""
        keys = {(run, name, step) for name, _, step in points}
        new = run in self._made and not keys & self._seen
        batch = as_metrics(points, client=self.client, run=run, started_ms=started_ms, new=new)
        for start in range(0, len(batch), _BATCH):
            self.client.log_batch(run, metrics=batch[start : start + _BATCH])
        self._seen |= keys

    def image(self, run: str, key: str, picture: Picture, *, step: int, started_ms: int) -> None:
        """Logs an image under the slider, unless it is there."""
        from mlflow.tracking.multimedia import compress_image_size

        # The compressed copy is written last.
        there = (Path(artifact.path).name for artifact in self.client.list_artifacts(run, "images"))
        if any(file.startswith(f"{key}+step+{step}+") and "compressed" in file for file in there):
            return
        # MLflow's own name for it ends with a random part, so that what is written again would be there twice.
        own = uuid.uuid5(uuid.NAMESPACE_OID, f"{run} {key} {step}")
        name = f"{key}+step+{step}+timestamp+{started_ms + step}+{own}"
        with tempfile.TemporaryDirectory() as folder:
            full, small = Path(folder, f"{name}.png"), Path(folder, f"{name}+compressed.webp")
            picture.save(full)
            compress_image_size(picture).save(small)
            for path in (full, small):
                self.client.log_artifact(run, str(path), "images")
        self.client.set_tag(run, "mlflow.loggedImages", True)

    def read_state(self, name: str) -> dict[str, Any]:
        """What is remembered under a name; nothing where the database is not there.

        Raises:
            StoreError: It is damaged.
        """
        if not self._server and not self._home.database.exists():  # deleted: all is logged anew
            for key in [key for key in self._kept() if " at http" not in key]:
                self._write({other: state for other, state in self._kept().items() if other != key})
        state: dict[str, Any] = self._kept().get(self._key(name), {})
        return state

    def write_state(self, name: str, state: Mapping[str, Any]) -> None:
        """Remembers something under a name.

        Raises:
            StoreError: What was remembered before is damaged.
        """
        self._write({**self._kept(), self._key(name): dict(state)})

    def _opened(self) -> Any:
        if self._client is None:
            from mlflow import MlflowClient

            uri = self._server or database_uri(self._home)
            if not self._server:
                put_empty_database(self._home.database.resolve())
                self._probe()
                settle_artifacts(self._home.database, self._home.artifacts)
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        know_artifacts_of(self._client.tracking_uri)
        return self._client

    def _probe(self) -> None:
        # MLflow asks for a database that cannot be opened fifteen times, for most of an hour.
        with contextlib.closing(sqlite3.connect(self._home.database.resolve(), timeout=1)) as connection:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

    def _key(self, name: str) -> str:
        return f"{name} at {self._server}" if self._server else name

    def _write(self, kept: Mapping[str, Any]) -> None:
        write_atomically(self._home.logged, json.dumps(kept, indent=1).encode())

    def _kept(self) -> dict[str, Any]:
        path = self._home.logged
        try:
            kept: dict[str, Any] = json.loads(read_file(path)) if path.exists() else {}
            if not all(isinstance(state, dict) for state in (kept, *kept.values())):
                raise TypeError("it is no table of tables")
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            database = self._home.database.name
            raise StoreError(f"'{path}' is damaged; delete it and {database} beside it, and run again") from error
        return kept


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings and sequences, by dotted path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from flatten(item, f"{prefix}.{index}")
    else:
        yield prefix, value
