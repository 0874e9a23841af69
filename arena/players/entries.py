"""What is known of a player before it is loaded: its name, where its class is, what its name fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.provisions import PluginFile


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered player.

    Attributes:
        name: What users call it.
        target: The class, or where it is: ``package.module:Class``.
        origin: Where it comes from, for people: ``fakeoff``, a file, or a distribution.
        version: Goes into job keys: raised when a player's behaviour changes. A plugin file's is its hash; None is
            the hash of its package's code, see :meth:`Registry.fingerprint`.
        preset: Constructor arguments that the name fixes.
        release: Of the distribution that it comes from, for people.
        file: The plugin file that it comes from, if it does.
    """

    name: str
    target: str | type
    origin: str
    version: int | str | None
    preset: Mapping[str, Any] = field(default_factory=dict)
    release: str = ""
    file: PluginFile | None = None

    @property
    def where(self) -> str:
        """The origin in full, for messages: ``fakeoff-dcgan 0.1.0 (fakeoff_dcgan.players:DCGAN)``."""
        parts = [self.origin]
        if self.release:
            parts.append(self.release)
        if self.version is None:
            parts.append(f"({self.target})")
        return " ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Players that share a class, a name's prefix, and everything but one argument.

    Attributes:
        prefix: What stands before the colon.
        target: Where the class is: ``package.module:Class``.
        origin: Where it comes from, for people.
        version: Goes into job keys.
        argument: The constructor's argument that stands behind the colon.
        preset: Others, that the prefix fixes.
    """

    prefix: str
    target: str
    origin: str
    version: int
    argument: str
    preset: Mapping[str, Any] = field(default_factory=dict)

    def entry(self, member: str) -> Entry:
        """One of its players; whether there is such a one is known when its parameters are checked."""
        return Entry(
            name=f"{self.prefix}:{member}",
            target=self.target,
            origin=self.origin,
            version=self.version,
            preset={**self.preset, self.argument: member},
        )

    @property
    def pattern(self) -> Entry:
        """What all of its players have in common, for lists: ``prefix:ARGUMENT``."""
        return self.entry(self.argument.upper())


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One keyword argument of a player's constructor."""

    name: str
    annotation: Any
    default: Any
    required: bool

    def check(self, value: Any, *, what: str) -> Any:
        """Holds a value to the annotation.

        Args:
            value: As the user gave it.
            what: What it is given for, for messages.

        Returns:
            The value as the constructor takes it.

        Raises:
            PluginError: It is of another type, or the annotation refuses it.
        """
        try:
            return TypeAdapter(self.annotation).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise PluginError(f"{what} = {value!r}: {reason}") from error
        except PydanticUserError as error:
            raise PluginError(
                f"{what} cannot be given: {self.annotation} is no type that a configuration can say; annotate it with "
                "text, numbers, lists or tables"
            ) from error


__all__ = ["Entry", "Family", "Parameter"]
