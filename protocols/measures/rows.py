"""Rows of a scoreboard: which versions a result is about, and in which columns it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from fakeoff.protocols.record.versions import Kind, Version


@dataclass(frozen=True, kw_only=True)
class GeneratorRow:
    """What is said of a generator version.

    Attributes:
        generator: Its name.
        generator_round: Its version.
    """

    generator: str
    generator_round: int

    def version_of(self, kind: Kind) -> tuple[str, int]:
        """The version of a kind that the row is about: name and round; ``("", -1)`` where there is none."""
        return (self.generator, self.generator_round) if kind == "generator" else ("", -1)


@dataclass(frozen=True, kw_only=True)
class PairRow(GeneratorRow):
    """What is said of a generator version and a detector version.

    Attributes:
        detector: Its name.
        detector_round: Its version.
    """

    detector: str
    detector_round: int

    def version_of(self, kind: Kind) -> tuple[str, int]:
        return super().version_of(kind) if kind == "generator" else (self.detector, self.detector_round)


@dataclass(frozen=True, kw_only=True)
class TargetRow(PairRow):
    """What is said of a pair that may have met in an attack.

    Attributes:
        is_target: This detector version was the frozen target of this generator version's attack.
    """

    is_target: bool


Newest: TypeAlias = Mapping[tuple[Kind, str], int]
"""The newest version of players, by kind and name."""

R = TypeVar("R", bound=GeneratorRow)


@dataclass(frozen=True, kw_only=True)
class Column(Generic[R]):
    """A column of the table of generators or of detectors.

    Attributes:
        heading: Its first line.
        text: What stands in it, of a row.
    """

    heading: str
    text: Callable[[R], str]


def of_generator(version: Version) -> dict[str, Any]:
    """The fields of a row that name a generator version."""
    return {"generator": version.player, "generator_round": version.round}


def of_detector(version: Version) -> dict[str, Any]:
    """The fields of a row that name a detector version."""
    return {"detector": version.player, "detector_round": version.round}
