"""Pretraining: a generator's own objective, in jobs, with weights that a player can be entered with."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from fakeoff import generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import load_weights, state_arrays, write_spec
from fakeoff.protocols import protocols
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.pretrain import Pretrain
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]

SMALL_PGAN = {
    "plugin": "pgan",
    "name": "small",
    "parameters": {"weights": "", "resolution": 16, "features": 16, "latent_dim": 8},
}


@pytest.fixture
def pretrain(tmp_path: Path, toy_config: Make, watcher: Any) -> Callable[..., tuple[Kept, Bench]]:
    """Plays the protocol; returns what it logged and the bench that it stood on."""

    def play(
        *, home: str = "home", executor: Executor | None = None, config: dict[str, Any] | None = None, **parameters: Any
    ) -> tuple[Kept, Bench]:
        return play_protocol(
            "pretrain",
            toy_config(**(config or {})),
            home=tmp_path / home,
            observer=watcher,
            executor=executor,
            parameters=parameters,
        )

    return play


def test_a_generator_comes_closer_to_people_it_never_saw(pretrain: Make) -> None:
    log, _ = pretrain(steps=40, batch=8)
    losses = log.series["toy_generator/own_loss"]
    assert list(losses) == list(range(1, 41))
    assert losses[40] < losses[1] / 2
    for metric in ("kid", "swd"):
        before, after = log.series[f"toy_generator/{metric}_to_reals"].items()
        assert (before[0], after[0]) == (0, 40)
        assert after[1] < before[1]
    [row] = log.tables["distance to held-out reals"]
    assert (row["generator"], row["steps"]) == ("toy_generator", 40)
    assert row["KID after"] < row["KID before"]
    assert row["KID after"] == log.series["toy_generator/kid_to_reals"][40]


def test_its_weights_enter_a_player(pretrain: Make, tmp_path: Path) -> None:
    log, _ = pretrain(steps=2, batch=4, config={"generators": [SMALL_PGAN]})
    path = tmp_path / "small.safetensors"
    path.write_bytes(log.files["small.safetensors"])
    parameters = {**SMALL_PGAN["parameters"], "weights": str(path)}  # type: ignore[dict-item]
    spec = write_spec(generators.players, name="small", plugin="pgan", parameters=parameters)
    player = generators.players.build("pgan", spec.identity()["parameters"])
    before = state_arrays(player)
    assert spec.weights is not None
    load_weights(player, spec.weights)
    loaded, trained = state_arrays(player), load(log.files["small.safetensors"])
    assert loaded.keys() == trained.keys()
    assert all((loaded[name] == trained[name]).all() for name in trained)
    assert any((loaded[name] != before[name]).any() for name in trained)


def test_no_detector_and_no_test_pool_takes_part_in_training(pretrain: Make, watcher: Any) -> None:
    _, bench = pretrain(steps=2, batch=4)
    tasks = [job.task.partition(":")[2] for job in watcher.ran]
    assert {"defend", "audit", "judge"}.isdisjoint(tasks)
    [job] = [job for job in watcher.ran if job.task.endswith(":pretrain")]
    reals = bench.real_pools(16)
    assert job.inputs["reals"] == reals["attack"]
    assert not {reals["test"], reals["val"]} & set(job.inputs.values())


def test_sessions_go_on_from_each_other(pretrain: Make, watcher: Any) -> None:
    log, _ = pretrain(steps=3, batch=4, sessions=2)
    first, second = [job for job in watcher.ran if job.task.endswith(":pretrain")]
    assert second.inputs["version"] == first.key
    assert list(log.series["toy_generator/own_loss"]) == [1, 2, 3, 4, 5, 6]
    assert list(log.series["toy_generator/kid_to_reals"]) == [0, 3, 6]
    longer, _ = pretrain(steps=3, batch=4, sessions=3)
    assert [job.task for job in watcher.ran].count(first.task) == 3  # the third session alone is new
    whole, more = (kept.series["toy_generator/own_loss"] for kept in (log, longer))
    assert whole == {step: more[step] for step in whole}


def test_a_session_that_was_finished_is_not_lost(pretrain: Make, watcher: Any) -> None:
    class Interrupted(SerialExecutor):
        def wait(self) -> Outcome:
            if "session 2" in self._waiting[0][0].label:
                raise KeyboardInterrupt
            return super().wait()

    with pytest.raises(KeyboardInterrupt):
        pretrain(steps=2, batch=4, sessions=2, executor=Interrupted())
    before = len(watcher.ran)
    pretrain(steps=2, batch=4, sessions=2)
    trained = [job.label for job in watcher.ran[before:] if job.task.endswith(":pretrain")]
    assert trained == ["pretrain toy_generator, session 2 of 2"]


def test_generators_are_pretrained_alike_in_any_order(pretrain: Make, backwards: SerialExecutor) -> None:
    config = {"generators": [{"plugin": "toy_generator"}, SMALL_PGAN]}
    one, _ = pretrain(steps=2, batch=4, config=config, home="one")
    other, _ = pretrain(steps=2, batch=4, config=config, home="other", executor=backwards)
    assert (one.series, one.tables, one.files) == (other.series, other.tables, other.files)
    assert set(one.files) == {"toy_generator.safetensors", "small.safetensors"}


def test_one_that_misbehaves_forfeits_and_the_others_are_pretrained(pretrain: Make, bad_players: Path) -> None:
    config = {"generators": [{"plugin": "raises"}, {"plugin": "returns_nan"}, {"plugin": "toy_generator"}]}
    log, bench = pretrain(steps=2, batch=4, config=config)
    assert [(f.player, f.stage) for f in bench.forfeits] == [
        ("raises", "generators are pretrained"),
        ("returns_nan", "generators are pretrained"),
    ]
    assert set(log.files) == {"toy_generator.safetensors"}


def test_one_that_cannot_be_trained_is_left_out(pretrain: Make) -> None:
    fixed = {"plugin": "toy_fixed_generator"}
    log, bench = pretrain(steps=2, batch=4, config={"generators": [fixed, {"plugin": "toy_generator"}]})
    assert set(log.files) == {"toy_generator.safetensors"}
    assert bench.forfeits == ()
    with pytest.raises(PluginError, match="none of these generators can be trained"):
        pretrain(steps=2, batch=4, config={"generators": [fixed]})


FITS = """
import torch
from fakeoff.generators import Generator, register


class Mean(Generator):
    resolution = 16

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 16, 16))
        self.register_buffer("fits", torch.zeros((), dtype=torch.int64))

    def sample(self, n, *, rng):
        return (self.mean + 0.02 * torch.randn(n, 3, 16, 16, generator=rng)).clamp(0, 1)


@register("fits_the_mean")
class FitsTheMean(Mean):
    def fit(self, batches, *, rng):
        shown = [batch.images for batch in batches()]
        again = [batch.images for batch in batches()]
        assert not torch.equal(torch.cat(shown), torch.cat(again))
        self.mean.copy_(torch.cat(shown).mean(0))
        self.fits += 1
        return {"images": len(torch.cat(shown)), "fits": self.fits.item()}


@register("fits_to_nothing")
class FitsToNothing(Mean):
    def fit(self, batches, *, rng):
        return {"loss": float("nan")}
"""


def test_one_that_learns_at_once_does_so_once_a_session(pretrain: Make, tmp_path: Path) -> None:
    (tmp_path / "fits.py").write_text(FITS)
    load_plugin_file(tmp_path / "fits.py")
    players = [{"plugin": "fits_the_mean"}, {"plugin": "fits_to_nothing"}]
    log, bench = pretrain(steps=3, batch=32, sessions=2, config={"generators": players})
    assert log.series["fits_the_mean/images"] == {1: 280, 4: 280}  # all reals of train
    assert log.series["fits_the_mean/fits"] == {1: 1, 4: 2}
    kid = log.series["fits_the_mean/kid_to_reals"]
    assert kid[3] < kid[0]
    assert set(log.files) == {"fits_the_mean.safetensors"}
    [forfeit] = bench.forfeits
    assert (forfeit.player, forfeit.reason) == ("fits_to_nothing", "fit returned nan for 'loss'")


def test_a_measure_that_is_not_taken_at_every_step_keeps_its_steps(pretrain: Make) -> None:
    log, _ = pretrain(steps=18, batch=4, config={"generators": [SMALL_PGAN]})
    assert list(log.series["small/critic_penalty"]) == [1, 17]  # one step in 16
    assert len(log.series["small/generator_loss"]) == 18


def test_long_curves_are_logged_as_means(pretrain: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = pretrain(steps=10, batch=4)
    monkeypatch.setattr("fakeoff.protocols.pretrain._POINTS_AT_MOST", 4)
    thinned, _ = pretrain(steps=10, batch=4)
    losses = list(log.series["toy_generator/own_loss"].values())
    means = {step: np.mean(losses[step - 3 : step]) for step in (3, 6, 9)} | {10: losses[9]}
    assert thinned.series["toy_generator/own_loss"] == pytest.approx(means)


def test_figures_show_the_same_latents_before_and_after(pretrain: Make) -> None:
    log, _ = pretrain(steps=60, batch=8)
    faces, curves = log.figures["toy_generator faces"], log.figures["toy_generator curves"]
    captions = [axes.get_title(loc="left") for axes in faces.axes]
    assert captions == ["before", "after 60 steps, same latents", "held-out real people"]
    before, after, real = (np.asarray(axes.images[0].get_array(), dtype=float) for axes in faces.axes)
    assert before.shape == after.shape == real.shape
    assert abs(after.mean() - real.mean()) < abs(before.mean() - real.mean())
    titles = [axes.get_title(loc="left") for axes in curves.axes if axes.axison]
    assert titles[0] == "own_loss"
    assert [title.split()[0] for title in titles[1:]] == ["KID", "SWD"]
    for figure in (faces, curves):
        figure.savefig(written := io.BytesIO(), format="png")
        assert written.tell() > 5000


@pytest.mark.parametrize(("parameter", "value"), [("steps", 0), ("batch", 1), ("sessions", -1)])
def test_parameters_are_checked(parameter: str, value: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        protocols.build("pretrain", {parameter: value})
    assert protocols.load("pretrain") is Pretrain
