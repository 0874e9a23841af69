"""Games that are hit while they are played, and what they are hit with; played on, they must be as if undisturbed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torture_forks import MOST_SECONDS, below, fakeoff, forked

_DRAWS = 4
_LONGEST_STOP = 60.0
_FULL_MEGABYTES = 48


@dataclass
class Game:
    """One that is played, and what it may be hit in.

    Attributes:
        driver: Its process.
        home: Its home.
        rng: Decides how it is hit.
        beside: What runs beside it and can be killed: process groups.
    """

    driver: subprocess.Popen[bytes]
    home: Path
    rng: random.Random
    beside: Sequence[subprocess.Popen[bytes]] = ()

    def lives(self) -> bool:
        return self.driver.poll() is None


Hit = Callable[[Game], bool]
"""Hits a game that lives; False where it had ended before it could be hit."""


@dataclass(frozen=True)
class Setting:
    """What a game is played with.

    Attributes:
        words: More of the command line.
        environment: More of it.
        beside: See :class:`Game`.
        database: MLflow's; None is the home's own.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[subprocess.Popen[bytes], ...] = ()
    database: Path | None = None


Stage = Callable[[Path], contextlib.AbstractContextManager[Setting]]
"""Prepares what a game is played with, in a folder; the home will be ``home`` in it."""


@dataclass(frozen=True)
class Kill:
    """One kind of hit.

    Attributes:
        hit: What is done.
        stage: What is prepared.
        codes: The exit codes that the game may end with.
        why_not: Why it cannot be done here; empty where it can.
    """

    hit: Hit
    stage: Stage
    codes: frozenset[int]
    why_not: Callable[[], str] = lambda: ""


# ---- what is prepared


def _plain(*words: str) -> Stage:
    @contextlib.contextmanager
    def stage(folder: Path) -> Iterator[Setting]:
        yield Setting(words)

    return stage


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Setting]:
    home = folder / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_FULL_MEGABYTES}m", "tmpfs", str(home)], check=True)
    try:
        yield Setting(("--serial",))
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=False)


def _why_no_mount() -> str:
    if sys.platform != "linux" or os.getuid() != 0:
        return "only root can mount a small disk"
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
        )
        if done.returncode:
            return "no small disk can be mounted here"
        subprocess.run(["umount", place], check=False)
    return ""


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Setting]:
    address = f"127.0.0.1:{_free_port()}"
    with _serving(folder, address) as server:
        yield Setting(
            ("--serial", "--tracking-uri", f"http://{address}"), beside=(server,), database=folder / "server.db"
        )


@contextlib.contextmanager
def _serving(folder: Path, address: str) -> Iterator[subprocess.Popen[bytes]]:
    host, _, port = address.partition(":")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "served"), "--host", host, "--port", port, "--workers", "1"]
    with _started(command, folder / "server.txt", {"MLFLOW_DISABLE_TELEMETRY": "true"}) as server:
        until = time.monotonic() + 2 * MOST_SECONDS
        while time.monotonic() < until and server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/health", timeout=2):
                break
            time.sleep(0.2)
        yield server


@contextlib.contextmanager
def _two_nodes(folder: Path) -> Iterator[Setting]:
    """A head with a core for the driver, and a node that will be lost."""
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    port = _free_port()
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    with tempfile.TemporaryDirectory(prefix="ft", dir="/tmp", ignore_cleanup_errors=True) as place:
        head = [*ray, "--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false"]
        node = [*ray, f"--address=127.0.0.1:{port}", "--node-ip-address=127.0.0.2"]
        with _started([*head, f"--temp-dir={place}"], folder / "head.txt", environment):
            _wait_for("Ray runtime started", folder / "head.txt")
            with _started(node, folder / "node.txt", environment) as lost:
                _wait_for("Ray runtime started", folder / "node.txt")
                yield Setting(("--ray-address", f"127.0.0.1:{port}"), environment, beside=(lost,))


@contextlib.contextmanager
def _started(command: Sequence[str], said: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with said.open("ab") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        yield process
    finally:
        _kill_group(process)


def _wait_for(words: str, said: Path) -> None:
    until = time.monotonic() + 2 * MOST_SECONDS
    while time.monotonic() < until and words not in said.read_text(errors="replace"):
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- what is done


def _send(number: signal.Signals) -> Hit:
    def send(game: Game) -> bool:
        game.driver.send_signal(number)
        return True

    return send


def _stop_a_while(game: Game) -> bool:
    game.driver.send_signal(signal.SIGSTOP)
    time.sleep(_LONGEST_STOP * game.rng.random() ** 2)
    game.driver.send_signal(signal.SIGCONT)
    return True


def _kill_child(name: str) -> Hit:
    def kill(game: Game) -> bool:
        while game.lives():
            found = [pid for pid, command in below(game.driver.pid) if _is(command.partition(" ")[0], name)]
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(game.rng.choice(found), signal.SIGKILL)
                    return True
            time.sleep(0.05)
        return False

    return kill


def _is(program: str, name: str) -> bool:
    """Whether a program is one of those; Ray's agents are the raylet's, which ends without them."""
    return name in program and not program.endswith("Agent")


def _kill_beside(game: Game) -> bool:
    for process in game.beside:
        _kill_group(process)
    return True


def _fill_disk(game: Game) -> bool:
    """Leaves no room, or a little: then it is full at another place."""
    with contextlib.suppress(OSError), (game.home / "fill").open("wb", buffering=0) as file:
        left = os.statvfs(game.home).f_bavail * os.statvfs(game.home).f_frsize
        room = game.rng.choice([0, 4096, 100_000, 1_000_000])
        for start in range(0, max(0, left - room), 1 << 16):
            file.write(bytes(min(1 << 16, left - room - start)))
    return True


def _lock_database(game: Game) -> bool:
    while game.lives():
        if (game.home / "mlflow.db").is_file():
            with contextlib.suppress(sqlite3.Error):
                with contextlib.closing(sqlite3.connect(game.home / "mlflow.db", isolation_level=None)) as other:
                    other.execute("BEGIN EXCLUSIVE")
                    time.sleep(75 * game.rng.random())
                return True
        time.sleep(0.02)
    return False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_SERIAL, _RAY = _plain("--serial"), _plain("--workers=2")
_GOES_ON, _ENDS, _LINE = frozenset({0}), frozenset({130, 143}), frozenset({0, 1, 2})

KILLS: Mapping[str, Kill] = {
    "driver killed": Kill(_send(signal.SIGKILL), _SERIAL, frozenset({-signal.SIGKILL})),
    "driver asked to end": Kill(_send(signal.SIGTERM), _SERIAL, _ENDS),
    "interrupted": Kill(_send(signal.SIGINT), _SERIAL, _ENDS),
    "driver killed, on Ray": Kill(_send(signal.SIGKILL), _RAY, frozenset({-signal.SIGKILL})),
    "interrupted, on Ray": Kill(_send(signal.SIGINT), _RAY, _ENDS),
    "worker killed": Kill(_kill_child("ray::"), _RAY, _GOES_ON),
    "raylet killed": Kill(_kill_child("raylet/raylet"), _RAY, _LINE),
    "stopped for a while": Kill(_stop_a_while, _SERIAL, _GOES_ON),
    "stopped for a while, on Ray": Kill(_stop_a_while, _RAY, _GOES_ON),
    "MLflow's server killed": Kill(_kill_beside, _server, _GOES_ON),
    "disk full": Kill(_fill_disk, _small_disk, _LINE, _why_no_mount),
    "database locked": Kill(_lock_database, _SERIAL, _GOES_ON),
    "node lost": Kill(_kill_beside, _two_nodes, _GOES_ON),
}


def strike(
    number: int, words: Sequence[str], *, seed: int, folder: Path, whole: Mapping[str, str], lasts: float
) -> tuple[str, str]:
    """Hits a game at a random instant, plays it on, and compares it with the undisturbed one.

    A game that had ended before it was hit is drawn again, earlier.

    Args:
        number: Which: it decides what the game is hit with.
        words: That play it, all but where and in which home.
        seed: With ``number`` it decides when.
        folder: An empty one.
        whole: The undisturbed one's :func:`fingerprint`.
        lasts: Seconds that it took.

    Returns:
        What was done, and what fell short; the latter is empty where nothing did.
    """
    rng = random.Random(f"{seed}:kill:{number}")
    name = list(KILLS)[number % len(KILLS)]
    kill = KILLS[name]
    if why := kill.why_not():
        return f"{name} after no time: left out, {why}", ""
    after = 0.0
    for draw in range(_DRAWS):
        place = folder / str(draw)
        place.mkdir(parents=True)
        with kill.stage(place) as setting:
            home, began = place / "home", time.monotonic()
            after = rng.uniform(0.5, lasts)
            came, faults = _hit(kill, setting, [*words, "--home", str(home)], place, rng, after)
            if not came and draw < _DRAWS - 1:
                lasts = max(1.0, 0.9 * (time.monotonic() - began))
                continue
            faults += _play_on([*words, "--home", str(home)], setting, place, whole)
        what = f"{name} after {after:.1f} s" + ("" if came else ", too late")
        return what, "; ".join(f"{fault} ({name})" if "hung" in fault else fault for fault in faults)
    raise AssertionError


def _hit(
    kill: Kill, setting: Setting, words: Sequence[str], place: Path, rng: random.Random, after: float
) -> tuple[bool, list[str]]:
    """Whether it was hit while it lived, and what fell short."""
    said, environment = place / "said-first.txt", {**os.environ, **setting.environment}
    with said.open("wb") as file:
        driver = subprocess.Popen(
            fakeoff(*words, *setting.words), cwd=place, env=environment, stdout=file, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    game = Game(driver, place / "home", rng, setting.beside)
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(timeout=after)
    came = game.lives() and kill.hit(game)
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(timeout=4 * MOST_SECONDS)
    faults = []
    if game.lives():
        faults.append("it hung after it was hit")
        _kill_group(driver)
    (place / "home" / "fill").unlink(missing_ok=True)
    text = said.read_text(errors="replace")
    if "Traceback (most recent call last)" in text or "*** SIG" in text:
        faults.append(f"a traceback: {text.strip().splitlines()[-1][:150]}")
    # A polite stop that comes before the command has begun ends the process as any other.
    codes = {*kill.codes, -signal.SIGINT, -signal.SIGTERM} if kill.codes == _ENDS and not text.strip() else kill.codes
    if came and not faults and driver.returncode not in codes:
        faults.append(f"exit code {driver.returncode}, not {sorted(kill.codes)}: {text.strip()[-200:]!r}")
    return came, faults


def _play_on(words: Sequence[str], setting: Setting, place: Path, whole: Mapping[str, str]) -> list[str]:
    server = next((word for word in setting.words if word.startswith("http://")), "")
    with contextlib.ExitStack() as held:
        if server:
            held.enter_context(_serving(place, server.removeprefix("http://")))
        where = ("--serial", "--tracking-uri", server) if server else ("--serial",)
        code, said = forked([*words, *where], place, seconds=10 * MOST_SECONDS)
    if code != 0 or "Traceback" in said:
        return [f"it does not play on: exit code {code}, {said.strip()[-200:]!r}"]
    faults = [] if whole.items() <= fingerprint(place / "home").items() else ["other bytes than undisturbed"]
    return faults + _log_faults(setting.database or place / "home" / "mlflow.db", said)


def _log_faults(database: Path, said: str) -> list[str]:
    if "not logged" in said:
        return [f"not logged: {said[said.index('not logged') :][:200]!r}"]
    with contextlib.closing(sqlite3.connect(database)) as connection:
        states = {state for (state,) in connection.execute("SELECT DISTINCT status FROM runs")}
        doubled = connection.execute(
            "SELECT value FROM tags WHERE key = 'arena.label' GROUP BY value HAVING COUNT(*) > 1"
        ).fetchall()
    faults = [] if states == {"FINISHED"} else [f"MLflow's runs are {sorted(states)}"]
    return faults + ([f"MLflow has twice: {doubled[0][0]}"] if doubled else [])


def fingerprint(home: Path) -> dict[str, str]:
    """Hashes of what a game leaves and that must be the same: its scoreboard, and the results in its store.

    A game that computes ahead on Ray may leave more results than another; of those that both have none may differ.
    """
    found = {"scoreboard": hashlib.sha256((home / "scoreboard.json").read_bytes()).hexdigest()}
    for path in sorted((home / "store").rglob("*")):
        # How long a job took stands in 'cost.json', and differs.
        if path.is_file() and path.suffix in (".npz", ".safetensors", ".npy"):
            found[path.relative_to(home).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


__all__ = ["KILLS", "fingerprint", "strike"]
