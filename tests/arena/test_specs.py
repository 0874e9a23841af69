from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from fakeoff import detectors, generators
from fakeoff.arena.errors import AssetError, PluginError
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import find_weights, load_arrays, load_weights, state_arrays, weights_hash, write_spec


class Player(nn.Module):
    def __init__(self, *, width: int = 3, weights: str | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


PLUGIN = """
from fakeoff.detectors import Detector, register

@register("with_weights")
class WithWeights(Detector):
    def __init__(self, *, weights: str = "mine") -> None:
        super().__init__()
"""


class Malicious:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def registry() -> Registry[nn.Module]:
    registry: Registry[nn.Module] = Registry("detector")
    registry.register("mine", version=3)(Player)
    return registry


def moved(seed: int) -> Player:
    torch.manual_seed(seed)
    return Player()


def same(one: nn.Module, other: nn.Module) -> bool:
    return weights_hash(one.state_dict()) == weights_hash(other.state_dict())


def test_a_spec_knows_whether_other_processes_find_its_class(registry: Registry[nn.Module], tmp_path: Path) -> None:
    assert write_spec(registry, name="a", plugin="mine", parameters={}).only_in == f"the module '{__name__}'"
    registry.add("known", f"{nn.Linear.__module__}:Identity", origin="torch", version=1)
    assert write_spec(registry, name="b", plugin="known", parameters={}).only_in == ""
    (tmp_path / "found.py").write_text(PLUGIN.replace("with_weights", "found").replace('"mine"', '""'))
    load_plugin_file(tmp_path / "found.py")
    assert write_spec(detectors.players, name="c", plugin="found", parameters={}).only_in == ""


def test_a_spec_is_complete_and_its_identity_knows_neither_names_nor_paths(
    registry: Registry[nn.Module], tmp_path: Path
) -> None:
    save_file(moved(1).state_dict(), tmp_path / "w.safetensors")
    specs = [
        write_spec(registry, name=name, plugin="mine", parameters={"weights": weights})
        for name, weights in (("a", str(tmp_path / "w.safetensors")), ("b", str(tmp_path / "." / "w.safetensors")))
    ]
    assert specs[0].identity() == specs[1].identity()
    assert specs[0].identity() == {
        "plugin": "mine",
        "parameters": {"width": 3},
        "fingerprint": {
            "version": 3,
            "weights": hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest(),
        },
    }
    assert specs[0].weights == (tmp_path / "w.safetensors").resolve()


def test_other_weights_or_parameters_are_another_player(registry: Registry[nn.Module], tmp_path: Path) -> None:
    for seed in (1, 2):
        save_file(moved(seed).state_dict(), tmp_path / f"{seed}.safetensors")
    given = ({}, {"width": 4}, *({"weights": str(tmp_path / f"{seed}.safetensors")} for seed in (1, 2)))
    identities = [
        write_spec(registry, name="a", plugin="mine", parameters=parameters).identity() for parameters in given
    ]
    assert all(identities.count(identity) == 1 for identity in identities)


def test_a_preset_is_part_of_the_identity() -> None:
    identities = [
        write_spec(detectors.players, name="x", plugin=f"xception_block{block}", parameters={}).identity()[
            "fingerprint"
        ]
        for block in (1, 2)
    ]
    assert [identity["preset"] for identity in identities] == [{"block": 1}, {"block": 2}]


def test_a_player_without_weights_has_none(registry: Registry[nn.Module], tmp_path: Path) -> None:
    spec = write_spec(registry, name="a", plugin="mine", parameters={})
    assert spec.weights is None
    assert "weights" not in spec.fingerprint


def test_missing_weights_are_refused_with_what_ships(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no weights 'faces'.*\(none\)"):
        find_weights("faces", Player)
    with pytest.raises(PluginError, match=r"what ships with it \(pgan-orl-64\)"):
        find_weights("faces", generators.players.load("pgan"))


def test_weights_ship_in_a_folder_beside_the_players_module(tmp_path: Path) -> None:
    (tmp_path / "weighty.py").write_text(PLUGIN)
    load_plugin_file(tmp_path / "weighty.py")
    theirs = detectors.players.load("with_weights")
    with pytest.raises(PluginError, match=r"no weights 'mine'.*\(none\)"):
        write_spec(detectors.players, name="a", plugin="with_weights", parameters={})
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.safetensors").write_bytes(content := save({"a": torch.ones(1)}))
    spec = write_spec(detectors.players, name="a", plugin="with_weights", parameters={})
    assert spec.weights == (tmp_path / "weights" / "mine.safetensors").resolve()
    assert spec.fingerprint["weights"] == hashlib.sha256(content).hexdigest()
    heir = type("Heir", (theirs,), {})
    assert find_weights("mine", heir) == spec.weights


def test_the_weights_of_players_that_ship_are_not_offered_to_others() -> None:
    class Theirs(generators.Generator):
        pass

    with pytest.raises(PluginError, match=r"Theirs has no weights 'pgan-orl-64'.*\(none\)"):
        find_weights("pgan-orl-64", Theirs)


def test_weights_may_be_an_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path))
    with pytest.raises(AssetError, match="asset 'celeba-999' is missing; run: fakeoff assets pull celeba-999"):
        find_weights("asset:celeba-999", Player)
    with pytest.raises(AssetError, match="unknown asset 'faces'"):
        find_weights("asset:faces", Player)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_load_from_safetensors_and_from_checkpoints_of_tensors(tmp_path: Path, suffix: str) -> None:
    source, target = moved(1), moved(2)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(source.state_dict(), path)
    else:
        save_file(source.state_dict(), path)
    assert not same(source, target)
    load_weights(target, path)
    assert same(source, target)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, wrapped: bool) -> None:
    mark, path = tmp_path / "mark", tmp_path / "weights.pt"
    if wrapped:  # inside a true torch checkpoint
        torch.save({"layers.0.weight": torch.zeros(1), "hook": Malicious(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(PluginError, match=r"'weights\.pt'"):
        load_weights(moved(1), path)
    assert not mark.exists()
    Malicious(mark).__reduce__()[0](*Malicious(mark).__reduce__()[1])  # type: ignore[operator]
    assert mark.exists()  # the pickle was a live one


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\0" * 64])
def test_files_that_hold_no_weights_are_a_plugin_error(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(content)
    with pytest.raises(PluginError, match="the weights 'junk"):
        load_weights(moved(1), path)


def test_weights_of_another_shape_do_not_fit_and_say_so(tmp_path: Path) -> None:
    save_file(Player(width=5).state_dict(), tmp_path / "wide.safetensors")
    with pytest.raises(PluginError, match=r"'wide\.safetensors' do not fit Player: its 'layers.0.weight' is 5 x 3 x 3"):
        load_weights(Player(), tmp_path / "wide.safetensors")


def test_a_list_of_tensors_is_not_a_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    with pytest.raises(PluginError, match="do not fit Player"):
        load_weights(Player(), tmp_path / "list.pt")


def test_a_state_goes_through_numpy_and_back_and_is_copied_both_ways() -> None:
    source, target = moved(1), moved(2)
    arrays = state_arrays(source)
    for array in arrays.values():
        array.flags.writeable = False  # as Ray hands them out
    load_arrays(target, arrays)
    assert same(source, target)
    before = {name: array.copy() for name, array in arrays.items()}
    for player in (source, target):
        player.layers(torch.randn(4, 3, 8, 8))  # moves the batch norm's running mean
        with torch.no_grad():
            player.layers[0].weight.add_(1)
    assert all(np.array_equal(arrays[name], before[name]) for name in before)


def test_the_hash_sees_names_shapes_types_and_values() -> None:
    state = {"a": torch.arange(6.0), "b": torch.zeros(2)}
    others = [
        {"c": state["a"], "b": state["b"]},
        {"a": state["a"].view(2, 3), "b": state["b"]},
        {"a": state["a"], "b": torch.zeros(2, dtype=torch.int32)},
        {"a": state["a"] + torch.tensor([0, 0, 0, 0, 0, 1e-6]), "b": state["b"]},
        {"a": state["a"]},
    ]
    assert weights_hash(dict(reversed(state.items()))) == weights_hash(state)
    hashes = [weights_hash(other) for other in [state, *others]]
    # 5 + 1e-6 is another float32 than 5
    assert len(set(hashes)) == len(hashes)


def test_the_weights_that_ship_fit_the_default_generator_and_make_grey_faces_of_some_contrast() -> None:
    spec = write_spec(generators.players, name="g", plugin="pgan", parameters={})
    assert spec.weights is not None
    generator = generators.players.build("pgan", spec.parameters)
    load_weights(generator, spec.weights)
    faces = generator.sample(4, rng=torch.Generator().manual_seed(0))
    assert torch.equal(faces[:, 0], faces[:, 2])
    assert faces.std((1, 2, 3)).min() > 0.05
    assert (faces[0] - faces[1]).abs().mean() > 0.01


def test_no_weights_can_be_asked_for_in_toml() -> None:
    for none in ("", None):
        spec = write_spec(
            generators.players,
            name="g",
            plugin="pgan",
            parameters={"weights": none, "resolution": 32},
        )
        assert spec.weights is None
        assert "weights" not in spec.fingerprint


def test_a_state_with_an_empty_tensor_has_a_hash_that_the_store_does_not_change() -> None:
    player = nn.Module()
    player.register_buffer("empty", torch.zeros(0, 3))
    before = weights_hash(player.state_dict())
    load_arrays(player, state_arrays(player))
    assert weights_hash(player.state_dict()) == before
