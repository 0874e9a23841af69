"""Python source, read without running it: modules are found as an import would, and what they bind is collected."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from fakeoff.arena.errors import one_line


class NotTold(Exception):  # noqa: N818 - an answer, not a failure
    """The source does not say; the code would have to run."""


class WillNotLoad(Exception):  # noqa: N818 - an answer, not a failure
    """The code cannot be imported as it is; one line says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """The names that a module or a class binds, each with the syntax that binds it.

    Attributes:
        module: The module's name.
        package: What relative imports in it start from.
        bindings: None where it depends on something that only running would tell.
        wildcards: Modules that everything is imported from, the last one first.
        unsure: Names that are bound in a branch only.
        patched: Names whose attributes are set from outside.
    """

    module: str
    package: str
    bindings: Mapping[str, ast.AST | None]
    wildcards: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    patched: frozenset[str] = frozenset()


def read_module(name: str) -> Scope:
    """Reads a module's source and collects what it binds.

    Raises:
        NotTold: It has no Python source.
        WillNotLoad: There is no such module, or it does not parse.
    """
    spec = _spec(name)
    if spec is None:
        raise WillNotLoad(f"no module {_first_missing(name)}")
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    if spec.loader is None:  # a namespace
        return Scope(module=name, package=package, bindings={})
    try:
        text = getattr(spec.loader, "get_source", lambda _: None)(name)
    except (ImportError, OSError, SyntaxError, UnicodeDecodeError) as error:
        raise WillNotLoad(f"the source of {name} cannot be read: {one_line(error)}") from error
    if text is None:
        raise NotTold
    return _parse(name, package, text)


def module_exists(name: str) -> bool:
    """Whether an import would find a module."""
    return _spec(name) is not None


def _spec(name: str) -> ModuleSpec | None:
    """Finds a module as an import would, step by step, so that the packages around it are not imported."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that somebody made by hand
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        top = f"{top}.{part}"
        spec = _spec_in(top, list(spec.submodule_search_locations))
    return spec


def _spec_in(name: str, path: list[str]) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except KeyError:  # a namespace in a package that is not imported
            spec = ModuleSpec(name, None, is_package=True)
            folders = [str(Path(folder) / name.rpartition(".")[2]) for folder in path]
            spec.submodule_search_locations = [folder for folder in folders if Path(folder).is_dir()]
        if spec is not None:
            return spec
    return None


def _first_missing(name: str) -> str:
    parts = name.split(".")
    prefixes = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return next(prefix for prefix in prefixes if _spec(prefix) is None)


@functools.lru_cache(maxsize=256)
def _parse(name: str, package: str, text: str) -> Scope:
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise WillNotLoad(f"{name} does not parse, line {error.lineno}: {error.msg}") from error
    except ValueError as error:  # null bytes
        raise WillNotLoad(f"{name} does not parse: {error}") from error
    return body_scope(body, module=name, package=package)


def body_scope(body: list[ast.stmt], *, module: str, package: str) -> Scope:
    """The names that a module or a class binds in its body."""
    bindings: dict[str, ast.AST | None] = {}
    wildcards: list[str] = []
    unsure: set[str] = set()
    patched: set[str] = set()
    for statement, sure in _statements(body):
        for name, node in _bound(statement):
            if name == "*" and isinstance(node, ast.ImportFrom):
                wildcards.insert(0, absolute(node, package))
            else:
                bindings[name] = node if sure or name not in bindings else None
                (unsure.discard if sure else unsure.add)(name)
        patched |= set(_patched(statement))
    return Scope(
        module=module,
        package=package,
        bindings=bindings,
        wildcards=tuple(wildcards),
        unsure=frozenset(unsure),
        patched=frozenset(patched),
    )


def _statements(body: list[ast.stmt], *, sure: bool = True) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement of a body, those in its branches too, and whether it is sure to run."""
    for statement in body:
        yield statement, sure
        for branch in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _statements(getattr(statement, branch, []), sure=sure and isinstance(statement, ast.With))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body, sure=False)


def _bound(statement: ast.stmt) -> Iterator[tuple[str, ast.AST | None]]:
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name, statement
        case ast.Import():
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], statement
        case ast.ImportFrom():
            for alias in statement.names:
                yield alias.asname or alias.name, statement
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            yield name, value
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, value
                else:
                    yield from _unpacked(target)
        case ast.AugAssign(target=target) | ast.For(target=target):
            yield from _unpacked(target)
        case ast.Delete(targets=targets):
            for target in targets:
                yield from _unpacked(target)
        case _:
            if type(statement).__name__ == "TypeAlias":  # Python 3.12 on
                yield statement.name.id, statement.value  # type: ignore[attr-defined]


def _unpacked(target: ast.expr) -> Iterator[tuple[str, None]]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, None


def _patched(statement: ast.stmt) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign | ast.Delete) else []
    for target in targets:
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            yield target.value.id


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that is imported from, where that may be relative to a package.

    Raises:
        WillNotLoad: It would lie outside of the package.
    """
    relative = "." * node.level + (node.module or "")
    try:
        return importlib.util.resolve_name(relative, package) if node.level else relative
    except ImportError as error:
        raise WillNotLoad(one_line(error)) from error
