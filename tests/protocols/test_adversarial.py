"""Adversarial training: a share of a batch's fakes are moved against the detector as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import state_arrays, weights_hash
from fakeoff.detectors import Batch, Detector, players
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.adversarial import AdversarialArguments, Adversary
from fakeoff.protocols.rules.defend import DefendArguments, defend

MakeContext = Callable[..., Context]
Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]

MOVED = {"adversarial": 0.5, "adversarial_every": 5, "adversarial_steps": 3}


def _identity(plugin: str, **parameters: Any) -> Any:
    return {"plugin": plugin, "parameters": parameters, "fingerprint": {}}


def _pool(n: int, brightness: float, seed: int) -> Result:
    pixels = np.clip(np.random.default_rng(seed).normal(brightness, 20, (n, 16, 16, 3)), 0, 255)
    return Result(record={}, arrays={"images": pixels.astype(np.uint8)})


@pytest.fixture
def context(toys: Path, bad_players: Path) -> MakeContext:
    """Makes the context of a defence whose pools hold black fakes, and whose adversaries start from grey."""
    load_plugin_file(Path(__file__).parents[1] / "toy_manipulators.py")

    def make(
        *generators: str,
        detector: str = "toy_detector",
        persons: tuple[int, ...] | None = None,
        steps: int = 10,
        **session: Any,
    ) -> Context:
        adversaries = [_identity(plugin) for plugin in generators or ("toy_generator",)]
        adversarial: dict[str, Any] = {
            "adversaries": tuple(Adversary(generator=one, reals=0, persons=persons) for one in adversaries),
            "share": 0.5,
            "every": 4,
            "steps": 3,
            "weight": 1.0,
            "batch": 4,
            "rate": 0.05,
            "arena_resolution": 16,
            "colour": "grey",
        }
        arguments = DefendArguments(
            detector=_identity(detector),
            steps=steps,
            batch=8,
            rate=0.0,
            check_every=10,
            patience=3,
            perfect="images",
            seed=0,
            precision="float32",
            adversarial=AdversarialArguments(**(adversarial | session)),
        )
        versions = [state_arrays(referee.build_generator(one)) for one in adversaries]
        black = Result(record={}, arrays={"images": np.zeros((20, 16, 16, 3), dtype=np.uint8)})
        reals = {f"real_{split}_0": _pool(20, 200, 1) for split in ("train", "val")}
        return Context(
            key="a defence",
            payload=asdict(arguments),
            places={},
            inputs={
                **reals,
                "fake_train_0": black,
                "fake_val_0": black,
                "attack_reals_0": _pool(12, 200, 2),
                **{f"adversary_{place}": Result(record={}, arrays=arrays) for place, arrays in enumerate(versions)},
            },
            report=lambda done, total, note="": None,
        )

    return make


@pytest.fixture
def shown(toys: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Batch, str, bool]]:
    """The batches that a toy was shown, the hash of its weights then, and whether it was in training mode."""
    seen: list[tuple[Batch, str, bool]] = []
    toy = players.load("toy_detector")
    learn = toy.train_step

    def train_step(self: Any, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        seen.append((batch, weights_hash(self.state_dict()), self.training))
        measured: dict[str, float] = learn(self, batch, rng=rng)
        seen.append((batch, weights_hash(self.state_dict()), self.training))
        return measured

    monkeypatch.setattr(toy, "train_step", train_step)
    return seen


def _moved(batch: Batch) -> list[bool]:
    """Which of a batch's fakes are not from the black pool."""
    assert batch.is_fake is not None
    fakes: Tensor = batch.images[batch.is_fake]
    return [bool(fake.any()) for fake in fakes]


@pytest.mark.parametrize(("share", "of_four"), [(0.01, 1), (0.5, 2), (1.0, 4)])
def test_a_batch_holds_so_many_moved_fakes_from_the_first_session_on(
    context: MakeContext, shown: list[tuple[Batch, str, bool]], share: float, of_four: int
) -> None:
    made = context(share=share)
    before = {name: array.copy() for name, array in made.inputs["adversary_0"].arrays.items()}
    record = defend(made).record["adversarial"]
    batches = [batch for batch, _, _ in shown[::2]]
    assert [sum(_moved(batch)) for batch in batches] == [0] * 4 + [of_four] * 6
    assert [int(batch.labels.sum()) for batch in batches] == [4] * 10
    assert [session["step"] for session in record["sessions"]] == [5, 9]
    assert not record["left_out"]
    assert all(0 <= session["passes"] <= 1 for session in record["sessions"])
    for name, array in before.items():  # what is on record is not written to
        np.testing.assert_array_equal(made.inputs["adversary_0"].arrays[name], array)


def test_the_detector_is_the_same_after_a_session_as_before_it(
    context: MakeContext, shown: list[tuple[Batch, str, bool]]
) -> None:
    defend(context())
    after, before = [told for _, told, _ in shown[1:-1:2]], [told for _, told, _ in shown[2::2]]
    assert after == before
    assert len(set(after)) == 9  # each step moved it, those after sessions, too
    assert all(training for _, _, training in shown)


class BrightIsFake(Detector):
    """Stays as it is, and takes an image for as fake as it is bright."""

    def __init__(self) -> None:
        super().__init__()
        SHOWN.clear()

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        SHOWN.append(batch)
        return {}

    def score(self, images: Tensor) -> Tensor:
        return 0.1 + 0.8 * images.mean((1, 2, 3))


SHOWN: list[Batch] = []


def test_fakes_are_moved_towards_passing_as_real(context: MakeContext) -> None:
    """Its own loss pulls the generator from grey to the reals, which are bright; to pass here is to be dark."""

    def brightness(weight: float) -> float:
        defend(context(weight=weight, detector=f"{__name__}:BrightIsFake"))
        batch = SHOWN[-1]
        return batch.images[batch.labels][torch.tensor(_moved(batch))].mean().item()

    assert brightness(100.0) < 0.48
    assert brightness(1e-4) > 0.52


def test_the_same_defence_gives_the_same_bytes(context: MakeContext) -> None:
    one, other = defend(context()), defend(context())
    assert one.record == other.record
    assert all((array == other.arrays[name]).all() for name, array in one.arrays.items())


def test_adversaries_do_not_shift_what_is_drawn_before_they_come(
    context: MakeContext, shown: list[tuple[Batch, str, bool]]
) -> None:
    with_them = [told for _, told, _ in (defend(context()), shown)[1]][:8]
    shown.clear()
    without = context()
    defend(replace(without, payload={**without.payload, "adversarial": None}))
    assert [told for _, told, _ in shown][:8] == with_them


BAD: Mapping[str, str] = {
    "raises": "raised RuntimeError: the plugin's own bug",
    "returns_nan": "train_step returned nan for 'own_loss' at step 0",
    "samples_nan": "sample returned NaN or infinite values",
    "tampers": "changed the weights of the frozen detector that it was trained against",
    "only_trains": "never called extra_loss()",
    "draws_globally": "drew from or wrote to the global random state",
    "never_steps": "is the same to the last weight after 3 steps",
}


def test_a_generator_that_misbehaves_is_left_out_and_the_defence_goes_on(
    context: MakeContext, shown: list[tuple[Batch, str, bool]]
) -> None:
    record = defend(context(*BAD, "toy_generator", steps=40, every=1)).record["adversarial"]
    said = {list(BAD)[left["adversary"]]: left["reason"] for left in record["left_out"]}
    assert set(said) == set(BAD)  # each was drawn, and once
    for plugin, reason in BAD.items():
        assert said[plugin].startswith(reason), (plugin, said[plugin])
    assert {session["adversary"] for session in record["sessions"]} == {len(BAD)}
    assert [told for _, told, _ in shown[1:-1:2]] == [told for _, told, _ in shown[2::2]]  # tampered with or not
    assert all(sum(_moved(batch)) == 2 for batch, _, _ in shown[2::2])


def test_with_nobody_left_batches_come_from_the_pools(
    context: MakeContext, shown: list[tuple[Batch, str, bool]]
) -> None:
    record = defend(context("raises")).record["adversarial"]
    assert [(left["step"], left["adversary"]) for left in record["left_out"]] == [(5, 0)]
    assert not record["sessions"]
    assert not any(sum(_moved(batch)) for batch, _, _ in shown)


def test_a_manipulator_is_shown_people_of_train(context: MakeContext) -> None:
    persons = tuple(range(12))
    record = defend(context("toy_learning_swap", persons=persons)).record["adversarial"]
    assert [session["step"] for session in record["sessions"]] == [5, 9]
    assert not record["left_out"]


def test_a_detector_that_nobody_can_follow_learns_without(
    context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(players.load("toy_detector"), "differentiable", False)
    record = defend(context()).record["adversarial"]
    assert not record["sessions"]
    [left] = record["left_out"]  # told once, of two sessions
    assert (left["step"], left["adversary"]) == (5, None)
    assert "not differentiable" in left["reason"]


def _small(toy_config: Config, **over: Any) -> Any:
    settings = {"defend": {"steps": 12, "batch": 8, "check_every": 12, "perfect": "patches", **MOVED}}
    return toy_config(
        **{**settings, "attack": {"target": "all", "steps": 2, "batch": 4}, "parts": {"parser": ""}} | over
    )


def test_in_a_game_the_newest_that_can_attack_are_moved(play: Play, toy_config: Config, bad_players: Path) -> None:
    config = _small(
        toy_config,
        generators=[{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}, {"plugin": "raises"}],
        detectors=[{"plugin": "toy_detector"}, {"plugin": "toy_brightness", "name": "fixed"}],
    )
    record, watcher = play(config)
    assert {(forfeit.player, forfeit.stage) for forfeit in record.forfeits} == {("raises", "attack")}
    keys = {version.label: version.key for version in record.versions if version.kind == "generator"}
    defences = {(job.player, job.round): job.inputs for job in watcher.ran if job.name == "defend"}
    adversaries = {
        place: [key for name, key in inputs.items() if name.startswith("adversary_")]
        for place, inputs in defences.items()
    }
    assert adversaries["toy_detector", 0] == [keys["raises@0"], keys["toy_generator@0"]]
    assert adversaries["toy_detector", 1] == [keys["raises@0"], keys["toy_generator@1"]]
    assert not adversaries["fixed", 0]  # it does not learn, and nothing is missing there
    told = [(passed.detector, passed.reason) for passed in record.passed_over]
    for round_ in (0, 1):
        expected = "it was trained without raises@0, which raised RuntimeError: the plugin's own bug"
        assert (f"toy_detector@{round_}", expected) in told
    again, after = play(config)
    assert [job.name for job in after.ran if job.name == "defend"] == []
    assert again == record


@pytest.mark.parametrize(
    ("generator", "detector", "settings", "expected"),
    [
        ("toy_fixed_generator", "toy_detector", {}, "no generator that it learned from can attack"),
        ("exits", "toy_detector", {}, "with them, the defence raised SystemExit"),
        (
            "toy_generator",
            "toy_detector",
            {"adversarial_every": 50},
            "training ended at step 12, before they were moved",
        ),
        ("toy_generator", "fits_at_once", {}, "it learns at once, and they are moved between steps"),
    ],
)
def test_what_is_done_without_is_said(
    play: Play,
    toy_config: Config,
    bad_players: Path,
    tmp_path: Path,
    generator: str,
    detector: str,
    settings: Mapping[str, Any],
    expected: str,
) -> None:
    (tmp_path / "fits_at_once.py").write_text(FITS_AT_ONCE)
    load_plugin_file(tmp_path / "fits_at_once.py")
    defence = {"steps": 12, "batch": 8, "check_every": 12, "perfect": "patches", **MOVED, **settings}
    config = _small(
        toy_config,
        rounds=0,
        generators=[{"plugin": generator}],
        detectors=[{"plugin": detector}],
        defend=defence,
        audit={"on_leak": "skip"},
    )
    record, watcher = play(config)
    assert not record.forfeits
    [passed] = record.passed_over
    assert passed.detector == f"{detector}@0"
    assert passed.reason.startswith("it was trained without adversaries: ")
    assert expected in passed.reason
    kept = [version.key for version in record.versions if version.kind == "detector"]
    plain = [job.key for job in watcher.ran if job.name == "defend" and "adversary_0" not in job.inputs]
    assert kept == plain or "before they were moved" in expected


FITS_AT_ONCE = """
import torch
from fakeoff.detectors import Detector, register

@register("fits_at_once")
class FitsAtOnce(Detector):
    differentiable = False
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
    def fit(self, batches, *, rng):
        self.mean = torch.cat([batch.images.mean((1, 2, 3)) for batch in batches()]).mean()[None]
        return {"mean": float(self.mean)}
    def score(self, images):
        return torch.sigmoid(images.mean((1, 2, 3)) - self.mean)
"""


def test_workers_give_the_same_bytes(toys: Path, toy_config: Config, tmp_path: Path) -> None:
    config = _small(
        toy_config,
        detectors=[{"plugin": "patch_rounds", "name": "rounds", "parameters": {"member": "toy_detector"}}],
        audit={"on_leak": "skip"},
    )

    class Silent:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: None

    def go(executor: Any, home: str) -> Any:
        source, store = open_source("orl"), Store(tmp_path / home)
        return play_tournament(config, source=source, store=store, executor=executor, observer=Silent()), store

    on_ray = RayExecutor(workers=1)
    try:
        (here, store), (there, other) = go(SerialExecutor(), "serial"), go(on_ray, "ray")
    finally:
        on_ray.close()
    assert here == there
    for version in here.versions:
        assert store.read(version.key).record == other.read(version.key).record
        for name, array in store.read(version.key).arrays.items():
            np.testing.assert_array_equal(array, other.read(version.key).arrays[name])
