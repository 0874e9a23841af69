from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fakeoff.leaderboard.mlflow.champion import choose_champion, surpasses


def _standings(**ranks: tuple[int, int] | None) -> list[Any]:
    return [_standing(player, rank_ci) for player, rank_ci in ranks.items()]


def _standing(player: str, rank_ci: tuple[int, int] | None, ahead_ci: tuple[float, float] | None = None) -> Any:
    return SimpleNamespace(player=player, rank_ci=rank_ci, ahead_ci=ahead_ci)


@pytest.mark.parametrize(
    ("ranks", "holder", "champion"),
    [
        ({"new": (1, 1), "old": (2, 2)}, "old", "new"),  # the difference holds
        ({"new": (1, 2), "old": (1, 2)}, "old", "old"),  # it does not
        ({"new": (1, 2), "other": (1, 3), "old": (2, 3)}, "old", "old"),
        ({"new": (1, 1), "other": (2, 3), "old": (2, 3)}, "old", "new"),
        ({"old": (1, 1), "new": (2, 2)}, "old", "old"),
        ({"new": (1, 2), "other": (1, 2)}, None, "new"),  # nobody held it
        ({"new": (1, 2), "other": (1, 2)}, "old", "new"),  # the holder takes no place any more
        ({"new": None, "old": None}, "old", "old"),  # a file of before ranks had intervals
        ({}, "old", None),
    ],
)
def test_the_alias_moves_only_where_the_difference_holds(ranks: Any, holder: str | None, champion: str | None) -> None:
    assert choose_champion(_standings(**ranks), holder) == champion


@pytest.mark.parametrize(("ahead_ci", "champion"), [((0.01, 0.2), "new"), ((0.0, 0.2), "old"), ((-0.1, 0.2), "old")])
def test_the_difference_to_the_next_must_exclude_0(ahead_ci: tuple[float, float], champion: str) -> None:
    # Somebody whose figures are vague leaves ranks in common.
    standings = [_standing("new", (1, 2), ahead_ci), _standing("old", (2, 3)), _standing("vague", (1, 3))]
    assert choose_champion(standings, "old") == champion
    # It is the difference to the next one alone.
    assert choose_champion([standings[0], standings[2], standings[1]], "old") == "old"


def test_nobody_surpasses_whom_the_ranks_cannot_tell_apart() -> None:
    first, second, third = _standings(first=(1, 1), second=(2, 3), third=(2, 3))
    assert surpasses(first, third, is_next=False)
    assert not surpasses(second, third, is_next=True)
