"""Where players are known by name: lazily, with their origin, and with a fingerprint for job keys.

There are three ways in. A decorator (:meth:`Registry.register`) in a file that the user names; an entry point of an
installed package; and a class path, ``package.module:Class``, which needs no registration at all. A *family* is many
players of one class, such as every architecture of a library: what follows its prefix in ``prefix:member`` is one of
the constructor's arguments.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import importlib
import importlib.metadata
import inspect
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, get_type_hints

from fakeoff.arena.errors import PluginError, one_line, suggestion
from fakeoff.arena.players.entries import Entry, Family, Parameter
from fakeoff.arena.players.provisions import PluginFile, PluginPackage, Provision, installed_package

PlayerT = TypeVar("PlayerT")
ClassT = TypeVar("ClassT", bound=type)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_CLASS_PATH = re.compile(f"{_DOTTED}:{_DOTTED}")

# The plugin file that is being imported.
_importing: contextvars.ContextVar[PluginFile | None] = contextvars.ContextVar("importing", default=None)

ELSEWHERE = (
    "put it in a file of its own and load that: load_plugin_file(Path('my_player.py')), or in a package and name it: "
    "package.module:Class"
)
"""What to do about a class that only one process knows."""

_registries: list[Registry[Any]] = []

_not_loaded: dict[tuple[str, str], str] = {}
"""What is known of players that are not here, by kind and name: where they would be, and what to do."""


class Registry(Generic[PlayerT]):
    """The players of one kind.

    Args:
        kind: ``generator``, ``detector``, ``parser`` or ``protocol``.
        interface: What every class must derive from; None accepts any.
        group: Of the entry points of installed packages; none are looked for where it is empty.
    """

    def __init__(self, kind: str, *, interface: type | None = None, group: str = "") -> None:
        self.kind = kind
        self._interface = interface
        self._group = group
        self._entries: dict[str, Entry] = {}
        self._contested: dict[str, tuple[Entry, ...]] = {}
        self._families: dict[str, Family] = {}
        self._asked_packages = not group
        _registries.append(self)

    def add(
        self, name: str, target: str, *, origin: str, version: int, preset: Mapping[str, Any] | None = None
    ) -> None:
        """Makes a class known without importing it.

        Raises:
            PluginError: The name is taken.
        """
        self._add(Entry(name=name, target=target, origin=origin, version=version, preset=preset or {}))

    def add_family(self, family: Family) -> None:
        """Makes all players of a family known without importing their class.

        Raises:
            PluginError: The prefix is taken.
        """
        if family.prefix in self._families:
            raise PluginError(f"two families of {self.kind}s are called '{family.prefix}'; rename one of them")
        self._families[family.prefix] = family

    @property
    def families(self) -> tuple[Family, ...]:
        """All families, by prefix."""
        return tuple(self._families[prefix] for prefix in sorted(self._families))

    def register(self, name: str, *, version: int = 1) -> Callable[[ClassT], ClassT]:
        """A class decorator that makes a player known under ``name``.

        Args:
            name: What users call it: letters, digits and ``_ . -``.
            version: Raise it when the player's behaviour changes, so that old results are not reused. A player
                in a plugin file needs none: the file's hash serves.

        Raises:
            PluginError: The name is taken or cannot be one, or the class is not of this kind.
        """
        if not _NAME.fullmatch(name):
            raise PluginError(
                f"'{name}' cannot be the name of a {self.kind}: use letters, digits and _ . -, 64 at most"
            )

        def add(player: ClassT) -> ClassT:
            file = _importing.get()
            origin, known_as = (file.path, _version_in(file, player)) if file else (player.__module__, version)
            self._check_class(player, where=f"'{name}' from {origin}")
            self._ask_packages()
            if not self._is_entry_point(name, player):
                self._add(Entry(name=name, target=player, origin=origin, version=known_as, file=file))
            return player

        return add

    def _is_entry_point(self, name: str, player: type) -> bool:
        """Whether the package that a decorated class is in names it as an entry point as well: that is one player."""
        claims = self._contested.get(name) or tuple(filter(None, [self._entries.get(name)]))
        package = player.__module__.partition(".")[0]
        return any(claim.version is None and re.split("[.:]", str(claim.target))[0] == package for claim in claims)

    def _add(self, entry: Entry) -> None:
        taken = self._entries.get(entry.name)
        # A plugin file that was edited and is loaded again replaces its own players.
        edited = taken is not None and taken.origin == entry.origin and taken.version != entry.version
        if taken is not None and not edited:
            raise PluginError(
                f"two {self.kind}s are called '{entry.name}': one from {taken.where}, one from {entry.where}; "
                "rename one of them"
            )
        self._entries[entry.name] = entry

    def _ask_packages(self) -> None:
        """Reads the entry points of installed packages; nothing of theirs is imported."""
        if self._asked_packages:
            return
        self._asked_packages = True
        for found in importlib.metadata.entry_points(group=self._group):
            package = found.dist.name if found.dist else found.module
            release = found.dist.version if found.dist else ""
            target = f"{found.module}:{found.attr}"  # without the extras that it may ask for
            entry = Entry(name=found.name, target=target, origin=package, version=None, release=release)
            taken = self._entries.get(found.name)
            if taken is None:
                self._entries[found.name] = entry
            else:  # it stops a command that needs the name, and only that
                self._contested[found.name] = (*self._contested.get(found.name, (taken,)), entry)

    def forget(self, origin: str) -> None:
        """Takes back what came from somewhere: a plugin file that failed half way."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.origin != origin}

    def names_from(self, origin: str) -> tuple[str, ...]:
        """The names of those that came from somewhere."""
        return tuple(sorted(name for name, entry in self._entries.items() if entry.origin == origin))

    @property
    def contested(self) -> Mapping[str, tuple[Entry, ...]]:
        """The names that several packages claim, each with who claims it."""
        self._ask_packages()
        return self._contested

    def __contains__(self, name: str) -> bool:
        self._ask_packages()
        return name in self._entries or self._member(name) is not None

    def __iter__(self) -> Iterator[Entry]:
        self._ask_packages()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def entry(self, name: str) -> Entry:
        """Looks a player up, by its name, as one of a family, or by its class path.

        Raises:
            PluginError: There is none of that name, or several packages claim it.
        """
        self._ask_packages()
        if name in self._contested:
            claims = self._contested[name]
            raise PluginError(
                f"two {self.kind}s are called '{name}': one from "
                + ", one from ".join(claim.where for claim in claims)
                + f"; uninstall one, or name the other by its class: {claims[-1].target}"
            )
        if name not in self._entries and ":" in name:
            prefix, _, member = name.partition(":")
            if prefix in self._families and not member:
                pattern = self._families[prefix].pattern.name
                raise PluginError(
                    f"'{name}' names no {self.kind}: write {pattern}, with the name of one behind the colon"
                )
            return self._member(name) or self._by_class_path(name)
        if name not in self._entries:
            if why := _not_loaded.get((self.kind, name)):
                raise PluginError(f"unknown {self.kind} '{name}': {why}")
            elsewhere = {known: why for (kind, known), why in _not_loaded.items() if kind == self.kind}
            hint = suggestion(name, (*self._entries, *self._families, *elsewhere)) or "."
            near = hint.partition("'")[2].partition("'")[0]
            where = f" {elsewhere[near][0].upper()}{elsewhere[near][1:]}." if near in elsewhere else ""
            raise PluginError(f"unknown {self.kind} '{name}'{hint}{where} See: fakeoff plugins")
        return self._entries[name]

    def _member(self, name: str) -> Entry | None:
        prefix, _, member = name.partition(":")
        family = self._families.get(prefix)
        return family.entry(member) if family is not None and member else None

    def _by_class_path(self, path: str) -> Entry:
        if not _CLASS_PATH.fullmatch(path):
            raise PluginError(f"'{path}' is no class path; write package.module:Class")
        if path.startswith("__main__:"):
            raise PluginError(f"'{path}' is a class that only this process knows; {ELSEWHERE}")
        try:
            package = self._package(path, what=f"'{path}'")
        except PluginError as error:
            if near := suggestion(path.partition(":")[0], self._families):
                raise PluginError(f"unknown {self.kind} '{path}'{near} See: fakeoff plugins") from error
            raise
        return Entry(name=path, target=path, origin=package.distribution, version=None, release=package.release)

    def load(self, name: str) -> type[PlayerT]:
        """Imports a player's class.

        Raises:
            PluginError: Unknown, its module cannot be imported, or it is no class of this kind.
        """
        entry = self.entry(name)
        if not isinstance(entry.target, str):
            return entry.target
        module, _, attribute = entry.target.partition(":")
        try:
            with apart(entry.target):
                player = operator.attrgetter(attribute)(importlib.import_module(module))
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.kind} '{name}' from {entry.where} does not load: {one_line(error)}") from error
        self._check_class(player, where=f"'{name}' from {entry.where}")
        return player  # type: ignore[no-any-return]

    def _check_class(self, player: Any, *, where: str) -> None:
        if not isinstance(player, type):
            raise PluginError(f"{where} is no class but {type(player).__name__}; name the {self.kind}'s class")
        if self._interface is not None and not issubclass(player, self._interface):
            wanted = f"{self._interface.__module__.rpartition('.')[0]}.{self._interface.__name__}"
            raise PluginError(f"{where} is no {self.kind}: the class {player.__name__} must derive from {wanted}")

    def package(self, name: str) -> PluginPackage | None:
        """The installed package that a player is in; None for those that ship, and those of plugin files.

        Raises:
            PluginError: Unknown, or there is no such package.
        """
        entry = self.entry(name)
        if entry.version is not None:
            return None
        return self._package(str(entry.target), what=f"{self.kind} '{name}' from {entry.where}", origin=entry.origin)

    def provision(self, name: str) -> Provision | None:
        """What a worker needs to build a player: its file, or its package; None for those that ship.

        Raises:
            PluginError: Unknown, or its package is not there.
        """
        return self.entry(name).file or self.package(name)

    def _package(self, target: str, *, what: str, origin: str = "") -> PluginPackage:
        try:
            return installed_package(target.partition(":")[0], distribution=origin)
        except (ImportError, OSError) as error:
            raise PluginError(f"{what} does not load: {error}; is its package installed?") from error

    def fingerprint(self, name: str) -> dict[str, Any]:
        """What decides a player's behaviour besides its parameters and weights; part of job keys.

        Returns:
            ``version``: as registered; the hash of a plugin file; the hash of an installed package's code.
            ``preset``: the arguments that the name fixes, if any.

        Raises:
            PluginError: Unknown, or its package is not there.
        """
        entry, package = self.entry(name), self.package(name)
        fingerprint: dict[str, Any] = {"version": package.code if package else entry.version}
        if entry.preset:
            fingerprint["preset"] = dict(entry.preset)
        return fingerprint

    def parameters(self, name: str) -> tuple[Parameter, ...]:
        """The constructor's keyword arguments, less those that the name fixes.

        Raises:
            PluginError: Unknown, it does not load, or its signature cannot be read.
        """
        fixed = self.entry(name).preset
        return tuple(parameter for parameter in self._constructor(name) if parameter.name not in fixed)

    def _constructor(self, name: str) -> tuple[Parameter, ...]:
        """All keyword arguments of a player's constructor."""
        player = self.load(name)
        try:
            hints = get_type_hints(player.__init__, include_extras=True)
            arguments = inspect.signature(player).parameters
        except Exception as error:  # a name that only type checkers import, for one
            raise PluginError(
                f"the parameters of {self.kind} '{name}' cannot be read: {one_line(error)}; annotate __init__ with "
                "types that its module imports"
            ) from error
        return tuple(
            Parameter(
                name=key,
                annotation=hints.get(key, Any),
                default=None if argument.default is inspect.Parameter.empty else argument.default,
                required=argument.default is inspect.Parameter.empty,
            )
            for key, argument in arguments.items()
            if argument.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        )

    def complete(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Checks parameters against the constructor's signature and adds the defaults.

        Raises:
            PluginError: One is unknown, missing or of the wrong type, or its class refuses them together.
        """
        known = {parameter.name: parameter for parameter in self.parameters(name)}
        self._check_member(name)
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
            value = parameter.default
            if key in given:
                what = f"{self.kind} '{name}': parameter '{key}'"
                value = parameter.check(given[key], what=what)
            complete[key] = value
        self._check_together(name, complete)
        return complete

    def _check_together(self, name: str, complete: Mapping[str, Any]) -> None:
        check = getattr(self.load(name), "check_parameters", None)
        if check is None:
            return
        try:
            with apart("check", name):
                check({**self.entry(name).preset, **complete})
        except ValueError as error:
            raise PluginError(f"{self.kind} '{name}': {error}") from error

    def _check_member(self, name: str) -> None:
        """Refuses a member that its family does not have: its class's annotation says which there are."""
        family = self._families.get(name.partition(":")[0]) if name not in self._entries else None
        if family is None:
            return
        by_name = {parameter.name: parameter for parameter in self._constructor(name)}
        if family.argument in by_name:
            by_name[family.argument].check(
                name.partition(":")[2], what=f"{self.kind} '{name}': parameter '{family.argument}'"
            )

    def build(self, name: str, parameters: Mapping[str, Any]) -> PlayerT:
        """Constructs a player; its constructor's own errors pass through."""
        return self.load(name)(**{**self.entry(name).preset, **parameters})


@contextlib.contextmanager
def apart(*parts: Any) -> Iterator[None]:
    """Imports a player's code so that it does the same in every process, and leaves no trace in this one.

    What it draws at import comes from a seed of its own, and what it switches for the whole process is put back:
    otherwise it would matter which job came first on a worker.

    Args:
        *parts: JSON-able; what is imported.
    """
    from fakeoff.arena.compute import reset_modes  # here, because a list of plugins needs no PyTorch
    from fakeoff.arena.seeds import sealed

    with sealed("import", *parts):
        try:
            yield
        finally:
            reset_modes()


@contextlib.contextmanager
def importing(file: PluginFile) -> Iterator[None]:
    """What registers itself inside comes from a plugin file; if the file fails, all of that is forgotten."""
    token = _importing.set(file)
    try:
        yield
    except BaseException:
        for registry in _registries:
            registry.forget(file.path)
        raise
    finally:
        _importing.reset(token)


def _version_in(file: PluginFile, player: type) -> str:
    """The version of a player that a plugin file brings: its hash, and that of the package if it only imports it."""
    if player.__module__ == file.module:
        return file.sha256
    try:
        package = installed_package(player.__module__)
    except (ImportError, OSError):
        return file.sha256
    return hashlib.sha256(f"{file.sha256} {package.code}".encode()).hexdigest()


def registered_by(path: str) -> dict[str, tuple[str, ...]]:
    """The names that a plugin file registered, by kind.

    Args:
        path: Where it lies, resolved.
    """
    found: dict[str, tuple[str, ...]] = {}
    for registry in _registries:
        if names := registry.names_from(path):
            found[registry.kind] = (*found.get(registry.kind, ()), *names)
    return found


def tell_of(kind: str, name: str, why: str) -> None:
    """Says what to do about a player that is not here, to whoever looks for it.

    Args:
        kind: ``generator``, ``detector``, ``parser`` or ``protocol``.
        name: Its name.
        why: Where it would be, and what to do: the end of a sentence.
    """
    _not_loaded[kind, name] = why
