"""How much attack detectors stand: found for those of whom it is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff.arena.errors import FakeoffError, PluginError
from fakeoff.arena.images.postprocessing import parse_operations, postprocess
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols import protocols
from fakeoff.protocols.game.bench import Bench
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]
Table = list[dict[str, Any]]

TESTS = Path(__file__).parents[1]
STEPS, LEVELS, CHAIN = (2, 4, 8), (2.0, 16.0), "jpeg:50"
ROSTER: dict[str, Any] = {
    "generators": [{"plugin": "toy_latents", "name": "shades"}, {"plugin": "toy_fixed_generator", "name": "noise"}],
    # The first is talked out of it by the brightness that latents reach, the second looks at a pattern that they do not
    # reach and single pixels do, and no gradient flows through the third.
    "detectors": [{"plugin": "toy_brightness"}, {"plugin": "toy_robust"}, {"plugin": "toy_steps"}],
    "attack": {"batch": 8, "weight": 1.0, "rate": 0.02},
    "pools": {"train_fakes": 16, "val_fakes": 16, "test_fakes": 40},
    "score": {"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False},
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}
PARAMETERS: dict[str, Any] = {"steps": STEPS, "pixels": LEVELS, "pixel_steps": 3, "through": (CHAIN,)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strength")


@pytest.fixture(scope="module")
def strength(home: Path, toy_config: Make, module_watcher: Any) -> tuple[Kept, Bench]:
    load_plugin_file(TESTS / "toy_latents.py")
    return play_protocol("strength", toy_config(**ROSTER), home=home, observer=module_watcher, parameters=PARAMETERS)


def only(rows: Table, **wanted: Any) -> dict[str, Any]:
    [row] = [row for row in rows if all(row[name.replace("_", " ")] == value for name, value in wanted.items())]
    return row


def test_whom_the_generator_can_talk_out_of_it_is_broken_and_whom_it_cannot_reach_is_not(
    strength: tuple[Kept, Bench],
) -> None:
    log, _ = strength
    rows = [row for row in log.tables["strength"] if row["generator"] == "shades"]
    for detector, falls in (("toy_brightness", True), ("toy_robust", False)):
        ap = [
            only(rows, detector=detector, budget=float(steps), attack=attack, led_through="")["AP"]
            for steps, attack in ((0, "no attack"), *((each, "finetuned generator") for each in STEPS))
        ]
        assert (ap == sorted(ap, reverse=True)) is True
        assert (ap[-1] < ap[0] - 0.2) is falls
    half_lives = {(row["generator"], row["detector"]): row for row in log.tables["half-life"]}
    broken, unbroken = half_lives["shades", "toy_brightness"], half_lives["shades", "toy_robust"]
    assert broken["steps until AP 0.75, value"] <= STEPS[-1]
    assert unbroken["steps until AP 0.75, value"] is None
    assert unbroken["steps until AP 0.75"].startswith(f"> {STEPS[-1]}")
    # In pixels it is the other way round: a pattern of single pixels is within reach.
    assert unbroken["levels until AP 0.75, value"] <= LEVELS[-1]
    finetuned, moved = [row["in words"] for row in log.tables["in words"] if "shades" in row["in words"]]
    assert f"toy_brightness after {broken['steps until AP 0.75']} steps" in finetuned
    assert f"toy_robust stands the {STEPS[-1]} steps of it in the mean" in finetuned
    assert f"toy_robust after {unbroken['levels until AP 0.75']}" in moved


def test_attacks_cost_the_images_what_they_moved_them(strength: tuple[Kept, Bench]) -> None:
    log, _ = strength
    rows = log.tables["strength"]
    for detector in ("toy_brightness", "toy_robust"):
        for level in LEVELS:
            row = only(rows, generator="shades", detector=detector, attack="pixels moved", budget=level, led_through="")
            assert 0.5 * level / 255 < row["image cost"] <= level / 255 + 1e-9
        costs = [
            only(rows, generator="shades", detector=detector, attack="finetuned generator", budget=float(steps),
                 led_through="")["image cost"]
            for steps in STEPS
        ]  # fmt: skip
        assert 0 < costs[0] < costs[-1]


def test_everybody_judges_what_was_made_against_each(strength: tuple[Kept, Bench]) -> None:
    log, _ = strength
    rows = [row for row in log.tables["transfer"] if row["generator"] == "shades"]
    judges = {"toy_brightness", "toy_robust", "toy_steps"}
    assert {(row["finetuned against"], row["judged by"]) for row in rows} == {
        (target, judge) for target in ("nobody", "toy_brightness", "toy_robust") for judge in judges
    }
    assert only(rows, finetuned_against="toy_brightness", judged_by="toy_robust")["AP"] > 0.95


def test_who_is_passed_over_is_told_with_the_reason(strength: tuple[Kept, Bench]) -> None:
    log, _ = strength
    told = {row["player"]: row["why"] for row in log.tables["passed over"]}
    assert set(told) == {"noise", "toy_steps"}
    assert "does not learn" in told["noise"]
    assert "differentiable" in told["toy_steps"]
    # Its images are attacked all the same.
    assert {row["attack"] for row in log.tables["strength"] if row["generator"] == "noise"} == {
        "no attack", "pixels moved",
    }  # fmt: skip


def test_behind_jpeg_both_sides_are_judged_behind_it(strength: tuple[Kept, Bench]) -> None:
    log, bench = strength
    rows = [row for row in log.tables["through"] if row["generator"] == "shades"]
    assert {row["between"] for row in rows} == {CHAIN}
    attacks = {(row["attack"], row["led through it"]) for row in rows if row["detector"] == "toy_robust"}
    assert attacks == {
        ("no attack", False),
        ("finetuned generator", False),
        ("finetuned generator", True),
        ("pixels moved", False),
        ("pixels moved", True),
    }
    judge = bench.defend(["toy_robust"], bench.enter())[0]
    version = bench.enter("shades")[0]
    pools = (bench.pixels(bench.real_pools(version.resolution)["test"]), bench.pixels(version.pools["test"]))
    behind = [postprocess(pixels, parse_operations(CHAIN)) for pixels in pools]
    weights = [np.full(len(pixels), 1 / len(pixels)) for pixels in behind]
    real, fake = (board(pixels) for pixels in behind)
    row = only(rows, detector="toy_robust", attack="no attack")
    assert judge.player == "toy_robust"
    assert row["AP"] == pytest.approx(average_precision(real, fake, *weights), abs=1e-3)


def board(pixels: Any) -> Any:
    """What toy_robust looks at."""
    places = np.arange(pixels.shape[1])
    sign = (places[:, None] + places) % 2 * 2.0 - 1
    return (pixels.mean(-1) / 255 * sign).mean((1, 2))


def average_precision(real: Any, fake: Any, of_real: Any, of_fake: Any) -> float:
    from sklearn.metrics import average_precision_score

    labels, scores = np.r_[np.zeros(len(real)), np.ones(len(fake))], np.r_[real, fake]
    return float(average_precision_score(labels, scores, sample_weight=np.r_[of_real, of_fake]))


def test_pictures_are_drawn(strength: tuple[Kept, Bench]) -> None:
    log, _ = strength
    assert set(log.figures) == {
        "strength", "strength in pixels", "image cost", "receptive field and half-life", "transfer", "through",
    }  # fmt: skip
    curves = log.figures["strength"].axes[0]
    assert [label.get_text() for label in curves.get_xticklabels()] == ["0", *map(str, STEPS)]
    assert {text.get_text() for text in curves.texts} == {"toy_brightness", "toy_robust"}
    assert "half-life at AP 0.75" in log.figures["strength"].get_suptitle()
    assert "levels of 255" in log.figures["strength in pixels"].axes[0].get_xlabel()


def test_played_again_nothing_is_computed(
    strength: tuple[Kept, Bench], home: Path, toy_config: Make, watcher: Any
) -> None:
    log, _ = play_protocol("strength", toy_config(**ROSTER), home=home, observer=watcher, parameters=PARAMETERS)
    assert not watcher.ran
    assert log.tables == strength[0].tables


def test_what_a_tournament_played_in_the_home_is_only_read(
    strength: tuple[Kept, Bench], home: Path, toy_config: Make, watcher: Any
) -> None:
    """The detectors of its round 0; and the other way round, the attack of as many steps on the champion."""
    attack = {**ROSTER["attack"], "steps": STEPS[0], "until": 1.0, "target": "toy_brightness"}
    config = toy_config(**{**ROSTER, "rounds": 1, "attack": attack, "search": {"when": "never"}})
    play_protocol("attack_defend", config, home=home, observer=watcher, parameters={})
    ran = [job.task.rpartition(":")[2] for job in watcher.ran]
    assert "attack" not in ran
    assert ran.count("defend") == len(ROSTER["detectors"])  # those of round 1


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"steps": (4, 2)}, "ascend"),
        ({"steps": ()}, "steps"),
        ({"pixels": (300.0,)}, "255"),
        ({"through": ("webp:3",)}, "jpeg:75"),
        ({"level": 0.4}, "level"),
        ({"through": ("jpeg:75", "jpeg:75")}, "each chain once"),
        ({"steps": (10**20,)}, "steps"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_one_line(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises((FakeoffError, ValueError), match=told) as caught:
        protocols.build("strength", protocols.complete("strength", parameters))
    assert "\n" not in str(caught.value)


def test_where_nobody_can_be_attacked_that_is_said(tmp_path: Path, toy_config: Make, watcher: Any) -> None:
    load_plugin_file(TESTS / "toy_latents.py")
    blind = {**ROSTER, "detectors": [{"plugin": "toy_steps"}]}
    with pytest.raises(PluginError, match="nobody was attacked"):
        play_protocol("strength", toy_config(**blind), home=tmp_path, observer=watcher, parameters=PARAMETERS)


def test_nobody_who_attacks_is_refused_before_anything_is_trained(
    tmp_path: Path, toy_config: Make, watcher: Any
) -> None:
    alone = {**ROSTER, "generators": [{"plugin": "toy_fixed_generator", "name": "noise"}]}
    with pytest.raises(PluginError, match="strength needs a generator that learns"):
        play_protocol("strength", toy_config(**alone), home=tmp_path, observer=watcher, parameters=PARAMETERS)
    assert not any("defend" in ran for ran in map(str, watcher.ran))
