"""Classes seen without running them: a stand-in has the names and the bases of a class, and none of its code."""

from __future__ import annotations

import ast
from abc import ABCMeta
from dataclasses import dataclass, field
from types import FunctionType

from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.static.names import Live, Written, class_scope, follow
from fakeoff.arena.players.static.source import NotTold, Scope


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A class that was read.

    Attributes:
        stand_in: Has the names and the bases of the class; of its code only what comes from loaded classes.
        written: The classes among its bases, itself included, that were read, by their stand-in.
        copied: The loaded classes that a copy stands for, by the copy.
    """

    stand_in: type
    written: dict[type, Written] = field(default_factory=dict)
    copied: dict[type, type] = field(default_factory=dict)

    def derives_from(self, wanted: type) -> bool:
        """Whether the class that was read is a subclass of one that is loaded."""
        return any(self.copied.get(each, each) is wanted for each in self.stand_in.__mro__)


def stand_in(written: Written) -> StandIn:
    """Makes a stand-in for a class.

    Raises:
        NotTold: Something else than its body and its bases decides what the class is.
        WillNotLoad: A base cannot be imported.
    """
    made = StandIn(stand_in=object)
    return StandIn(stand_in=_make(written, made), written=made.written, copied=made.copied)


def _make(written: Written, made: StandIn) -> type:
    node = written.node
    assert isinstance(node, ast.ClassDef)
    body = class_scope(written)
    if body.unsure or node.name in written.scope.patched or {"__new__", "__signature__"} & set(body.bindings):
        raise NotTold
    if not all(_leaves_classes_alone(decorator, written.scope) for decorator in node.decorator_list):
        raise NotTold
    bases = []
    for expression in node.bases:
        base = follow(expression.value if isinstance(expression, ast.Subscript) else expression, written.scope)
        if isinstance(base, Live) and isinstance(base.value, type):
            bases.append(_harmless(base.value, made))
        elif isinstance(base, Written) and isinstance(base.node, ast.ClassDef):
            bases.append(_make(base, made))
        else:
            raise NotTold
    names = {name: _said(bound) for name, bound in body.bindings.items() if _counts(name)}
    try:
        made_class = type(node.name, tuple(bases), names)
    except TypeError as error:  # bases that do not go together
        raise NotTold from error
    made.written[made_class] = written
    return made_class


def _said(bound: ast.AST | None) -> object:
    """What a name in a class is bound to where it is a plain yes or no (``differentiable = False``); of anything else
    only that it is there."""
    return bound.value if isinstance(bound, ast.Constant) and isinstance(bound.value, bool) else object()


def _counts(name: str) -> bool:
    return name == "__init__" or not name.startswith("__")


def _leaves_classes_alone(decorator: ast.expr, scope: Scope) -> bool:
    found = follow(decorator.func if isinstance(decorator, ast.Call) else decorator, scope)
    if not isinstance(found, Live):
        return False
    registers = getattr(found.value, "__func__", None) is Registry.register
    return registers or getattr(found.value, "__module__", "") in ("typing", "typing_extensions")


def _harmless(base: type, made: StandIn) -> type:
    """The class itself, or a copy of it where deriving from it would run code."""
    hooked = any("__init_subclass__" in vars(each) for each in base.__mro__[:-1])
    if type(base) in (type, ABCMeta) and not hooked:
        return base
    names = {
        # Functions stay what they are: whether one was overridden is seen from its identity.
        name: value if isinstance(value, FunctionType | bool) else object()
        for name, value in vars(base).items()
        if _counts(name)
    }
    try:
        copy = type(base.__name__, tuple(_harmless(each, made) for each in base.__bases__), names)
    except TypeError as error:
        raise NotTold from error
    made.copied[copy] = base
    return copy
