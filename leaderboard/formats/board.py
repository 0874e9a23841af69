"""What is shown of a tournament: its scoreboard, and the detectors that gave their scores elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fakeoff.leaderboard.home.challenges import Challenge, LateEntry
from fakeoff.leaderboard.imported.scores import ImportedScores
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.tables import describe_lead


@dataclass(frozen=True, kw_only=True)
class Board:
    """A tournament, as it is shown.

    Attributes:
        name: What it is called among others: that of its home, without a folder.
        scoreboard: What it found.
        imported: Detectors that gave their scores elsewhere.
        challenges: Of its detectors, as far as its home keeps any.
        late_entries: Newcomers that were played against it afterwards.
    """

    name: str
    scoreboard: Scoreboard
    imported: tuple[ImportedScores, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    late_entries: tuple[LateEntry, ...] = ()

    @property
    def heading(self) -> str:
        """What was played, in a sentence; a file that says less of its reals is told by less."""
        data, config = self.scoreboard.data, self.scoreboard.config
        test: Mapping[str, Any] = data["split"]["test"]
        return (
            f"round {self.scoreboard.round}, {data['source']} faces, {config['arena']['resolution']} px, "
            f"{data['colour']}; held-out images: {test['photographs']} reals of {len(test['groups'])} people or "
            f"folders, {config['pools']['test_fakes']} fakes of each version"
        )

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know besides: fragile traces, leaks, masks, challenges, forfeits, who takes no place."""
        board = self.scoreboard
        if lead := describe_lead(board):
            yield lead
        for row in board.detectors:
            if row.fragility:
                yield f"Fragile: {row.fragility}"
        for audit in board.audits:
            for leak in audit.leaks:
                yield f"Leak: format alone tells {audit.generator}@{audit.generator_round} from its reals: {leak}"
        if not board.audits:
            yield "The pools were not audited: format alone may tell reals from fakes."
        for one in board.unranked:
            yield f"Unranked: {one.player}@{one.round}: {one.reason}"
        for challenge in self.challenges:
            yield f"Challenged: {challenge.sentence}"
        for entry in self.late_entries:
            yield f"Late entry, {entry.kind}: {entry.sentence}"
        for masking in board.masking:
            yield f"Masked: {masking.sentence}"
        for passed in board.passed_over:
            yield f"Passed over in round {passed.round}: {passed.detector}: {passed.reason}"
        for forfeit in board.forfeits:
            against = f" against {forfeit.against}" if forfeit.against else ""
            yield f"Forfeit in round {forfeit.round}: {forfeit.player} ({forfeit.stage}{against}): {forfeit.reason}"
        for scores in self.imported:
            yield imported_note(scores)


def imported_note(scores: ImportedScores) -> str:
    """What must be known of scores that were given elsewhere, in a sentence."""
    absent = f"; no score of {', '.join(scores.absent)}" if scores.absent else ""
    left_out = (
        f"{scores.missing} of {scores.images} test images have no score and are left out" if scores.missing else ""
    )
    missing = left_out or f"all {scores.images} test images have a score"
    if scores.standing.mean_auc_ci[1] < 0.5:
        absent += "; it takes reals for fakes: if its scores are P(real), import them with --score-is real"
    return (
        f"Imported: {scores.detector} gave its scores elsewhere ({scores.file}): not blind, not attackable, without a "
        f"place; {missing}{absent}"
    )


__all__ = ["Board", "imported_note"]
