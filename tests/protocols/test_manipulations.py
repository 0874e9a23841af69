"""Table 3 and Fig. 7: trained on one manipulation, met by the others, and where on the face it is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.score.localisation import LOCATED
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

TESTS = Path(__file__).parents[1]
MANIPULATORS = ("swap", "square")
ROSTER: dict[str, Any] = {
    "generators": [
        {"plugin": "toy_swap", "name": "swap", "parameters": {"resolution": 32}},
        {"plugin": "toy_painted_square", "name": "square"},
    ],
    "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_sees_white"}, {"plugin": "power_spectrum"}],
    "arena": {"resolution": 32},
    "parts": {"parser": "toy_quadrants"},
    "audit": {"on_leak": "skip"},
}


@pytest.fixture(scope="module")
def manipulations(
    tmp_path_factory: pytest.TempPathFactory, toy_config: Make, module_watcher: Any
) -> tuple[Kept, Bench]:
    for plugins in ("toy_manipulators.py", "toy_parsers.py"):
        load_plugin_file(TESTS / plugins)
    home = tmp_path_factory.mktemp("manipulations")
    return play_protocol(
        "manipulations", toy_config(**ROSTER), home=home, observer=module_watcher, parameters={"seeds": 2}
    )


def test_it_shows_what_generalisation_shows(manipulations: tuple[Kept, Bench]) -> None:
    log, _ = manipulations
    rows = log.tables["every pair"]
    assert {(row["trained on"], row["tested on"]) for row in rows} == {
        (a, b) for a in MANIPULATORS for b in MANIPULATORS
    }
    assert {"average precision", "receptive field and generalisation"} <= set(log.figures)


def test_where_detectors_look_is_told_of_every_pair(manipulations: tuple[Kept, Bench]) -> None:
    log, _ = manipulations
    rows = {(row["detector"], row["trained on"], row["tested on"]): row for row in log.tables["localisation"]}
    assert set(rows) == {
        (detector, a, b) for detector in ("toy_detector", "toy_sees_white") for a in MANIPULATORS for b in MANIPULATORS
    }
    knows = rows["toy_sees_white", "swap", "square"]
    assert knows["unseen"] is True
    assert knows["pointing"] == knows["patch"] == 1  # it knows where a square was painted
    assert knows["pointing random"] < 0.3
    assert knows["area of the mask"] == pytest.approx(1 / 16)
    for name in LOCATED:
        assert knows[f"{name} from"] <= knows[name] <= knows[f"{name} to"]
    assert rows["toy_detector", "swap", "swap"]["unseen"] is False


def test_parts_are_drawn_for_every_training_and_every_manipulation(manipulations: tuple[Kept, Bench]) -> None:
    log, _ = manipulations
    drawn = {name: figure for name, figure in log.figures.items() if name.startswith("parts of ")}
    assert set(drawn) == {"parts of toy_detector", "parts of toy_sees_white"}  # who sees whole images sees no part
    for figure in drawn.values():
        assert len(figure.axes) == len(MANIPULATORS) ** 2
        title = figure.get_suptitle()
        assert "95% intervals over " in title
        assert " people;" in title
        assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == list(MANIPULATORS)
        names = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
        assert set(names) <= set(PARTS)
        for axes in figure.axes:
            assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1, abs=0.05)  # a share of fakes


def test_histograms_are_a_table_too(manipulations: tuple[Kept, Bench]) -> None:
    log, _ = manipulations
    rows = log.tables["parts"]
    for place in {(row["detector"], row["trained on"], row["tested on"]) for row in rows}:
        own = [row for row in rows if (row["detector"], row["trained on"], row["tested on"]) == place]
        assert sum(row["share"] for row in own) == pytest.approx(1)
        assert sum(row["share of random patches"] for row in own) == pytest.approx(1)
        assert all(row["share from"] <= row["share to"] and row["people"] > 1 for row in own)
    assert len({(row["detector"], row["trained on"], row["tested on"]) for row in rows}) == 8


@pytest.mark.parametrize(
    ("generators", "told"),
    [
        ([{"plugin": "toy_swap"}, {"plugin": "toy_generator"}], "toy_generator is none"),
        ([{"plugin": "toy_swap"}], "there is 1"),
    ],
)
def test_who_makes_no_fakes_of_reals_is_refused_before_anything_is_played(
    generators: list[dict[str, str]], told: str, tmp_path: Path, toy_config: Make, watcher: Any
) -> None:
    load_plugin_file(TESTS / "toy_manipulators.py")
    with pytest.raises(PluginError, match=told):
        play_protocol(
            "manipulations",
            toy_config(**{**ROSTER, "generators": generators}),
            home=tmp_path,
            observer=watcher,
            parameters={},
        )
    assert not watcher.ran
