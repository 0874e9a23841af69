"""The state of the game after each round, from matches made by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import TypeAdapter

from fakeoff.arena.typed import as_record, read_as
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import Match
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.state import RoundState, derive_states, find_states
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Unranked, Version
from fakeoff.protocols.score.blind import Judging, Mixture
from fakeoff.protocols.score.intervals import Figure
from fakeoff.protocols.score.metrics import METRICS, MatchFigures

ALL_RANKED = TournamentConfig.model_validate({"score": {"least_auc": 0}})
DRAWS = np.random.default_rng(0).normal(0, 0.05, 400)

# One round: the attack fools its target, and is caught by who learned it, who has forgotten a little.
AUCS = {
    ("net@0", "pgan@0"): 0.9,
    ("net@0", "pgan@1"): 0.5,
    ("net@1", "pgan@0"): 0.6,
    ("net@1", "pgan@1"): 0.8,
}


def _figures(auc: float, *, units: int | None = 8) -> MatchFigures:
    known = {metric: auc if metric == "auc" else 0.5 for metric in METRICS}
    intervals: dict[str, Any] = {f"{metric}_ci": (0.0, 1.0) for metric in METRICS}
    return MatchFigures(n_real=80, n_fake=160, real_units=units, fake_units=units and 160, **known, **intervals)


def _rows(aucs: Mapping[tuple[str, str], float], **figures: Any) -> list[MatchRow]:
    rows = []
    for (detector, generator), auc in aucs.items():
        (judge, judge_round), (maker, maker_round) = detector.split("@"), generator.split("@")
        rows.append(
            MatchRow(
                generator=maker,
                generator_round=int(maker_round),
                detector=judge,
                detector_round=int(judge_round),
                is_target=False,
                **vars(_figures(auc, **figures)),
            )
        )
    return rows


def _last(aucs: Mapping[tuple[str, str], float], **figures: Any) -> RoundState:
    return derive_states(_rows(aucs, **figures), last=1)[-1]


def test_a_match_belongs_to_every_round_by_whose_end_both_versions_were_there() -> None:
    first, second = derive_states(_rows(AUCS), last=1)
    assert (first.round, first.value) == (0, 0.9)
    assert [one.label for one in (*first.detectors, *first.generators)] == ["net@0", "pgan@0"]
    assert second.round == 1
    assert [one.label for one in (*second.detectors, *second.generators)] == ["net@0", "net@1", "pgan@0", "pgan@1"]


def test_value_mixtures_and_what_is_given_away_are_those_of_the_game() -> None:
    state = _last(AUCS)
    assert state.value == 0.7
    assert [(one.player, one.round, one.weight) for one in state.detector_mixture] == [
        ("net", 1, 0.666667),
        ("net", 0, 0.333333),
    ]
    assert [one.weight for one in state.generator_mixture] == [0.5, 0.5]
    assert [one.exploitability for one in state.detectors] == [0.2, 0.1]
    assert [one.exploitability for one in state.generators] == [0.2, 0.1]
    detectors, generators = state.detector_exploitability, state.generator_exploitability
    assert (detectors.average, detectors.newest) == (0.05, 0.1)
    assert (generators.average, generators.newest) == (0.0, 0.1)
    assert state.mixture("detector") == state.detector_mixture
    assert state.exploitability("generator") == generators
    assert state.newest("detector") == {("net", 1)}


def test_who_is_not_played_is_in_no_mixture() -> None:
    state = _last({("good@0", "pgan@0"): 0.9, ("bad@0", "pgan@0"): 0.6})
    assert [one.player for one in state.detector_mixture] == ["good"]
    assert {one.player: one.exploitability for one in state.detectors} == {"good": 0.0, "bad": 0.3}


def test_difficulty_zero_is_the_mean_of_generators_as_they_came() -> None:
    aucs = {**AUCS, ("net@0", "glow@0"): 0.95, ("net@1", "glow@0"): 0.9}
    first, second = derive_states(_rows(aucs), last=1)
    for state in (first, second):
        came = [one.difficulty for one in state.generators if one.round == 0]
        assert sum(came) == pytest.approx(0, abs=1e-5)
    assert next(one for one in second.generators if one.label == "pgan@1").difficulty > 0


def test_a_match_of_few_independent_images_says_less() -> None:
    few, many, old = (_last(AUCS, units=units).detectors[0].ability_se for units in (4, 80, None))
    assert few > 2 * many
    assert old == many  # nobody counted units: 80 photographs


def test_the_match_that_abilities_explain_least_is_listed_first() -> None:
    aucs = {
        (f"d{i}@0", f"g{j}@0"): 0.95 if (i, j) == (2, 1) else [0.9, 0.8, 0.6, 0.55][i] - 0.02 * j
        for i in range(4)
        for j in range(4)
    }
    worst, *others = _last(aucs, units=80).misfits
    assert (worst.detector, worst.generator, worst.observed) == ("d2", "g1", 0.95)
    assert worst.residual > 2
    assert 0.5 < worst.expected < 0.8
    sizes = [abs(one.residual) for one in (worst, *others)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 5


def test_a_near_copy_moves_the_plain_mean_and_not_the_other_one() -> None:
    aucs = {("net@0", "a@0"): 0.9, ("net@0", "b@0"): 0.5}
    copied = {**aucs, ("net@0", "b2@0"): 0.5, ("net@0", "b3@0"): 0.5001}
    [before], [after] = _last(aucs).detectors, _last(copied).detectors
    assert (before.mean_auc, after.mean_auc) == (0.7, pytest.approx(0.6, abs=1e-4))
    assert before.distinct_mean_auc == 0.7
    assert after.distinct_mean_auc == pytest.approx(0.7, abs=1e-4)
    weights = {one.player: one.weight for one in _last(copied).generators}
    assert weights["a"] == pytest.approx(sum(weights[name] or 0 for name in ("b", "b2", "b3")), abs=1e-3)


def test_who_misses_a_match_is_left_out_of_the_game_and_rated_all_the_same() -> None:
    aucs = {(f"d{i}@0", f"g{j}@0"): 0.9 - 0.1 * i - 0.05 * j for i in range(2) for j in range(3)}
    del aucs["d1@0", "g2@0"]
    state = _last(aucs)
    [missing] = state.left_out
    assert (missing.kind, missing.player, missing.round, missing.missing) == ("generator", "g2", 0, 1)
    left = next(one for one in state.generators if one.player == "g2")
    assert left.exploitability is None
    assert left.weight is None
    assert left.mean_auc == 0.8
    assert left.difficulty > 0
    assert state.value == 0.85
    assert all(one.distinct_mean_auc is not None for one in state.detectors)


def test_a_round_in_which_nobody_changed_has_the_state_of_the_one_before() -> None:
    first, second = derive_states(_rows({("net@0", "pgan@0"): 0.9}), last=1)
    assert (first.round, second.round) == (0, 1)
    assert first.value == second.value == 0.9


def test_without_matches_there_is_no_state() -> None:
    assert derive_states([], last=3) == ()
    assert [state.round for state in derive_states(_rows({("net@2", "pgan@1"): 0.9}), last=3)] == [2, 3]


def test_states_are_the_same_whatever_the_order_of_matches_and_after_a_file() -> None:
    rows = _rows(AUCS)
    states = derive_states(rows, last=1)
    random.Random(0).shuffle(rows)
    assert derive_states(rows[::-1], last=1) == states
    text = json.dumps([as_record(state) for state in states], allow_nan=False)
    assert TypeAdapter(tuple[RoundState, ...]).validate_python(json.loads(text)) == states
    assert read_as(RoundState, json.loads(text)[1]) == states[1]


def test_who_is_unranked_is_in_no_state() -> None:
    def version(kind: Any, player: str) -> Version:
        return Version(kind=kind, player=player, round=0, key="")

    matches = tuple(
        Match(
            generator=version("generator", generator),
            detector=version("detector", detector),
            judging=Judging(key="", mixture=Mixture(reals=(), fakes=(), seed=0)),
            figures=_figures(auc),
            drawn={"auc": Figure(value=auc, draws=auc + DRAWS, units=8, least=1 / 160)},
        )
        for detector, generator, auc in (("honest", "pgan", 0.7), ("crowd", "pgan", 1.0), ("honest", "noise", 0.5))
    )
    record = TournamentRecord(
        config=ALL_RANKED,
        source_name="",
        data={},
        round=0,
        versions=(),
        measured={"match": matches},
        forfeits=(),
        unranked=(
            Unranked(kind="detector", player="crowd", round=0, reason="depends on its company"),
            Unranked(kind="generator", player="noise", round=0, reason="noise"),
        ),
        real_pools={},
    )
    [state] = find_states(record)
    assert state.value == 0.7
    assert state.value_ci == tuple(round(end, 6) for end in matches[0].drawn["auc"].interval(0.95))
    assert [one.label for one in (*state.detectors, *state.generators)] == ["honest@0", "pgan@0"]


def test_the_interval_of_the_value_is_of_the_mixtures_that_meet() -> None:
    """Matching pennies: all four matches weigh the same, and what two of them have in common drops out."""
    shared = {("a", "x"): 1, ("b", "y"): 1, ("a", "y"): -1, ("b", "x"): -1}
    played = {pair: 0.5 + 0.2 * sign for pair, sign in shared.items()}

    def interval(of_draws: Callable[[tuple[str, str]], npt.NDArray[np.float64]]) -> tuple[float, float]:
        matches = tuple(
            Match(
                generator=Version(kind="generator", player=maker, round=0, key=""),
                detector=Version(kind="detector", player=judge, round=0, key=""),
                judging=Judging(key="", mixture=Mixture(reals=(), fakes=(), seed=0)),
                figures=_figures(auc),
                drawn={"auc": Figure(value=auc, draws=auc + of_draws((judge, maker)), units=8, least=1e-6)},
            )
            for (judge, maker), auc in played.items()
        )
        record = TournamentRecord(
            config=ALL_RANKED,
            source_name="", data={}, round=0, versions=(), measured={"match": matches},
            forfeits=(), unranked=(), real_pools={},
        )  # fmt: skip
        [state] = find_states(record)
        assert state.value == pytest.approx(0.5)
        assert state.value_ci is not None
        assert state.value_ci[0] <= state.value <= state.value_ci[1]
        return state.value_ci

    together = interval(lambda pair: DRAWS)
    against = interval(lambda pair: shared[pair] * DRAWS)
    assert together[1] - together[0] > 0.2  # all matches rise and fall together
    assert against[1] - against[0] < 0.01
