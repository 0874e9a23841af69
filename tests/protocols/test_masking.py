"""Gradient masking: named where scores alone fool a detector and its gradient does not, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import binomtest

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.masking import GAP, Attempt, Masking, Means, judge_attempts
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.falls import measure_fall, share_interval

TOYS = Path(__file__).parents[1] / "toy_latents.py"
JUDGE = Version(kind="detector", player="judge", round=0, key="0" * 64)

Play = Callable[..., tuple[TournamentRecord, Any]]
Config = Callable[..., TournamentConfig]


def _attempt(means: Means, before: float, after: float, *, n: int = 100) -> Attempt:
    fall = measure_fall((before, n), (after, n), confidence=0.95)
    p_fake = after if means in ("search", "followed") else None
    return Attempt(means=means, generator="maker@1", fall=fall, p_fake=p_fake)


def _judged(*attempts: Attempt) -> Masking | None:
    return judge_attempts(JUDGE, list(attempts))


def test_who_is_fooled_by_scores_alone_and_not_by_its_gradient_masks_it() -> None:
    found = _judged(_attempt("attack", 1, 0.97), _attempt("followed", 1, 0.9), _attempt("search", 1, 0.4))
    assert found is not None
    assert (found.by_gradient.means, found.without.means) == ("attack", "search")
    assert found.sentence == (
        "judge@0 masks its gradient, and is less robust than attacks make it look: the attack that made maker@1, along "
        "its gradient, lowered its recall of fakes by 3 points (-1 to 8); a search of the latents of maker@1, by "
        "scores alone, lowered its recall of fakes by 60 points (50 to 69)"
    )


def test_an_attack_on_another_detector_counts_as_a_search_does() -> None:
    found = _judged(_attempt("attack", 1, 1), _attempt("transfer", 1, 0.5), _attempt("search", 1, 0.9))
    assert found is not None
    assert found.without.means == "transfer"
    assert "the attack that made maker@1, against another detector, lowered" in found.sentence


def test_an_attack_on_several_at_once_may_have_followed_the_others_gradients() -> None:
    found = _judged(_attempt("joint", 1, 0.1), _attempt("followed", 1, 0.97), _attempt("search", 1, 0.3))
    assert found is not None
    assert (found.by_gradient.means, found.without.means) == ("followed", "joint")


@pytest.mark.parametrize(
    "attempts",
    [
        [_attempt("attack", 1, 0.1), _attempt("search", 1, 0)],  # plain: everything fools it
        [_attempt("attack", 1, 1), _attempt("followed", 1, 1), _attempt("search", 1, 1)],  # robust: nothing does
        [_attempt("attack", 1, 1), _attempt("followed", 1, 0.2), _attempt("search", 1, 0.3)],  # an attack that was weak
        [_attempt("attack", 1, 0.7), _attempt("search", 1, 0)],  # it did move it
        [_attempt("attack", 1, 0.95), _attempt("search", 1, 0.95 - GAP + 0.01)],  # not by enough
        [_attempt("attack", 1, 1, n=8), _attempt("search", 1, 0.625, n=8)],  # too few images to say
        [_attempt("attack", 0.1, 0.1), _attempt("search", 0.1, 0)],  # it was fooled before
        [_attempt("joint", 1, 0), _attempt("followed", 1, 0.1), _attempt("search", 1, 0.2)],
        [_attempt("joint", 1, 0.1), _attempt("search", 1, 0)],  # nobody followed its gradient alone
        [_attempt("search", 1, 0)],  # no gradient to mask
        [_attempt("attack", 1, 1)],
        [],
    ],
)
def test_who_does_not_mask_is_not_named(attempts: list[Attempt]) -> None:
    assert _judged(*attempts) is None


def test_a_fall_has_the_interval_of_the_textbook() -> None:
    """Newcombe 1998, table II, example (a): 56 of 70 and 48 of 80, method 10: 0.0524 to 0.3339."""
    fall = measure_fall((56 / 70, 70), (48 / 80, 80), confidence=0.95)
    assert fall.size == pytest.approx(0.2)
    assert fall.ci == pytest.approx((0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(("k", "n", "confidence"), [(0, 8, 0.95), (3, 8, 0.9), (40, 41, 0.95), (41, 41, 0.99)])
def test_the_interval_of_a_share_is_scipys(k: int, n: int, confidence: float) -> None:
    found = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert share_interval(k / n, n, confidence=confidence) == pytest.approx((found.low, found.high))


def test_a_perfect_share_is_no_point() -> None:
    low, high = share_interval(1, 30, confidence=0.95)
    assert 0.85 < low < 0.9
    assert high == pytest.approx(1)
    assert measure_fall((1, 30), (1, 30), confidence=0.95).ci == pytest.approx((low - 1, 1 - low))


@pytest.fixture(scope="module")
def config(toy_config: Config) -> Config:
    load_plugin_file(TOYS)

    def make(**over: Any) -> TournamentConfig:
        game: dict[str, Any] = {
            "generators": [{"plugin": "toy_latents"}],
            "detectors": [{"plugin": name} for name in ("toy_plain", "toy_masked", "toy_robust", "toy_steps")],
            "pools": {"train_fakes": 16, "val_fakes": 16, "test_fakes": 40},
            "attack": {"target": "all", "steps": 30, "batch": 8, "weight": 1.0},
            "search": {"when": "always", "queries": 32, "fakes": 24},
            "parts": {"parser": ""},
            "audit": {"on_leak": "skip"},
        }
        return toy_config(**{**game, **over})

    return make


@pytest.fixture(scope="module")
def played(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TournamentRecord]:
    """Plays a round against one detector, once."""
    records: dict[str, TournamentRecord] = {}

    def play(detector: str) -> TournamentRecord:
        if detector not in records:
            records[detector] = play_tournament(
                config(detectors=[{"plugin": detector}]),
                source=open_source("orl"),
                store=Store(tmp_path_factory.mktemp(detector)),
                executor=SerialExecutor(),
                observer=_Nobody(),
            )
        return records[detector]

    return play


class _Nobody:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@pytest.mark.parametrize("detector", ["toy_plain", "toy_masked", "toy_robust"])
def test_a_masked_gradient_is_named_and_honest_detectors_are_not(
    played: Callable[[str], TournamentRecord], detector: str
) -> None:
    record = played(detector)
    assert (record.forfeits, record.unranked, record.passed_over) == ((), (), ())
    attacked = {m.generator.round: m.figures.recall_fake for m in record.matches if m.detector.player == detector}
    [search] = record.searches
    row = search.row()
    assert row.start is not None
    assert row.found is not None
    assert row.followed is not None
    # What fools whom, first: else it would be no wonder that nobody is named.
    assert attacked[0] > 0.8
    assert (attacked[1] < 0.5) == (detector == "toy_plain")
    assert (row.followed.recall_fake < 0.5) == (detector == "toy_plain")
    assert (row.found.recall_fake < 0.2) == (detector != "toy_robust")
    scoreboard = build_scoreboard(record)
    assert [one.detector for one in scoreboard.masking] == (["toy_masked"] if detector == "toy_masked" else [])


def test_it_stands_on_the_scoreboard_and_is_said(played: Callable[[str], TournamentRecord]) -> None:
    scoreboard = build_scoreboard(played("toy_masked"))
    [masking] = scoreboard.masking
    assert (masking.detector, masking.detector_round, masking.without.means) == ("toy_masked", 0, "search")
    assert scoreboard.to_json()["masking"][0]["sentence"] == masking.sentence
    again = Scoreboard.from_json(scoreboard.to_json())
    assert again == scoreboard
    out = io.StringIO()
    print_scoreboard(again, Console(file=out, width=400))
    assert f"MASKING: {masking.sentence}" in out.getvalue()
    # Robust against attacks along a gradient that leads nowhere: that is no place in a table.
    reasons = [one.reason for one in again.unranked if (one.player, one.round) == ("toy_masked", 0)]
    assert any(reason.startswith("masks its gradient, and is less robust than attacks") for reason in reasons)
    assert scoreboard.detectors == ()
