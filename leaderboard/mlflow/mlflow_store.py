"""A home's MLflow store, for the driver alone: what every log shares.

A driver may be killed at any time and play on later. What was logged is remembered in ``HOME/mlflow.json``: run ids,
and start times that every timestamp derives from, because MLflow takes a point that is logged again for a second point
unless its timestamp is the same.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.empty_database import put_empty_database
from fakeoff.leaderboard.mlflow.picture import Picture
from fakeoff.leaderboard.mlflow.views import VIEWS, view_tag

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
"""What MLflow must find set before it is imported or served."""

_BATCH = 1000


def database_uri(home: Home) -> str:
    """MLflow's tracking address of a home."""
    return f"sqlite:///{home.database.resolve()}"


def experiment_name(source: str, *, resolution: int, colour: str) -> str:
    """What an arena's experiment is called: one for each arena."""
    return f"fakeoff {source} {resolution}px {colour}"


class MlflowStore:
    """MLflow's database and artifacts in a home, and what is remembered of them.

    Args:
        home: Where they lie.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._client: Any = None
        self._experiments: dict[str, str] = {}

    @property
    def client(self) -> Any:
        """MLflow's own client; call it inside :meth:`errors`."""
        if self._client is None:
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            put_empty_database(self._home.database.resolve())
            self._client = MlflowClient(tracking_uri=database_uri(self._home))
        return self._client

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what MLflow and its database raise into our error.

        Raises:
            StoreError: MLflow's database or files cannot be used.
        """
        os.environ.update(ENVIRONMENT)
        from mlflow.exceptions import MlflowException  # it takes seconds, and reads the environment
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (OSError, MlflowException, SQLAlchemyError) as error:
            raise StoreError(f"MLflow's files in '{self._home}' cannot be used: {one_line(error)}") from error

    def experiment(self, name: str, *, created_ms: int) -> str:
        """The id of an experiment, made on first need, with its saved views."""
        if name not in self._experiments:
            self._experiments[name] = self._open_experiment(name, created_ms=created_ms)
        return self._experiments[name]

    def _open_experiment(self, name: str, *, created_ms: int) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            experiment: str = found.experiment_id
        else:
            folder = self._home.artifacts.resolve().as_uri()
            experiment = self.client.create_experiment(name, artifact_location=folder)
            self.client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
        for view in VIEWS:
            key, value = view_tag(view, created_ms=created_ms)
            self.client.set_experiment_tag(experiment, key, value)
        return experiment

    def points(self, run: str, points: Sequence[tuple[str, float, int]], *, started_ms: int) -> None:
        """Logs points: name, value and step; the timestamp is the step after the start."""
        from mlflow.entities import Metric

        batch = [Metric(metric_name(name), value, started_ms + step, step) for name, value, step in points]
        for start in range(0, len(batch), _BATCH):
            self.client.log_batch(run, metrics=batch[start : start + _BATCH])

    def image(self, run: str, key: str, picture: Picture, *, step: int, started_ms: int) -> None:
        """Logs an image under the slider, unless it is there."""
        # A file's name holds a random part, so an image that is logged again would be there twice. The compressed copy
        # is written last.
        there = (Path(artifact.path).name for artifact in self.client.list_artifacts(run, "images"))
        if not any(file.startswith(f"{key}+step+{step}+") and "compressed" in file for file in there):
            self.client.log_image(run, picture, key=key, step=step, timestamp=started_ms + step, synchronous=True)

    def read_state(self, name: str) -> dict[str, Any]:
        """What is remembered under a name; nothing where the database is not there.

        Raises:
            StoreError: It is damaged.
        """
        if not self._home.database.exists():  # deleted: all is logged anew
            self._home.logged.unlink(missing_ok=True)
        state: dict[str, Any] = self._kept().get(name, {})
        return state

    def write_state(self, name: str, state: Mapping[str, Any]) -> None:
        """Remembers something under a name.

        Raises:
            StoreError: What was remembered before is damaged.
        """
        write_atomically(self._home.logged, json.dumps({**self._kept(), name: state}, indent=1).encode())

    def _kept(self) -> dict[str, Any]:
        path = self._home.logged
        try:
            kept: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
            if not all(isinstance(state, dict) for state in (kept, *kept.values())):
                raise TypeError("it is no table of tables")
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            database = self._home.database.name
            raise StoreError(f"'{path}' is damaged; delete it and {database} beside it, and run again") from error
        return kept


def metric_name(name: str) -> str:
    """Maps what MLflow does not allow in a name: ``@`` to ``:``, anything else to ``_``; one slash at most."""
    section, slash, rest = name.replace("@", ":").partition("/")
    # MLflow reads a name as a path: no part of it may be empty or dots alone.
    parts = [_allowed(part) if part.strip(".") else f"_{part}" for part in ((section, rest) if slash else (section,))]
    return "/".join(parts)[:250]


def _allowed(part: str) -> str:
    return "".join(c if c.isalnum() or c in "_-.: " else "_" for c in part)


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
