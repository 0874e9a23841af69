"""MLflow servers on loopback, over SQLite and over PostgreSQL, that a test may stop and start."""

from __future__ import annotations

import http.server
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from fakeoff.leaderboard.mlflow.mlflow_store import ENVIRONMENT
from fakeoff.leaderboard.plots import plots

_START_SECONDS = 120
_PASSWORD = "only-on-loopback"


def _programs() -> Path | None:
    """Where PostgreSQL's own programs are; Debian does not put them on the PATH."""
    found = [Path(path).parent for name in ("initdb",) if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _why_no_postgres() -> str:
    if _programs() is None:
        return "no PostgreSQL here: apt-get install postgresql"
    if importlib.util.find_spec("psycopg2") is None:
        return "no psycopg2 here: pip install 'fakeoff[postgresql]'"
    if os.getuid() == 0 and _owner() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres'"
    return ""


def _owner() -> str | None:
    """Whom PostgreSQL runs as, where that is not who tests: it refuses root."""
    return next((one.pw_name for one in pwd.getpwall() if one.pw_name == "postgres"), None) if not os.getuid() else None


@dataclass
class Postgres:
    """A database server of our own."""

    folder: Path
    port: int

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg2://fakeoff:{_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        password = self.folder / "password"
        password.write_text(_PASSWORD)
        if owner := _owner():
            shutil.chown(self.folder, owner)
            shutil.chown(password, owner)
        self._run("initdb", "--username=fakeoff", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync")

    def start(self) -> None:
        settings = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder}/log", f"--options={settings}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *arguments: str) -> None:
        programs = _programs()
        assert programs is not None
        command = [str(programs / program), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=_owner(), cwd=self.folder)


@dataclass
class Server:
    """An MLflow server of our own; its artifacts lie where no client looks."""

    folder: Path
    database: str
    port: int
    postgres: Postgres | None = None
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.address, registry_uri=self.address)

    def start(self, *more: str) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += more or ("--artifacts-destination", str(self.folder / "artifacts"))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **ENVIRONMENT}, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2):
                    return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.2)
        raise AssertionError("MLflow did not start")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def blank_plots(home: Path) -> Iterator[None]:
    """Lets a log draw nothing: how pictures look is for others to test, in the home that was played before."""
    del home

    def blank(*_: Any, **__: Any) -> Figure:
        return Figure(figsize=(1, 1), dpi=20)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("before_and_after", "payoff_matrix", "duel_chart"):
            patch.setattr(plots, name, blank)
        yield


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL on loopback."""
    if why := _why_no_postgres():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="fakeoff-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), free_port())
        server.create()
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    """An MLflow server over a database of each kind. What a test stops it starts again."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        shutil.copy(empty_database, folder / "mlflow.db")
        found = Server(folder, f"sqlite:///{folder / 'mlflow.db'}", free_port())
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        found = Server(folder, postgres.uri, free_port(), postgres)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def free_address() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def website() -> Iterator[str]:
    """A server that is not MLflow's."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(404)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()
        thread.join()
