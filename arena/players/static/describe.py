"""What a player is, for people: its summary, its parameters with their meaning, what it can do.

Nobody's module is imported for it. A class that is loaded is asked; any other is read as source, with its bases, and
a stand-in of the same shape is asked in its place. What only running the code would tell is left open.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeAlias, get_type_hints

import griffe

from fakeoff.arena.players.entries import Entry
from fakeoff.arena.players.static.annotations import type_text, written_type_text
from fakeoff.arena.players.static.names import Live, Written, class_scope, find, follow
from fakeoff.arena.players.static.source import NotTold, Scope, WillNotLoad
from fakeoff.arena.players.static.stand_ins import StandIn, stand_in

Capabilities: TypeAlias = Callable[[Any], tuple[str, ...]]
"""Says of a class what it can do, from the methods that it overrides."""


@dataclass(frozen=True, kw_only=True)
class ParameterDescription:
    """One keyword argument of a player's constructor, as texts.

    Attributes:
        name: What it is called.
        type: Such as ``int``, ``str | None`` or ``'hinge' | 'log'``; empty where none is given.
        default: As it would be written in Python; empty where it is required.
        required: Whether it has to be given.
        doc: What it means, from the docstring's ``Args``, as one line.
    """

    name: str
    type: str
    default: str
    required: bool
    doc: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What can be said of a player.

    Attributes:
        summary: The first paragraph of its docstring, as one line.
        parameters: Those of its constructor that its name does not fix; None where they are not known before it
            is loaded.
        abilities: What it can do beyond the least; None likewise.
        problem: Why it cannot be loaded, in one line; empty where nothing speaks against it.
    """

    summary: str = ""
    parameters: tuple[ParameterDescription, ...] | None = None
    abilities: tuple[str, ...] | None = None
    problem: str = ""


def describe(entry: Entry, *, interface: type, capabilities: Capabilities) -> Description:
    """Describes a player without importing its module.

    Args:
        entry: As it is registered.
        interface: The class that it must derive from.
        capabilities: Its kind's; it is asked about the class, or about a stand-in with the same methods.
    """
    if isinstance(entry.target, type):
        return describe_class(entry.target, preset=entry.preset, capabilities=capabilities)
    module, _, name = entry.target.partition(":")
    if not (module and name.isidentifier()):
        return Description(problem=f"'{entry.target}' is no class path; write package.module:Class")
    try:
        found = find(module, name)
    except NotTold:
        return Description()
    except WillNotLoad as reason:
        return Description(problem=str(reason))
    if isinstance(found, Live) and isinstance(found.value, type):
        return describe_class(found.value, preset=entry.preset, capabilities=capabilities)
    if isinstance(found, Written) and isinstance(found.node, ast.ClassDef):
        return _describe_written(found, interface=interface, preset=entry.preset, capabilities=capabilities)
    if isinstance(found, Written) and isinstance(found.node, ast.Call | ast.Subscript | ast.IfExp):
        return Description()  # what it makes may be a class
    return Description(problem=f"{module}:{name} is no class")


def describe_class(player: type, *, preset: Mapping[str, Any], capabilities: Capabilities) -> Description:
    """Describes a class that is loaded.

    Args:
        player: The class.
        preset: Constructor arguments that are fixed, and therefore left out.
        capabilities: Its kind's.
    """
    docs: dict[str, str] = {}
    for each in _down_from_constructor(player):
        docs |= _args(vars(each).get("__doc__")) | _args(getattr(vars(each).get("__init__"), "__doc__", None))
    return Description(
        summary=_summary(vars(player).get("__doc__")),
        parameters=_parameters(player, docs=docs, preset=preset),
        abilities=capabilities(player),
    )


def _parameters(
    player: type, *, docs: Mapping[str, str], preset: Mapping[str, Any]
) -> tuple[ParameterDescription, ...] | None:
    constructor: Any = vars(_down_from_constructor(player)[0])["__init__"]
    try:
        arguments = inspect.signature(player).parameters
    except (TypeError, ValueError):  # written in C
        return None
    try:
        hints = get_type_hints(constructor)
    except Exception:  # annotations that only a type checker can follow are shown as they are written
        hints = inspect.get_annotations(constructor)
    return tuple(
        ParameterDescription(
            name=key,
            type=type_text(hints[key]) if key in hints else "",
            default="" if argument.default is argument.empty else _value_text(argument.default),
            required=argument.default is argument.empty,
            doc=docs.get(key, ""),
        )
        for key, argument in arguments.items()
        if argument.kind in (argument.KEYWORD_ONLY, argument.POSITIONAL_OR_KEYWORD) and key not in preset
    )


def _describe_written(
    written: Written, *, interface: type, preset: Mapping[str, Any], capabilities: Capabilities
) -> Description:
    assert isinstance(written.node, ast.ClassDef)
    summary = _summary(ast.get_docstring(written.node))
    try:
        seen = stand_in(written)
    except NotTold:
        return Description(summary=summary)
    except WillNotLoad as reason:
        return Description(summary=summary, problem=str(reason))
    if not seen.derives_from(interface):
        wanted = f"{interface.__module__.rpartition('.')[0]}.{interface.__name__}"
        return Description(summary=summary, problem=f"{written.node.name} does not derive from {wanted}")
    return Description(
        summary=summary, parameters=_written_parameters(seen, preset=preset), abilities=capabilities(seen.stand_in)
    )


def _written_parameters(seen: StandIn, *, preset: Mapping[str, Any]) -> tuple[ParameterDescription, ...] | None:
    owner, *heirs = _down_from_constructor(seen.stand_in)
    docs: dict[str, str] = {}
    for node in (seen.written[each].node for each in (owner, *heirs) if each in seen.written):
        assert isinstance(node, ast.ClassDef)
        docs |= _args(ast.get_docstring(node))
    if owner not in seen.written:  # loaded, such as the interface itself
        return _parameters(seen.copied.get(owner, owner), docs=docs, preset=preset)
    body, scope = class_scope(seen.written[owner]), seen.written[owner].scope
    init = body.bindings["__init__"]
    if not isinstance(init, ast.FunctionDef) or init.decorator_list:
        return None
    docs = _args(ast.get_docstring(init)) | docs
    return tuple(
        ParameterDescription(
            name=argument.arg,
            type=written_type_text(argument.annotation, scope) if argument.annotation else "",
            default=_written_value_text(default, body, scope) if default else "",
            required=default is None,
            doc=docs.get(argument.arg, ""),
        )
        for argument, default in _arguments(init.args)
        if argument.arg not in preset
    )


def _arguments(written: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """The arguments after ``self`` that can be given by name, each with its default."""
    places = [*written.posonlyargs, *written.args]
    defaults = [*[None] * (len(places) - len(written.defaults)), *written.defaults]
    by_place = list(zip(places, defaults, strict=True))[max(1, len(written.posonlyargs)) :]
    return [*by_place, *zip(written.kwonlyargs, written.kw_defaults, strict=True)]


def _down_from_constructor(player: type) -> list[type]:
    """The classes from the one that has the constructor down to the player."""
    line = player.__mro__
    owner = next(index for index, each in enumerate(line) if "__init__" in vars(each))
    return list(reversed(line[: owner + 1]))


def _summary(docstring: Any) -> str:
    return " ".join(inspect.cleandoc(_text(docstring)).partition("\n\n")[0].split())


def _text(docstring: Any) -> str:
    """A docstring, where it is one: anything can stand in ``__doc__``."""
    return docstring if isinstance(docstring, str) else ""


def _args(docstring: Any) -> dict[str, str]:
    sections = griffe.parse_google(griffe.Docstring(inspect.cleandoc(_text(docstring))), warnings=False)
    return {
        item.name.lstrip("*"): " ".join(item.description.split())
        for section in sections
        if section.kind is griffe.DocstringSectionKind.parameters
        for item in section.value
    }


def _value_text(value: Any) -> str:
    if isinstance(value, type | FunctionType):
        return value.__qualname__
    text = repr(value)
    return f"<{type(value).__name__}>" if " at 0x" in text else text


def _written_value_text(node: ast.expr, body: Scope, scope: Scope) -> str:
    """A default's value where it is plain, by way of a constant's name too; else the expression itself."""
    try:
        in_class = isinstance(node, ast.Name) and node.id in body.bindings
        found = follow(node, body if in_class else scope)
    except (NotTold, WillNotLoad):
        return ast.unparse(node)
    if isinstance(found, Live):
        return _value_text(found.value)
    if not isinstance(found, Written) or not isinstance(found.node, ast.expr):
        return ast.unparse(node)
    try:
        return repr(ast.literal_eval(found.node))
    except (ValueError, TypeError):
        return ast.unparse(node)
