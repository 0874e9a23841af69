"""Tables of text, told with intervals: what Markdown and the terminal have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fakeoff.arena.images.postprocessing import chain_heading
from fakeoff.leaderboard.comparing import same_players
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.home.challenges import challenge_marks
from fakeoff.leaderboard.imported.scores import ImportedScores, ImportedStanding
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.tables import tell_rank
from fakeoff.leaderboard.verdict.duels import Duel, find_duels
from fakeoff.protocols.measures import MEASURES
from fakeoff.protocols.measures.changes import ChangeRow
from fakeoff.protocols.measures.fragility import PostprocessedStanding
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.score.telling import tell

_Places: TypeAlias = Mapping[str, tuple[str, ...]]

_OF_ATTACKS = (
    *("accuracy before", "accuracy after", "change of accuracy"),
    *("AP before", "AP after", "change of AP", "retrained AP"),
)
_OF_DETECTORS = ("worst AUC", "against", "mean AUC", "mean AP", "accuracy")


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table.

    Attributes:
        title: What stands above it.
        headings: Of its columns.
        rows: As many texts each.
        names: Of the columns that hold words and not figures.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]


def standings_tables(board: Board) -> list[TextTable]:
    """The standings of a tournament, who gave scores elsewhere, and the story of each attack; no table is empty."""
    scoreboard = board.scoreboard
    marks, chains = challenge_marks(board.challenges, scoreboard.detectors), scoreboard.chains
    detectors = [
        (
            tell_rank(row, at),
            f"{row.player}@{row.round}",
            *_of_detector(row),
            *(_behind(row.postprocessed.get(chain)) for chain in chains),
            *marks[at - 1 : at],
        )
        for at, row in enumerate(scoreboard.detectors, start=1)
    ]
    generators = [
        (tell_rank(row, at), f"{row.player}@{row.round}", *_of_generator(row), *_measured(scoreboard, row))
        for at, row in enumerate(scoreboard.generators, start=1)
    ]
    measured = [" ".join(column.heading.split()) for measure in MEASURES for column in measure.columns]
    tables = [
        _table(
            "Detectors, by worst-case AUC over every generator version",
            ("#", "detector", *_OF_DETECTORS, *_headings(chains), *(["challenged"] if marks else [])),
            detectors,
            names=("detector", "against"),
        ),
        _table(
            "Generators, by evasion: fakes that pass as real before detectors they never trained against",
            ("#", "generator", "evasion", "of its target", *measured),
            generators,
            names=("generator",),
        ),
        *imported_tables(board.imported),
        _table(
            "Attack by attack: the frozen detector before and after, and its retrained successor",
            ("attack", "frozen target", *_OF_ATTACKS),
            [_of_duel(duel, scoreboard.changes) for duel in find_duels(scoreboard)],
            names=("attack", "frozen target"),
        ),
    ]
    return [table for table in tables if table.rows]


def imported_tables(imported: Sequence[ImportedScores]) -> list[TextTable]:
    """Detectors that gave their scores elsewhere; nothing where there are none."""
    rows = [
        (one.detector, *_of_detector(one.standing), f"{one.images - one.missing} of {one.images}") for one in imported
    ]
    if not rows:
        return []
    title = "Imported: scored elsewhere, not blind, not attackable, without a place"
    return [_table(title, ("detector", *_OF_DETECTORS, "images scored"), rows, names=("detector", "against"))]


def side_by_side(boards: Sequence[Board]) -> list[TextTable]:
    """The standings of several tournaments in the same tables, a row for each player.

    Detectors are shown together where all tournaments have the same generators, and generators where they have the
    same detectors: else they met other opponents.

    Args:
        boards: Several that can be compared.
    """
    tables: list[TextTable] = []
    if met_the_same(boards, "generator"):
        of_detectors = [
            (
                board.name,
                {
                    row.player: (tell_rank(row, at), with_interval(row, "worst_auc"), with_interval(row, "mean_auc"))
                    for at, row in enumerate(board.scoreboard.detectors, start=1)
                },
            )
            for board in boards
        ]
        tables.append(_together("detector", ("worst AUC", "mean AUC"), of_detectors))
    if met_the_same(boards, "detector"):
        of_generators = [
            (
                board.name,
                {
                    row.player: (tell_rank(row, at), *_of_generator(row))
                    for at, row in enumerate(board.scoreboard.generators, start=1)
                },
            )
            for board in boards
        ]
        tables.append(_together("generator", ("evasion", "of its target"), of_generators))
    everybody = [(board.name, one) for board in boards for one in board.imported]
    for name in dict.fromkeys(name for name, _ in everybody):
        tables += [
            TextTable(title=f"{name}: {table.title}", headings=table.headings, rows=table.rows, names=table.names)
            for table in imported_tables([one for of, one in everybody if of == name])
        ]
    return [table for table in tables if table.rows]


def met_the_same(boards: Sequence[Board], opponents: Kind) -> bool:
    """Whether everybody met the same opponents, as far as these do not learn.

    Args:
        boards: Several.
        opponents: Their kind.
    """
    first, *others = (board.scoreboard for board in boards)
    return all(same_players(first, other, opponents) for other in others)


def with_interval(row: Any, figure: str, *, percent: bool = False) -> str:
    """A figure of a row with its interval, where it has one.

    Args:
        row: Which.
        figure: The name of its field.
        percent: See :func:`fakeoff.protocols.score.telling.tell`.
    """
    value = getattr(row, figure)
    if value is None:
        return "-"
    return tell(value, getattr(row, f"{figure}_ci", None), percent=percent, digits=1 if percent else 3)


def _of_detector(row: DetectorStanding | ImportedStanding) -> tuple[str, ...]:
    return (
        with_interval(row, "worst_auc"),
        row.worst_against,
        with_interval(row, "mean_auc"),
        with_interval(row, "mean_ap"),
        with_interval(row, "mean_accuracy", percent=True),
    )


def _headings(chains: Sequence[str]) -> list[str]:
    return [f"mean AUC behind {chain_heading(chain)}" for chain in chains]


def _behind(standing: PostprocessedStanding | None) -> str:
    """The mean AUC behind a chain, marked where a detector lives on what does not survive it."""
    if standing is None:
        return "-"
    return f"{tell(standing.mean_auc, standing.mean_auc_ci)}{' !' if standing.fragile else ''}"


def _of_generator(row: GeneratorStanding) -> tuple[str, ...]:
    return with_interval(row, "evasion", percent=True), with_interval(row, "target_evasion", percent=True)


def _measured(scoreboard: Scoreboard, standing: GeneratorStanding) -> list[str]:
    """What measures say of a generator version; dashes where one says nothing."""
    version, texts = (standing.player, standing.round), []
    for measure in MEASURES:
        mine = next((row for row in scoreboard.of(measure) if row.version_of("generator") == version), None)
        texts += ["-" if mine is None else column.text(mine) for column in measure.columns]
    return texts


def _of_duel(duel: Duel, changes: Sequence[ChangeRow]) -> tuple[str, ...]:
    def told(cell: MatchRow | None, figure: str, *, percent: bool = False) -> str:
        return "-" if cell is None else with_interval(cell, figure, percent=percent)

    def changed(metric: str, *, percent: bool = False) -> str:
        pair = (duel.generator, duel.generator_round, duel.detector, duel.detector_round)
        for row in changes:
            same = (row.generator, row.generator_round, row.detector, row.detector_round) == pair
            if same and row.metric == metric and row.change is not None:
                return tell(row.change, row.change_ci, digits=1 if percent else 3, percent=percent, signed=True)
        return "-"

    return (
        f"{duel.generator}@{duel.generator_round}",
        f"{duel.detector}@{duel.detector_round}",
        told(duel.before, "accuracy", percent=True),
        told(duel.after, "accuracy", percent=True),
        changed("accuracy", percent=True),
        told(duel.before, "ap"),
        told(duel.after, "ap"),
        changed("ap"),
        told(duel.retrained, "ap"),
    )


def _together(kind: Kind, figures: Sequence[str], standings: Sequence[tuple[str, _Places]]) -> TextTable:
    players = dict.fromkeys(player for _, places in standings for player in places)
    nothing = ("-",) * (1 + len(figures))
    return _table(
        f"{kind.capitalize()}s, side by side",
        (kind, *(f"{name}: {heading}" for name, _ in standings for heading in ("#", *figures))),
        [(player, *(text for _, places in standings for text in places.get(player, nothing))) for player in players],
        names=(kind,),
    )


def _table(title: str, headings: Sequence[str], rows: Sequence[tuple[str, ...]], *, names: Sequence[str]) -> TextTable:
    return TextTable(title=title, headings=tuple(headings), rows=tuple(rows), names=tuple(names))


__all__ = ["TextTable", "imported_tables", "met_the_same", "side_by_side", "standings_tables", "with_interval"]
