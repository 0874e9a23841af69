"""A detector that is the mean of all that it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import load_arrays, state_arrays, write_spec
from fakeoff.detectors import Batch, Batches, Detector, Plan, players
from fakeoff.detectors.contract import DetectorContract
from fakeoff.detectors.ensemble import Ensemble
from fakeoff.detectors.rounds import PatchRounds, Rounds
from fakeoff.protocols.record.versions import Version

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]


class TestPatchRounds(DetectorContract):
    player = "patch_rounds"
    resolution = 32


def _batch(seed: int) -> Batch:
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return Batch(images=images, is_fake=torch.arange(8) > 3)


def _defended(rounds: Rounds, *, times: int) -> Rounds:
    for time in range(times):
        rounds.start(Plan(purpose="defend", steps=2, batch=8))
        rounds.train()
        for step in range(2):
            rounds.train_step(_batch(10 * time + step), rng=torch.Generator().manual_seed(step))
    return rounds.eval()


def _plain(seed: int) -> Detector:
    """A toy that learned what the member of that round learns."""
    toy = players.build("toy_detector", {})
    toy.start(Plan(purpose="defend", steps=2, batch=8))
    toy.train()
    for step in range(2):
        toy.train_step(_batch(10 * seed + step), rng=torch.Generator().manual_seed(step))
    return toy.eval()


@pytest.mark.parametrize("kind", [Rounds, PatchRounds])
def test_it_is_the_mean_of_what_each_round_made_of_its_member(toys: Path, kind: type[Rounds]) -> None:
    rounds, versions = _defended(kind(member="toy_detector"), times=3), [_plain(seed) for seed in range(3)]
    images = _batch(99).images
    torch.testing.assert_close(rounds.score(images), sum(one.score(images) for one in versions) / 3)
    torch.testing.assert_close(rounds.evasion_loss(images), sum(one.evasion_loss(images) for one in versions) / 3)
    if isinstance(rounds, PatchRounds):
        torch.testing.assert_close(rounds.patch_scores(images), sum(one.patch_scores(images) for one in versions) / 3)
    scores = [one.score(images) for one in versions]
    assert not torch.allclose(scores[0], scores[2], atol=1e-4)  # or any of them would have done


def test_a_state_of_any_round_loads_into_a_new_one(toys: Path) -> None:
    images = _batch(99).images
    later, new = _defended(PatchRounds(member="toy_detector"), times=3), PatchRounds(member="toy_detector")
    load_arrays(new, state_arrays(later))
    torch.testing.assert_close(new.eval().score(images), later.score(images), rtol=0, atol=0)
    first = _defended(PatchRounds(member="toy_detector"), times=1)
    load_arrays(new, state_arrays(first))  # and back
    torch.testing.assert_close(new.score(images), first.score(images), rtol=0, atol=0)
    assert [one.requires_grad for one in new.judges[-1].parameters()] == [True] * 4
    assert not any(one.requires_grad for one in new.members[0].parameters())


def test_only_the_newest_learns(toys: Path) -> None:
    rounds = _defended(Rounds(member="toy_detector"), times=2)
    before = state_arrays(rounds)
    _defended(rounds, times=1)
    after = state_arrays(rounds)
    assert all((after[name] == array).all() for name, array in before.items() if name != "learned")
    asking = [name for name, weight in rounds.named_parameters() if weight.requires_grad]
    assert {name.partition(".layers")[0] for name in asking} == {"members.3"}
    rounds.train()
    assert [member.training for member in rounds.members] == [False, False, False, True]


class LearnsAtOnce(Detector):
    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        return {}


class ByTheBrightest(players.load("resnet18_layer1")):  # type: ignore[misc]
    def score(self, images: torch.Tensor) -> torch.Tensor:
        return self.patch_scores(images).amax((1, 2))


VOTES = {"plugin": "resnet18_layer1", "parameters": {"decision": "vote"}}


def test_who_cannot_be_a_member_is_told_why(toys: Path) -> None:
    for make, message in (
        (lambda: Rounds(member=f"{__name__}:LearnsAtOnce"), "LearnsAtOnce does not learn by steps"),
        (lambda: Rounds(member="patch_rounds"), "goes on from round to round by itself"),
        (lambda: Ensemble(members=("patch_rounds",)), "PatchRounds goes on from round to round"),
        (lambda: PatchRounds(member=f"{__name__}:ByTheBrightest"), "by other means than the mean of their"),
        (lambda: PatchRounds(member=VOTES), "by other means than the mean of their patches: enter it in 'rounds'"),
        (lambda: PatchRounds(member="meso_inception4"), "MesoInception4 judges whole images: enter it in 'rounds'"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_the_recipe_of_its_member_is_its_own(toys: Path) -> None:
    def identity(member: Any) -> dict[str, Any]:
        return write_spec(players, name="x", plugin="rounds", parameters={"member": member}).identity()

    assert identity("toy_detector") == identity({"plugin": "toy_detector", "parameters": {"init_seed": 0}})
    assert identity("toy_detector") != identity({"plugin": "toy_detector", "parameters": {"init_seed": 1}})
    with pytest.raises(
        PluginError, match="rounds': 'member' is a name, or a table with 'plugin' and 'parameters', not"
    ):
        identity({"parameters": {}})


def _state(store: Store, version: Version) -> dict[str, Any]:
    return dict(store.read(version.key).arrays)


def test_in_a_game_it_goes_on_from_round_to_round(play: Play, toy_config: Config, tmp_path: Path) -> None:
    config = toy_config(
        rounds=2,
        detectors=[
            {"plugin": "patch_rounds", "name": "rounds", "parameters": {"member": "toy_detector"}},
            {"plugin": "toy_detector"},
        ],
        attack={"target": "all", "steps": 3, "batch": 4, "rate": 0.05},
        parts={"parser": ""},
    )
    record, watcher = play(config)
    assert not record.forfeits
    store = Store(tmp_path / "home" / "store")
    mine = [version for version in record.versions if version.player == "rounds"]
    states = [_state(store, version) for version in sorted(mine, key=lambda version: version.round)]
    weight = "members.{}.layers.0.weight"
    assert [sum(name.endswith("layers.0.weight") for name in state) for state in states] == [2, 3, 4]
    for round_ in (1, 2):  # what was learned before is kept to the last bit
        for member in range(round_ + 1):
            name = weight.format(member)
            assert (states[round_][name] == states[round_ - 1][name]).all()
    defences = {job.label: job for job in watcher.ran if job.name == "defend"}
    assert defences["defend rounds@1"].inputs["before"] == defences["defend rounds@0"].key
    assert all("before" not in defences[f"defend toy_detector@{round_}"].inputs for round_ in range(3))
    again, after = play(config)
    assert not after.ran
    assert again.versions == record.versions
