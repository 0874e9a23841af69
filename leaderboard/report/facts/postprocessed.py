"""What is left of detectors behind what pictures go through on their way: in the standings, and match by match."""

from __future__ import annotations

from collections.abc import Iterator

from fakeoff.arena.images.postprocessing import chain_heading
from fakeoff.leaderboard.report.facts.tables import NONE, Cell, Row, Table, change, score
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import version
from fakeoff.protocols.measures import Match, PostprocessedMatch
from fakeoff.protocols.measures.fragility import LARGE
from fakeoff.protocols.measures.postprocessed import PostprocessedFigures
from fakeoff.protocols.measures.standings import DetectorStanding


def behind_table(scoreboard: Scoreboard) -> Table | None:
    """What is left of each detector in the standings behind each chain; None where that was not scored."""
    rows = [row for standing in scoreboard.detectors for row in _of_detector(standing)]
    if not rows:
        return None
    return Table(
        caption="Detectors behind what pictures go through on their way",
        columns=[
            "detector",
            "behind",
            "mean AUC as they are",
            "mean AUC behind it",
            "change",
            "worst AUC behind it",
            "against",
        ],
        rows=rows,
        about="Reals and fakes alike went through JPEG, were resized and resized back, or blurred, and were judged "
        "again. Means are over the same matches as the mean AUC above; the change is of the same draws. A detector "
        f"lives on fragile traces where it certainly loses, and by {LARGE:g} or more. This decides no place.",
    )


def behind_matches_table(scoreboard: Scoreboard) -> Table | None:
    """The AUC of every match behind each chain, and what was lost; None where that was not scored."""
    plain = {(cell.version_of("generator"), cell.version_of("detector")): cell for cell in scoreboard.of(Match)}
    rows = scoreboard.of(PostprocessedMatch)
    chains = list(dict.fromkeys(chain for row in rows for chain in row.through))
    if not rows:
        return None
    return Table(
        caption="Every match behind what pictures go through on their way",
        columns=[
            "match",
            "AUC as they are",
            *(name for chain in chains for name in (f"behind {chain_heading(chain)}", "change")),
        ],
        rows=[
            Row(
                head=f"{version(row.detector, row.detector_round)} on {version(row.generator, row.generator_round)}",
                cells=[
                    score(cell.auc, cell.auc_ci),
                    *(told for chain in chains for told in _of_match(row.through.get(chain))),
                ],
            )
            for row in rows
            if (cell := plain.get((row.version_of("generator"), row.version_of("detector")))) is not None
        ],
    )


def _of_detector(standing: DetectorStanding) -> Iterator[Row]:
    for chain, one in standing.postprocessed.items():
        yield Row(
            head=version(standing.player, standing.round),
            cells=[
                chain_heading(chain),
                score(one.mean_auc - one.change, None),
                score(one.mean_auc, one.mean_auc_ci),
                change(one.change, one.change_ci, percent=False),
                score(one.worst_auc, one.worst_auc_ci),
                one.worst_against,
            ],
            note="lives on fragile traces" if one.fragile else "",
        )


def _of_match(figures: PostprocessedFigures | None) -> tuple[Cell, Cell]:
    if figures is None:
        return NONE, NONE
    return score(figures.auc, figures.auc_ci), change(figures.auc_change, figures.auc_change_ci, percent=False)


__all__ = ["behind_matches_table", "behind_table"]
