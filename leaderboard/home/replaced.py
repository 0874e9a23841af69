"""What a new configuration does to the tournament that a home has already."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

_GOES_ON = frozenset({"rounds", "compute", "plugins"})
"""Another number of rounds plays the same tournament on, and what it is computed with does not make it another."""

_NAMED_AT_MOST = 4


def changed_settings(before: bytes, after: bytes) -> tuple[str, ...]:
    """The settings by which one configuration plays another tournament than the other.

    Args:
        before: As TOML.
        after: Likewise.

    Returns:
        Their names, such as ``attack.steps``; none where the one plays the other on, or where one cannot be read.
    """
    try:
        one, other = (tomllib.loads(text.decode()) for text in (before, after))
    except ValueError:
        return ()
    return tuple(name for name in _differing(one, other) if name.partition(".")[0] not in _GOES_ON)


def tell_replaced(changed: tuple[str, ...], *, command: str) -> str:
    """Says that a tournament takes the place of another one.

    Args:
        changed: Of :func:`changed_settings`; at least one.
        command: Which keeps both.
    """
    more = len(changed) - _NAMED_AT_MOST
    named = ", ".join(changed[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return (
        f"This takes the place of the tournament that was played here ({named} {'is' if len(changed) == 1 else 'are'} "
        f"not the same); what both have in common is used again. To keep both: {command}"
    )


def _differing(one: Mapping[str, Any], other: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    for name in dict.fromkeys((*one, *other)):
        a, b = one.get(name), other.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping) and not inside:
            yield from _differing(a, b, f"{name}.")
        elif a != b:
            yield f"{inside}{name}"


__all__ = ["changed_settings", "tell_replaced"]
