"""The state of the game, round by round, in words and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakeoff.leaderboard.report.facts.tables import NONE, Cell, Row, Table, score, share
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import listed, version
from fakeoff.protocols.measures.state import DetectorState, GeneratorState, RoundState, Weight
from fakeoff.protocols.score.telling import tell, tell_figure

_UNLIKELY = 2.0  # standard deviations of chance


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of the game.

    Attributes:
        rounds: Of each round, in order; at least one.
        sentences: What is to be said of it.
        tables: Its value over the rounds, and every version after the last one.
    """

    rounds: tuple[RoundState, ...]
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]

    @property
    def alt(self) -> str:
        """What its chart shows, for who does not see it."""
        values = listed([f"{tell_figure(one.value)} after round {one.round}" for one in self.rounds])
        return f"Chart: the value of the game is {values}; below, who would be played. The tables have the same."


def tell_state(scoreboard: Scoreboard) -> State | None:
    """The state of the game; None in files of before, and where nothing was scored."""
    rounds: tuple[RoundState, ...] = scoreboard.state
    if not rounds:
        return None
    last = rounds[-1]
    return State(
        rounds=rounds,
        sentences=tuple(_sentences(rounds)),
        tables=(_values(rounds), _detectors(last), _generators(last)),
    )


def _sentences(rounds: Sequence[RoundState]) -> list[str]:
    last = rounds[-1]
    said = [
        f"If both sides could choose any of their versions each time, and knew each other's habits, the best mixtures "
        f"would meet at an AUC of {tell(last.value, last.value_ci)}: the value of the game after round {last.round}.",
        f"Detectors would play {_mixture(last.detector_mixture)}; generators {_mixture(last.generator_mixture)}.",
    ]
    if specialists := [one.label for one in (*last.detectors, *last.generators) if one.is_specialist]:
        said.append(f"One number does not describe {listed(specialists)}: better at some and worse at others.")
    for one in last.misfits[:1]:
        if abs(one.residual) > _UNLIKELY:
            judge, maker = version(one.detector, one.detector_round), version(one.generator, one.generator_round)
            said.append(
                f"The match that abilities explain least is {judge} against {maker}: an AUC of "
                f"{tell_figure(one.observed)}, where {tell_figure(one.expected)} was to be expected."
            )
    if last.left_out:
        left = listed([version(one.player, one.round) for one in last.left_out])
        said.append(f"Left out, for matches that were not played: {left}.")
    return said


def _values(rounds: Sequence[RoundState]) -> Table:
    return Table(
        caption="The game after each round",
        columns=[
            "after round",
            "value (AUC)",
            "detectors play",
            "generators play",
            "detectors give away",
            "generators give away",
        ],
        rows=[
            Row(
                head=str(one.round),
                cells=[
                    score(one.value, one.value_ci),
                    _mixture(one.detector_mixture),
                    _mixture(one.generator_mixture),
                    tell_figure(one.detector_exploitability.newest),
                    tell_figure(one.generator_exploitability.newest),
                ],
            )
            for one in rounds
        ],
        about="What a side gives away: by how much of AUC the other gains, if it knows that all newest versions are "
        "played as often. The value's interval is of both mixtures as they are; mixtures have none.",
    )


def _detectors(state: RoundState) -> Table:
    drawn = _weights(state.detector_mixture)
    return Table(
        caption="Detectors on one scale",
        columns=["version", "played", "ability", "misfit", "mean AUC", "copies counted once"],
        rows=[
            Row(
                head=one.label,
                cells=[
                    share(drawn.get((one.player, one.round), 0.0), None),
                    _rating(one.ability, one.ability_se),
                    tell_figure(one.misfit, digits=1),
                    score(one.mean_auc, None),
                    _copies_once(one),
                ],
            )
            for one in sorted(state.detectors, key=lambda one: -one.ability)
        ],
        about="Ability: in logits, 0 wins half of its pairs against the average generator as it came; ± is its "
        "standard error. Misfit: 1 is what chance makes, more is a specialist.",
    )


def _generators(state: RoundState) -> Table:
    drawn = _weights(state.generator_mixture)
    return Table(
        caption="Generators on the same scale",
        columns=["version", "played", "difficulty", "misfit", "mean AUC against it", "counts as"],
        rows=[
            Row(
                head=one.label,
                cells=[
                    share(drawn.get((one.player, one.round), 0.0), None),
                    _rating(one.difficulty, one.difficulty_se),
                    tell_figure(one.misfit, digits=1),
                    score(one.mean_auc, None),
                    _weight(one),
                ],
            )
            for one in sorted(state.generators, key=lambda one: -one.difficulty)
        ],
        about="Difficulty: on the scale of abilities; higher is harder to catch. Counts as: its weight in the mean "
        "that counts near-copies once.",
    )


def _weights(mixture: Sequence[Weight]) -> dict[tuple[str, int], float]:
    return {(one.player, one.round): one.weight for one in mixture}


def _mixture(mixture: Sequence[Weight]) -> str:
    """In words."""
    if len(mixture) == 1:
        return f"{version(mixture[0].player, mixture[0].round)} always"
    told = [f"{version(one.player, one.round)} {tell_figure(one.weight, digits=0, percent=True)}" for one in mixture]
    return f"{listed(told)} of the time" if told else NONE


def _rating(value: float, error: float) -> str:
    return f"{tell_figure(value, digits=1, signed=True)} ± {tell_figure(error, digits=1)}"


def _copies_once(one: DetectorState) -> Cell:
    return score(one.distinct_mean_auc, None)


def _weight(one: GeneratorState) -> str:
    return NONE if one.weight is None else tell_figure(one.weight, digits=0, percent=True)


__all__ = ["State", "tell_state"]
