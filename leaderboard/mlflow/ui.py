"""MLflow's own pages over a home, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.columns import TITLE
from fakeoff.leaderboard.mlflow.mlflow_store import ENVIRONMENT, MlflowStore, database_uri
from fakeoff.leaderboard.mlflow.views import COMPARED, MODELS, VIEWS, View, models_address, own_views, view_address

_HOST = "127.0.0.1"
_START_SECONDS = 120


def leaderboard_addresses(home: Home, base: str, *, server: str | None = None) -> dict[str, str]:
    """The addresses that open on the leaderboards, by what stands there.

    Args:
        home: Whose: those of a named tournament, or of the experiment that was logged to last.
        base: What they begin with.
        server: The address of an MLflow server that keeps them; None is the home's own database.

    Raises:
        StoreError: Nothing was played there.
    """
    if server is None:
        _expect_something(home)
    mlflow = MlflowStore(home, server=server, patience=0)
    experiments = mlflow.experiments()
    if not experiments:
        where = f"at {server}" if server else f"in '{home}'"
        raise StoreError(f"nothing to show {where} yet; the first round is still being played")
    experiment = experiments[0]
    shown: tuple[View, ...] = (*VIEWS, *COMPARED)
    if home.name:
        experiment, tournament = _find_tournament(mlflow, experiments, home)
        shown = own_views(tournament, home.name)
    views = {view.name: view_address(base, experiment, view.key) for view in shown}
    return {**views, MODELS: models_address(base, experiment)}


def _find_tournament(mlflow: MlflowStore, experiments: Sequence[str], home: Home) -> tuple[str, str]:
    """The ids of a named tournament and of its experiment; of several on a shared server, the one of this home."""
    with mlflow.errors():
        found = [
            (experiment, run.data.tags["arena.tournament"])
            for experiment in experiments
            for run in mlflow.find_runs(experiment, {"arena.kind": "tournament", TITLE: home.name})
        ]
    if not found:
        raise StoreError(f"nothing to show of {home.words} yet; play it with: {home.to_play}")
    return next((one for one in found if mlflow.read_state(one[1])), found[-1])


@contextmanager
def shown(home: Home, *, port: int) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes]]]:
    """Serves a home as :func:`served` does, and finds its leaderboards while the server starts.

    Args:
        home: What to show.
        port: See :func:`served`.

    Yields:
        :func:`leaderboard_addresses`, and the server's process.

    Raises:
        ConfigError: See :func:`served`.
        StoreError: See there, and :func:`leaderboard_addresses`.
    """
    _expect_something(home)
    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(leaderboard_addresses, home, "")
        with served(home, port=port) as (base, process):
            yield {name: f"{base}{address}" for name, address in found.result().items()}, process


def _expect_something(home: Home) -> None:
    if not home.database.exists():
        raise StoreError(f"nothing to show in '{home}'; {home.what_first}")


def open_in_browser(address: str) -> bool:
    """Opens an address in the user's browser, where somebody sits before it: on a terminal with a display.

    Returns:
        Whether it was opened.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty() and _has_display()):
        return False
    import webbrowser

    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def _has_display() -> bool:
    # Without one webbrowser starts a browser of text in the terminal, over what is printed there.
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def served(home: Home, *, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serves a home with MLflow on 127.0.0.1 until the block ends.

    Args:
        home: What to show.
        port: Where; 0 takes a free one.

    Yields:
        The base address, answering, and the server's process.

    Raises:
        ConfigError: The port is taken.
        StoreError: The server did not start.
    """
    if port == 0:
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            port = probe.getsockname()[1]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigError(f"port {port} is taken; give another --port") from error
    base = f"http://{_HOST}:{port}"
    MlflowStore(home, patience=0).knock()  # it finds its artifacts where they are now
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        database_uri(home),
        "--default-artifact-root",
        home.artifacts.resolve().as_uri(),
        "--host",
        _HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    with home.server_output.open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **ENVIRONMENT}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(base, process, home)
        yield base, process
    finally:
        _stop(process)


def _wait_for(base: str, process: subprocess.Popen[bytes], home: Home) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise StoreError(f"MLflow did not start; see '{home.server_output}'")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The server starts workers of its own; they share its process group.
    import signal

    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
