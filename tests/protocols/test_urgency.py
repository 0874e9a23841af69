from __future__ import annotations

import pytest

from fakeoff.protocols.rules.urgency import urgency


@pytest.mark.parametrize("stage", ["score", "look", "search", "shift", "cost", "a measure of somebody's own"])
def test_the_figures_of_a_round_go_after_the_next_attacks_and_before_the_next_defences(stage: str) -> None:
    assert urgency("attack", 2) > urgency("sample", 2) > urgency(stage, 1) > urgency("defend", 2)
    assert urgency("defend", 1) > urgency(stage, 1)


def test_what_may_stop_the_game_goes_before_any_training() -> None:
    for stage in ("enter", "reals", "sample"):
        assert urgency(stage, 0) > urgency("audit", 0) > urgency("parse", 0) > urgency("defend", 0)


def test_jobs_of_no_round_are_as_urgent_as_those_of_the_first() -> None:
    assert urgency("defend", None) == urgency("defend", 0)
