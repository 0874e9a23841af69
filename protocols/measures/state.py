"""The state of the game after each round: what it is worth, who would be played, how good everybody is.

Derived from matches alone. A match belongs to every round by whose end both of its versions were there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fakeoff.protocols.measures.gates import counted_matches
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.payoff import (
    DECIMALS,
    Exploitability,
    PayoffMatrix,
    Played,
    SolvedGame,
    Weight,
    rounded,
)
from fakeoff.protocols.measures.rows import PairRow
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Version
from fakeoff.protocols.score.abilities import SPECIALIST, fit_abilities
from fakeoff.protocols.score.equilibrium import Values
from fakeoff.protocols.score.intervals import Figure, Interval, mean_of

MISFITS = 5
"""How many matches are listed that one number of each player explains least."""


@dataclass(frozen=True, kw_only=True)
class VersionState:
    """What is said of any version.

    Attributes:
        player: Its name.
        round: Its version.
        exploitability: What its side gives away, of AUC, where it plays this version alone and the other side knows
            it; None where the version is left out of the game.
        misfit: How badly one number explains its matches: the mean square of its residuals, 1 where they are what
            chance makes.
        mean_auc: A detector's, over all generator versions that it was scored on; or a generator's, over all detectors.
    """

    player: str
    round: int
    exploitability: float | None
    misfit: float
    mean_auc: float

    @property
    def label(self) -> str:
        """``resnet18@2``."""
        return f"{self.player}@{self.round}"

    @property
    def is_specialist(self) -> bool:
        """Whether it is better at some and worse at others than one number can say."""
        return self.misfit > SPECIALIST


@dataclass(frozen=True, kw_only=True)
class DetectorState(VersionState):
    """A detector version in the state of the game.

    Attributes:
        ability: In logits; 0 wins half of the pairs of the average generator as it came.
        ability_se: Its standard error.
        distinct_mean_auc: The mean that counts near-copies of a generator version once; None where the version is left
            out of the game.
    """

    ability: float
    ability_se: float
    distinct_mean_auc: float | None


@dataclass(frozen=True, kw_only=True)
class GeneratorState(VersionState):
    """A generator version in the state of the game.

    Attributes:
        difficulty: In logits, on the scale of abilities; the mean of the generators as they came is 0.
        difficulty_se: Its standard error.
        weight: In ``distinct_mean_auc``; None where the version is left out of the game.
    """

    difficulty: float
    difficulty_se: float
    weight: float | None


@dataclass(frozen=True, kw_only=True)
class Misfit(PairRow):
    """A match that one number of each player does not explain.

    Attributes:
        observed: The AUC.
        expected: What ability and difficulty make of it.
        residual: The difference in standard deviations of chance; above 0 where the detector does better.
    """

    observed: float
    expected: float
    residual: float


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A version that is not in the game, since some of its matches were not played.

    Attributes:
        kind: ``generator`` or ``detector``.
        player: Its name.
        round: Its version.
        missing: How many.
    """

    kind: Kind
    player: str
    round: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class RoundState:
    """The state of the game after a round.

    Attributes:
        round: Which.
        value: The AUC that both sides can guarantee, each by drawing among its versions as well as can be.
        detector_mixture: Which detector versions are drawn, and how often; the most often first.
        generator_mixture: Likewise.
        detector_exploitability: Of the detectors.
        generator_exploitability: Of the generators.
        detectors: Every version, by name.
        generators: Likewise.
        misfits: The matches that fit abilities and difficulties least, the worst first.
        left_out: Versions that the game is solved without.
        value_ci: The value's interval, over people and fakes, with both mixtures held as they are; None in files from
            before there was one.
    """

    round: int
    value: float
    detector_mixture: tuple[Weight, ...]
    generator_mixture: tuple[Weight, ...]
    detector_exploitability: Exploitability
    generator_exploitability: Exploitability
    detectors: tuple[DetectorState, ...]
    generators: tuple[GeneratorState, ...]
    misfits: tuple[Misfit, ...]
    left_out: tuple[LeftOut, ...]
    value_ci: Interval | None = None

    def versions(self, kind: Kind) -> tuple[DetectorState, ...] | tuple[GeneratorState, ...]:
        """Of a side."""
        return self.detectors if kind == "detector" else self.generators

    def newest(self, kind: Kind) -> set[Played]:
        """The newest version of each player of a side: names and rounds."""
        ordered = sorted(self.versions(kind), key=lambda one: one.round)
        return set({one.player: one.round for one in ordered}.items())  # the last one of a name stays

    def mixture(self, kind: Kind) -> tuple[Weight, ...]:
        """Of a side."""
        return self.detector_mixture if kind == "detector" else self.generator_mixture

    def exploitability(self, kind: Kind) -> Exploitability:
        """Of a side."""
        return self.detector_exploitability if kind == "detector" else self.generator_exploitability


def find_states(record: TournamentRecord) -> tuple[RoundState, ...]:
    """The state of the game after each round; who is unranked is in none of them."""
    matches = counted_matches(record)
    states = derive_states([match.row() for match in matches], last=record.round)
    aucs = {(_played(match.detector), _played(match.generator)): match.drawn["auc"] for match in matches}
    confidence = record.config.score.confidence
    return tuple(dataclasses.replace(state, value_ci=_interval(state, aucs, confidence)) for state in states)


def derive_states(rows: Sequence[MatchRow], *, last: int) -> tuple[RoundState, ...]:
    """The state of the game after each round, from matches of ranked versions.

    Args:
        rows: One for each match, in any order.
        last: The last round that was played.

    Returns:
        From the first round with matches on.
    """
    states: list[RoundState] = []
    known: list[MatchRow] = []
    for round_ in range(last + 1):
        there = [row for row in rows if max(row.generator_round, row.detector_round) <= round_]
        if there and len(there) == len(known):  # nobody changed
            states.append(dataclasses.replace(states[-1], round=round_))
        elif there:
            states.append(_derive(PayoffMatrix.of(there), round_=round_))
        known = there
    return tuple(states)


def _derive(matrix: PayoffMatrix, *, round_: int) -> RoundState:
    game = SolvedGame.of(matrix)
    came = np.array([version == 0 for _, version in matrix.generators])
    fitted = fit_abilities(matrix.aucs, matrix.trials, anchors=came if came.any() else None)
    missing = np.isnan(matrix.aucs)
    return RoundState(
        round=round_,
        value=rounded(game.solved.value),
        detector_mixture=game.mixture("detector"),
        generator_mixture=game.mixture("generator"),
        detector_exploitability=game.exploitability("detector"),
        generator_exploitability=game.exploitability("generator"),
        detectors=tuple(
            DetectorState(
                player=version[0],
                round=version[1],
                exploitability=game.alone("detector", version),
                misfit=rounded(fitted.detectors_misfit[row]),
                ability=rounded(fitted.detectors[row]),
                ability_se=rounded(fitted.detectors_se[row]),
                mean_auc=rounded(np.nanmean(matrix.aucs[row])),
                distinct_mean_auc=game.distinct_mean(version),
            )
            for row, version in enumerate(matrix.detectors)
        ),
        generators=tuple(
            GeneratorState(
                player=version[0],
                round=version[1],
                exploitability=game.alone("generator", version),
                misfit=rounded(fitted.generators_misfit[column]),
                difficulty=rounded(fitted.generators[column]),
                difficulty_se=rounded(fitted.generators_se[column]),
                mean_auc=rounded(np.nanmean(matrix.aucs[:, column])),
                weight=game.weight(version),
            )
            for column, version in enumerate(matrix.generators)
        ),
        misfits=_misfits(matrix, expected=fitted.expected, residuals=fitted.residuals),
        left_out=(
            *_left_out("detector", matrix.detectors, missing.sum(axis=1), game.detectors),
            *_left_out("generator", matrix.generators, missing.sum(axis=0), game.generators),
        ),
    )


def _interval(state: RoundState, aucs: Mapping[tuple[Played, Played], Figure], confidence: float) -> Interval:
    """Of the AUC at which the two mixtures meet, which is the value.

    A mixture that is optimal hardly moves the value by being a little off (to first order it does not), so that the
    draws of the matches say what there is to say.
    """
    drawn = [
        (aucs[(judge.player, judge.round), (maker.player, maker.round)], judge.weight * maker.weight)
        for judge in state.detector_mixture
        for maker in state.generator_mixture
    ]
    figures, weights = zip(*drawn, strict=True)
    low, high = mean_of(figures, weights).interval(confidence)
    return min(rounded(low), state.value), max(rounded(high), state.value)


def _misfits(matrix: PayoffMatrix, *, expected: Values, residuals: Values) -> tuple[Misfit, ...]:
    """Those of the most unlikely matches."""
    worst = np.argsort(-np.abs(np.nan_to_num(residuals)).round(DECIMALS), axis=None, kind="stable")[:MISFITS]
    places = zip(*np.unravel_index(worst, residuals.shape), strict=True)
    return tuple(
        Misfit(
            generator=matrix.generators[column][0],
            generator_round=matrix.generators[column][1],
            detector=matrix.detectors[row][0],
            detector_round=matrix.detectors[row][1],
            observed=rounded(matrix.aucs[row, column]),
            expected=rounded(expected[row, column]),
            residual=rounded(residuals[row, column]),
        )
        for row, column in places
        if not np.isnan(residuals[row, column])
    )


def _played(version: Version) -> Played:
    return version.player, version.round


def _left_out(kind: Kind, versions: Sequence[Played], missing: Values, kept: Sequence[Played]) -> list[LeftOut]:
    return [
        LeftOut(kind=kind, player=version[0], round=version[1], missing=int(count))
        for version, count in zip(versions, missing, strict=True)
        if version not in kept
    ]


__all__ = [
    "MISFITS",
    "DetectorState",
    "Exploitability",
    "GeneratorState",
    "LeftOut",
    "Misfit",
    "RoundState",
    "VersionState",
    "Weight",
    "derive_states",
    "find_states",
]
