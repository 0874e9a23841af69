"""A detector made of detectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import write_spec
from fakeoff.detectors import Batch, Batches, Detector, Plan, players
from fakeoff.detectors.contract import DetectorContract
from fakeoff.detectors.ensemble import Ensemble

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]

SMALL = ({"plugin": "resnet18_layer1"}, {"plugin": "resnet18_layer1", "parameters": {"init_seed": 1}})


class TestEnsemble(DetectorContract):
    player = "ensemble"
    parameters: ClassVar[dict[str, Any]] = {"members": SMALL}
    resolution = 32


def test_the_score_and_the_evasion_loss_are_the_means_of_its_members(toys: Path) -> None:
    ensemble = Ensemble(members=("toy_detector", {"plugin": "toy_detector", "parameters": {"init_seed": 1}})).eval()
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    one, other = ensemble.members
    torch.testing.assert_close(ensemble.score(images), (one.score(images) + other.score(images)) / 2)
    expected = (one.evasion_loss(images) + other.evasion_loss(images)) / 2
    torch.testing.assert_close(ensemble.evasion_loss(images), expected)


def test_each_member_learns_by_itself(toys: Path) -> None:
    ensemble = Ensemble(members=("toy_detector", "toy_brightness"))
    ensemble.start(Plan(purpose="defend", steps=1, batch=8, rate=0.01))
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    measured = ensemble.train_step(Batch(images=images, is_fake=torch.arange(8) > 3), rng=torch.Generator())
    assert set(measured) == {"0_loss"}  # the other one cannot


class LearnsAtOnce(Detector):
    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        return {}


def test_a_member_that_learns_at_once_is_refused_and_not_left_as_it_came() -> None:
    with pytest.raises(ValueError, match="LearnsAtOnce learns by fit, and an ensemble by steps: enter LearnsAtOnce by"):
        Ensemble(members=(f"{__name__}:LearnsAtOnce", "xception_block1"))


def test_its_members_recipes_are_its_own(toys: Path) -> None:
    def identity(*members: Any) -> dict[str, Any]:
        return write_spec(players, name="x", plugin="ensemble", parameters={"members": list(members)}).identity()

    assert identity("toy_detector") == identity({"plugin": "toy_detector", "parameters": {"init_seed": 0}})
    assert identity("toy_detector") != identity({"plugin": "toy_detector", "parameters": {"init_seed": 1}})
    spec = write_spec(players, name="x", plugin="ensemble", parameters={"members": ["toy_detector", "xception_block1"]})
    assert [Path(str(provision.path)).name for provision in spec.provisions] == ["toy_players.py"]  # type: ignore[union-attr]
    for wrong, message in (
        (["nobody"], "unknown detector 'nobody'"),
        ([{"parameters": {}}], "each of 'members' is a name, or a table"),
        ([{"plugin": "toy_detector", "parameters": {"colour": 1}}], "has no parameter 'colour'"),
    ):
        with pytest.raises(PluginError, match=message):
            identity(*wrong)


def test_it_plays_and_is_attacked_like_anybody(play: Play, toy_config: Config) -> None:
    members = ["toy_detector", {"plugin": "toy_detector", "parameters": {"init_seed": 3}}]
    config = toy_config(
        detectors=[{"plugin": "ensemble", "parameters": {"members": members}}],
        attack={"steps": 60, "batch": 8, "rate": 0.05, "weight": 5.0},
        defend={"steps": 60, "batch": 16, "check_every": 20},
        parts={"parser": ""},
    )
    record, _ = play(config)
    assert not record.forfeits
    cells = {(match.generator.label, match.detector.label): match.figures for match in record.matches}
    assert cells["toy_generator@0", "ensemble@0"].recall_fake > 0.9
    assert cells["toy_generator@1", "ensemble@0"].recall_fake < 0.5


SEES_ONE_SIZE = """
import torch
from fakeoff.detectors import Batch, Detector, register

@register("sees_one_size")
class SeesOneSize(Detector):
    side = 24
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
    def score(self, images):
        assert images.shape[-2:] == (24, 24), images.shape
        return (images.mean((1, 2, 3)) + self.weight).clamp(0, 1)

@register("fits_a_threshold")
class FitsAThreshold(Detector):
    differentiable = False
    def __init__(self):
        super().__init__()
        self.register_buffer("means", torch.zeros(2))
    def fit(self, batches, *, rng):
        seen = [(batch.images.mean((1, 2, 3)), batch.labels) for batch in batches()]
        again = sum(len(batch) for batch in batches())
        bright, labels = (torch.cat(parts) for parts in zip(*seen))
        assert again == len(bright)
        self.means = torch.stack([bright[~labels].mean(), bright[labels].mean()])
        return {"images": float(len(bright))}
    def score(self, images):
        real, fake = self.means
        return torch.sigmoid((images.mean((1, 2, 3)) - (real + fake) / 2) * 40 * (fake - real).sign())
"""


def test_a_detector_of_one_size_is_shown_that_size_and_one_that_fits_learns_at_once(
    play: Play, toy_config: Config, tmp_path: Path
) -> None:
    (tmp_path / "more_detectors.py").write_text(SEES_ONE_SIZE)
    load_plugin_file(tmp_path / "more_detectors.py")
    config = toy_config(
        detectors=[{"plugin": "sees_one_size"}, {"plugin": "fits_a_threshold"}],
        attack={"target": "all", "steps": 2, "batch": 4},
        parts={"parser": ""},
    )
    record, _ = play(config)
    assert not record.forfeits
    [attacked] = [version for version in record.versions if version.targets]
    assert attacked.targets == ("sees_one_size@0",)
    assert [passed.detector for passed in record.passed_over] == ["fits_a_threshold@0"]
    assert "not differentiable" in record.passed_over[0].reason
    aucs = {m.detector.label: m.figures.auc for m in record.matches if m.generator.label == "toy_generator@0"}
    assert aucs["fits_a_threshold@0"] > 0.7
