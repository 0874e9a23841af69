"""Networks whose file has weights alone, and whose architecture is named."""

from __future__ import annotations

from collections import defaultdict
from typing import get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said
from fakeoff.arena.players.misfit import describe_misfit
from fakeoff.detectors.architectures import Library, build_network, check_network
from fakeoff.detectors.fixed.formats import Format, format_of, words
from fakeoff.detectors.fixed.keras import load_keras
from fakeoff.detectors.fixed.outputs import Output
from fakeoff.detectors.interface import Detector
from fakeoff.detectors.whole import WholeNetwork

_KERAS = "meso_inception4"
# What training scripts put before names.
_WRAPPERS = ("state_dict.", "model.", "module.", "network.")
_UNCOUNTED = "num_batches_tracked"


class Seated(nn.Module):
    """A detector of the arena's own architectures, which brings its preprocessing and its output.

    Args:
        detector: With weights of somebody's.

    Attributes:
        output: A logit, or a probability.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.output: Output = "logit" if isinstance(detector, WholeNetwork) else "probability"

    def forward(self, images: Tensor) -> Tensor:
        """Judges images as :attr:`output` says; of real images, where the weights have it the other way.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n, 1)``.
        """
        # From logits: P(fake) is 1 - P(real), which loses what lies next to 0.
        said = self.detector.logits(images) if isinstance(self.detector, WholeNetwork) else self.detector.score(images)
        return said[:, None]


def is_of_a_library(architecture: str) -> bool:
    """Whether a name is one of torchvision's or timm's architectures, not of a detector of the arena's."""
    return architecture.partition(":")[0] in get_args(Library)


def build_architecture(architecture: str, *, side: int, output: Output) -> nn.Module:
    """Builds a network whose weights are still to come.

    Args:
        architecture: ``torchvision:NAME``, ``timm:NAME``, or a detector of the arena's.
        side: Height and width in pixels of the images that it is made for; 0 is its own.
        output: One logit or two; of the libraries' alone.

    Raises:
        PluginError: There is none of that name, or it cannot be built.
    """
    try:
        if is_of_a_library(architecture):
            if output == "probability":
                raise ValueError(f'{architecture} ends in logits: set output = "logit" or "two_logits"')
            return build_network(architecture, seed=0, side=side, classes=1 if output == "logit" else 2)
        return Seated(_build(architecture, side))
    except ValueError as error:
        raise PluginError(f"the architecture cannot be built: {error}") from error


def check_declared(architecture: str, *, side: int, output: Output) -> None:
    """Refuses what is declared of an architecture and cannot be, before one is built; see :func:`build_architecture`.

    Raises:
        PluginError: With the reason.
    """
    if not architecture:
        return
    if not is_of_a_library(architecture):
        _check_of_the_arena(architecture, side)
        return
    try:
        check_network(architecture)
    except ValueError as error:
        raise PluginError(f"the architecture cannot be built: {error}") from error
    if output == "probability":
        raise PluginError(f'{architecture} ends in logits: set output = "logit" or "two_logits"')


def load_into(network: nn.Module, content: bytes, *, architecture: str) -> None:
    """Loads a file's weights; all of them have to be there.

    Args:
        network: As :func:`build_architecture` built it.
        content: The file's bytes.
        architecture: Its name.

    Raises:
        PluginError: The file is of another format, damaged, or does not fit.
    """
    found = format_of(content)
    check_format(found, architecture)
    if found == "keras":
        assert isinstance(network, Seated)
        assert isinstance(network.detector, WholeNetwork)
        load_keras(network.detector.network, content)
        return
    try:
        state = dict(sorted(load(content).items()))  # it has no order of its own, and messages name the first
    except (SafetensorError, ValueError) as error:
        raise PluginError(f"the .safetensors cannot be read: {said(error)}") from error
    taker = network.detector if isinstance(network, Seated) else network
    if taker is network:
        state = {_unwrapped(name): value for name, value in state.items()}
    try:
        taker.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise PluginError(f"the weights do not fit {architecture}: {describe_misfit(error)}") from error
    _check_all_were_taken(taker, state, architecture)


def check_format(found: Format, architecture: str) -> None:
    """Refuses a format that does not go with an architecture, or with none.

    Args:
        found: Of the file.
        architecture: Its name; empty where there is none.

    Raises:
        PluginError: With what to do.
    """
    if found == "keras" and architecture != _KERAS:
        raise PluginError(f'Keras\' .h5 is taken of MesoInception-4 alone: architecture = "{_KERAS}"')
    if found == "safetensors" and not architecture:
        raise PluginError('a .safetensors has weights alone; name the network: architecture = "torchvision:resnet18"')
    if found not in ("keras", "safetensors") and architecture:
        raise PluginError(f"the model is {words(found)}, which brings its own graph: leave architecture out")


def _unwrapped(name: str) -> str:
    while wrapper := next((each for each in _WRAPPERS if name.startswith(each)), ""):
        name = name.removeprefix(wrapper)
    return name


def _build(architecture: str, side: int) -> Detector:
    from fakeoff.detectors import players  # which knows the one that asks by name

    _check_of_the_arena(architecture, side)
    return players.build(architecture, {"side": side} if side else {})


def _check_of_the_arena(architecture: str, side: int) -> None:
    from fakeoff.detectors import players

    if players.entry(architecture).name == "fixed":
        raise PluginError("the architecture cannot be 'fixed'; name a network")
    takes = {parameter.name for parameter in players.parameters(architecture)}
    if side and "side" not in takes:
        raise PluginError(f"{architecture} takes images of any size: leave side at 0, and the arena's are shown")


def _check_all_were_taken(taker: nn.Module, state: dict[str, Tensor], architecture: str) -> None:
    """A detector's hooks may begin a head anew, for a training that a fixed one never has."""
    by_shape = defaultdict(list)
    for value in state.values():
        by_shape[value.shape].append(value)
    for name, value in taker.state_dict().items():
        if name.endswith(_UNCOUNTED):
            continue
        if not any(torch.equal(value, each.to(value.dtype)) for each in by_shape[value.shape]):
            raise PluginError(f"the weights are not of a finished {architecture}: there are none for '{name}'")


__all__ = ["Seated", "build_architecture", "check_format", "is_of_a_library", "load_into"]
