"""A detector that somebody has finished: a file with a network, and what is to be known of it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import PluginError
from fakeoff.arena.files import open_file
from fakeoff.arena.players.specs import File
from fakeoff.detectors.fixed.architecture import (
    Seated,
    build_architecture,
    check_declared,
    check_format,
    is_of_a_library,
    load_into,
)
from fakeoff.detectors.fixed.exported_program import ExportedNetwork
from fakeoff.detectors.fixed.formats import MOST_BYTES, Format, format_of
from fakeoff.detectors.fixed.onnx_program import OnnxProgram
from fakeoff.detectors.fixed.outputs import FakeClass, Output, log_odds, probability, values_of
from fakeoff.detectors.fixed.preprocessing import ChannelOrder, Kernel, Layout, Preprocessing
from fakeoff.detectors.fixed.probe import Probe
from fakeoff.detectors.fixed.program import Program
from fakeoff.detectors.fixed.torchscript_program import TorchScriptProgram
from fakeoff.detectors.interface import Detector
from fakeoff.detectors.pretrained import Channels, Deviations

_PLAIN: Mapping[str, Any] = {
    "white": 1.0, "mean": (), "std": (), "channels": "rgb", "layout": "nchw", "resize": 0, "probe": ""
}  # fmt: skip
_ASSET = "asset:"
_NEEDS: dict[Format, tuple[str, str]] = {"onnx": ("onnxruntime", "onnx"), "keras": ("h5py", "keras")}


class Fixed(Detector):
    """A finished detector from a file: ONNX, TorchScript, an ExportedProgram, or weights of a named architecture.

    It does not learn. Nothing in a file is unpickled; the format is told by its bytes. An image is prepared as declared
    here: resized, its middle cut out, its channels ordered, ``(image * white - mean) / std``. ONNX has no gradients:
    attacks pass it over. Images are judged one by one, but by an ``architecture``.

    Args:
        model: The file, or ``asset:NAME``.
        architecture: Of a file of weights alone: ``torchvision:NAME`` or ``timm:NAME``; or a detector of the arena's
            (``meso_inception4``), which brings its own preprocessing and output.
        side: Height and width in pixels that the network is shown; 0 is what the file says, or the image's own.
        resize: Height and width in pixels that an image is resized to before its middle is cut out; 0 is ``side``.
        kernel: Of resizing.
        antialias: Whether the kernel widens where an image becomes smaller, as Pillow's does.
        eight_bits: Whether Pillow resizes, in 8 bits, or PyTorch, without rounding: scores of published detectors hang
            on it.
        channels: The order that the network is used to.
        layout: Where its channels are: ``nchw`` (PyTorch) or ``nhwc`` (Keras).
        white: What 1 becomes before mean and deviation: 1, or 255.
        mean: Of each channel, in the network's order and in units of ``white``, taken off; 0 where it is empty.
        std: Of each channel, divided by; 1 where it is empty.
        output: What the network ends in; a probability may be of one class or of both.
        fake_class: Which of two classes is fake; of one value, whether it is high for fakes (1) or for reals (0).
        probe: A file with a linear layer on the network's features, which are brought to length 1 before; or
            ``asset:NAME/MEMBER``, or none.
    """

    program: Tensor

    def __init__(
        self,
        *,
        model: File = "",
        architecture: str = "",
        side: int = 0,
        resize: int = 0,
        kernel: Kernel = "bicubic",
        antialias: bool = True,
        eight_bits: bool = True,
        channels: ChannelOrder = "rgb",
        layout: Layout = "nchw",
        white: float = 1.0,
        mean: Channels = (),
        std: Deviations = (),
        output: Output = "two_logits",
        fake_class: FakeClass = 1,
        probe: File = "",
    ) -> None:
        super().__init__()
        self.preprocessing = Preprocessing(
            side=side,
            resize=resize,
            kernel=kernel,
            antialias=antialias,
            eight_bits=eight_bits,
            channels=channels,
            layout=layout,
            white=white,
            mean=mean or (0.0, 0.0, 0.0),
            std=std or (1.0, 1.0, 1.0),
        )
        self.output, self.fake_class = output, fake_class
        self.register_buffer("program", torch.zeros(0, dtype=torch.uint8))
        self.probe = Probe(_content(probe) if probe else b"")
        self.network: nn.Module | None = None
        self._declared_side = side
        self.register_load_state_dict_pre_hook(_take_its_program)  # type: ignore[no-untyped-call]
        content = _content(model) if model else b""
        if architecture:
            self._build(architecture, content)
        elif content:
            self._open(content)
            self.program = torch.frombuffer(bytearray(content), dtype=torch.uint8)

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        given = dict(parameters)
        if not given["model"]:
            raise ValueError("name a file: model = detector.onnx")
        for name in ("side", "resize"):
            if given[name] < 0:
                raise ValueError(f"{name} is {given[name]}; give pixels, or 0")
        if given["resize"] and not given["side"]:
            raise ValueError("resize cuts out the middle: say of how many pixels, side = 224")
        if given["resize"] and given["resize"] < given["side"]:
            raise ValueError(f"resize is {given['resize']}, and side = {given['side']} is no part of that")
        if not (math.isfinite(given["white"]) and given["white"] > 0):
            raise ValueError(f"white is {given['white']}; give a number above 0")
        if not given["antialias"] and (given["eight_bits"] or given["kernel"] == "lanczos"):
            raise ValueError(
                "antialias = false goes with eight_bits = false, and bicubic or bilinear: Pillow has no such"
            )
        architecture = given["architecture"]
        if architecture and not is_of_a_library(architecture):
            for name, plain in _PLAIN.items():
                if given[name] != plain:
                    raise ValueError(f"{architecture} brings its own preprocessing; leave {name} out")
            if given["output"] == "probability":
                raise ValueError(f"{architecture} brings its own output; leave output out")
        try:
            check_declared(architecture, side=given["side"], output=given["output"])
        except PluginError as error:
            raise ValueError(str(error)) from error
        if given["probe"] and given["output"] == "probability":
            raise ValueError('a probe ends in logits: set output = "logit" or "two_logits"')
        if not str(given["model"]).startswith(_ASSET) and Path(given["model"]).is_file():
            try:
                _check_file(Path(given["model"]), architecture)
            except PluginError as error:
                raise ValueError(f"'{given['model']}': {error}") from error

    @classmethod
    def turn_round(cls, parameters: Mapping[str, Any]) -> str:
        return f"set fake_class = {1 - parameters['fake_class']}"

    def score(self, images: Tensor) -> Tensor:
        values = self._values(images)
        if self._ends_in() == "probability":
            return probability(values, fake_class=self.fake_class)
        return log_odds(values, output=self._ends_in(), fake_class=self.fake_class).sigmoid()

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The cross entropy against *real*, from the logits where there are any: their gradient does not vanish."""
        if isinstance(self.network, Seated) and self.fake_class == 1:
            return self.network.detector.evasion_loss(self.preprocessing(images))
        if self._ends_in() == "probability":
            return super().evasion_loss(images)
        return F.softplus(log_odds(self._values(images), output=self._ends_in(), fake_class=self.fake_class)).mean()

    def train(self, mode: bool = True) -> Fixed:
        """It stays as it is: batch statistics and dropout are those of a finished network."""
        super().train(mode)
        if self.network is not None:
            self.network.eval()
        return self

    def _values(self, images: Tensor) -> Tensor:
        if self.network is None:
            raise PluginError("it has no model: name a file, model = detector.onnx")
        values: Tensor = self.probe(values_of(self.network(self.preprocessing(images)), n=len(images)))
        return values

    def _ends_in(self) -> Output:
        return self.network.output if isinstance(self.network, Seated) else self.output

    def _build(self, architecture: str, content: bytes) -> None:
        self.network = build_architecture(architecture, side=self._declared_side, output=self.output)
        if isinstance(self.network, Seated):
            self.differentiable = self.network.detector.differentiable
            self._show(self.network.detector.side or 0)
        if content:
            load_into(self.network, content, architecture=architecture)
        self.network.eval().requires_grad_(False)

    def _open(self, content: bytes) -> None:
        """Makes the network that a file's bytes are."""
        found = format_of(content)
        check_format(found, "")
        layout = self.preprocessing.layout
        program: Program
        if found == "onnx":
            program = OnnxProgram(content, side=self._declared_side, layout=layout)
        elif found == "torchscript":
            program = TorchScriptProgram(content, side=self._declared_side)
        else:
            program = ExportedNetwork(content, layout=layout)
        if program.side and self._declared_side not in (0, program.side):
            raise PluginError(
                f"the model takes images of {program.side} pixels, and side = {self._declared_side}; leave side at 0"
            )
        self._show(program.side)
        self.differentiable = program.differentiable
        self.network = program.to(self.program.device).eval()

    def _show(self, side: int) -> None:
        if not side:
            return
        given = self.preprocessing
        if given.resize and given.resize < side:
            raise PluginError(f"the model takes images of {side} pixels, and resize = {given.resize} is smaller")
        self.preprocessing = Preprocessing(**{**vars(given), "side": side})


def _content(path: str) -> bytes:
    with open_file(Path(path)) as file:
        return file.read(MOST_BYTES + 1)


def _check_file(path: Path, architecture: str) -> None:
    """Says before the game what would end it: a format that is not taken, or a library that is not there."""
    found = format_of(_content(str(path)))
    check_format(found, architecture)
    library, extra = _NEEDS.get(found, ("", ""))
    if library and importlib.util.find_spec(library) is None:
        raise PluginError(f"the model needs {library}: pip install 'fakeoff[{extra}]'")


def _take_its_program(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """A version's state has the file's bytes: they say what the network is."""
    program = state.get(f"{prefix}program")
    if not isinstance(module, Fixed) or not isinstance(program, Tensor):
        return
    same = program.shape == module.program.shape and torch.equal(program.cpu(), module.program.cpu())
    if program.numel() and not (same and module.network is not None):
        module.program = torch.empty_like(program, device=module.program.device)
        module._open(program.cpu().numpy().tobytes())


__all__ = ["Fixed"]
