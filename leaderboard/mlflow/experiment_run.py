"""An experiment as a run in MLflow, beside the tournaments of the same arena."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakeoff.arena.images import Pixels
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore, experiment_name, flatten
from fakeoff.leaderboard.mlflow.picture import Picture
from fakeoff.leaderboard.terminal.experiment_tables import csv_text, markdown_text

_FLUSH_POINTS, _FLUSH_SECONDS = 1000, 5.0
_NOTE_CHARACTERS = 4000
_PARAMETERS_AT_ONCE = 100  # as many as MLflow takes
_FAILURE = "arena.failure"
_TABLE_ROWS_IN_NOTE = 24
_HOW_TO_READ = (
    "Charts are under *Model metrics*. Under *Artifacts*: `figures/`, `tables/`, `files/`, and all of it in "
    "`{name}.json`."
)


class ExperimentRun:
    """The run of one experiment; playing it again goes on in the same run, and leaves it alone once it is finished.

    A run is known by everything that decides what is logged, so points that are logged again are the same points. An
    experiment that was edited is another run.

    Args:
        home: Where MLflow's database lies.
        identity: The sha256 of what decides the experiment's results.
        header: The experiment's result file, as far as it is known before it is played.
        about: What the experiment is, in Markdown.
    """

    def __init__(self, home: Home, *, identity: str, header: Mapping[str, Any], about: str) -> None:
        self._mlflow = MlflowStore(home)
        self._name, self._header, self._about = f"experiment {identity[:16]}", header, about
        self._waiting: list[tuple[str, float, int]] = []
        self._flushed = time.monotonic()
        fresh = {"run": "", "started_ms": int(time.time() * 1000), "finished": False}
        self._state: dict[str, Any] = {**fresh, **self._mlflow.read_state(self._name)}

    @property
    def finished(self) -> bool:
        """Whether all of it was logged before."""
        return bool(self._state["finished"])

    def start(self) -> None:
        """Makes the run, or revives it.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        if self.finished:
            return
        with self._mlflow.errors():
            from mlflow.entities import Param

            run = self._revived() or self._created()
            config = {key: value for key, value in self._header["config"].items() if key != "protocol"}
            found = {"protocol": self._header["protocol"], **dict(flatten(config))}
            found |= dict(flatten(self._header["parameters"], "protocol"))
            parameters = [Param(key[:250], str(value)[:6000]) for key, value in found.items()]
            for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
                self._mlflow.client.log_batch(run, params=parameters[start : start + _PARAMETERS_AT_ONCE])

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        """Logs points, a little later: a chart need not follow every one of them.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        if self.finished:
            return
        self._waiting += [(name, value, step) for name, value in points.items()]
        if len(self._waiting) >= _FLUSH_POINTS or time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._flush()

    def finish(self, result: Mapping[str, Any], *, figures: Mapping[str, Pixels], files: Sequence[Path]) -> None:
        """Logs tables, figures and files, and closes the run.

        Args:
            result: The experiment's result file.
            figures: By name, uint8 ``(height, width, 3)``.
            files: Where they lie.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        if self.finished:
            return
        self._flush()
        with self._mlflow.errors():
            client, run = self._mlflow.client, self._state["run"]
            client.log_text(run, json.dumps(result, indent=2, ensure_ascii=False), f"{result['experiment']}.json")
            for name, rows in result["tables"].items():
                client.log_text(run, csv_text(rows), f"tables/{name}.csv")
            for name, pixels in figures.items():
                picture = Picture(pixels)
                client.log_image(run, picture, artifact_file=f"figures/{name}.png")
                self._mlflow.image(run, name, picture, step=0, started_ms=self._state["started_ms"])
            for path in files:
                client.log_artifact(run, str(path), "files")
            client.set_tag(run, "mlflow.note.content", self._note(result))
            client.set_tag(run, "forfeits", str(len(result["forfeits"])))
            client.set_terminated(run, status="FINISHED")
            self._state["finished"] = True
            self._mlflow.write_state(self._name, self._state)

    def stop(self, *, status: str, reason: str = "") -> None:
        """Ends the run without results: ``FAILED``, or ``KILLED`` by the user. Playing again revives it.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        if self.finished or not self._state["run"]:
            return
        self._flush()
        with self._mlflow.errors():
            if reason:
                self._mlflow.client.set_tag(self._state["run"], _FAILURE, reason[:4000])
            self._mlflow.client.set_terminated(self._state["run"], status=status)

    def _revived(self) -> str:
        run: str = self._state["run"]
        if run:
            self._mlflow.client.update_run(run, status="RUNNING")
            if _FAILURE in self._mlflow.client.get_run(run).data.tags:
                self._mlflow.client.delete_tag(run, _FAILURE)
        return run

    def _created(self) -> str:
        header, started_ms = self._header, self._state["started_ms"]
        data, resolution = header["data"], header["config"]["arena"]["resolution"]
        name = experiment_name(data["source"], resolution=resolution, colour=data["colour"])
        tags = {
            "arena.kind": "experiment",
            "arena.experiment": header["experiment"],
            "arena.protocol": header["protocol"],
            "mlflow.note.content": self._about,
        }
        experiment = self._mlflow.experiment(name, created_ms=started_ms)
        run = self._mlflow.client.create_run(
            experiment, start_time=started_ms, tags=tags, run_name=header["experiment"]
        )
        self._state["run"] = run.info.run_id
        self._mlflow.write_state(self._name, self._state)
        return run.info.run_id  # type: ignore[no-any-return]

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            with self._mlflow.errors():
                self._mlflow.points(self._state["run"], waiting, started_ms=self._state["started_ms"])
        self._flushed = time.monotonic()

    def _note(self, result: Mapping[str, Any]) -> str:
        parts = [self._about]
        for name, rows in result["tables"].items():
            text = f"**{name}**\n\n{markdown_text(rows)}"
            if len(rows) <= _TABLE_ROWS_IN_NOTE and sum(map(len, (*parts, text))) < _NOTE_CHARACTERS:
                parts.append(text)
        return "\n\n".join([*parts, _HOW_TO_READ.format(name=result["experiment"])])
