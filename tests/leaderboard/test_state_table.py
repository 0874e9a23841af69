"""The state of the game on the terminal and as a picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from fakeoff.leaderboard.plots.state_plot import state_plot
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.state_table import state_table
from fakeoff.protocols.measures.state import RoundState, derive_states

Aucs = Mapping[tuple[str, str], float]

DUEL = {
    ("resnet18_layer1@0", "pgan@0"): 0.9,
    ("resnet18_layer1@0", "pgan@1"): 0.5,
    ("resnet18_layer1@1", "pgan@0"): 0.6,
    ("resnet18_layer1@1", "pgan@1"): 0.8,
}


@pytest.fixture
def states_of(whole: Callable[[Mapping[str, Any]], Scoreboard]) -> Callable[..., tuple[RoundState, ...]]:
    """The states of a scoreboard with these AUCs."""

    def make(aucs: Aucs, *, units: int = 8, last: int = 1) -> tuple[RoundState, ...]:
        cells = []
        for versions, auc in aucs.items():
            (detector, detector_round), (generator, generator_round) = (one.split("@") for one in versions)
            cells.append(
                {
                    "detector": detector,
                    "detector_round": int(detector_round),
                    "generator": generator,
                    "generator_round": int(generator_round),
                    "auc": auc,
                    "real_units": units,
                    "fake_units": 160,
                }
            )
        return derive_states(whole({"cells": cells}).cells, last=last)

    return make


def _print(states: tuple[RoundState, ...], *, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(state_table(states))
    return out.getvalue()


def _row(text: str, version: str) -> list[str]:
    [row] = [line for line in text.splitlines() if "│" in line and version in line]
    return [cell.strip() for cell in row.split("│")][1:-1]


def test_the_table_is_of_the_newest_state(states_of: Callable[..., tuple[RoundState, ...]]) -> None:
    text = _print(states_of(DUEL))
    assert "after round 1: its value is an AUC of 0.700" in text
    # Abilities are told with one digit: a pull by the prior of a few hundredths does not show.
    assert _row(text, "resnet18_layer1@1")[:3] == ["resnet18_layer1@1", "67%", "0.100"]
    assert _row(text, "resnet18_layer1@0")[1:3] == ["33%", "0.200"]
    assert _row(text, "pgan@0")[1:4] == ["50%", "0.200", "0.0 ± 0.0"]
    assert _row(text, "pgan@1")[-2:] == ["0.650", "weight 50%"]
    assert "Detectors drawn evenly give away 0.050 of all versions, 0.100 of the newest\n" in text.replace("  ", "")
    assert "Specialists" not in text
    assert "Left out" not in text


def test_old_versions_that_would_not_be_played_are_not_shown(
    states_of: Callable[..., tuple[RoundState, ...]],
) -> None:
    text = _print(states_of({("net@0", "pgan@0"): 0.6, ("net@1", "pgan@0"): 0.9}))
    assert _row(text, "net@1")[1] == "100%"
    assert "net@0" not in text


def test_specialists_and_who_is_left_out_are_named(states_of: Callable[..., tuple[RoundState, ...]]) -> None:
    aucs = {(f"d{i}@0", f"g{j}@0"): [0.95, 0.9, 0.7, 0.6][i] for i in range(4) for j in range(4)}
    aucs["d3@0", "g1@0"] = 1.0
    del aucs["d0@0", "g3@0"]
    text = " ".join(_print(states_of(aucs, units=80)).split())
    assert "Specialists, whom one number does not describe: g1@0, d3@0" in text
    assert "explain least: d3@0 against g1@0, an AUC of 1.000, not 0." in text
    assert "Left out of the game, for matches that were not played: g3@0 (1)" in text
    assert _row(_print(states_of(aucs)), "g3@0")[2] == "-"


def test_nothing_is_cut_off_where_the_terminal_is_narrow(states_of: Callable[..., tuple[RoundState, ...]]) -> None:
    text = _print(states_of(DUEL), width=80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "resnet18_layer1@1" in text


def test_without_a_state_the_table_is_empty() -> None:
    assert state_table(()).row_count == 0


def _race(rounds: int) -> Aucs:
    return {
        (f"resnet18_layer1@{i}", f"stylegan2_with_a_long_name@{j}"): 0.95 - 0.4 * (j == i + 1) - 0.1 * (abs(i - j) > 1)
        for i in range(rounds)
        for j in range(rounds)
    }


@pytest.mark.parametrize("rounds", [1, 3, 24])
def test_the_picture_has_values_and_mixtures_and_no_text_is_cut_off(
    rounds: int, states_of: Callable[..., tuple[RoundState, ...]], check_texts: Callable[[Figure], None]
) -> None:
    states = states_of(_race(rounds), last=rounds - 1)
    figure = state_plot(states)
    check_texts(figure)
    value, *mixtures = figure.axes[:3]
    assert [round(y, 6) for y in value.lines[0].get_ydata()] == [state.value for state in states]
    for axes, kind in zip(mixtures, ("detector", "generator"), strict=True):
        drawn = [one.weight for state in states for one in state.mixture(kind)]  # type: ignore[arg-type]
        assert sorted(round(bar.get_height(), 6) for bar in axes.patches) == sorted(drawn)
    texts = [text.get_text() for text in figure.findobj(Text)]
    named = f"stylegan2_with_a_long_name@{rounds - 1}"
    assert any(named in text for text in texts)
