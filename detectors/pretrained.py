"""Published weights of a classifier, taken by a detector that is built on it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from fakeoff.arena.players.checkpoints import NoTensors, Unreadable, flatten, read_checkpoint
from fakeoff.detectors.architectures import CENTRED, Normalisation


def _three_or_none(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) not in (0, 3) or not all(map(math.isfinite, values)):
        raise ValueError("give three numbers, one for each channel, or none")
    return values


def _above_zero(values: tuple[float, ...]) -> tuple[float, ...]:
    if min(values, default=1) <= 0:
        raise ValueError("give numbers above 0")
    return values


Channels: TypeAlias = Annotated[tuple[float, ...], AfterValidator(_three_or_none)]
"""One value for each of three channels, or nothing."""

Deviations: TypeAlias = Annotated[Channels, AfterValidator(_above_zero)]
"""Likewise, each above 0."""

# What training scripts put before names.
_WRAPPERS = re.compile(r"^(?:state_dict\.|model\.|module\.)+")
# Outputs of Inception's that only its own training has.
_EXTRA = ("aux1.", "aux2.", "AuxLogits.")
# Published weights of DenseNets have dots in names that modules may not have any more.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
_OURS = 2  # classes: real and fake


def normalise_by(player: nn.Module, *, mean: Channels, std: Deviations) -> None:
    """Gives a player the buffers ``mean`` and ``std``, which are part of its state: weights decide what they are.

    Args:
        player: It is written to.
        mean: Of each channel in [0, 1]; 0.5 where it is empty.
        std: Of each channel; likewise.
    """
    for name, values in (("mean", mean), ("std", std)):
        player.register_buffer(name, torch.tensor(values or CENTRED).view(1, 3, 1, 1))


def take_published(
    player: nn.Module, *, prefix: str, published: Normalisation, given: Sequence[str], is_whole: bool
) -> None:
    """Lets a player take published weights of its network, beside its own state.

    Of a head for other classes nothing is taken: it begins anew. Images are normalised as the weights are used to.

    Args:
        player: It has buffers ``mean`` and ``std``.
        prefix: Where its network is, such as ``network.``.
        published: What published weights are used to.
        given: Those of ``mean`` and ``std`` that the user set, and that stay.
        is_whole: Whether the network has all of the file's layers; else it is cut, and what comes later is left out.
    """
    hook = functools.partial(_take, prefix=prefix, published=published, given=tuple(given), is_whole=is_whole)
    player.register_load_state_dict_pre_hook(hook)


def other_head(network: nn.Module, weights: Path) -> str:
    """Says which head of a file is not taken by a network of two classes.

    Args:
        network: As it is built.
        weights: Published ones.

    Returns:
        Such as ``the head for 1000 classes (fc.bias, fc.weight)``; empty where all is taken, or nobody can say.
    """
    try:
        theirs = _renamed(read_checkpoint(weights).tensors)
    except (NoTensors, Unreadable):  # who loads it is told so
        return ""
    own = network.state_dict()
    names = sorted(name for name in own.keys() & theirs.keys() if _is_other_head(theirs[name], own[name]))
    return f"the head for {len(theirs[names[0]])} classes ({', '.join(names)})" if names else ""


def _renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The names that the libraries' modules have now."""
    return {_OLD_DENSENET.sub(r"\1\2.", _WRAPPERS.sub("", name)): value for name, value in state.items()}


def _take(
    module: nn.Module,
    state: dict[str, Any],
    *_: Any,
    prefix: str,
    published: Normalisation,
    given: tuple[str, ...],
    is_whole: bool,
) -> None:
    flatten(state)
    if any(name.startswith(prefix) for name in state):
        return
    own = module.state_dict()
    network = {name.removeprefix(prefix): value for name, value in own.items() if name.startswith(prefix)}
    theirs = _renamed(state)
    if not network.keys() & theirs.keys():
        return  # something else, and what it lacks is said by name
    state.clear()
    for name, value in theirs.items():
        known = network.get(name)
        if known is None and (not is_whole or name.startswith(_EXTRA)):
            continue
        if known is not None and _is_other_head(value, known):
            value = known
        state[f"{prefix}{name}"] = value
    for name, value in own.items():
        if not name.startswith(prefix):
            state[name] = value
    for name, values in (("mean", published.mean), ("std", published.std)):
        if name not in given:
            state[name] = torch.tensor(values).view(1, 3, 1, 1)


def _is_other_head(theirs: Any, own: Tensor) -> bool:
    """Whether two layers differ in the number of classes alone."""
    return (
        isinstance(theirs, Tensor)
        and len(own.shape) > 0
        and own.shape[0] == _OURS != len(theirs)
        and (theirs.shape[1:] == own.shape[1:])
    )


__all__ = ["Channels", "Deviations", "normalise_by", "other_head", "take_published"]
