"""Every match and all that is measured of it, with intervals; and what searches and masks say."""

from __future__ import annotations

from fakeoff.leaderboard.report.facts.tables import NONE, Cell, Row, Table, score, share, without_empty
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import version
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.search import FoundFakes, SearchRow
from fakeoff.protocols.score.localisation import LOCATED, Located


def match_table(scoreboard: Scoreboard) -> Table | None:
    """Every cell of the matrix, with the interval of every figure."""
    if not scoreboard.cells:
        return None
    table = Table(
        caption="Every match, with every interval",
        columns=[
            "match",
            "AUC",
            "average precision",
            "accuracy at 0.5",
            "fakes found",
            "Brier score",
            "calibration error",
            "found at 5% false alarms",
        ],
        rows=[Row(head=_who(cell), cells=_figures(cell), note=_note(cell)) for cell in scoreboard.cells],
        about="Average precision: like the AUC, and stricter about what is sure to be fake. Brier score: 0 is certain "
        "and right, 0.25 is always saying 0.5. Calibration error: how far a score is from how often it is right. Found "
        "at 5% false alarms: fakes above the threshold that 5% of other photographs reach.",
    )
    return without_empty(table)


def search_table(scoreboard: Scoreboard) -> Table | None:
    """What searches of latents found."""
    if not scoreboard.searches:
        return None
    return Table(
        caption="Searched by scores alone: fakes found out of the same latents",
        columns=["latents and detector", "as they are drawn", "after the search", "along the gradient"],
        rows=[_search(row) for row in scoreboard.searches],
        about="No generator is changed here: latents are tried until the detector is fooled.",
    )


def localisation_table(scoreboard: Scoreboard) -> Table | None:
    """Whether heatmaps lie where manipulators changed the image."""
    if not scoreboard.localisations:
        return None
    headings = {"mass": "mass", "pointing": "pointing", "patch": "patch", "auc": "AUC of pixels", "iou": "overlap"}
    return Table(
        caption="Do heatmaps lie where the image was changed?",
        columns=["match", "changed", *(headings[name] for name in LOCATED)],
        rows=[
            Row(
                head=f"{version(row.detector, row.detector_round)} on {version(row.generator, row.generator_round)}",
                cells=[share(row.area, None), *(_located(getattr(row, name)) for name in LOCATED)],
            )
            for row in scoreboard.localisations
        ],
        about="Each beside what the same heatmaps have on the photograph that the fake was made from.",
    )


def _who(cell: MatchRow) -> str:
    return f"{version(cell.detector, cell.detector_round)} on {version(cell.generator, cell.generator_round)}"


def _figures(cell: MatchRow) -> list[Cell]:
    return [
        score(cell.auc, cell.auc_ci),
        score(cell.ap, cell.ap_ci),
        share(cell.accuracy, cell.accuracy_ci, chance=0.5),
        share(cell.recall_fake, cell.recall_fake_ci),
        score(cell.brier, cell.brier_ci, chance=0.25),
        score(cell.ece, cell.ece_ci, chance=None),
        share(cell.tpr_at_5_fpr, cell.tpr_at_5_fpr_ci),
    ]


def _note(cell: MatchRow) -> str:
    target = "the attack's target; " if cell.is_target else ""
    return f"{target}{cell.n_real} reals, {cell.n_fake} fakes"


def _search(row: SearchRow) -> Row:
    head = f"{version(row.generator, row.generator_round)} before {version(row.detector, row.detector_round)}"
    cells = [_found(row.start), _found(row.found), _found(row.followed)]
    return Row(head=head, cells=cells, note=row.skipped or f"{row.n_fake} latents, {row.queries} queries each")


def _found(fakes: FoundFakes | None) -> Cell:
    return NONE if fakes is None else share(fakes.recall_fake, fakes.recall_fake_ci)


def _located(located: Located) -> Cell:
    told = score(located.value, located.ci, chance=None)
    if isinstance(told, str) or located.paired is None:
        return told
    return type(told)(text=f"{told.text}; unchanged {located.paired:.3f}", strip=told.strip)


__all__ = ["localisation_table", "match_table", "search_table"]
