"""The paper's finding, attack by attack: the frozen target before and after, and its retrained successor."""

from __future__ import annotations

from dataclasses import dataclass

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.match import MatchRow


@dataclass(frozen=True, kw_only=True)
class Duel:
    """One attack on one frozen detector version.

    Attributes:
        generator: Who attacked.
        generator_round: The version that the attack made.
        detector: Who was frozen.
        detector_round: Its version.
        before: The frozen detector's cell on the generator's previous version.
        after: Its cell on the attacked version.
        retrained: The same detector's next version on the attacked version.
    """

    generator: str
    generator_round: int
    detector: str
    detector_round: int
    before: MatchRow | None
    after: MatchRow
    retrained: MatchRow | None

    @property
    def sides(self) -> dict[str, MatchRow]:
        """The cells that there are: ``before``, ``after`` and ``retrained``."""
        cells = {"before": self.before, "after": self.after, "retrained": self.retrained}
        return {side: cell for side, cell in cells.items() if cell is not None}


def find_duels(scoreboard: Scoreboard) -> list[Duel]:
    """Finds every attack's cells in a scoreboard, by round, generator and detector."""
    cells = {
        (cell.generator, cell.generator_round, cell.detector, cell.detector_round): cell for cell in scoreboard.cells
    }
    duels = [
        Duel(
            generator=cell.generator,
            generator_round=cell.generator_round,
            detector=cell.detector,
            detector_round=cell.detector_round,
            before=cells.get((cell.generator, cell.generator_round - 1, cell.detector, cell.detector_round)),
            after=cell,
            retrained=cells.get((cell.generator, cell.generator_round, cell.detector, cell.generator_round)),
        )
        for cell in scoreboard.cells
        if cell.is_target
    ]
    return sorted(duels, key=lambda duel: (duel.generator_round, duel.generator, duel.detector))
