"""Matches as a matrix of payoffs, and the game that it is, solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.score.equilibrium import (
    Equilibrium,
    Values,
    exploit_detectors,
    exploit_generators,
    find_complete,
    solve_game,
)
from fakeoff.protocols.score.redundancy import distinct_weights

SUPPORT = 1e-6
"""Whose weight in a mixture is no more than this is not played."""

DECIMALS = 6
"""Of all figures: the last digits depend on how many threads the linear algebra has."""

Played: TypeAlias = tuple[str, int]
"""A version that was played: name and round."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """How often a version is played in a mixture.

    Attributes:
        player: Its name.
        round: Its version.
        weight: The share of games, above :data:`SUPPORT`.
    """

    player: str
    round: int
    weight: float


@dataclass(frozen=True, kw_only=True)
class Exploitability:
    """What a side gives away, of AUC, where the other side knows how it plays and answers with its best version.

    Attributes:
        newest: Where it draws among the newest versions of its players that are in the game, all as often.
        average: Where it draws among all versions, likewise.
    """

    newest: float
    average: float


@dataclass(frozen=True, kw_only=True)
class PayoffMatrix:
    """Matches as matrices, detectors by generators, both by name and version.

    Attributes:
        detectors: Name and version of each row.
        generators: Of each column.
        aucs: float64 ``(m, n)``; NaN where there was no match.
        trials: Independent images of the smaller side, likewise; 1 where there was no match.
    """

    detectors: tuple[Played, ...]
    generators: tuple[Played, ...]
    aucs: Values
    trials: Values

    @classmethod
    def of(cls, rows: Sequence[MatchRow]) -> PayoffMatrix:
        """Sorts matches into a matrix.

        Args:
            rows: At least one, in any order.
        """
        detectors = tuple(sorted({row.version_of("detector") for row in rows}))
        generators = tuple(sorted({row.version_of("generator") for row in rows}))
        row_of, column_of = ({one: place for place, one in enumerate(side)} for side in (detectors, generators))
        aucs = np.full((len(detectors), len(generators)), np.nan)
        trials = np.ones(aucs.shape)
        for row in rows:
            at = row_of[row.version_of("detector")], column_of[row.version_of("generator")]
            aucs[at] = row.auc
            # Files from before units were counted have images alone, and look surer than they are.
            trials[at] = min(row.real_units or row.n_real, row.fake_units or row.n_fake)
        return cls(detectors=detectors, generators=generators, aucs=aucs, trials=trials)


@dataclass(frozen=True, kw_only=True)
class SolvedGame:
    """The complete part of a matrix, solved.

    Attributes:
        detectors: Name and version of each row.
        generators: Of each column.
        payoff: AUCs, float64 ``(m, n)``, none missing.
        solved: Its equilibrium.
        weights: Of the columns in a mean that counts copies once, ``(n,)``.
    """

    detectors: tuple[Played, ...]
    generators: tuple[Played, ...]
    payoff: Values
    solved: Equilibrium
    weights: Values

    @classmethod
    def of(cls, matrix: PayoffMatrix) -> SolvedGame:
        """Solves the game of a matrix."""
        complete = find_complete(matrix.aucs)
        payoff = matrix.aucs[np.ix_(complete.rows, complete.columns)]
        return cls(
            detectors=tuple(matrix.detectors[row] for row in complete.rows),
            generators=tuple(matrix.generators[column] for column in complete.columns),
            payoff=payoff,
            solved=solve_game(payoff),
            weights=distinct_weights(payoff),
        )

    def alone(self, kind: Kind, version: Played) -> float | None:
        """What a side gives away where it plays one version; None where that is left out."""
        versions = self._versions(kind)
        return rounded(self._exploited(kind, {version})) if version in versions else None

    def exploitability(self, kind: Kind) -> Exploitability:
        """What a side gives away that does not choose."""
        versions = self._versions(kind)
        newest = dict(sorted(versions, key=lambda version: version[1]))  # the last one of a name stays
        return Exploitability(
            newest=rounded(self._exploited(kind, set(newest.items()))),
            average=rounded(self._exploited(kind, set(versions))),
        )

    def mixture(self, kind: Kind) -> tuple[Weight, ...]:
        """The optimal mixture of a side, what is drawn most often first."""
        weights = self.solved.detectors if kind == "detector" else self.solved.generators
        drawn = [
            Weight(player=player, round=round_, weight=rounded(weight))
            for (player, round_), weight in zip(self._versions(kind), weights, strict=True)
            if weight > SUPPORT
        ]
        return tuple(sorted(drawn, key=lambda one: (-one.weight, one.player, one.round)))

    def distinct_mean(self, detector: Played) -> float | None:
        """A detector's mean that counts near-copies of a generator once; None where it is left out."""
        if detector not in self.detectors:
            return None
        return rounded(self.payoff[self.detectors.index(detector)] @ self.weights)

    def weight(self, generator: Played) -> float | None:
        """A generator's weight in it; likewise."""
        return rounded(self.weights[self.generators.index(generator)]) if generator in self.generators else None

    def _versions(self, kind: Kind) -> tuple[Played, ...]:
        return self.detectors if kind == "detector" else self.generators

    def _exploited(self, kind: Kind, drawn: set[Played]) -> float:
        """What a side gives away that draws evenly among some of its versions."""
        mixture = np.array([version in drawn for version in self._versions(kind)], dtype=np.float64)
        exploit = exploit_detectors if kind == "detector" else exploit_generators
        return exploit(self.payoff, mixture / mixture.sum(), value=self.solved.value)


def rounded(value: float | np.floating[Any]) -> float:
    """A figure to :data:`DECIMALS`, never a negative zero."""
    return round(float(value), DECIMALS) + 0.0


__all__ = ["DECIMALS", "SUPPORT", "Exploitability", "PayoffMatrix", "Played", "SolvedGame", "Weight", "rounded"]
