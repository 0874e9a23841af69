"""Words that all who tell of a game share."""

from __future__ import annotations

from collections.abc import Sequence

_SOURCES = {"orl": "ORL", "celeba-999": "CelebA"}


def version(player: str, round_: int) -> str:
    """``pgan@1``."""
    return f"{player}@{round_}"


def versions(player: str, rounds: Sequence[int]) -> str:
    """``pgan@1``, ``pgan in rounds 1 and 3``, ``pgan in rounds 0 to 3``.

    Args:
        player: Whose.
        rounds: At least one, in their order.
    """
    first, last = rounds[0], rounds[-1]
    if len(rounds) == 1:
        return version(player, first)
    without_gaps = len(rounds) > 2 and last - first == len(rounds) - 1
    return f"{player} in rounds {f'{first} to {last}' if without_gaps else listed([*map(str, rounds)])}"


def source_name(source: str) -> str:
    """The photographs' source, as people know it."""
    return _SOURCES.get(source, source)


def counted(n: int, noun: str, plural: str = "") -> str:
    """``1 person``, ``8 people``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


__all__ = ["counted", "listed", "source_name", "version", "versions"]
