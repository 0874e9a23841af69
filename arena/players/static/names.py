"""Names in Python source, followed through imports to what they stand for, without running anything.

What is loaded already is looked at instead, where that runs nothing either. Nothing is guessed.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeAlias

from fakeoff.arena.players.static.source import (
    NotTold,
    Scope,
    WillNotLoad,
    absolute,
    body_scope,
    module_exists,
    read_module,
)


@dataclass(frozen=True, kw_only=True)
class Live:
    """What a name stands for in a module that is loaded already."""

    value: Any


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module that is not loaded."""

    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Written:
    """What a name stands for as it is written: a class, a function or an expression, and where it stands."""

    node: ast.AST
    scope: Scope


Found: TypeAlias = Live | Module | Written


def find(module: str, name: str) -> Found:
    """Follows a name through imports and plain assignments to what it stands for.

    Raises:
        NotTold: The source does not say.
        WillNotLoad: There is no such module or name, or the source does not parse.
    """
    return _Search().member(module, name)


def follow(expression: ast.expr, scope: Scope) -> Found:
    """Follows an expression, such as ``nn.Module`` in a class's bases. Errors: see :func:`find`."""
    return _Search().expression(expression, scope)


def class_scope(written: Written) -> Scope:
    """The names that a class binds in its body."""
    assert isinstance(written.node, ast.ClassDef)
    return body_scope(written.node.body, module=written.scope.module, package=written.scope.package)


@dataclass
class _Search:
    """One search; it remembers which names are being followed, since modules may import each other in a circle."""

    following: set[tuple[str | int, str]] = field(default_factory=set)

    def member(self, module: str, name: str) -> Found:
        loaded = sys.modules.get(module)
        if isinstance(loaded, ModuleType) and name in vars(loaded):
            return Live(value=vars(loaded)[name])
        scope = read_module(module)
        if (module, name) not in self.following:
            self.following.add((module, name))
            if name in scope.bindings:
                return self.name(name, scope)
            for wildcard in scope.wildcards if not name.startswith("_") else ():
                try:
                    return self.member(wildcard, name)
                except WillNotLoad:  # not from there
                    continue
        if module_exists(f"{module}.{name}"):
            return Module(name=f"{module}.{name}")
        if "__getattr__" in scope.bindings:
            raise NotTold
        raise WillNotLoad(f"{module} has no {name}")

    def name(self, name: str, scope: Scope) -> Found:
        node = scope.bindings[name]
        if node is None or (id(scope), name) in self.following:
            raise NotTold
        self.following.add((id(scope), name))
        if isinstance(node, ast.Import):
            return self._imported(name, node)
        if isinstance(node, ast.ImportFrom):
            original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
            return self.member(absolute(node, scope.package), original)
        if isinstance(node, ast.expr):
            return self.expression(node, scope)
        return Written(node=node, scope=scope)

    def _imported(self, name: str, node: ast.Import) -> Found:
        alias = next(alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) == name)
        module = alias.name if alias.asname else name
        if not module_exists(module):
            raise WillNotLoad(f"no module {module}")
        return Module(name=module)

    def expression(self, node: ast.expr, scope: Scope) -> Found:
        if isinstance(node, ast.Name):
            if node.id in scope.bindings:
                return self.name(node.id, scope)
            builtins = vars(sys.modules["builtins"])
            if node.id in builtins and not scope.wildcards:
                return Live(value=builtins[node.id])
            return self.member(scope.module, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.expression(node.value, scope)
            if isinstance(owner, Live) and isinstance(owner.value, ModuleType):
                owner = Module(name=owner.value.__name__)
            if isinstance(owner, Module):
                return self.member(owner.name, node.attr)
            raise NotTold
        return Written(node=node, scope=scope)
