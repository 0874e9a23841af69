"""Who broke whom, how sure that is, what retraining did and what it cost: in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.attacks import find_attacked, tell_attacks, tell_unbroken
from fakeoff.protocols.measures.changes import ChangeRow

Whole = Callable[[Mapping[str, Any]], Scoreboard]


def _cell(detector: str, generator: str, accuracy: float, **over: Any) -> dict[str, Any]:
    (judge, judged), (maker, made) = detector.split("@"), generator.split("@")
    pair = {"detector": judge, "detector_round": int(judged), "generator": maker, "generator_round": int(made)}
    return {**pair, "accuracy": accuracy, "accuracy_ci": (accuracy - 0.05, accuracy + 0.05), **over}


def _change(round_: int, change: float, recovery: float | None, *, half: float = 0.06) -> ChangeRow:
    return ChangeRow(
        generator="g",
        generator_round=round_,
        detector="d",
        detector_round=round_ - 1,
        metric="accuracy",
        change=change,
        change_ci=(change - half, change + half),
        recovery=recovery,
        recovery_ci=None if recovery is None else (recovery - half, recovery + half),
    )


@pytest.fixture
def attacked(whole: Whole) -> Callable[..., Scoreboard]:
    """An attack of g@1 on d@0, from which d@1 learned."""

    def make(after: float = 0.55, retrained: float | None = 0.9, **over: Any) -> Scoreboard:
        cells = [_cell("d@0", "g@0", 0.95), _cell("d@0", "g@1", after, is_target=True)]
        cells += [] if retrained is None else [_cell("d@1", "g@1", retrained)]
        recovery = None if retrained is None else retrained - after
        attacks = [{"generator": "g", "round": 1, "targets": ["d@0"]}]
        found = whole({"cells": cells, "attacks": attacks, **over})
        return dataclasses.replace(found, changes=(_change(1, after - 0.95, recovery),))

    return make


@pytest.mark.parametrize(
    ("after", "retrained", "said"),
    [
        (0.55, 0.9, "g broke d@0 in round 1: accuracy 95.0% -> 55.0% (50.0% to 60.0%), a change of -40.0 points "
                    "(-46.0 to -34.0). Retraining caught it: accuracy 90.0% (85.0% to 95.0%) on the same fakes."),
        (0.75, 0.9, "g weakened d@0 in round 1: accuracy 95.0% -> 75.0% (70.0% to 80.0%), a change of -20.0 points "
                    "(-26.0 to -14.0). Retraining caught it: accuracy 90.0% (85.0% to 95.0%) on the same fakes."),
        (0.94, 0.95, "g did not fool d@0 in round 1: accuracy 95.0% -> 94.0% (89.0% to 99.0%), a change of "
                     "-1.0 points (-7.0 to +5.0). Retrained: accuracy 95.0% (90.0% to 100.0%) on the same fakes."),
        (0.5, 0.62, "g broke d@0 in round 1: accuracy 95.0% -> 50.0% (45.0% to 55.0%), a change of -45.0 points "
                    "(-51.0 to -39.0). Retraining did not catch it: accuracy 62.0% (57.0% to 67.0%) on the same "
                    "fakes."),
        (0.5, None, "g broke d@0 in round 1: accuracy 95.0% -> 50.0% (45.0% to 55.0%), a change of -45.0 points "
                    "(-51.0 to -39.0). It was not retrained."),
    ],
)  # fmt: skip
def test_an_attack_is_told(
    attacked: Callable[..., Scoreboard], after: float, retrained: float | None, said: str
) -> None:
    assert tell_attacks(attacked(after, retrained)) == [said]


def test_who_was_broken_before_is_not_broken_again(attacked: Callable[..., Scoreboard]) -> None:
    found = attacked(after=0.5)
    before, *others = found.cells
    worse = dataclasses.replace(before, accuracy=0.6)
    again = dataclasses.replace(found, rows={**found.rows, "match": (worse, *others)})
    assert [one.outcome for one in find_attacked(found)] == ["broke"]
    assert [one.outcome for one in find_attacked(again)] == ["weakened"]


def test_what_it_cost_is_told_with_it(attacked: Callable[..., Scoreboard]) -> None:
    cost = {"generator": "g", "generator_round": 1, "ssim_to_first": 0.62}
    out = {"kind": "generator", "player": "g", "round": 1, "reason": "its faces are noise; and more"}
    [said] = tell_attacks(attacked(costs=[cost], unranked=[out]))
    assert said.endswith(
        "What it cost: SSIM 0.62 to the faces before any attack; g@1 takes no place, since its faces are noise."
    )


def test_a_file_of_before_says_no_more_than_it_knows(attacked: Callable[..., Scoreboard]) -> None:
    old = dataclasses.replace(attacked(), changes=())
    [said] = tell_attacks(old)
    assert said.startswith("g attacked d@0 in round 1: accuracy 95.0% -> 55.0% (50.0% to 60.0%). Retrained, it has")
    assert [one.outcome for one in find_attacked(old)] == ["not told"]


def test_of_many_attacks_there_is_a_count_and_the_hardest(whole: Whole) -> None:
    accuracies = [0.9, 0.5, 0.7, 0.94, 0.6]
    cells, changes = [_cell("d@0", "g@0", 0.95)], []
    for round_, after in enumerate(accuracies, start=1):
        cells += [
            _cell(f"d@{round_ - 1}", f"g@{round_ - 1}", 0.95),
            _cell(f"d@{round_ - 1}", f"g@{round_}", after, is_target=True),
            _cell(f"d@{round_}", f"g@{round_}", 0.95),
        ]
        changes.append(_change(round_, after - 0.95, 0.95 - after))
    found = dataclasses.replace(whole({"cells": cells[1:]}), changes=tuple(changes))
    count, *told = tell_attacks(found)
    assert count == (
        "Of 5 attacks 2 broke their target, 1 weakened it and 2 did not lower its accuracy for sure; retraining caught "
        "3 of the 3 that did. Those that changed most:"
    )
    assert [one.partition(":")[0] for one in told] == [
        "g broke d@1 in round 2",
        "g broke d@4 in round 5",
        "g weakened d@2 in round 3",
    ]


def test_fakes_that_take_no_place_break_nobody_in_the_count(whole: Whole) -> None:
    cells, changes = [], []
    for round_ in range(1, 6):
        cells += [
            _cell(f"d@{round_ - 1}", f"g@{round_ - 1}", 0.95),
            _cell(f"d@{round_ - 1}", f"g@{round_}", 0.5, is_target=True),
        ]
        changes.append(_change(round_, -0.45, None))
    out = [{"kind": "generator", "player": "g", "round": round_, "reason": "noise"} for round_ in (1, 2)]
    found = dataclasses.replace(whole({"cells": cells, "unranked": out}), changes=tuple(changes))
    count, *told = tell_attacks(found)
    assert count.startswith("Of 3 attacks 3 broke their target")
    assert "Fakes of 2 more take no place: what they fool says nothing." in count
    assert [one.partition(":")[0].rpartition(" ")[2] for one in told] == ["3", "4", "5"]


def test_an_attack_that_helped_its_target_is_told(attacked: Callable[..., Scoreboard]) -> None:
    found = attacked(after=0.99, retrained=0.99)
    better = dataclasses.replace(found, changes=(_change(1, 0.04, 0.0, half=0.03),))
    [said] = tell_attacks(better)
    assert said.startswith("g was easier to catch afterwards than before for d@0 in round 1: accuracy 95.0% -> 99.0%")


def test_who_was_never_fooled(attacked: Callable[..., Scoreboard], whole: Whole) -> None:
    assert tell_unbroken(attacked()) == ""
    cells = [
        _cell("a@0", "g@0", 0.95),
        _cell("a@0", "g@1", 0.8, is_target=True),
        _cell("b@0", "g@0", 0.99),
        _cell("b@0", "g@1", 0.9),
        _cell("c@0", "g@1", 0.69),  # may be 64%
    ]
    attacks = [{"generator": "g", "round": 1, "targets": ["a@0"]}]
    assert tell_unbroken(whole({"cells": cells, "attacks": attacks})) == (
        "Never fooled by finetuned generators, in any round: a (at worst 80.0% (75.0% to 85.0%) accuracy, a@0 on g@1) "
        "and b (at worst 90.0% (85.0% to 95.0%) accuracy, b@0 on g@1; nobody was finetuned against it)."
    )
    assert tell_unbroken(whole({"cells": cells})) == "", "where nobody attacked, nobody withstood"


def test_a_search_is_told_of_whom_no_generator_was_finetuned_against(whole: Whole) -> None:
    cells = [_cell("a@0", "g@0", 0.5, is_target=True), _cell("b@0", "g@0", 0.99)]
    attacks = [{"generator": "g", "round": 1, "targets": ["a@0"]}]
    pair = {"detector": "b", "detector_round": 0, "generator": "g", "generator_round": 0, "skipped": ""}
    share = {"p_fake": 0.5, "recall_fake_ci": (0, 1), "passes": 0.5, "passes_ci": (0, 1), "ap": 0.5, "ap_ci": (0, 1)}
    found = {"start": {**share, "recall_fake": 1.0}, "found": {**share, "recall_fake": 0.81}}
    said = tell_unbroken(whole({"cells": cells, "attacks": attacks, "searches": [{**pair, **found}]}))
    assert (
        "nobody was finetuned against it; a search of latents took what it finds of fakes from 100.0% to 81.0%" in said
    )
