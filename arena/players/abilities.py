"""What a player can do: seen from the methods that its class has of its own, without running any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar, get_args

Ability: TypeAlias = Literal[
    "trainable", "attackable", "latent", "invertible", "manipulator", "fixed", "differentiable", "patch"
]
"""A word for what a player can do."""

_ORDER: tuple[Ability, ...] = get_args(Ability)
_MARK = "fakeoff_abilities"

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def left_to_players(*words: Ability) -> Callable[[MethodT], MethodT]:
    """Marks a method of an interface that a player need not have.

    Args:
        *words: What a player can do that has one of its own.
    """

    def mark(method: MethodT) -> MethodT:
        # On the function itself: it stays there where a class is only read, and copied.
        vars(method)[_MARK] = words
        return method

    return mark


def has_own(player: type, method: str) -> bool:
    """Whether a player's class has a method of its own, in place of what its interface says by that name.

    Args:
        player: The class.
        method: One that its interface leaves to players.
    """
    return not hasattr(getattr(player, method), _MARK)


def abilities(player: type) -> tuple[Ability, ...]:
    """What a player's class can do beyond the least that its interface asks for.

    Of ``trainable`` (it learns), ``attackable`` (it learns by steps that take an extra loss, and so it attacks),
    ``latent``, ``invertible``, ``manipulator``, ``differentiable`` (it says so of itself) and ``patch``; ``fixed``
    where it does not learn.

    Args:
        player: The class, or a stand-in with the same methods.
    """
    marked: dict[str, tuple[Ability, ...]] = {}
    for above in reversed(player.__mro__):
        for name, value in vars(above).items():
            if hasattr(value, _MARK):
                marked[name] = getattr(value, _MARK)
    found = {word for name, words in marked.items() if has_own(player, name) for word in words}
    found |= set() if "trainable" in found else {"fixed"}
    found |= {"differentiable"} if getattr(player, "differentiable", False) else set()
    return tuple(word for word in _ORDER if word in found)


__all__ = ["Ability", "abilities", "has_own", "left_to_players"]
