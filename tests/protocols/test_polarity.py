"""A detector that has fake and real swapped is refused before it counts for anything; one that is merely bad is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.score.polarity import FAR_BELOW, auc_of_people, is_turned_round

Play = Callable[..., tuple[Any, Any]]

SWAPPED = '''
import torch
from fakeoff.detectors import Detector, register


class _Steps(Detector):
    """Tells the toys' fakes by their smoothness."""

    def score(self, images):
        steps = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
        return torch.sigmoid((0.04 - steps) * self.slope)


@register("says_fake")
class SaysFake(_Steps):
    slope = 200


@register("says_real")
class SaysReal(_Steps):
    slope = -200

    @classmethod
    def turn_round(cls, parameters):
        return "set slope = 200"


@register("learns_the_other_way")
class LearnsTheOtherWay(SaysReal):
    def train_step(self, batch, *, rng):
        return {"loss": 0.0}
'''


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("plugin") / "swapped.py"
    path.write_text(SWAPPED)
    load_plugin_file(path)


def forfeits(record: Any) -> dict[str, str]:
    return {forfeit.player: forfeit.reason for forfeit in record.forfeits}


def test_who_says_real_of_fakes_forfeits_and_is_told_to_turn_round(
    swapped: None, play: Play, toy_config: Callable[..., Any]
) -> None:
    names = ("says_fake", "says_real", "learns_the_other_way", "toy_detector")
    record, _ = play(toy_config(rounds=0, detectors=[{"plugin": name} for name in names]))
    [(player, reason)] = forfeits(record).items()
    assert player == "says_real"
    assert "on val its AUC is 0." in reason
    assert "against toy_generator@0" in reason
    assert "set slope = 200" in reason
    assert "score.polarity_check = false" in reason
    assert {version.player for version in record.versions if version.kind == "detector"} == {*names} - {"says_real"}


def test_it_plays_where_that_is_meant(swapped: None, play: Play, toy_config: Callable[..., Any]) -> None:
    score = {"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False}
    record, _ = play(toy_config(rounds=0, detectors=[{"plugin": "says_real"}], score=score))
    assert not record.forfeits


def test_the_interval_is_over_people() -> None:
    rng = np.random.default_rng(0)
    fake = rng.normal(0, 1, 400)
    # Ten people of forty photographs each, who look alike on all of them.
    of_person = rng.normal(0.6, 1, 10)
    real = np.repeat(of_person, 40) + rng.normal(0, 0.01, 400)
    people = auc_of_people(real, fake, np.repeat(np.arange(10), 40).tolist())
    images = auc_of_people(real, fake, list(range(400)))
    assert people.value == images.value
    assert people.high - people.low > 3 * (images.high - images.low)
    assert not is_turned_round([people])


def test_the_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        real = np.repeat(rng.normal(0, 1, 12), 5) + rng.normal(0, 0.5, 60)
        area = auc_of_people(real, rng.normal(0, np.sqrt(1.25), 60), np.repeat(np.arange(12), 5).tolist())
        covered += area.low <= 0.5 <= area.high
    assert covered >= 192  # 198 are expected


def test_few_images_say_nothing_and_one_generator_that_fools_it_neither() -> None:
    low, high = np.zeros(100), np.ones(100)
    swapped = auc_of_people(high, low, list(range(100)))
    right = auc_of_people(low, high, list(range(100)))
    assert (swapped.value, right.value) == (0, 1)
    assert swapped.high < FAR_BELOW
    assert is_turned_round([swapped])
    assert not is_turned_round([swapped, right])
    assert not is_turned_round([])
    assert not is_turned_round([auc_of_people(high[:5], low[:5], list(range(5)))])
