"""A detector that left the arena as a file and comes back, in every format; the contract, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fakeoff.arena.contract import run_contract
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images import resized
from fakeoff.arena.players.specs import load_arrays, state_arrays, write_spec
from fakeoff.detectors import Detector, abilities, players
from fakeoff.detectors.attackable import why_not_attackable
from fakeoff.detectors.contract import DetectorContract
from tests.exports import Small, Whole, images, to_exported, to_onnx, to_torchscript, unlike_new

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDE = 32
LIKE_OURS: dict[str, Any] = {"output": "probability", "kernel": "lanczos", "eight_bits": False}


def enter(model: str, **parameters: Any) -> Detector:
    """A detector as a tournament builds it: from the recipe, less where things lie."""
    spec = write_spec(players, name="mine", plugin="fixed", parameters={"model": model, **parameters})
    assert model not in json.dumps(spec.identity())
    return players.build("fixed", {**spec.parameters, **spec.files}).eval()


def score(player: Detector, shown: Tensor) -> Tensor:
    with torch.no_grad():
        return player.score(shown)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def small(folder: Path) -> dict[str, dict[str, Any]]:
    """One network in every format, and what has to be declared."""
    network = Small()
    save_file(network.state_dict(), folder / "small.safetensors")
    return {
        "onnx": {"model": to_onnx(network, folder / "small.onnx", side=32)},
        "torchscript": {"model": to_torchscript(network, folder / "small.ts", side=32), "side": 32},
        "exported_program": {"model": to_exported(network, folder / "small.pt2", side=32)},
    }


@pytest.mark.parametrize(("name", "parameters"), [("xception_block1", {}), ("meso_inception4", {"side": SIDE})])
@pytest.mark.parametrize("form", ["onnx", "torchscript", "exported_program"])
def test_a_detector_of_the_arenas_comes_back_with_the_same_scores(
    folder: Path, form: str, name: str, parameters: dict[str, Any]
) -> None:
    ours = unlike_new(name, **parameters)
    path = folder / f"{name}.{form}"
    export = {"onnx": to_onnx, "torchscript": to_torchscript, "exported_program": to_exported}[form]
    model = export(Whole(ours), path, side=SIDE)  # type: ignore[operator]
    back = enter(model, **LIKE_OURS, **({"side": SIDE} if form == "torchscript" else {}))
    for side in (SIDE, 24, 48):  # the traced one, and two others
        shown = images(3, side)
        expected = score(ours, resized(shown, SIDE) if side != SIDE else shown)
        assert (score(back, shown) - expected).abs().max() < 1e-5
        assert expected.std() > 1e-3


@pytest.mark.parametrize("side", [24, 48])
def test_an_export_at_another_size_is_right_there(folder: Path, side: int) -> None:
    ours = unlike_new("xception_block1")
    back = enter(to_onnx(Whole(ours), folder / f"at_{side}.onnx", side=side), **LIKE_OURS)
    assert (score(back, images(2, side)) - score(ours, images(2, side))).abs().max() < 1e-5


def test_free_sizes_are_refused_until_one_is_declared(folder: Path) -> None:
    """Adaptive pooling was made what is right at one size, and the file says that it takes all."""
    network = Small(cells=2)
    model = to_onnx(network, folder / "free.onnx", side=SIDE)
    graph = onnx.load(model)
    for place, name in ((0, "n"), (2, "h"), (3, "w")):
        graph.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name
    onnx.save(graph, model)
    with pytest.raises(PluginError, match=r"images of any size.*side = 224"):
        enter(model)
    back = enter(model, side=SIDE, kernel="lanczos", eight_bits=False)
    for side in (SIDE, 24, 48):
        with torch.no_grad():
            expected = network(resized(images(2, side), SIDE)).softmax(1)[:, 1]
        assert (score(back, images(2, side)) - expected).abs().max() < 1e-5


def test_every_format_is_told_by_its_bytes_and_says_the_same(small: dict[str, dict[str, Any]], folder: Path) -> None:
    with torch.no_grad():
        expected = Small().eval()(images(4, 32)).softmax(1)[:, 1]
    for form, entry in small.items():
        renamed = folder / f"{form}.safetensors"
        renamed.write_bytes(Path(entry["model"]).read_bytes())
        said = score(enter(**{**entry, "model": str(renamed)}), images(4, 32))
        assert (said - expected).abs().max() < 1e-5, form


def test_a_state_is_all_that_a_worker_needs(small: dict[str, dict[str, Any]]) -> None:
    for form, entry in small.items():
        first = enter(**entry)
        later = players.build("fixed", {key: value for key, value in entry.items() if key != "model"}).eval()
        with pytest.raises(PluginError, match="no model"):
            later.score(images(1, 32))
        load_arrays(later, state_arrays(first))
        assert set(state_arrays(first)) == {"program", "probe.weight", "probe.bias"}
        assert torch.equal(score(later, images(2, 32)), score(first, images(2, 32))), form
        assert later.differentiable == first.differentiable == (form != "onnx")


def test_the_file_is_part_of_the_recipe_and_its_name_is_not(folder: Path) -> None:
    def fingerprint(name: str, network: nn.Module) -> Any:
        model = to_onnx(network, folder / name, side=32)
        return write_spec(players, name="mine", plugin="fixed", parameters={"model": model}).fingerprint["model"]

    assert fingerprint("one.onnx", Small()) == fingerprint("same.onnx", Small())
    assert fingerprint("one.onnx", Small()) != fingerprint("other.onnx", Small(cells=2))


def test_gradients_are_those_of_the_network_where_there_are_any(small: dict[str, dict[str, Any]]) -> None:
    network = Small().eval()

    def gradient(loss: Any) -> Tensor:
        shown = images(3, 32).requires_grad_()
        return torch.autograd.grad(loss(shown), shown)[0]

    def against_real(shown: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(network(shown), torch.zeros(3, dtype=torch.int64))

    expected = gradient(against_real)
    for form in ("torchscript", "exported_program"):
        player = enter(**small[form])
        assert not any(parameter.requires_grad for parameter in player.parameters())
        torch.testing.assert_close(gradient(player.evasion_loss), expected)
        assert why_not_attackable(player, images(3, 32)) == ""
    assert "not differentiable" in why_not_attackable(enter(**small["onnx"]), images(3, 32))


class OfAFile(DetectorContract):
    """Without a player: it is run by what follows, on files that are made there."""

    resolution = 32
    slow: ClassVar = ("test_it_works_in_another_process",)


@pytest.mark.parametrize("form", ["onnx", "torchscript", "exported_program"])
def test_it_keeps_the_contract(small: dict[str, dict[str, Any]], form: str) -> None:
    contract = OfAFile.of("fixed", small[form])
    checks = [name for name in contract.checks() if form == "onnx" or name not in OfAFile.slow]
    done = list(run_contract(contract, only=checks))
    assert [(check.title, check.came) for check in done if check.state == "failed"] == []
    assert sum(check.state == "passed" for check in done) >= 9 - (form == "torchscript") * 1


def test_it_is_fixed() -> None:
    assert abilities(players.load("fixed")) == ("fixed", "differentiable")


def test_weights_of_a_librarys_architecture(folder: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    network = squeezenet1_1(num_classes=2).eval()
    path = folder / "squeezenet.safetensors"
    save_file({f"module.{name}": value for name, value in network.state_dict().items()}, path)
    norm = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    player = enter(str(path), architecture="torchvision:squeezenet1_1", **norm)
    mean, std = (torch.tensor(norm[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = network((images(2, 64) - mean) / std).softmax(1)[:, 1]
    torch.testing.assert_close(score(player, images(2, 64)), expected)
    with pytest.raises(PluginError, match="do not fit torchvision:squeezenet1_1"):
        enter(str(path), architecture="torchvision:squeezenet1_1", output="logit")
    with pytest.raises(PluginError, match='name the network: architecture = "torchvision:resnet18"'):
        enter(str(path))
    with pytest.raises(PluginError, match='set output = "logit" or "two_logits"'):
        enter(str(path), architecture="torchvision:squeezenet1_1", output="probability")


def test_the_state_of_a_detector_of_the_arenas(folder: Path) -> None:
    ours = unlike_new("meso_inception4", side=SIDE)
    path = folder / "meso.safetensors"
    save_file(ours.state_dict(), path)
    player = enter(str(path), architecture="meso_inception4", side=SIDE)
    assert torch.equal(score(player, images(2, SIDE)), score(ours, images(2, SIDE)))
    turned = enter(str(path), architecture="meso_inception4", side=SIDE, fake_class=0)
    torch.testing.assert_close(score(turned, images(2, SIDE)), 1 - score(ours, images(2, SIDE)))
    later = players.build("fixed", {"architecture": "meso_inception4", "side": SIDE}).eval()
    load_arrays(later, state_arrays(player))
    assert torch.equal(score(later, images(2, SIDE)), score(ours, images(2, SIDE)))
    with pytest.raises(PluginError, match="brings its own preprocessing; leave mean out"):
        enter(str(path), architecture="meso_inception4", mean=(0.5, 0.5, 0.5))


def test_a_head_that_nobody_trained_is_refused(folder: Path) -> None:
    """Of a file of ImageNet's classes the arena takes all but the head, to train that anew; here nobody would."""
    from torchvision.models import resnet18

    network = resnet18(num_classes=5)
    path = folder / "imagenet.safetensors"
    save_file(network.state_dict(), path)
    with pytest.raises(PluginError, match=r"do not fit|no finished|there are none for"):
        enter(str(path), architecture="cnn_aug_p05")


def test_a_probe_on_features(folder: Path) -> None:
    network = Small(outputs=4)
    model = to_onnx(network, folder / "features.onnx", side=32)
    rng = torch.Generator().manual_seed(5)
    weight, bias = torch.randn(4, generator=rng), 0.3
    as_json = folder / "probe.json"
    as_json.write_text(json.dumps({"weights": weight.tolist(), "bias": bias, "note": "of a test"}))
    as_tensors = folder / "probe.safetensors"
    save_file({"weight": weight[None], "bias": torch.tensor([bias])}, as_tensors)
    with torch.no_grad():
        features = network.eval()(images(3, 32))
    expected = torch.sigmoid(features @ weight / features.norm(dim=1) + bias)
    for probe in (as_json, as_tensors):
        player = enter(model, probe=str(probe), output="logit")
        torch.testing.assert_close(score(player, images(3, 32)), expected)
        later = players.build("fixed", {"output": "logit"}).eval()
        load_arrays(later, state_arrays(player))
        torch.testing.assert_close(score(later, images(3, 32)), expected)
    with pytest.raises(PluginError, match="gives 4 values an image"):
        score(enter(model), images(1, 32))
    for content in ("[1, 2]", '{"weights": "many"}', '{"weights": [1e999]}', '{"weights": []}', '{"bias": 1}'):
        as_json.write_text(content)
        with pytest.raises(PluginError, match="the probe cannot be read"):
            enter(model, probe=str(as_json))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"model": ""}, "name a file"),
        ({"model": "nowhere.onnx"}, "is no file"),
        ({"model": "asset:nothing"}, "unknown asset"),
        ({"side": -1}, "side is -1"),
        ({"resize": 256}, "resize cuts out the middle"),
        ({"side": 64, "resize": 32}, "no part of that"),
        ({"white": 0.0}, "white is 0"),
        ({"antialias": False}, "goes with eight_bits = false"),
        ({"kernel": "lanczos", "eight_bits": False, "antialias": False}, "and bicubic or bilinear"),
        ({"output": "odds"}, "output"),
        ({"fake_class": 2}, "fake_class"),
        ({"architecture": "torchvision:resnet18"}, "leave architecture out"),
    ],
)
def test_what_is_declared_wrongly_is_said_before_the_game(
    small: dict[str, dict[str, Any]], over: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message) as told:
        write_spec(players, name="mine", plugin="fixed", parameters={**small["onnx"], **over})
    assert "\n" not in str(told.value)


def test_a_size_that_is_not_the_files_is_refused(small: dict[str, dict[str, Any]]) -> None:
    for form in ("onnx", "exported_program"):
        with pytest.raises(PluginError, match="takes images of 32 pixels, and side = 64"):
            enter(**{**small[form], "side": 64})
    with pytest.raises(PluginError, match="does not say what images it takes"):
        enter(small["torchscript"]["model"])


def test_a_pickle_is_refused_and_says_what_to_do(folder: Path) -> None:
    path = folder / "model.pt"
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(PluginError, match="weights convert"):
        enter(str(path))
    path.write_bytes(b"")
    with pytest.raises(PluginError, match="the model is an empty file; copy or download it again"):
        enter(str(path))
    torch.save(Small().state_dict(), path)
    with pytest.raises(PluginError, match=r"fakeoff weights convert FILE OUT.safetensors"):
        enter(str(path))


def test_without_a_library_it_says_what_to_install(
    small: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PluginError, match=r"pip install 'fakeoff\[onnx\]'"):
        players.build("fixed", small["onnx"])


def test_onnx_runtime_sends_nothing_home(small: dict[str, dict[str, Any]]) -> None:
    import os

    enter(**small["onnx"])
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
