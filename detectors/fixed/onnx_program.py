"""Networks in ONNX, run by ONNX Runtime on the CPU: without gradients."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said, shown
from fakeoff.arena.seeds import sealed
from fakeoff.detectors.fixed.preprocessing import Layout
from fakeoff.detectors.fixed.program import Program

# Those that ONNX Runtime itself brings; all others would need a library of somebody's.
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
# It names a file, which another library compiled.
_REFUSED = frozenset({"EPContext"})
_FLOAT = "tensor(float)"
_EXTERNAL = 1  # TensorProto.DataLocation
_ERRORS_ONLY = 3


class OnnxProgram(Program):
    """A graph of ONNX's.

    Args:
        content: The file's bytes.
        side: Height and width in pixels of the images that it will be shown; 0 is what the file says.
        layout: Where its channels are.

    Raises:
        PluginError: ONNX Runtime is not installed, or the graph is refused.
    """

    differentiable = False

    def __init__(self, content: bytes, *, side: int, layout: Layout) -> None:
        super().__init__()
        onnx, runtime = _libraries()
        _check_graph(onnx, content)
        options = runtime.SessionOptions()
        # As many as the job was given: they decide the order of sums.
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = _ERRORS_ONLY
        try:
            session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise PluginError(f"ONNX Runtime does not take the model: {said(error)}") from error
        self._session = session
        self._input, self.side = _read_input(session.get_inputs(), side=side, layout=layout)
        self._output: str = session.get_outputs()[0].name

    def run(self, image: Tensor) -> Tensor:
        values = image.detach().cpu().contiguous().numpy()
        try:
            (out, *_) = self._session.run([self._output], {self._input: values})
        except Exception as error:
            raise PluginError(f"ONNX Runtime could not run the model: {said(error)}") from error
        return torch.from_numpy(out).to(image.device)


def _libraries() -> tuple[Any, Any]:
    # Its builds for Linux send usage data unless this is set before they are loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        with sealed("import", "onnxruntime"):
            onnx = importlib.import_module("onnx")
            runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise PluginError(f"models in ONNX need ONNX Runtime: pip install 'fakeoff[onnx]' ({error})") from error
    runtime.disable_telemetry_events()
    return onnx, runtime


def _read_input(inputs: Any, *, side: int, layout: Layout) -> tuple[str, int]:
    """The name of the only input, and the height and width that it is fixed to; 0 where they are free."""
    if len(inputs) != 1:
        names = ", ".join(shown(one.name) for one in inputs)
        raise PluginError(f"the model takes {len(inputs)} inputs ({names}), and a detector is shown one: images")
    shape, kind = inputs[0].shape, inputs[0].type
    if kind != _FLOAT:
        raise PluginError(f"the model takes {shown(kind)}, and is shown float32; export it with a float32 input")
    if len(shape) != 4:
        raise PluginError(f"the model takes an input of {len(shape)} dimensions, and images have 4")
    batch, *rest = shape
    channels, sides = (rest[0], rest[1:]) if layout == "nchw" else (rest[2], rest[:2])
    if isinstance(channels, int) and channels != 3:
        other = ' or set layout = "nhwc"' if layout == "nchw" and rest[2] == 3 else ""
        raise PluginError(f"the model takes images of {channels} channels, and is shown 3; export it so{other}")
    if isinstance(batch, int) and batch != 1:
        raise PluginError(f"the model takes {batch} images at once, and is shown one; export it with a batch of 1")
    fixed = [length for length in sides if isinstance(length, int)]
    if not fixed:
        if not side:
            raise PluginError(
                "the model says that it takes images of any size, and an export may be right at one size only; say "
                "which it was made for: side = 224"
            )
        return inputs[0].name, 0
    if len(set(fixed)) > 1:
        raise PluginError(f"the model takes images of {' x '.join(map(str, fixed))} pixels, and is shown squares")
    return inputs[0].name, fixed[0]


def _check_graph(onnx: Any, content: bytes) -> None:
    """Refuses what would read other files, or run somebody's library."""
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        raise PluginError(f"the model is no ONNX file: {said(error)}") from error
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    _check_tensors([*model.graph.initializer])
    _check_tensors(part for sparse in model.graph.sparse_initializer for part in (sparse.values, sparse.indices))
    for node in _all_nodes(nodes):
        own = {(function.domain, function.name) for function in model.functions}
        if node.op_type in _REFUSED or (node.domain not in _DOMAINS and (node.domain, node.op_type) not in own):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise PluginError(
                f"the model has an operator that is not ONNX's: {shown(name)}; export it with standard operators"
            )
        for attribute in node.attribute:
            _check_tensors([attribute.t, *attribute.tensors])
            sparse = [attribute.sparse_tensor, *attribute.sparse_tensors]
            _check_tensors(part for one in sparse for part in (one.values, one.indices))


def _all_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes, and those of the graphs in their attributes: the branches of a condition, the body of a loop."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _check_tensors(graph.initializer)
                _check_tensors(part for one in graph.sparse_initializer for part in (one.values, one.indices))
                waiting += graph.node


def _check_tensors(tensors: Iterable[Any]) -> None:
    for tensor in tensors:
        if tensor.data_location == _EXTERNAL or tensor.external_data:
            raise PluginError(
                f"the model keeps '{shown(tensor.name)}' in another file; save it as one: "
                "onnx.save(onnx.load(FILE), OUT)"
            )


__all__ = ["OnnxProgram"]
