"""The verdict of a challenge, from scores of which it is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from fakeoff.protocols.challenge.attempts import Attempt, choose
from fakeoff.protocols.challenge.entry import Entry
from fakeoff.protocols.challenge.verdict import Verdict, judge_entry
from fakeoff.protocols.measures import Judged, Match
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.blind import Judging, Mixture
from fakeoff.protocols.score.metrics import evaluate
from fakeoff.protocols.score.people import Units

DETECTOR = Version(kind="detector", player="judge", round=0, key="d" * 64)
MAKER = Version(kind="generator", player="maker", round=0, key="e" * 64, resolution=16)
PEOPLE, PHOTOGRAPHS, FAKES = 8, 10, 100


REAL = np.random.default_rng(0).uniform(0.1, 0.3, PEOPLE * PHOTOGRAPHS).astype(np.float32)
PERSONS = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)


def fakes(share_found: float) -> Sequence[float]:
    """Some of them score above every photograph, the rest below."""
    found = round(share_found * FAKES)
    return [0.9] * found + [0.0] * (FAKES - found)


def judged(scores: Sequence[float], *, fakes_of: str = "maker") -> Judged:
    """A judging in which fakes scored so."""
    found = evaluate(
        REAL,
        np.asarray(scores, dtype=np.float32),
        val_threshold=0.5,
        resamples=400,
        confidence=0.95,
        seed=0,
        fakes=fakes_of,
        units=Units(n_real=len(REAL), n_fake=len(scores), real=PERSONS),
    )
    judging = Judging(key="a" * 64, mixture=Mixture(reals=("b" * 64,), fakes=("c" * 64,), seed=0))
    return Judged(detector=DETECTOR, judging=judging, figures=found.figures, drawn=found.drawn)


def attempt(scores: Sequence[float], *, on_val: float = 0.5, restart: int = 1, faults: str = "") -> Attempt:
    """A finetuning after which fakes scored so."""
    return Attempt(
        generator=MAKER,
        means="finetuned",
        budget=10,
        restart=restart,
        on_val=on_val,
        judged=judged(scores),
        faults=faults,
    )


def verdict(before: Sequence[float], *after: Sequence[float]) -> Verdict:
    """Of an entry whose worst fakes scored so, and of attacks after which they scored so."""
    worst = judged(before)
    match = Match(generator=MAKER, **vars(worst))
    entry = Entry(detector=DETECTOR, worst=match, matches=1, starts=(MAKER,))
    return judge_entry(entry, [attempt(scores) for scores in after], metric="auc", confidence=0.95)


def test_the_same_scores_stand() -> None:
    found = verdict(fakes(0.9), fakes(0.9))
    assert found.stands
    assert found.fall.value == 0
    assert "may be none" in found.sentence


def test_a_clear_fall_falls_and_a_rise_stands() -> None:
    fell = verdict(fakes(0.9), fakes(0.5))
    assert not fell.stands
    assert fell.fall.value == pytest.approx(0.4)
    assert fell.fall.ci[0] > 0.2
    rose = verdict(fakes(0.5), fakes(0.9))
    assert rose.stands
    assert rose.fall.value == pytest.approx(-0.4)


def test_attacks_that_are_weaker_than_the_tournaments_own_tried_nothing() -> None:
    rose = verdict(fakes(0.5), fakes(0.9))
    assert rose.is_untried
    assert "was not tried: its AUC is 0.500" in rose.sentence
    assert "--steps" in rose.sentence
    assert "stands" not in rose.sentence
    for alike in (fakes(0.5), fakes(0.4)):
        assert not verdict(fakes(0.5), alike).is_untried


def test_a_perfect_figure_has_no_spread_and_still_no_small_fall_is_told() -> None:
    assert verdict(fakes(1.0), fakes(0.98)).stands
    assert not verdict(fakes(1.0), fakes(0.7)).stands


def test_the_worst_of_several_decides_and_the_interval_holds_for_all() -> None:
    alone = verdict(fakes(0.9), fakes(0.6))
    among = verdict(fakes(0.9), fakes(0.8), fakes(0.6), fakes(0.7))
    assert among.worst.judged.figures.auc == pytest.approx(0.6)
    assert (among.attempts, among.fall.value) == (3, pytest.approx(alone.fall.value))
    assert among.fall.ci[0] < alone.fall.ci[0] < alone.fall.ci[1] < among.fall.ci[1]
    assert "simultaneous over 3 attacks" in among.rule
    assert "simultaneous" not in alone.rule


def test_differences_are_taken_on_shared_draws() -> None:
    """Where the attack takes one tenth more of the same fakes, its spread is that of this tenth alone."""
    found = verdict(fakes(0.6), fakes(0.45))
    apart = [one.figures.auc_ci for one in (found.entry.worst, found.worst.judged)]
    assert apart[0][0] < apart[1][1]  # their own intervals overlap
    assert not found.stands


def test_val_chooses_whatever_test_says_and_what_does_not_count_is_no_choice() -> None:
    low_on_test = attempt(fakes(0.1), on_val=0.8, restart=1)
    low_on_val = attempt(fakes(0.5), on_val=0.6, restart=2)
    equal = attempt(fakes(0.2), on_val=0.6, restart=3)
    faulty = attempt(fakes(0.0), on_val=0.0, restart=4, faults="noise")
    assert choose([low_on_test, low_on_val, equal, faulty]) == [low_on_val]
    assert choose([faulty]) == []
