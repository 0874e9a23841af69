"""Classifiers of other libraries, by name: ``torchvision:resnet18``, ``timm:convnext_tiny``.

They are built without weights, always: nothing is fetched from anywhere. A name that a library would look up elsewhere
is none of its architectures, and is refused.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import types
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator
from torch import nn

from fakeoff.arena.errors import PluginError, one_line
from fakeoff.arena.seeds import sealed

Library: TypeAlias = Literal["torchvision", "timm"]
"""Whose architectures there are."""

CENTRED = (0.5, 0.5, 0.5)
"""Mean and deviation of each channel that bring [0, 1] to [-1, 1]."""

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Their further outputs are for a training that is not ours, and their old initialisation takes a minute.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}
# Of torchvision's: what those that are made for one size of images call it.
_SIZED = {"vit_": "image_size", "maxvit_": "input_size"}
_SIDE = 224
# Of those whose name does not end in it, as that of a vision transformer in the side of its patches: what a side must
# be a multiple of. MaxViT cuts maps of a 4th to a 32nd of the side into windows of 7.
_STEPS = {"maxvit_": 224}


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """What a published network was shown.

    Attributes:
        mean: Of each channel in [0, 1], which is taken off.
        std: Of each channel, which is divided by.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def library_of(network: str) -> tuple[Library, str]:
    """Splits ``library:architecture``.

    Raises:
        ValueError: There is no such library.
    """
    library, colon, architecture = network.partition(":")
    for known in get_args(Library):
        if library == known and colon:
            return known, architecture
    raise ValueError(f"'{network}' names no network; write torchvision:ARCHITECTURE or timm:ARCHITECTURE")


@functools.cache
def architectures(library: Library) -> tuple[str, ...]:
    """The names of all classifiers of a library.

    Raises:
        PluginError: It is not installed.
    """
    if library == "torchvision":
        models = _imported("torchvision.models")
        return tuple(models.list_models(module=models))
    return tuple(_imported("timm").list_models())


def check_architecture(library: Library, architecture: str) -> str:
    """Passes on the name of an architecture that there is.

    Raises:
        PluginError: The library is not installed.
        ValueError: It has none of that name.
    """
    known = architectures(library)
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=4, cutoff=0.5)
        hint = f"near: {', '.join(near)}" if near else f"it has {len(known)}, such as {known[0]}"
        raise ValueError(f"{library} has no classifier '{architecture}'; {hint}")
    return architecture


def check_network(network: str) -> str:
    """Passes on the name of a network that there is; errors as above."""
    check_architecture(*library_of(network))
    return network


NetworkName: TypeAlias = Annotated[str, AfterValidator(check_network)]
"""A library and one of its architectures: ``torchvision:resnet18``."""

TorchvisionArchitecture: TypeAlias = Annotated[
    str, AfterValidator(functools.partial(check_architecture, "torchvision"))
]
"""A classifier of torchvision's."""

TimmArchitecture: TypeAlias = Annotated[str, AfterValidator(functools.partial(check_architecture, "timm"))]
"""A classifier of timm's."""


def build_network(network: str, *, seed: int, side: int = 0, classes: int = 2) -> nn.Module:
    """Builds a classifier, with its library's own initial weights.

    Args:
        network: ``library:architecture``.
        seed: Of the initial weights.
        side: Height and width in pixels of the images that it is made for, where it is made for one size; 0 is its own.
        classes: How many logits it gives.

    Raises:
        PluginError: The library is not installed.
        ValueError: There is no such network, or it cannot be made for that size.
    """
    library, architecture = library_of(check_network(network))
    options: dict[str, Any] = dict(_OPTIONS.get(architecture, {})) if library == "torchvision" else {}
    if side and own_side(network):
        option = _size_option(architecture) if library == "torchvision" else "img_size"
        options[option] = (side, side) if option == "input_size" else side
    with sealed("initial weights", network, seed):
        try:
            if library == "torchvision":
                made = _imported("torchvision.models").get_model(
                    architecture, weights=None, num_classes=classes, **options
                )
            else:
                made = _imported("timm").create_model(architecture, pretrained=False, num_classes=classes, **options)
        except Exception as error:
            if side and own_side(network):
                raise ValueError(_refused_side(network, side, error)) from error
            raise ValueError(f"{network} cannot be built: {one_line(error)}") from error
    assert isinstance(made, nn.Module)
    return made


def _refused_side(network: str, side: int, error: Exception) -> str:
    library, architecture = library_of(network)
    steps = [step for prefix, step in _STEPS.items() if architecture.startswith(prefix)]
    step = steps[0] if steps else int(architecture.rpartition("_")[2]) if architecture.startswith("vit_") else 0
    multiple = f"a multiple of {step}, or " if step and library == "torchvision" else ""
    why = "" if multiple else f" ({' '.join(str(error).split())})"
    return f"{network} cannot be made for side = {side}{why}; give {multiple}0 for its own {own_side(network)} pixels"


def own_side(network: str) -> int:
    """Height and width in pixels of the only images that a network takes; 0 where it takes many sizes."""
    library, architecture = library_of(network)
    if library == "torchvision":
        return _SIDE if _size_option(architecture) else 0
    published = _published(architecture)
    return int(published["input_size"][-1]) if published.get("fixed_input_size") else 0


def least_side_of(network: str) -> int:
    """Height and width in pixels that images must have, as far as the library says; 1 where it does not."""
    library, architecture = library_of(network)
    if library == "timm":
        return int((_published(architecture).get("min_input_size") or (1,))[-1])
    weights = _imported("torchvision.models").get_model_weights(architecture)
    said = max(min(each.meta.get("min_size", (1, 1))) for each in weights)
    # Of Swin it is the size that its weights were trained at; Swin itself pads smaller images.
    return said if said < _SIDE else 1


def normalisation_of(network: str) -> Normalisation:
    """What the published weights of a network are used to."""
    library, architecture = library_of(network)
    published = _published(architecture) if library == "timm" else {}
    return Normalisation(
        mean=_three(published.get("mean", _IMAGENET_MEAN)), std=_three(published.get("std", _IMAGENET_STD))
    )


def cut_after(whole: nn.Module, network: str, block: str) -> nn.Module:
    """Cuts a network after a block: what comes later is left out, with its weights.

    Args:
        whole: As :func:`build_network` built it.
        network: Its name.
        block: A module of it, by its dotted name.

    Returns:
        The network from the image to a table with the one map that comes out of the block.

    Raises:
        ValueError: There is no such block, or the network cannot be traced.
    """
    library, _ = library_of(network)
    blocks = [name for name, _ in whole.named_modules() if name]
    if block not in blocks:
        near = difflib.get_close_matches(block, blocks, n=4, cutoff=0.4) or [name for name, _ in whole.named_children()]
        raise ValueError(f"{network} has no block '{block}'; near: {', '.join(near)}")
    tracing = _imported("torchvision.models.feature_extraction" if library == "torchvision" else "timm.layers")
    try:
        with warnings.catch_warnings():
            # In train mode there are further operations, such as stochastic depth: there is a graph for each mode.
            warnings.simplefilter("ignore", UserWarning)
            cut = tracing.create_feature_extractor(whole, [block])
    except Exception as error:
        raise ValueError(f"{network} cannot be cut after '{block}': {one_line(error)}") from error
    assert isinstance(cut, nn.Module)
    return cut


def _size_option(architecture: str) -> str:
    return next((option for prefix, option in _SIZED.items() if architecture.startswith(prefix)), "")


def _published(architecture: str) -> Mapping[str, Any]:
    """What timm says of an architecture's published weights."""
    said: Mapping[str, Any] = _imported("timm").get_pretrained_cfg(architecture).to_dict()
    return said


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)


def _imported(module: str) -> types.ModuleType | Any:
    # Here and not at the top: it takes seconds, and timm may not be installed.
    try:
        with sealed("import", module):
            return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        if library == "timm":
            raise PluginError(f"networks of timm need timm: pip install 'fakeoff[timm]' ({error})") from error
        raise PluginError(f"{library} cannot be imported: {error}; install it anew") from error


__all__ = [
    "CENTRED",
    "Library",
    "NetworkName",
    "Normalisation",
    "TimmArchitecture",
    "TorchvisionArchitecture",
    "architectures",
    "build_network",
    "check_architecture",
    "check_network",
    "cut_after",
    "least_side_of",
    "library_of",
    "normalisation_of",
    "own_side",
]
