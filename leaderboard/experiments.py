"""An experiment in one home: played, logged and kept."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from pydantic_core import to_jsonable_python
from rich.console import Console

from fakeoff.arena.errors import FakeoffError, PluginError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.images import Pixels
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.arena.seeds import digest, sealed
from fakeoff.leaderboard.conduct.conductor import conducted
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.results import seal
from fakeoff.leaderboard.mlflow.away import say_if_away, say_unlogged
from fakeoff.leaderboard.mlflow.experiment_run import ExperimentRun
from fakeoff.leaderboard.plots.plots import to_pixels
from fakeoff.leaderboard.protocol_spec import protocol_spec
from fakeoff.leaderboard.scoreboard import config_record
from fakeoff.leaderboard.terminal.experiment_tables import csv_text
from fakeoff.leaderboard.terminal.progress import Verbosity
from fakeoff.protocols import Protocol, protocols
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.replicates import Replicates

SCHEMA_VERSION = 1


def play_experiment(
    config: TournamentConfig,
    *,
    home: Home,
    executor: Executor,
    console: Console,
    name: str = "",
    server: str | None = None,
    verbosity: Verbosity = "normal",
) -> dict[str, Any]:
    """Plays the configuration's protocol as an experiment, or what is missing of it.

    Args:
        config: The protocol, players, reals, pools and settings.
        home: Where everything is kept. It is locked meanwhile.
        executor: Where jobs run; it is closed at the end.
        console: For progress.
        name: What the experiment is called here; by default the protocol's name, or that of its class.
        server: The address of an MLflow server to log to; None is the home's own MLflow.
        verbosity: How much is said of the game.

    Returns:
        What was found, as written to ``HOME/experiments/NAME.json``: ``schema_version``, ``experiment``, ``protocol``,
        ``parameters``, ``code``, ``config``, ``data``, ``points``, ``tables``, ``figures``, ``files``, ``leaks`` and
        ``forfeits``; no times and no paths.

    Raises:
        FakeoffError: Bad input, a damaged store, a home that is in use, or an experiment that failed.
    """
    spec = protocol_spec(config, name)
    with conducted(config, home=home, executor=executor, console=console, verbosity=verbosity) as conductor:
        protocol = _build(spec)
        notebook = _Notebook()
        say_if_away(console, home=home, server=server)
        with conductor.bench(spec, log=notebook) as bench:
            header = _header(spec, bench)
            run = ExperimentRun(
                home, identity=_identity(header), header=header, about=_about(spec, protocol), server=server
            )
            with _marked(run):
                run.start()
                notebook.run = run
                _play(protocol, bench, name=spec.name)
                result = {**header, **notebook.contents(), **_shortcomings(bench)}
                files = _write(result, notebook, home)
                run.finish(result, figures=notebook.figures, files=files)
        if run.mended:
            console.print(run.mended, markup=False, highlight=False, soft_wrap=True)
        say_unlogged(console, run.unlogged, home=home, server=server)
    return result


def experiment_text(result: Mapping[str, Any]) -> str:
    """A result as the text of its file, under its checksum."""
    return json.dumps(seal(result), indent=2, ensure_ascii=False) + "\n"


class _Notebook:
    """Keeps what an experiment logs; points also go on to MLflow as they come."""

    def __init__(self) -> None:
        self.run: ExperimentRun | None = None
        self.figures: dict[str, Pixels] = {}
        self.files: dict[str, bytes] = {}
        self._points: dict[str, dict[int, float]] = {}
        self._tables: dict[str, list[dict[str, Any]]] = {}

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        for name, value in points.items():
            self._points.setdefault(name, {})[step] = value
        if self.run is not None:
            self.run.points(points, step=step)

    def table(self, name: str, rows: Sequence[Row]) -> None:
        self._tables[name] = [dict(row) for row in rows]

    def figure(self, name: str, figure: Figure) -> None:
        self.figures[name] = to_pixels(figure)  # now: what is drawn into it later is another figure

    def file(self, name: str, data: bytes) -> None:
        self.files[name] = data

    def contents(self) -> dict[str, Any]:
        return {
            "points": {
                name: {str(step): value for step, value in sorted(by_step.items())}
                for name, by_step in sorted(self._points.items())
            },
            "tables": self._tables,
            "figures": list(self.figures),
            "files": list(self.files),
        }


def _build(spec: PlayerSpec) -> Protocol:
    try:
        return protocols.build(spec.plugin, spec.parameters)
    except (Exception, SystemExit) as error:
        raise PluginError(f"protocol '{spec.name}' cannot be built: {one_line(error)}") from error


@contextlib.contextmanager
def _marked(run: ExperimentRun) -> Iterator[None]:
    """Marks the run where it ends without results."""
    try:
        yield
    except (Exception, SystemExit) as error:
        run.stop(status="FAILED", reason=str(error))
        raise
    except BaseException:
        run.stop(status="KILLED")
        raise


def _play(protocol: Protocol, bench: Bench, *, name: str) -> None:
    try:
        # What draws from global state all the same draws the same each time.
        with sealed("protocol", bench.seed):
            protocol.play(bench)
            bench.finish()
    except FakeoffError as error:
        if type(error) is not PluginError:
            raise
        raise PluginError(f"{error}{_place(protocol, error)}") from error
    except (Exception, SystemExit) as error:
        reason = f"protocol '{name}' raised {one_line(error)}{_place(protocol, error)}"
        raise PluginError(f"{reason}; what was computed is kept") from error


def _place(protocol: Protocol, error: BaseException) -> str:
    """The innermost line of the experiment's own file, where there is one."""
    if isinstance(protocol, Replicates):  # what failed is what it plays
        protocol = protocol.build()
    module = type(protocol).__module__
    lines = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") == module
    ]
    return lines[-1] if lines and not module.startswith("fakeoff.") else ""


def _shortcomings(bench: Bench) -> dict[str, Any]:
    return {"leaks": bench.leaks, "forfeits": [dataclasses.asdict(forfeit) for forfeit in bench.forfeits]}


def _header(spec: PlayerSpec, bench: Bench) -> dict[str, Any]:
    parameters = {key: value.name if isinstance(value, Path) else value for key, value in spec.parameters.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": spec.name,
        "protocol": spec.plugin,
        "parameters": to_jsonable_python(parameters, fallback=repr),
        "code": {"protocol": dict(spec.fingerprint), **bench.code},
        "config": config_record(bench.config, source_name=bench.source.name),
        "data": bench.data,
    }


def _identity(header: Mapping[str, Any]) -> str:
    """What tells experiments apart: all of the header but what decides no figure."""
    config = {key: value for key, value in header["config"].items() if key != "audit"}
    return digest({**header, "config": config})


def _about(spec: PlayerSpec, protocol: Protocol) -> str:
    own = inspect.getdoc(type(protocol)) if type(protocol).__doc__ else None
    lines = (own or f"The protocol {spec.plugin}.").splitlines()
    end = next((index for index, line in enumerate(lines) if line.strip() in ("Args:", "Attributes:")), len(lines))
    return "\n".join(lines[:end]).strip()


def _write(result: Mapping[str, Any], notebook: _Notebook, home: Home) -> list[Path]:
    """Writes an experiment's files, its result last, and removes those that it wrote before and does not any more."""
    name: str = result["experiment"]
    place, target = home.experiment_files(name), home.experiment_result(name)
    contents = {f"{figure}.png": _png(pixels) for figure, pixels in notebook.figures.items()}
    contents |= {f"{table}.csv": csv_text(rows).encode() for table, rows in result["tables"].items()}
    contents |= notebook.files
    for file, content in contents.items():
        write_atomically(place / file, content)
    for file in _written_before(target) - contents.keys():
        (place / file).unlink(missing_ok=True)
    write_atomically(target, experiment_text(result).encode())
    return [place / file for file in notebook.files]


def _written_before(target: Path) -> set[str]:
    try:
        kept = json.loads(read_file(target))
        names = [
            *(f"{name}.png" for name in kept["figures"]),
            *(f"{name}.csv" for name in kept["tables"]),
            *kept["files"],
        ]
        return {name for name in names if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError):  # none, or not ours
        return set()


def _png(pixels: Pixels) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(written, format="PNG")
    return written.getvalue()
