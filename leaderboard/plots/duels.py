"""The paper's finding, attack by attack: the frozen target before and after, and its retrained successor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    retrained: Mapping[str, Any] | None


def find_duels(scoreboard: Mapping[str, Any]) -> list[Duel]:
    """Finds every attack's cells in a scoreboard, by round, generator and detector."""
    cells = {
        (cell["generator"], cell["generator_round"], cell["detector"], cell["detector_round"]): cell
        for cell in scoreboard["cells"]
    }
    duels = []
    for (generator, g_round, detector, d_round), cell in cells.items():
        if cell["is_target"]:
            duels.append(
                Duel(
                    generator=generator,
                    generator_round=g_round,
                    detector=detector,
                    detector_round=d_round,
                    before=cells.get((generator, g_round - 1, detector, d_round)),
                    after=cell,
                    retrained=cells.get((generator, g_round, detector, g_round)),
                )
            )
    return sorted(duels, key=lambda duel: (duel.generator_round, duel.generator, duel.detector))
