"""What is not a player's to touch while its job runs: the house's own code, and the results that are kept.

A worker runs many jobs. A player that put a function of its own in the place of one of the house's would judge, measure
and audit whoever comes after it. This is no sandbox (SECURITY.md): it is cheap, it notices who tries, and it puts back
what was there.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final, TypeAlias

from fakeoff.arena.errors import JobFailed

_HOUSE = __name__.partition(".")[0]
_KEPT = re.compile(r"/([0-9a-f]{2})/\1[0-9a-f]{62}(/|$)")  # ROOT/ab/abcdef...: the store's own way
_CODE: Final = (FunctionType, classmethod, staticmethod, property)

_Owner: TypeAlias = ModuleType | type

_here = threading.local()
_hooked = threading.Lock()
_inside: dict[
    str, list[tuple[_Owner, tuple[str, ...]]]
] = {}  # of each module: itself and its classes, and what of them


@contextlib.contextmanager
def hands_off() -> Iterator[None]:
    """Holds whatever runs inside to leave alone what is not its own.

    Functions, classes and methods of those modules of the house that are loaded by then are put back afterwards.

    Raises:
        JobFailed: It changed the house's code, or reached for a stored result.
    """
    _hook()
    before = [(owner, names, _held(owner, names)) for owner, names in _code_of_the_house()]
    outside, _here.reached = getattr(_here, "reached", None), []
    reached: list[str] = _here.reached
    try:
        yield
    finally:
        _here.reached = outside
        changed = []
        for owner, names, code in before:
            for name, was, now in zip(names, code, _held(owner, names), strict=True):
                if was is not now:
                    setattr(owner, name, was)
                    changed.append(f"{_called(owner)}.{name}")
        if changed:
            raise JobFailed(f"put something of its own in the place of {changed[0]}; others run in this process too")
        if reached:
            raise JobFailed(f"reached for a stored result ('{reached[0]}'); a player is handed what it may know")


def _code_of_the_house() -> Iterator[tuple[_Owner, tuple[str, ...]]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _HOUSE and isinstance(module, ModuleType):
            if name not in _inside:
                _inside[name] = list(_owners(module))
            yield from _inside[name]


def _owners(module: ModuleType) -> Iterator[tuple[_Owner, tuple[str, ...]]]:
    yield module, tuple(name for name, value in vars(module).items() if callable(value))
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield value, tuple(name for name, code in vars(value).items() if isinstance(code, _CODE))


def _held(owner: _Owner, names: tuple[str, ...]) -> list[Any]:
    held: Mapping[str, Any] = vars(owner)
    return [held.get(name) for name in names]


def _called(owner: _Owner) -> str:
    return owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"


def _hook() -> None:
    """Asks the interpreter to be told of files that are opened, once in a process."""
    if _hooked.acquire(blocking=False):
        sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "os.listdir", "os.scandir"):
        return
    reached = getattr(_here, "reached", None)
    if reached is None or not arguments:
        return
    path = arguments[0].decode(errors="replace") if isinstance(arguments[0], bytes) else str(arguments[0])
    if _KEPT.search(path):
        reached.append(path)
        raise PermissionError(f"'{path}' is a stored result, and no player's to read")


__all__ = ["hands_off"]
