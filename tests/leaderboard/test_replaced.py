"""Whether a configuration takes the place of another tournament, and what is said then."""

from __future__ import annotations

import pytest

from fakeoff.leaderboard.home.replaced import changed_settings, tell_replaced
from fakeoff.protocols.config import TournamentConfig, print_config


def _text(**changes: object) -> bytes:
    return print_config(TournamentConfig.model_validate(changes)).encode()


@pytest.mark.parametrize(
    "changes", [{}, {"rounds": 7}, {"compute": {"attack_threads": 1}}, {"compute": {"device": "cpu"}}]
)
def test_more_rounds_and_other_machines_play_the_same_tournament_on(changes: dict[str, object]) -> None:
    assert changed_settings(_text(), _text(**changes)) == ()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 5}, ("seed",)),
        ({"attack": {"steps": 7}, "reals": {"split_by": "file"}}, ("reals.split_by", "attack.steps")),
        ({"detectors": [{"plugin": "resnet18"}]}, ("detectors",)),
    ],
)
def test_what_makes_it_another_is_named(changes: dict[str, object], named: tuple[str, ...]) -> None:
    assert set(changed_settings(_text(), _text(**changes))) == set(named)


def test_what_cannot_be_read_is_no_other_tournament() -> None:
    assert changed_settings(b"[", _text()) == ()
    assert changed_settings(b"\xff", _text()) == ()


def test_it_is_said_how_both_are_kept() -> None:
    said = tell_replaced(("a", "b", "c", "d", "e", "f"), command="fakeoff run --home x --name another")
    assert "(a, b, c, d and 2 more are not the same)" in said
    assert said.endswith("To keep both: fakeoff run --home x --name another")
    assert "(seed is not the same)" in tell_replaced(("seed",), command="")
