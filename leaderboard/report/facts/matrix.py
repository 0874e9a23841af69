"""The payoff matrix: every generator version against every detector version, over the rounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import version
from fakeoff.protocols.drawing.maps import lower_end
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.score.telling import tell, tell_figure

LEVELS = 8
"""Of colour, from 0 (fooled) to this (caught)."""


@dataclass(frozen=True, kw_only=True)
class Lens:
    """A figure by which the matrix can be read.

    Attributes:
        metric: Of a match.
        name: For people.
        about: What it is, in a sentence.
        worst: The figure of the lowest level of colour, or less where a cell has less; 1 is that of the highest.
        percent: Whether it is told in percent.
    """

    metric: str
    name: str
    about: str
    worst: float
    percent: bool

    @property
    def ends(self) -> tuple[str, str]:
        """The figures of the lowest and of the highest level of colour."""
        lowest, highest = (
            tell_figure(value, digits=0 if self.percent else 2, percent=self.percent) for value in (self.worst, 1.0)
        )
        return lowest, highest

    def over(self, cells: Sequence[MatchRow]) -> Lens:
        """The same with levels that hold all cells."""
        return replace(self, worst=lower_end((cell.value(self.metric) for cell in cells), at_most=self.worst))


LENSES = (
    Lens(
        metric="auc",
        name="AUC",
        about="How often a fake looks more suspicious than a real photograph; 0.5 is guessing.",
        worst=0.5,
        percent=False,
    ),
    Lens(
        metric="accuracy",
        name="Accuracy",
        about="Share of images that are called what they are, where fake begins at a score of 0.5; 50% is guessing.",
        worst=0.5,
        percent=True,
    ),
    Lens(
        metric="recall_fake",
        name="Fakes found",
        about="Share of fakes that score 0.5 or more; the others pass as real.",
        worst=0.0,
        percent=True,
    ),
)
"""The first is what detectors are ranked by."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A cell through one lens.

    Attributes:
        metric: Which.
        figure: Alone.
        told: With its interval.
        level: Of colour, from 0 to 8.
    """

    metric: str
    figure: str
    told: str
    level: int


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """A match.

    Attributes:
        who: Both versions, in words.
        readings: Through each lens.
        is_target: Whether the attack that made the generator version was against this detector version.
    """

    who: str
    readings: tuple[Reading, ...]
    is_target: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """A player's versions, side by side.

    Attributes:
        player: Its name.
        rounds: Its versions.
        unranked: Those of them that take no place.
    """

    player: str
    rounds: tuple[int, ...]
    unranked: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """All of it.

    Attributes:
        lenses: Through which it can be read.
        generators: Columns, by player.
        detectors: Rows, by player.
        cells: By detector, its version, generator and its version; None where they did not meet.
        has_targets: Whether anybody was attacked.
        has_unranked: Whether any version takes no place.
    """

    lenses: tuple[Lens, ...]
    generators: tuple[Group, ...]
    detectors: tuple[Group, ...]
    cells: Mapping[tuple[str, int, str, int], MatrixCell]

    @property
    def has_targets(self) -> bool:
        return any(cell.is_target for cell in self.cells.values())

    @property
    def has_unranked(self) -> bool:
        return any(group.unranked for group in (*self.generators, *self.detectors))

    def row(self, detector: str, round_: int) -> list[tuple[str, MatrixCell | None]]:
        """A detector version's cells, each with the generator version that it is about, from the left."""
        return [
            (version(group.player, one), self.cells.get((detector, round_, group.player, one)))
            for group in self.generators
            for one in group.rounds
        ]


def build_matrix(scoreboard: Scoreboard) -> Matrix | None:
    """The matrix of a scoreboard; None where nothing was scored."""
    if not scoreboard.cells:
        return None
    lenses = tuple(lens.over(scoreboard.cells) for lens in LENSES)
    return Matrix(
        lenses=lenses,
        generators=_groups(scoreboard, "generator"),
        detectors=_groups(scoreboard, "detector"),
        cells={
            (cell.detector, cell.detector_round, cell.generator, cell.generator_round): _cell(cell, lenses)
            for cell in scoreboard.cells
        },
    )


def _groups(scoreboard: Scoreboard, kind: Kind) -> tuple[Group, ...]:
    """Players in the order of their places, then those that take none."""
    standings: Iterable[str] = (
        row.player for row in (scoreboard.generators if kind == "generator" else scoreboard.detectors)
    )
    versions = sorted({cell.version_of(kind) for cell in scoreboard.cells})
    players = dict.fromkeys([*standings, *(player for player, _ in versions)])
    without = {(one.player, one.round) for one in scoreboard.unranked if one.kind == kind}
    by_player: Mapping[str, Sequence[int]] = {
        player: [round_ for _, round_ in mine] for player, mine in itertools.groupby(versions, key=lambda one: one[0])
    }
    return tuple(
        Group(
            player=player,
            rounds=tuple(by_player[player]),
            unranked=frozenset(round_ for round_ in by_player[player] if (player, round_) in without),
        )
        for player in players
        if player in by_player
    )


def _cell(cell: MatchRow, lenses: Sequence[Lens]) -> MatrixCell:
    maker, judge = version(cell.generator, cell.generator_round), version(cell.detector, cell.detector_round)
    return MatrixCell(
        who=f"{judge} judging {maker}",
        readings=tuple(_reading(cell, lens) for lens in lenses),
        is_target=cell.is_target,
    )


def _reading(cell: MatchRow, lens: Lens) -> Reading:
    value, interval = cell.value(lens.metric), cell.interval(lens.metric)
    level = round(LEVELS * (value - lens.worst) / (1 - lens.worst))
    digits = 1 if lens.percent else 3
    return Reading(
        metric=lens.metric,
        figure=tell_figure(value, digits=0 if lens.percent else 3, percent=lens.percent),
        told=f"{lens.name} {tell(value, interval, digits=digits, percent=lens.percent)}",
        level=min(max(level, 0), LEVELS),
    )


__all__ = ["LENSES", "LEVELS", "Group", "Lens", "Matrix", "MatrixCell", "Reading", "build_matrix"]
