"""Models that would read files, run code or take the memory: refused, before anything of theirs runs."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said
from fakeoff.detectors import players
from tests.exports import Small, archive, images, rewritten, to_exported, to_onnx, to_torchscript

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def good(folder: Path) -> dict[str, Path]:
    return {
        "onnx": Path(to_onnx(Small(), folder / "good.onnx", side=32)),
        "torchscript": Path(to_torchscript(Small(), folder / "good.ts", side=32)),
        "exported_program": Path(to_exported(Small(), folder / "good.pt2", side=32)),
    }


def refused(path: Path | str, message: str, **parameters: Any) -> None:
    with pytest.raises(PluginError, match=message) as told:
        players.build("fixed", {"model": str(path), **parameters})
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 1200


def test_what_a_library_says_of_a_file_can_be_read_whole_and_only_a_flood_is_cut() -> None:
    assert said(ValueError("why " * 60)).endswith("why why")
    assert said(ValueError("why\x1b\n" * 9000)).isprintable()
    assert len(said(ValueError("why " * 9000))) == 1000


# ONNX


def _keep_outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = 1
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def _hide_outside_in_a_branch(model: Any) -> None:
    inside = onnx.helper.make_graph([], "branch", [], [], [onnx.TensorProto(name="weights")])
    inside.initializer[0].external_data.add(key="location", value="/etc/passwd")
    deeper = onnx.helper.make_graph([onnx.helper.make_node("If", ["c"], ["y"], then_branch=inside)], "outer", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["z"], else_branch=deeper))


def _hide_outside_in_an_attribute(model: Any) -> None:
    node = onnx.helper.make_node("Constant", [], ["k"], value=onnx.TensorProto(name="value", data_location=1))
    model.graph.node.append(node)


def _ask_for_a_library(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("RunShell", [], ["k"], domain="evil.ops"))


def _ask_for_a_compiled_file(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("EPContext", [], ["k"], domain="com.microsoft"))


def _take_a_second_input(model: Any) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, [1]))


def _take_eight_at_once(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8


def _call_an_unknown_operator(model: Any) -> None:
    model.graph.node[0].op_type = "Nonsense"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_keep_outside, "in another file"),
        (_hide_outside_in_a_branch, "keeps 'weights' in another file"),
        (_hide_outside_in_an_attribute, "keeps 'value' in another file"),
        (_ask_for_a_library, "not ONNX's: evil.ops.RunShell"),
        (_ask_for_a_compiled_file, "not ONNX's: com.microsoft.EPContext"),
        (_take_a_second_input, "takes 2 inputs"),
        (_take_eight_at_once, "takes 8 images at once"),
        (_call_an_unknown_operator, "ONNX Runtime does not take the model"),
    ],
)
def test_a_graph_of_onnx_that_wants_more_than_images(
    good: dict[str, Path], folder: Path, change: Callable[[Any], None], message: str
) -> None:
    model = onnx.load(good["onnx"])
    change(model)
    path = folder / f"{change.__name__}.onnx"
    path.write_bytes(model.SerializeToString())
    refused(path, message)


def test_what_is_cut_off_or_no_model_is_refused(good: dict[str, Path], folder: Path) -> None:
    for form, parameters in (("onnx", {}), ("torchscript", {"side": 32}), ("exported_program", {})):
        content = good[form].read_bytes()
        for part in (len(content) // 2, 100):
            path = folder / f"cut_{form}"
            path.write_bytes(content[:part])
            refused(path, "the model", **parameters)
    path.write_bytes(b"\x08\x07" + b"\xff" * 100)
    refused(path, "no ONNX file")
    path.write_bytes(b"just text")
    refused(path, "the model is text that begins 'just text'; give ONNX, TorchScript")
    path.write_bytes(b"\xfe\xdc" * 50)
    refused(path, "in no format that is known")
    path.write_bytes(archive({"something": b"else"}))
    refused(path, "the model is a ZIP archive with '.*something' in it")


# TorchScript


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("torch.save(x, '{path}')", "the operator 'save'"),
        ("torch.from_file('{path}', True, 4)", "the operator 'from_file'"),
        ("(x).save('{path}')", "the operator 'save'"),
        ("(torch.relu(x)).from_file('{path}')", "the operator 'from_file'"),
        ("ops.image.read_file('{path}')", "one of image's"),
        ("ops.aten.save(x, '{path}')", "one of aten's"),
        ("fork(self.forward, x)", "the operator 'fork'"),
        ("torch.manual_seed(1)", "the operator 'manual_seed'"),
        ("torch._cufft_clear_plan_cache(0)", "the operator '_cufft_clear_plan_cache'"),
        ("self.n[0](x)", "it has no name"),
    ],
)
def test_torchscript_that_calls_what_is_no_networks_business(
    good: dict[str, Path], folder: Path, line: str, message: str
) -> None:
    marker = folder / "written"
    call = line.format(path=marker)

    def change(name: str, content: bytes) -> bytes:
        if b"class Small(Module)" not in content:
            return content
        return content.decode().replace("-> Tensor:\n", f"-> Tensor:\n    _ = {call}\n", 1).encode()

    path = rewritten(good["torchscript"], folder / "evil.ts", change)
    assert call in "".join(
        zipfile.ZipFile(path).read(name).decode() for name in zipfile.ZipFile(path).namelist() if name.endswith(".py")
    )
    refused(path, message, side=32)
    assert not marker.exists()


def test_code_beside_the_forward_pass_is_looked_at_too(good: dict[str, Path], folder: Path) -> None:
    method = b"  def __setstate__(self, x: Tensor) -> None:\n    _ = torch.manual_seed(1)\n"
    path = rewritten(
        good["torchscript"],
        folder / "evil.ts",
        lambda name, content: content + method if b"class Small(Module)" in content else content,
    )
    refused(path, "the operator 'manual_seed'", side=32)


def test_pickles_in_torchscript_run_nothing(good: dict[str, Path], folder: Path) -> None:
    marker = folder / "unpickled"
    for record in ("data.pkl", "constants.pkl"):
        path = rewritten(
            good["torchscript"],
            folder / "evil.ts",
            lambda name, content, record=record: pickle.dumps(Bomb(marker)) if name == record else content,
        )
        refused(path, "PyTorch does not take the model", side=32)
        foreign = rewritten(
            good["torchscript"],
            folder / "foreign.ts",
            lambda name, content, record=record: content + b"__torch__.torch.classes.x" if name == record else content,
        )
        refused(foreign, "objects of other classes", side=32)
    assert not marker.exists()


def test_weights_that_are_not_what_was_stored_are_refused(good: dict[str, Path], folder: Path) -> None:
    content = bytearray(good["torchscript"].read_bytes())
    with zipfile.ZipFile(good["torchscript"]) as whole:
        weights = [info for info in whole.infolist() if "/data/" in info.filename]
        stored = whole.read(max(weights, key=lambda info: info.file_size))
    content[content.index(stored)] ^= 1
    path = folder / "flipped.ts"
    path.write_bytes(content)
    refused(path, "Bad CRC-32", side=32)


# ExportedProgram


def _in_json(record: str, change: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    def rewrite(name: str, content: bytes) -> bytes:
        if name != record:
            return content
        table = json.loads(content)
        change(table)
        return json.dumps(table).encode()

    return rewrite


def _graph(change: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    return _in_json("models/model.json", lambda table: change(table["graph_module"]["graph"]))


def _weights(change: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    return _in_json("data/weights/model_weights_config.json", lambda table: change(table["config"]["layers.0.weight"]))


def _call(target: str) -> Callable[[str, bytes], bytes]:
    return _graph(lambda graph: graph["nodes"][0].update(target=target))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_call("torch.nn.functional.relu"), "none of PyTorch's own"),
        (_call("math.sqrt"), "none of PyTorch's own"),
        (_call("torch.ops.aten.from_file.default"), "it takes a str, 'filename'"),
        (_call("torch.ops.aten._cudnn_init_dropout_state.default"), "none that networks consist of"),
        (_call("torch.ops.profiler._record_function_enter.default"), "none of PyTorch's own"),
        (_call("torch.ops.aten.conv2d.__class__"), "which is no operator"),
        (_weights(lambda meta: meta.update(use_pickle=True)), "nothing is unpickled"),
        (_weights(lambda meta: meta["tensor_meta"].update(sizes=[{"as_int": 2**40}] * 4)), "larger than its record"),
        (_weights(lambda meta: meta["tensor_meta"].update(storage_offset={"as_int": -8})), "sizes that cannot be"),
        (_weights(lambda meta: meta["tensor_meta"]["strides"].append({"as_int": 1})), "sizes that cannot be"),
        (_weights(lambda meta: meta.update(path_name="../../../etc/passwd")), "has no 'data/weights/"),
        (_weights(lambda meta: meta["tensor_meta"].update(dtype=99)), "cannot be read"),
        (_graph(lambda graph: graph["tensor_values"]["images"]["sizes"].pop()), "is shown one square image"),
        (_graph(lambda graph: graph.pop("nodes")), "cannot be read"),
        (lambda name, content: b"[]" if name == "models/model.json" else content, "cannot be read"),
        (lambda name, content: b"big" if name == "byteorder" else content, "other byte order"),
    ],
)
def test_an_exported_program_that_wants_more_than_images(
    good: dict[str, Path], folder: Path, change: Callable[[str, bytes], bytes], message: str
) -> None:
    refused(rewritten(good["exported_program"], folder / "evil.pt2", change), message)


def test_the_same_weights_again_and_again_are_refused(folder: Path) -> None:
    large = Path(to_exported(Small(cells=8), folder / "large.pt2", side=32))

    def repeat(table: Any) -> None:
        one = table["config"]["layers.5.weight"]
        table["config"] |= {f"again{number}": one for number in range(1000)}

    change = _in_json("data/weights/model_weights_config.json", repeat)
    refused(rewritten(large, folder / "again.pt2", change), "the same bytes again")


def test_a_compressed_archive_does_not_inflate(good: dict[str, Path], folder: Path) -> None:
    path = rewritten(
        good["exported_program"], folder / "small.pt2", lambda _, content: content, compression=zipfile.ZIP_DEFLATED
    )
    refused(path, "compressed")


def test_free_sizes_in_an_exported_program_are_refused(folder: Path) -> None:
    import torch

    free = {"images": {0: torch.export.Dim("n", min=1, max=64)}}
    refused(to_exported(Small(), folder / "free.pt2", side=32, batch=2, dynamic_shapes=free), "sizes that are free")


def test_what_pytorch_would_unpickle_is_never_opened(good: dict[str, Path], folder: Path) -> None:
    path = rewritten(
        good["exported_program"],
        folder / "other.pt2",
        lambda name, content: b"nothing that is read" if name.startswith("data/sample_inputs/") else content,
    )
    as_made, other = (players.build("fixed", {"model": model}).eval() for model in (good["exported_program"], path))
    assert other.score(images(2, 32)).equal(as_made.score(images(2, 32)))
