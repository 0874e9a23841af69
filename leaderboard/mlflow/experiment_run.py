"""An experiment as a run in MLflow, beside the tournaments of the same arena."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import StoreError
from fakeoff.arena.images import Pixels
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.results import seal
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore, experiment_name, flatten
from fakeoff.leaderboard.mlflow.patience import SECONDS
from fakeoff.leaderboard.mlflow.picture import Picture
from fakeoff.leaderboard.terminal.experiment_tables import csv_text, markdown_text

_FLUSH_POINTS, _FLUSH_SECONDS = 1000, 5.0
_NOTE_CHARACTERS = 4000
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
        server: The address of an MLflow server that keeps it instead; see :class:`MlflowStore`.
        patience: Seconds that MLflow may be away. One that stays away does not stop the experiment: what was not logged
            is logged at the end, or when it is played again.

    Attributes:
        mended: What was done about a damaged database; empty where there was none.
    """

    def __init__(
        self,
        home: Home,
        *,
        identity: str,
        header: Mapping[str, Any],
        about: str,
        server: str | None = None,
        patience: float = SECONDS,
    ) -> None:
        self._mlflow = MlflowStore(home, server=server, patience=patience)
        self._identity, self._open, self._reason = identity[:16], False, ""
        self._name, self._header, self._about = f"experiment {identity[:16]}", header, about
        self._waiting: list[tuple[str, float, int]] = []
        self._flushed = time.monotonic()
        fresh = {"run": "", "started_ms": int(time.time() * 1000), "finished": False}
        self.mended = self._mlflow.mend()
        self._state: dict[str, Any] = {**fresh, **self._mlflow.read_state(self._name)}

    @property
    def finished(self) -> bool:
        """Whether all of it was logged before."""
        return bool(self._state["finished"])

    @property
    def unlogged(self) -> str:
        """Why not all of it was logged, in one line; empty where it was."""
        return f"not logged to MLflow, nothing is lost: {self._reason}" if self._reason else ""

    def start(self) -> None:
        """Makes the run, or revives it."""
        if not self.finished:
            with self._chance():
                self._started()

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        """Logs points, a little later: a chart need not follow every one of them."""
        if self.finished:
            return
        self._waiting += [(name, value, step) for name, value in points.items()]
        due = len(self._waiting) >= _FLUSH_POINTS or time.monotonic() - self._flushed >= _FLUSH_SECONDS
        if due and not self._reason:  # one that is away is asked again at the end: asking takes as long as a call may
            with self._chance():
                self._flush()

    def finish(self, result: Mapping[str, Any], *, figures: Mapping[str, Pixels], files: Sequence[Path]) -> None:
        """Logs tables, figures and files, and closes the run.

        Args:
            result: The experiment's result file.
            figures: By name, uint8 ``(height, width, 3)``.
            files: Where they lie.
        """
        if self.finished:
            return
        with self._chance():
            run, client = self._started(), self._mlflow.client
            self._flush()
            client.log_text(run, json.dumps(seal(result), indent=2, ensure_ascii=False), f"{result['experiment']}.json")
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
        """Ends the run without results: ``FAILED``, or ``KILLED`` by the user. Playing again revives it."""
        if self.finished or not self._state["run"]:
            return
        self._mlflow.hurry()
        with self._chance():
            self._flush()
            if reason:
                self._mlflow.client.set_tag(self._state["run"], _FAILURE, reason[:4000])
            self._mlflow.client.set_terminated(self._state["run"], status=status)

    @contextlib.contextmanager
    def _chance(self) -> Iterator[None]:
        """Remembers that MLflow could not be used, or that it can be again."""
        try:
            with self._mlflow.errors():
                yield
        except StoreError as error:
            self._reason, self._open = str(error), False
        else:
            self._reason = ""

    def _started(self) -> str:
        if not self._open:
            run = self._revived() or self._created()
            config = {key: value for key, value in self._header["config"].items() if key != "protocol"}
            found = {"protocol": self._header["protocol"], **dict(flatten(config))}
            found |= dict(flatten(self._header["parameters"], "protocol"))
            self._mlflow.parameters(run, found)
            self._open = True
        return str(self._state["run"])

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
            "arena.identity": self._identity,
            "mlflow.note.content": self._about,
        }
        title = header["experiment"]
        run = self._mlflow.run(self._mlflow.experiment(name), title, title=title, tags=tags, started_ms=started_ms)
        self._state["run"] = run
        self._mlflow.write_state(self._name, self._state)
        return run

    def _flush(self) -> None:
        if self._waiting:
            self._mlflow.points(self._started(), self._waiting, started_ms=self._state["started_ms"])
        self._waiting, self._flushed = [], time.monotonic()

    def _note(self, result: Mapping[str, Any]) -> str:
        parts = [self._about]
        for name, rows in result["tables"].items():
            text = f"**{name}**\n\n{markdown_text(rows)}"
            if len(rows) <= _TABLE_ROWS_IN_NOTE and sum(map(len, (*parts, text))) < _NOTE_CHARACTERS:
                parts.append(text)
        return "\n\n".join([*parts, _HOW_TO_READ.format(name=result["experiment"])])
