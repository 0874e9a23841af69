"""A fresh interpreter that builds a player from its recipe and says what it answers: what a worker does."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fakeoff.arena.compute import prepare_process
from fakeoff.arena.errors import FakeoffError, one_line
from fakeoff.arena.players.plugins import provide
from fakeoff.arena.players.provisions import PluginFile

_SECONDS = 300.0

TEXT = "latin-1"
"""How a plugin file's bytes are written as text: any byte is a character of it."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How another interpreter gets at a player.

    Attributes:
        contract: The contract of its kind, ``module:Class``.
        player: A registered name or a class path; empty where ``cls`` says which.
        cls: The class's name in its module, where it is not registered.
        module: The module that it is in; imported first.
        path: The module's file, for modules that no import finds.
        plugin_file: The path of the plugin file that it came from, or empty.
        plugin_text: The file's text.
        parameters: Keyword arguments of its constructor; JSON-able.
        settings: Other attributes of the contract; JSON-able.
        threads: For one operation.
    """

    contract: str
    player: str
    cls: str = ""
    module: str = ""
    path: str = ""
    plugin_file: str = ""
    plugin_text: str = ""
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    threads: int

    @property
    def key(self) -> str:
        """The same for the same player with the same parameters."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class FreshProcessError(FakeoffError):
    """The other interpreter gave no answer; the message is what it said."""


class _Interpreter:
    """A process that answers recipes one after the other."""

    def __init__(self) -> None:
        path = os.pathsep.join([*filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from fakeoff.arena.contract.other_process import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.asked: set[str] = set()

    def ask(self, recipe: Recipe) -> str:
        self.asked.add(recipe.key)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(_SECONDS, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(asdict(recipe)) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            watch.cancel()
        if not line:
            code = self._process.wait()
            close()
            raise FreshProcessError(f"the process ended without an answer, with exit code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise FreshProcessError(answer["error"])
        return str(answer["hash"])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # it was not read to the end
                    stream.close()


_interpreter: _Interpreter | None = None


def answer_of(recipe: Recipe) -> str:
    """Lets a fresh interpreter build a player and answer as its contract asks.

    An interpreter starts in seconds, so it stays for other players; none meets a player for the second time.

    Returns:
        The sha256 of what the player answers, see :meth:`fakeoff.arena.contract.Contract.answer_hash`.

    Raises:
        FreshProcessError: It could not be built or did not answer.
    """
    global _interpreter
    if _interpreter is not None and recipe.key in _interpreter.asked:
        close()
    if _interpreter is None:
        _interpreter = _Interpreter()
        atexit.register(close)
    return _interpreter.ask(recipe)


def close() -> None:
    """Ends the interpreter, if there is one."""
    global _interpreter
    if _interpreter is not None:
        _interpreter.close()
        _interpreter = None
        atexit.unregister(close)


@contextlib.contextmanager
def as_in_a_worker() -> Iterator[None]:
    """Computes as a job's process does, and as this one did afterwards."""
    kept = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(kept[0])
        torch.utils.deterministic.fill_uninitialized_memory = kept[1]  # type: ignore[attr-defined]


def serve() -> None:
    """Answers recipes from the standard input until it ends; one line of JSON each."""
    # What players print must not come between.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            answer = {"hash": _answer(Recipe(**json.loads(line)))}
        except (Exception, SystemExit) as error:
            text = str(error) if isinstance(error, FakeoffError) else one_line(error)
            answer = {"error": text}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(recipe: Recipe) -> str:
    prepare_process(threads=recipe.threads)
    if recipe.plugin_file:
        provide(PluginFile(path=recipe.plugin_file, source=recipe.plugin_text.encode(TEXT)))
    player: Any = recipe.player
    if recipe.module:
        module = _module(recipe.module, recipe.path)
        player = player or getattr(module, recipe.cls)
    name, _, attribute = recipe.contract.partition(":")
    contract = getattr(importlib.import_module(name), attribute)
    return str(contract.of(player, recipe.parameters, **recipe.settings)().answer_hash())


def _module(name: str, path: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if not Path(path).is_file():
            raise
    # Not on the path: a test module, or a script.
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


__all__ = ["TEXT", "FreshProcessError", "Recipe", "answer_of", "as_in_a_worker", "close"]
