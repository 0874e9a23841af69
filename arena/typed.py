"""Dataclasses as JSON-able mappings, and back."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def read_as(kind: type[T], data: Mapping[str, Any]) -> T:
    """Reads a mapping as a dataclass; what else it holds is left alone.

    Args:
        kind: A dataclass, its fields of JSON-able types or dataclasses again.
        data: As :func:`dataclasses.asdict` makes it, or JSON.

    Raises:
        ValueError: Something is missing, or of another type; one line.
    """
    try:
        read: T = _adapter(cast("Any", kind)).validate_python(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"no {kind.__name__}: '{place}': {first['msg']}") from error
    return read


def as_record(figures: Any) -> dict[str, Any]:
    """A dataclass as JSON has it: lists for tuples, so that it is the same before and after it is stored."""
    record: dict[str, Any] = _adapter(cast("Any", type(figures))).dump_python(figures, mode="json")
    return record


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


__all__ = ["as_record", "read_as"]
