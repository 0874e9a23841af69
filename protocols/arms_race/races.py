"""What was played of arms races: every version against every version, with draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.measures import Match
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.replicates import Draws, Estimate, SharedResamples, estimate, estimate_share

History: TypeAlias = Literal["all", "latest"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Under which rules a race was run.

    Attributes:
        history: On the fakes of which rounds detectors learn again.
        target: Whom attacks are against.
    """

    history: History
    target: str

    @property
    def words(self) -> str:
        """``learning all rounds, against the champion``."""
        learnt = "all rounds" if self.history == "all" else "the latest round"
        named = {"champion": "the champion", "all": "all at once"}
        return f"learning {learnt}, against {named.get(self.target, self.target)}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Repetitions of a match of a race.

    Attributes:
        rules: Of the race.
        generator: Whose fakes.
        made: After which round they were made.
        detector: Who judged.
        trained: After which round it was trained.
    """

    rules: Rules
    generator: str
    made: int
    detector: str
    trained: int


@dataclass(frozen=True, kw_only=True)
class Race:
    """One race, as it was begun; whoever reads a line waits for it.

    Attributes:
        rules: Of it.
        seed: Which repetition.
        generators: As they stand after each round: who cannot attack is the version before.
        detectors: Likewise: whom retraining did not change is the version before.
        matches: Of all of them.
    """

    rules: Rules
    seed: int
    generators: Sequence[Line[Version]]
    detectors: Sequence[Line[Version]]
    matches: Line[Match]


class Races:
    """All cells of all races.

    Args:
        races: Played or begun.
        rounds: That were played.
        resamples: Shared by all, by generator.
        store: Where scores are.
        confidence: Of intervals, as a share.

    Attributes:
        rules: In the order in which they were played.
        rounds: That were played.
        pairs: Generators and detectors that met.
        people: How many persons test has.
        seeds: How many repetitions there are at most.
        confidence: Of intervals, as a share.
    """

    def __init__(
        self,
        races: Iterable[Race],
        *,
        rounds: int,
        resamples: SharedResamples,
        store: Store,
        confidence: float,
    ) -> None:
        self.rounds, self.people, self.confidence = rounds, resamples.people, confidence
        self._images = 0
        self._targets: set[Cell] = set()
        known: dict[str, Draws] = {}  # races share their beginning
        cells: dict[Cell, dict[int, Draws]] = {}
        for race in races:
            met = {(match.generator.key, match.detector.key): match for match in race.matches}
            for match in met.values():
                if match.key not in known:
                    real, fake = match.scores(store)
                    self._images = min(self._images or len(real), len(real), len(fake))
                    known[match.key], _ = resamples.average_precision(real, fake, match.generator.player)
            for made, trained in product(range(rounds + 1), repeat=2):
                for maker, judge in product(race.generators[made], race.detectors[trained]):
                    found = met.get((maker.key, judge.key))
                    if found is None:
                        continue
                    cell = Cell(
                        rules=race.rules, generator=maker.player, made=made, detector=judge.player, trained=trained
                    )
                    cells.setdefault(cell, {})[race.seed] = known[found.key]
                    if found.is_target and trained == made - 1:
                        self._targets.add(cell)
        self._cells = cells
        self.rules = tuple(dict.fromkeys(cell.rules for cell in cells))
        self.pairs = tuple(dict.fromkeys((cell.generator, cell.detector) for cell in cells))
        self.seeds = max(map(len, cells.values()), default=0)

    def was_target(self, cell: Cell) -> bool:
        """Whether, in some repetition, the fakes were made against that detector version."""
        return cell in self._targets

    def ap(self, cell: Cell) -> Draws | None:
        """Average precision: ``(seeds, 1 + resamples)``; None where somebody forfeited."""
        found = self._cells.get(cell)
        return None if found is None else np.stack([found[seed] for seed in sorted(found)])

    def share(self, draws: Draws) -> Estimate:
        """An average precision with its interval."""
        return estimate_share(draws, people=self.people, images=self._images, confidence=self.confidence)

    def difference(self, one: Draws, other: Draws) -> Estimate:
        """One less the other, draw by draw."""
        seeds = min(len(one), len(other))
        return estimate(one[:seeds] - other[:seeds], people=self.people, confidence=self.confidence)

    def mean(self, cells: Iterable[Cell]) -> Draws | None:
        """The mean average precision of several cells; None where there is none."""
        found = [draws for cell in cells if (draws := self.ap(cell)) is not None]
        if not found:
            return None
        seeds = min(map(len, found))
        mean: Draws = np.mean([draws[:seeds] for draws in found], axis=0)
        return mean


__all__ = ["Cell", "History", "Race", "Races", "Rules"]
