"""Starts a Ray of this process's own, or joins a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
from typing import Any

from fakeoff.arena.compute import without_secrets
from fakeoff.arena.errors import ConfigError, one_line
from fakeoff.arena.jobs.own_signals import own_signals
from fakeoff.arena.jobs.scratch import Scratch

_CONNECT_SECONDS = 10.0
_TRIES = 2

# Before `import ray`. No usage statistics, no colours in forwarded output.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_DEDUP_LOGS": "0",
    # A worker whose job needs no GPU sees none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}

# A Ray of our own has everything on loopback (gRPC listens on every interface by default), and a token for whoever
# connects.
_PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    # Ray lets a driver in when the first workers have: had one of them died, it would be waited for without end.
    "RAY_prestart_worker_first_driver": "0",
    # Between two stages it would end a worker that was idle for a second, and the next one imports everything anew.
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
    # At its own 15 the work waits for whatever else runs, the driver's pictures included.
    "RAY_worker_niceness": "0",
}


def set_environment(*, own: bool) -> None:
    """Sets what Ray reads when it is imported.

    Args:
        own: Whether it will be this process's own.
    """
    os.environ.update(_QUIET)
    if own:
        os.environ.update(_PRIVATE)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def start_here(*, workers: int, gpus: int) -> tuple[Any, Scratch]:
    """Starts a Ray that belongs to this process alone.

    Where it does not start it is tried once more: after a driver that was stopped meanwhile, or on a machine that was
    busy, Ray has lost its patience.

    Args:
        workers: Cores.
        gpus: CUDA devices.

    Returns:
        The module ``ray``, and the folder of its files.

    Raises:
        ConfigError: It does not start.
    """
    for left in reversed(range(_TRIES)):
        scratch = Scratch("ray")
        try:
            ray = _init(
                address="local",
                num_cpus=workers,
                num_gpus=gpus,
                include_dashboard=False,
                _temp_dir=str(scratch.path),
            )
        except Exception as error:  # each reason has a type of its own
            scratch.close()
            if not left:
                raise ConfigError(
                    f"Ray does not start: {one_line(error)[:300]}; to play without it: --serial"
                ) from error
        else:
            return ray, scratch
    raise AssertionError


def join(address: str) -> Any:
    """Joins a cluster.

    Args:
        address: ``host:port`` of its head, or ``auto``.

    Returns:
        The module ``ray``.

    Raises:
        ConfigError: It cannot be joined.
    """
    # Its own patience with a head that does not answer is ten minutes.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    _answers(address)
    try:
        return _init(address=address)
    except Exception as error:  # another Ray, another token: each has a type of its own
        raise ConfigError(
            f"the Ray cluster at '{address}' cannot be joined: {one_line(error)[:300]}; is its release of Ray "
            "the same, and is RAY_AUTH_TOKEN the cluster's?"
        ) from error


def _init(**how: Any) -> Any:
    import ray  # here, because the environment must be set first, and because it takes a second

    try:
        with own_signals(), without_secrets():  # its processes keep the environment that they find
            # What players print comes back with their outcomes.
            ray.init(**how, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception:
        with contextlib.suppress(Exception):  # processes of half a start
            ray.shutdown()
        raise
    return ray


def _answers(address: str) -> None:
    """Asks whether anything listens at ``host:port``.

    Raises:
        ConfigError: Nothing does.
    """
    host, _, port = address.rpartition(":")
    if not host:  # 'auto'
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Ray cluster answers at '{address}': {one_line(error)}") from error


__all__ = ["join", "set_environment", "start_here"]
