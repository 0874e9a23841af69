"""A user's Python file: read once, imported from its text, here and on every worker."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import NoReturn

from fakeoff.arena.errors import PluginError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.players.provisions import PluginFile, Provision, compare
from fakeoff.arena.players.registry import apart, importing

MOST_SECONDS = 60.0
"""That an import of a plugin file may take."""


def load_plugin_file(path: Path) -> PluginFile:
    """Imports a user's Python file, so that the players in it register themselves; once for each text.

    Returns:
        The file as it travels with jobs.

    Raises:
        PluginError: No such file, or it does not import.
    """
    file = read_plugin_file(path)
    provide(file)
    return file


def read_plugin_file(path: Path) -> PluginFile:
    """Reads a user's Python file; nothing of it is run.

    Raises:
        PluginError: No such file, or it is none of Python's.
    """
    try:
        source = read_file(path)
    except OSError as error:
        raise PluginError(f"plugin file '{path}' cannot be read: {error.strerror}") from error
    if path.suffix != ".py":
        raise PluginError(f"plugin file '{path}' is not a Python file")
    return PluginFile(path=str(path.resolve()), source=source)


def provide(provision: Provision) -> None:
    """Sees to it that a job's players are here: imports a file, compares a package.

    Raises:
        PluginError: The file does not import.
        ProvisionError: The package here is not the driver's.
    """
    if isinstance(provision, PluginFile):
        _import(provision)
    else:
        compare(provision)


def _import(file: PluginFile) -> None:
    name = file.module
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_loader(name, _FromText(file), origin=file.path)
    assert spec is not None
    spec.has_location = True  # the module gets its __file__
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with importing(file), apart(file.sha256), _comes_back():
            module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
    except KeyboardInterrupt:
        del sys.modules[name]
        raise
    except BaseException as error:  # whatever it raises, GeneratorExit too
        del sys.modules[name]
        if isinstance(error, PluginError):
            raise
        raise PluginError(f"plugin file '{file.path}' does not load: {one_line(error)}") from error


@contextlib.contextmanager
def _comes_back() -> Iterator[None]:
    """Has an import end: in time, and not with the process."""
    process, leave = os.getpid(), os._exit

    def stay(status: int) -> NoReturn:
        if os.getpid() == process:
            raise SystemExit(f"os._exit({status})")
        leave(status)  # a process that the file has started

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it has not ended after {MOST_SECONDS:g} s; does it train, or wait for something?")

    is_main = threading.current_thread() is threading.main_thread()  # in no other can a signal be waited for
    before = signal.signal(signal.SIGALRM, stop) if is_main else None
    if is_main:
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    os._exit = stay
    try:
        yield
    finally:
        os._exit = leave
        if is_main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before or signal.SIG_DFL)


class _FromText(importlib.abc.InspectLoader):
    """Imports a text that may not be a file on this machine; tracebacks still show its lines."""

    def __init__(self, file: PluginFile) -> None:
        self._file = file

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self._file.source)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._file.source, self._file.path, "exec", dont_inherit=True)

    def is_package(self, fullname: str) -> bool:
        return False
