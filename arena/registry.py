"""Where players are known by name: lazily, with their origin, and with a fingerprint for job keys."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from fakeoff.arena.errors import PluginError, one_line, suggestion

PlayerT = TypeVar("PlayerT")
ClassT = TypeVar("ClassT", bound=type)

# While a plugin file is imported: its name and the sha256 of its text.
_importing: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("importing", default=None)

_registries: list[Registry[Any]] = []


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One keyword argument of a player's constructor."""

    name: str
    annotation: Any
    default: Any
    required: bool


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered player.

    Attributes:
        name: What users call it.
        target: The class, or where it is: ``package.module:Class``.
        origin: Where it comes from, for people.
        version: Goes into job keys: raise it when a player's behaviour changes. A plugin file's is its hash.
        preset: Constructor arguments that the name fixes.
    """

    name: str
    target: str | type
    origin: str
    version: int | str
    preset: Mapping[str, Any] = field(default_factory=dict)


class Registry(Generic[PlayerT]):
    """The players of one kind.

    Args:
        kind: ``generator`` or ``detector``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        _registries.append(self)

    def add(
        self, name: str, target: str, *, origin: str, version: int, preset: Mapping[str, Any] | None = None
    ) -> None:
        """Makes a class known without importing it.

        Raises:
            PluginError: The name is taken.
        """
        self._add(Entry(name=name, target=target, origin=origin, version=version, preset=preset or {}))

    def register(self, name: str, *, version: int = 1) -> Callable[[ClassT], ClassT]:
        """A class decorator that makes a player known under ``name``.

        Args:
            name: What users call it.
            version: Raise it when the player's behaviour changes, so that old results are not reused. A player
                in a plugin file needs none: the file's hash serves.

        Raises:
            PluginError: The name is taken.
        """

        def add(player: ClassT) -> ClassT:
            importing = _importing.get()
            origin, known_as = importing if importing else (player.__module__, version)
            self._add(Entry(name=name, target=player, origin=origin, version=known_as))
            return player

        return add

    def _add(self, entry: Entry) -> None:
        taken = self._entries.get(entry.name)
        # A plugin file that was edited and is loaded again replaces its own players.
        edited = taken is not None and taken.origin == entry.origin and taken.version != entry.version
        if taken is not None and not edited:
            raise PluginError(
                f"two {self.kind}s are called '{entry.name}': one from {taken.origin}, one from {entry.origin}; "
                "rename one of them"
            )
        self._entries[entry.name] = entry

    def forget(self, origin: str) -> None:
        """Takes back what came from somewhere: a plugin file that failed half way."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.origin != origin}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def entry(self, name: str) -> Entry:
        """Looks a player up.

        Raises:
            PluginError: There is none of that name.
        """
        if name not in self._entries:
            hint = suggestion(name, self._entries) or "."
            raise PluginError(f"unknown {self.kind} '{name}'{hint} See: fakeoff plugins")
        return self._entries[name]

    def load(self, name: str) -> type[PlayerT]:
        """Imports a player's class.

        Raises:
            PluginError: Unknown, or its module cannot be imported.
        """
        entry = self.entry(name)
        if not isinstance(entry.target, str):
            return entry.target
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
        except Exception as error:
            raise PluginError(f"{self.kind} '{name}' from {entry.origin} does not load: {one_line(error)}") from error

    def parameters(self, name: str) -> tuple[Parameter, ...]:
        """The constructor's keyword arguments, less those that the name fixes."""
        player = self.load(name)
        hints = get_type_hints(player.__init__)
        return tuple(
            Parameter(
                name=key,
                annotation=hints.get(key, Any),
                default=None if argument.default is inspect.Parameter.empty else argument.default,
                required=argument.default is inspect.Parameter.empty,
            )
            for key, argument in inspect.signature(player).parameters.items()
            if argument.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            and key not in self.entry(name).preset
        )

    def complete(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Checks parameters against the constructor's signature and adds the defaults.

        Raises:
            PluginError: One is unknown, missing or of the wrong type.
        """
        known = {parameter.name: parameter for parameter in self.parameters(name)}
        for key in given:
            if key not in known:
                raise PluginError(
                    f"{self.kind} '{name}' has no parameter '{key}'{suggestion(key, known)} "
                    f"It takes: {', '.join(known) or 'none'}"
                )
        complete: dict[str, Any] = {}
        for key, parameter in known.items():
            if key not in given and parameter.required:
                raise PluginError(f"{self.kind} '{name}' needs the parameter '{key}'")
            value = given.get(key, parameter.default)
            if key in given:
                try:
                    value = TypeAdapter(parameter.annotation).validate_python(value)
                except ValidationError as error:
                    reason = error.errors()[0]["msg"]
                    raise PluginError(f"{self.kind} '{name}': parameter '{key}' = {value!r}: {reason}") from error
            complete[key] = value
        return complete

    def build(self, name: str, parameters: Mapping[str, Any]) -> PlayerT:
        """Constructs a player; its constructor's own errors pass through."""
        return self.load(name)(**{**self.entry(name).preset, **parameters})


def load_plugin_file(path: Path) -> None:
    """Imports a user's Python file, so that the players in it register themselves; once for each text.

    Raises:
        PluginError: No such file, or it does not import.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PluginError(f"plugin file '{path}' cannot be read: {error.strerror}") from error
    sha256 = hashlib.sha256(text).hexdigest()
    module_name = f"fakeoff_plugin_{path.stem}_{sha256[:12]}"
    if module_name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin file '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with _importing_file(str(path), sha256):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[module_name]
            for registry in _registries:
                registry.forget(str(path))
            if isinstance(error, PluginError):
                raise
            raise PluginError(f"plugin file '{path}' does not load: {one_line(error)}") from error


@contextlib.contextmanager
def _importing_file(name: str, sha256: str) -> Iterator[None]:
    token = _importing.set((name, sha256))
    try:
        yield
    finally:
        _importing.reset(token)
