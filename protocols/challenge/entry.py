"""The entry that is challenged: a detector version, what the scoreboard says of it, and who attacks it from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.arena.errors import ConfigError
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import Match
from fakeoff.protocols.measures.gates import counted_matches
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version, newest

Metric: TypeAlias = Literal["auc", "ap"]
"""What decides: the area under the ROC curve, or average precision."""

_WITHOUT_A_SAY = {"protocol", "rounds", "audit", "compute", "search"}
"""Sections of a configuration that may differ: they decide neither pools nor how test is scored."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A detector version of a tournament that was played.

    Attributes:
        detector: Which.
        worst: Its worst match on the scoreboard.
        matches: How many it is the worst of.
        starts: Generator versions from which it is attacked anew, by name.
    """

    detector: Version
    worst: Match
    matches: int
    starts: tuple[Version, ...]


def find_entry(played: TournamentRecord, name: str, *, metric: Metric) -> Entry:
    """Finds a detector version among those that were played.

    Args:
        played: The tournament.
        name: A version such as ``resnet18_layer1@1``, or a player's name for its newest version.
        metric: What its worst match is the worst by.

    Raises:
        ConfigError: There is none, or it has no place on the scoreboard that could be challenged.
    """
    generators = [version for version in played.versions if version.kind == "generator"]
    if name in {text for version in generators for text in (version.player, version.label)}:
        detectors = ", ".join(version.label for version in newest(played.versions, "detector"))
        raise ConfigError(f"'{name}' is a generator, and detectors are challenged: name one of {detectors or 'none'}")
    detector = played.find("detector", name)
    for one in played.unranked:
        if (one.kind, one.player, one.round) == ("detector", detector.player, detector.round):
            raise ConfigError(f"{detector.label} takes no place that could be challenged: {one.reason}")
    matches = [match for match in counted_matches(played) if match.detector.label == detector.label]
    if not matches:
        raise ConfigError(f"{detector.label} has no match on the scoreboard that could be challenged")
    worst = min(matches, key=lambda match: (match.figures.value(metric), match.generator.label))
    names = sorted({version.player for version in generators})
    starts = tuple(
        _start([version for version in generators if version.player == name], detector=detector) for name in names
    )
    return Entry(detector=detector, worst=worst, matches=len(matches), starts=starts)


def check_same_game(config: TournamentConfig, played: TournamentConfig, *, newcomer: str = "") -> None:
    """Refuses a configuration under which other pools would be made, or test would be scored otherwise.

    Args:
        config: Of the bench.
        played: Of the tournament.
        newcomer: A player of the bench that the tournament did not know.

    Raises:
        ConfigError: They differ.
    """
    here, there = (one.model_dump(exclude=_WITHOUT_A_SAY) for one in (config, played))
    for kind in ("generators", "detectors"):
        here[kind] = tuple(player for player in here[kind] if player["name"] != newcomer)
    differing = [section for section in here if here[section] != there[section]]
    if differing:
        raise ConfigError(
            f"the tournament of this home was played with other settings of {', '.join(differing)}; challenge what was "
            "played with: fakeoff challenge"
        )


def _start(versions: Sequence[Version], *, detector: Version) -> Version:
    """The version before its last attack on a detector; without one, the newest that is not newer than the detector."""
    ordered = sorted(versions, key=lambda version: version.round)
    attacks = [version.round for version in ordered if detector.label in version.targets]
    last = attacks[-1] - 1 if attacks else detector.round
    return [version for version in ordered if version.round <= last][-1]


__all__ = ["Entry", "Metric", "check_same_game", "find_entry"]
