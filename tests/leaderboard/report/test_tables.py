from __future__ import annotations

import pytest

from fakeoff.leaderboard.report.facts.tables import NONE, Figure, Row, Strip, Table, change, score, share, without_empty
from fakeoff.leaderboard.verdict.words import counted, listed


def test_a_figure_stands_with_its_interval_in_words_and_on_its_scale() -> None:
    told = score(0.914, (0.87, 0.96))
    assert told == Figure(text="0.914 (0.870 to 0.960)", strip=Strip(at=91.4, low=87.0, high=96.0, chance=50.0))
    assert share(0.25, (0.2, 0.3)) == Figure(text="25.0% (20.0% to 30.0%)", strip=Strip(at=25.0, low=20.0, high=30.0))


def test_a_figure_at_its_edge_says_how_far_it_may_be_from_it() -> None:
    told = score(1.0, (0.87, 1.0))
    assert isinstance(told, Figure)
    assert told.text == "1.000, at least 0.870"


def test_rounding_never_leaves_the_scale() -> None:
    told = share(1.0000000000000004, (0.9, 1.0000000000000004))
    assert isinstance(told, Figure)
    assert told.strip is not None
    assert told.strip.high == 100.0


def test_without_an_interval_a_figure_is_a_point() -> None:
    told = score(0.5, None)
    assert isinstance(told, Figure)
    assert told.strip == Strip(at=50.0, low=50.0, high=50.0, chance=50.0)


def test_what_was_not_measured_is_a_dash() -> None:
    assert score(None, None) == share(None, None) == change(None, None, percent=True) == NONE


@pytest.mark.parametrize(
    ("value", "interval", "text", "place"),
    [
        (-0.25, (-0.4, -0.1), "-25.0 (-40.0 to -10.0) points", 37.5),
        (0.1, None, "+10.0 points", 55.0),
        (-0.00001, None, "0.0 points", 50.0),
    ],
)
def test_a_change_has_a_sign_and_no_change_in_the_middle(
    value: float, interval: tuple[float, float] | None, text: str, place: float
) -> None:
    told = change(value, interval, percent=True)
    assert isinstance(told, Figure)
    assert told.strip is not None
    assert told.text == text
    assert (told.strip.at, told.strip.chance) == (pytest.approx(place, abs=0.01), 50.0)


def test_a_column_in_which_nobody_has_anything_is_left_out() -> None:
    table = Table(
        caption="c",
        columns=["who", "old", "new"],
        rows=[Row(head="a", cells=["1", NONE], note="n"), Row(head="b", cells=[NONE, NONE])],
        about="x",
    )
    lean = without_empty(table)
    assert lean.columns == ["who", "old"]
    assert [row.cells for row in lean.rows] == [["1"], [NONE]]
    assert (lean.rows[0].note, lean.about) == ("n", "x")


def test_names_and_counts_in_words() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [counted(1, "person", "people"), counted(8, "person", "people"), counted(0, "match", "matches")] == [
        "1 person",
        "8 people",
        "0 matches",
    ]
