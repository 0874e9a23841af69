"""Types as people write them: the same text from a type and from the source of an annotation."""

from __future__ import annotations

import ast
import types
from typing import Annotated, Any, Literal, Optional, TypeAlias, Union, get_args, get_origin

from fakeoff.arena.players.static.names import Live, Written, follow
from fakeoff.arena.players.static.source import NotTold, Scope, WillNotLoad

_Aliases: TypeAlias = frozenset[ast.AST]


def type_text(annotation: Any) -> str:
    """Writes a type: ``int``, ``str | None``, ``'hinge' | 'log'``, ``Callable[[Tensor], Tensor]``."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is ...:
        return "..."
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_text, annotation))}]"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is Annotated:
        return type_text(arguments[0])
    name = getattr(annotation, "__name__", None) or getattr(origin, "__name__", None)
    if name is None:
        return str(annotation).removeprefix("typing.")
    if origin is None or not arguments:
        return str(origin.__name__ if isinstance(origin, type) else name)
    return f"{origin.__name__}[{', '.join(map(type_text, arguments))}]"


def written_type_text(node: ast.expr, scope: Scope, *, within: _Aliases = frozenset()) -> str:
    """Writes an annotation's type as :func:`type_text` would; what cannot be followed stays as it is written.

    Args:
        node: The annotation.
        scope: Where it is written.
        within: The aliases that are being written out: one may hold itself.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
        try:
            node = ast.parse(text, mode="eval").body
        except SyntaxError:
            return text

    def write(part: ast.expr) -> str:
        return written_type_text(part, scope, within=within)

    match node:
        case ast.Constant(value=value):
            return "..." if value is ... else repr(value)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{write(left)} | {write(right)}"
        case ast.List(elts=elements):
            return f"[{', '.join(map(write, elements))}]"
        case ast.Subscript(value=origin, slice=inner):
            arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            special = _live(origin, scope)
            if special is Literal:
                return " | ".join(map(ast.unparse, arguments))
            if special is Union:
                return " | ".join(map(write, arguments))
            if special is Optional:
                return f"{write(arguments[0])} | None"
            if special is Annotated:
                return write(arguments[0])
            return f"{write(origin)}[{', '.join(map(write, arguments))}]"
        case ast.Name() | ast.Attribute():
            return _named(node, scope, within)
    return ast.unparse(node)


def _live(node: ast.expr, scope: Scope) -> Any:
    try:
        found = follow(node, scope)
    except (NotTold, WillNotLoad):
        return None
    return found.value if isinstance(found, Live) else None


def _named(node: ast.expr, scope: Scope, within: _Aliases) -> str:
    try:
        found = follow(node, scope)
    except (NotTold, WillNotLoad):
        return ast.unparse(node).rpartition(".")[2]
    if isinstance(found, Live):
        return type_text(found.value)
    if isinstance(found, Written) and isinstance(found.node, ast.expr) and found.node not in within:
        return written_type_text(found.node, found.scope, within=within | {found.node})
    if isinstance(found, Written) and isinstance(found.node, ast.ClassDef):
        return found.node.name
    return ast.unparse(node).rpartition(".")[2]
