"""A real Ray cluster on this machine, whose workers have a plugin package of their own: the driver's, or another."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TOYS = Path(__file__).parent / "toy_players.py"

GAME = """
rounds = 1
generators = [{ plugin = "their_generator" }]
detectors = [{ plugin = "toy_detector" }]
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 4, batch = 4 }
defend = { steps = 20, batch = 8, check_every = 10 }
score.resamples = 100
parts.parser = ""
audit.on_leak = "skip"
compute = { attack_threads = 1, precision = "float32" }
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def lay_package(root: Path, *, release: str) -> Path:
    """A distribution with one generator; its code says its release, so that no two are the same."""
    site = root / f"site-{release}"
    package, info = site / "theirs_on_a_cluster", site / f"theirs-{release}.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    code = TOYS.read_text()
    generator = code[: code.index('@register_generator("toy_fixed_generator")')]
    generator = generator.replace('@register_generator("toy_generator")\n', "")
    (package / "__init__.py").write_text(f'RELEASE = "{release}"\n')
    (package / "players.py").write_text(generator)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: theirs\nVersion: {release}\n")
    (info / "entry_points.txt").write_text(
        "[fakeoff.generators]\ntheir_generator = theirs_on_a_cluster.players:ToyGenerator\n"
    )
    return site


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What the cluster and whoever joins it share: a token, and everything on loopback."""
    return {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """The address of a cluster whose workers have release 0.1.0, and the folder of the releases."""
    root = tmp_path_factory.mktemp("cluster")
    sockets = tempfile.mkdtemp(prefix="fakeoff-")  # a socket's whole path has room for 107 characters
    site = lay_package(root, release="0.1.0")
    port = free_port()
    command = [
        BIN / "ray",
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        f"--port={port}",
        "--num-cpus=2",
    ]
    command += ["--include-dashboard=false", f"--temp-dir={sockets}", "--disable-usage-stats"]
    with (root / "head.log").open("w") as log:
        head = subprocess.Popen(
            command, env={**environment, "PYTHONPATH": str(site)}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        patience = time.monotonic() + 60
        while "Ray runtime started" not in (root / "head.log").read_text():
            assert head.poll() is None, (root / "head.log").read_text()
            assert time.monotonic() < patience, "Ray does not start"
            time.sleep(0.2)
        yield f"127.0.0.1:{port}", root
    finally:
        head.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def run(
    cluster: tuple[str, Path], environment: dict[str, str], tmp_path: Path, make_home: Callable[[Path], Path]
) -> Run:
    """Plays the game from a driver that has a release of its own, on the cluster or serially."""
    address = cluster[0]
    (tmp_path / "game.toml").write_text(GAME)
    for home in ("fakeoff-home", "other"):
        make_home(tmp_path / home)

    def go(*options: str, site: Path, token: str = "") -> subprocess.CompletedProcess[str]:
        where = options or ("--ray-address", address)
        return subprocess.run(
            [BIN / "fakeoff", "run", "game.toml", "--plugin", str(TOYS), *where],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(site)} | ({"RAY_AUTH_TOKEN": token} if token else {}),
            capture_output=True,
            text=True,
            timeout=240,
        )

    return go


def test_another_release_on_the_workers_is_refused_by_name_before_anything_is_played(
    run: Run, cluster: tuple[str, Path], tmp_path: Path
) -> None:
    done = run(site=lay_package(cluster[1], release="0.2.0"))
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("fakeoff: theirs differs: the driver has 0.2.0 (code ")
    assert "has 0.1.0 (code " in line
    assert line.endswith("install the same on both")
    assert "done (" not in done.stdout
    assert not (tmp_path / "fakeoff-home" / "scoreboard.json").exists()


def test_the_same_release_plays_and_gives_the_same_bytes_as_one_process(
    run: Run, cluster: tuple[str, Path], tmp_path: Path
) -> None:
    site = cluster[1] / "site-0.1.0"
    on_cluster = run(site=site)
    assert on_cluster.returncode == 0, on_cluster.stdout + on_cluster.stderr
    assert "their_generator@1" in on_cluster.stdout
    scoreboard = (tmp_path / "fakeoff-home" / "scoreboard.json").read_bytes()
    serial = run("--serial", "--home", "other", site=site)
    assert serial.returncode == 0, serial.stdout + serial.stderr
    assert (tmp_path / "other" / "scoreboard.json").read_bytes() == scoreboard


def test_an_address_where_no_cluster_is_is_said_in_one_line(run: Run, cluster: tuple[str, Path]) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = run("--ray-address", nobody, site=cluster[1] / "site-0.1.0")
    assert done.returncode == 2
    assert done.stderr.startswith(f"fakeoff: no Ray cluster answers at '{nobody}': ConnectionRefusedError")
    assert "Traceback" not in done.stderr


def test_another_token_is_said_with_what_to_look_at(run: Run, cluster: tuple[str, Path]) -> None:
    done = run(site=cluster[1] / "site-0.1.0", token=secrets.token_hex(32))
    assert done.returncode == 2, done.stdout + done.stderr
    line = done.stderr.strip().splitlines()[-1]  # Ray says something of its own before
    assert line.startswith(f"fakeoff: the Ray cluster at '{cluster[0]}' cannot be joined: ConnectionError")
    assert line.endswith("is RAY_AUTH_TOKEN the cluster's?")
    assert "Traceback" not in done.stderr
