"""Whether what was played again is what was recorded: to the byte, or within intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures import Match
from fakeoff.protocols.measures.match import MatchRow

Standard: TypeAlias = Literal["bytes", "intervals"]
"""``bytes``: every figure is the same, to the last digit. ``intervals``: each of :data:`FIGURES` is as told by
:func:`within`."""

FIGURES = ("auc", "ap", "accuracy", "recall_fake")
"""Of a cell, by which it is judged where sums may round otherwise."""

Version: TypeAlias = tuple[str, int, str, int]


@dataclass(frozen=True, kw_only=True)
class CellCheck:
    """A cell of the record, and what came of it.

    Attributes:
        generator: Its name.
        generator_round: Its version.
        detector: Its name.
        detector_round: Its version.
        recorded: Its figures; None where the record has no such cell.
        played: Its figures when it was played again; None where it was not.
        differs: What does not hold, in words; empty where all does.
    """

    generator: str
    generator_round: int
    detector: str
    detector_round: int
    recorded: MatchRow | None
    played: MatchRow | None
    differs: str

    @property
    def holds(self) -> bool:
        """Whether it is what was recorded."""
        return not self.differs

    @property
    def label(self) -> str:
        """Such as ``pgan@1 against resnet18_layer1@0``."""
        return f"{self.generator}@{self.generator_round} against {self.detector}@{self.detector_round}"


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A tournament that was played again.

    Attributes:
        standard: By what it is judged.
        because: Why not to the byte; nothing where it is.
        cells: All that are on record or were played.
        sections: Other sections of the file that are not the same; to the byte only.
        altered: That the file was changed since it was played; empty where it was not, or nobody knows.
    """

    standard: Standard
    because: tuple[str, ...]
    cells: tuple[CellCheck, ...]
    sections: tuple[str, ...] = ()
    altered: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything is what was recorded."""
        return not self.altered and not self.sections and all(cell.holds for cell in self.cells)


def compare(recorded: Mapping[str, Any], played: Scoreboard, *, because: Sequence[str]) -> Reproduction:
    """Holds what was played to what is on record.

    Args:
        recorded: The scoreboard file, as JSON.
        played: What was played again.
        because: Why the bytes may differ; nothing where they may not.
    """
    here = _named_as(recorded, played.to_json())
    reasons = list(because)
    if recorded["schema_version"] != here["schema_version"]:
        reasons.append(
            f"the file has schema {recorded['schema_version']}, this Fakeoff writes {here['schema_version']}"
        )
    standard: Standard = "intervals" if reasons else "bytes"
    cells = tuple(_cells(recorded, here, standard))
    sections: tuple[str, ...] = ()
    if standard == "bytes":
        names = dict.fromkeys([*recorded, *here])
        sections = tuple(name for name in names if name != Match.section and recorded.get(name) != here.get(name))
    return Reproduction(standard=standard, because=tuple(reasons), cells=cells, sections=sections)


def within(recorded: MatchRow, played: MatchRow, figure: str) -> bool:
    """Whether a figure lies in the other's interval: the one that was played in the recorded one's, or the reverse.

    Both ways, since the interval of a figure at its edge is narrow on one side. These are intervals over test images
    and people: they do not hold what another rounding does to a training, so that a cell may fail by that alone.

    Args:
        recorded: A cell.
        played: The same cell, played again.
        figure: One of :data:`FIGURES`.
    """
    return _in(played.value(figure), recorded.interval(figure)) or _in(recorded.value(figure), played.interval(figure))


def _named_as(recorded: Mapping[str, Any], played: dict[str, Any]) -> dict[str, Any]:
    """What was played, with the reals called as on record: the same photographs, in a folder of any name."""
    kept = recorded["config"]["reals"]
    named = {key: kept[key] for key in ("source", "table") if key in kept}
    config = {**played["config"], "reals": {**played["config"]["reals"], **named}}
    return {**played, "config": config, "data": {**played["data"], "source": recorded["data"]["source"]}}


def _in(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]


def _cells(recorded: Mapping[str, Any], here: Mapping[str, Any], standard: Standard) -> Iterator[CellCheck]:
    before, now = _by_version(recorded), _by_version(here)
    rows = (_rows(recorded), _rows(here))
    for version in dict.fromkeys([*before, *now]):
        ours, theirs = (of.get(version) for of in rows)
        generator, generator_round, detector, detector_round = version
        yield CellCheck(
            generator=generator,
            generator_round=generator_round,
            detector=detector,
            detector_round=detector_round,
            recorded=ours,
            played=theirs,
            differs=_difference(before.get(version), now.get(version), ours, theirs, standard=standard, here=here),
        )


def _difference(
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
    recorded: MatchRow | None,
    played: MatchRow | None,
    *,
    standard: Standard,
    here: Mapping[str, Any],
) -> str:
    if before is None or recorded is None:
        return "it is not on record"
    if now is None or played is None:
        return f"it was not played{_forfeit(before, here)}"
    if standard == "bytes":
        return ", ".join(name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name))
    return ", ".join(figure for figure in FIGURES if not within(recorded, played, figure))


def _forfeit(cell: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    reasons = [one["reason"] for one in here["forfeits"] if one["player"] in (cell["generator"], cell["detector"])]
    return f": {reasons[0]}" if reasons else ""


def _by_version(scoreboard: Mapping[str, Any]) -> dict[Version, Mapping[str, Any]]:
    return {
        (cell["generator"], cell["generator_round"], cell["detector"], cell["detector_round"]): cell
        for cell in scoreboard[Match.section]
    }


def _rows(scoreboard: Mapping[str, Any]) -> dict[Version, MatchRow]:
    return {
        (row.generator, row.generator_round, row.detector, row.detector_round): row
        for row in Scoreboard.from_json(scoreboard).cells
    }


__all__ = ["FIGURES", "CellCheck", "Reproduction", "Standard", "compare", "within"]
