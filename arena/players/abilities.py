"""What a player can do: seen from the methods that its class overrides."""

from __future__ import annotations

from collections.abc import Mapping


def overridden(player: type, interface: type, methods: Mapping[str, str]) -> tuple[str, ...]:
    """The words of the methods that a class has of its own, each once, in their order.

    Args:
        player: The class.
        interface: What it derives from.
        methods: Of the interface: what a player can do that overrides it.
    """
    words = (
        word for name, word in methods.items() if getattr(player, name, None) is not getattr(interface, name, None)
    )
    return tuple(dict.fromkeys(words))


__all__ = ["overridden"]
