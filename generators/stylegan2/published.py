"""Weights in the names of NVIDIA's ``stylegan2-ada-pytorch``, as a player's state.

The names of its ``G_ema`` and ``D`` are ours too. What is more in them are filters, which must be the only ones that
there are, and what belongs to classes, which is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from fakeoff.arena.players.checkpoints import Fact
from fakeoff.generators.stylegan2.layers import resample_filter

_PARTS = {"G_ema.": "average.", "D.": "critic."}
_LINEAR = ("affine", "out", "skip", "embed")
_MAPPING_RATE = 0.01


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has NVIDIA's names: those of ``G_ema`` alone, or behind ``G_ema.``, ``D.`` or not."""
    return any(name.startswith(("synthesis.b4.", "G_ema.synthesis.b4.")) for name in state)


def from_published(state: Mapping[str, Tensor], facts: Mapping[str, Fact] | None = None) -> dict[str, Tensor]:
    """Renames a published state dict.

    Args:
        state: ``G_ema``'s names by themselves; or ``G_ema.`` and ``D.`` before the names of each. Other networks of a
            published file (``G.``, ``augment_pipe.``) are left out.
        facts: What a pickle says of its modules beside their tensors, by the same names.

    Returns:
        The part of a player's state that it says: ``average.``, ``generator.`` (the same weights, from which training
        goes on) and, where there is a ``D``, ``critic.``.

    Raises:
        RuntimeError: It was trained with classes, filters otherwise, or has other activations or another learning rate
            of its mapping network; as of weights that do not fit.
    """
    facts = facts or {}
    if not any(name.startswith("G_ema.") for name in state):
        state = {f"G_ema.{name}": value for name, value in state.items()}
        facts = {f"G_ema.{name}": value for name, value in facts.items()}
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        for part, ours in _PARTS.items():
            if name.startswith(part) and not _is_filter(name, value):
                renamed[ours + name.removeprefix(part)] = value
    if classes := [name for name in renamed if ".embed." in name or name.startswith("critic.mapping.")]:
        raise RuntimeError(
            f"the published weights hold '{classes[0]}': that network was trained with classes, and stylegan2 has "
            "none; give one that was trained without (c_dim 0)"
        )
    _check(facts)
    return with_current(renamed)


def with_current(renamed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adds the averaged weights as current ones, from which training goes on."""
    current = {
        name.replace("average.", "generator.", 1): value
        for name, value in renamed.items()
        if name.startswith("average.")
    }
    return {**renamed, **current}


def settings(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The parameters of a player that has the shapes of a state dict in the player's names, as far as it tells them."""
    start = "average.synthesis.b"
    widths = {
        int(side): len(value)
        for name, value in state.items()
        if name.startswith(start) and (side := name.removeprefix(start).partition(".")[0]).isdecimal()
        if name.endswith(".conv1.weight")
    }
    if not widths:
        return {}
    top = max(widths)
    image, layer = state.get(f"{start}{top}.torgb.weight"), state.get("average.mapping.fc0.weight")
    return {
        "resolution": top,
        "channels": 0 if image is None else len(image),
        "latent_dim": 0 if layer is None else layer.shape[-1],
        "mapping_layers": sum(bool(re.fullmatch(r"average\.mapping\.fc\d+\.weight", name)) for name in state),
        "features": top * widths[top],
        "most_features": max(widths.values()),
    }


def check_filter(name: str, value: Tensor, *, gain: float = 1.0) -> None:
    """Looks whether a filter of somebody else's is ours.

    Args:
        name: Of the filter, for people.
        value: The filter, ``(4, 4)``.
        gain: What it sums to.

    Raises:
        RuntimeError: It is another one.
    """
    if value.is_meta:
        return
    expected = resample_filter() * gain
    if value.shape != expected.shape or not torch.allclose(value.float().cpu(), expected, atol=1e-3 * gain):
        raise RuntimeError(f"the published weights filter otherwise in '{name}': stylegan2 filters with [1, 3, 3, 1]")


def _is_filter(name: str, value: Tensor) -> bool:
    if not name.endswith(".resample_filter"):
        return False
    check_filter(name, value)
    return True


def _check(facts: Mapping[str, Fact]) -> None:
    """Refuses modules that have the names and shapes of ours and compute something else."""
    for name, said in facts.items():
        if not name.startswith(tuple(_PARTS)):
            continue
        module, _, attribute = name.rpartition(".")
        layer = module.rpartition(".")[2]
        expected: Fact = said
        if attribute == "activation":
            expected = "linear" if layer in _LINEAR else "lrelu"
        elif attribute == "bias_gain" and module.startswith("G_ema.mapping.fc"):
            expected = _MAPPING_RATE
        if said != expected:
            raise RuntimeError(
                f"the published weights have {attribute} {said!r} in '{module}', where stylegan2 has {expected!r}: the "
                "images would not be the network's"
            )
