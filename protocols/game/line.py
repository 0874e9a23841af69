"""A line of versions or figures, some of which are still to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from fakeoff.arena.errors import PluginError
from fakeoff.protocols.game.engine import Engine, Slot
from fakeoff.protocols.record.versions import Kind, Version

T = TypeVar("T")


class Line(Sequence[T]):
    """What a verb of the bench returns: a sequence that can be handed on before it is known.

    Whoever reads it (its length, its members) waits for all of it. Those who forfeited are not in it, and what comes to
    the same thing (a version that a defence did not change) is in it once. Two lines are laid one after the other with
    ``+``, without waiting.

    Args:
        engine: Runs what is missing.
        slots: One for each that may come; None is left out.
        kind: Of versions, ``generator`` or ``detector``; empty where it is of something else.
        also: What a reader waits for besides, and who is handed the line does not.
    """

    def __init__(
        self, engine: Engine, slots: Iterable[Slot[Any]], *, kind: str = "", also: Iterable[Slot[Any]] = ()
    ) -> None:
        self._engine, self.slots, self.kind, self._also = engine, tuple(slots), kind, tuple(also)

    def _read(self) -> list[T]:
        self._engine.wait_for((*self.slots, *self._also))
        known = {id(slot.value): slot.value for slot in self.slots if slot.value is not None}
        return list(known.values())

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        return self._read()[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __add__(self, other: Line[T]) -> Line[T]:
        kind = self.kind if self.kind == other.kind else ""
        return Line(self._engine, (*self.slots, *other.slots), kind=kind, also=(*self._also, *other._also))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self._read() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        known = [slot.value for slot in self.slots if slot.settled and slot.value is not None]
        pending = sum(not slot.settled for slot in self.slots)
        return f"<{len(known)} known, {pending} to come>"


def settled(value: T) -> Slot[T]:
    """A slot whose value is known."""
    slot = Slot[T]()
    slot.settle(value)
    return slot


def check_kind(kind: Kind, version: Any) -> Version:
    """Refuses what is no version of a kind.

    Raises:
        PluginError: It is something else.
    """
    if not isinstance(version, Version) or version.kind != kind:
        found = version.label if isinstance(version, Version) else repr(version)
        raise PluginError(f"{found} was given where a {kind} version is wanted")
    return version


__all__ = ["Line", "check_kind", "settled"]
