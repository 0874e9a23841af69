"""Weights of rosinality's ``stylegan2-pytorch``, as a player's state.

Its ``convert_weight.py`` and ``train.py`` write ``{"g_ema": ..., "d": ..., "latent_avg": ...}``, the latter with ``g``,
optimisers and arguments, and without ``latent_avg``. Its layers compute what ours do: convolutions that double the
resolution lay their weights down the same way, and scales are the same ones at run time. Only names and a few shapes
differ. Its buffers ``kernel`` are filters, which must be ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table

import torch
from torch import Tensor

from fakeoff.generators.stylegan2.networks import Mapping
from fakeoff.generators.stylegan2.published import check_filter, with_current

_UP = 4.0
"""What a filter after zeros between the pixels sums to."""

_STYLED = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
_RESIDUAL = {
    "conv1.0.weight": "conv0.weight",
    "conv1.1.bias": "conv0.bias",
    "conv2.1.weight": "conv1.weight",
    "conv2.2.bias": "conv1.bias",
    "skip.1.weight": "skip.weight",
}
_HEAD = {
    "final_conv.0.weight": "b4.conv.weight",
    "final_conv.1.bias": "b4.conv.bias",
    "final_linear.0.weight": "b4.fc.weight",
    "final_linear.0.bias": "b4.fc.bias",
    "final_linear.1.weight": "b4.out.weight",
    "final_linear.1.bias": "b4.out.bias",
}
_LATENTS = 4096
"""Latents whose mean w stands in for a missing ``latent_avg``, as its ``generate.py`` does."""


def is_rosinality(state: Table[str, Tensor]) -> bool:
    """Whether a state dict has rosinality's names: those of ``g_ema`` alone, or behind ``g_ema.``."""
    return "g_ema.input.input" in state or "input.input" in state


def from_rosinality(state: Table[str, Tensor]) -> dict[str, Tensor]:
    """Renames a state dict of rosinality's.

    Args:
        state: The generator's names by themselves; or ``g_ema.`` and ``d.`` before the names of each, and
            ``latent_avg``. What else is in such a file is left out.

    Returns:
        The part of a player's state that it says, as of :func:`published.from_published`. Where there is no
        ``latent_avg``, the mean of w is that of 4,096 latents, always the same ones.

    Raises:
        RuntimeError: It holds a name that a StyleGAN2 has not, or filters otherwise.
    """
    if "g_ema.input.input" not in state:
        state = {name if name == "latent_avg" else f"g_ema.{name}": value for name, value in state.items()}
    renamed: dict[str, Tensor] = {}
    blocks = max((int(found[1]) for name in state if (found := re.match(r"d\.convs\.(\d{1,2})\.", name))), default=0)
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if part not in ("g_ema", "d") or _is_filter(name, value, gain=_UP if part == "g_ema" else 1.0):
            continue
        ours = _in_generator(rest) if part == "g_ema" else _in_critic(rest, blocks)
        if ours is None:
            raise RuntimeError(f"the weights hold '{name}', which no StyleGAN2 of rosinality's names has")
        renamed[("average." if part == "g_ema" else "critic.") + ours] = _shaped(ours, value)
    known = state.get("latent_avg")
    renamed["average.mapping.w_avg"] = _mean_w(renamed) if known is None else known.flatten()
    return with_current(renamed)


def _in_generator(name: str) -> str | None:
    if name == "input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"
    if found := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"synthesis.{_conv(int(found[1]))}.noise_const"
    if found := re.fullmatch(r"(conv1|to_rgb1|convs\.\d{1,2}|to_rgbs\.\d{1,2})\.(.+)", name):
        layer, _, index = found[1].partition(".")
        ours = _STYLED.get(found[2])
        if ours is None:
            return None
        if layer.startswith("to_rgb"):
            return f"synthesis.b{4 if layer == 'to_rgb1' else 8 << int(index)}.torgb.{ours}"
        return f"synthesis.{_conv(0 if layer == 'conv1' else int(index) + 1)}.{ours}"
    return None


def _conv(index: int) -> str:
    """The layer of a convolution, all of them counted in order: one at 4 pixels, then two at each resolution."""
    return "b4.conv1" if index == 0 else f"b{8 << (index - 1) // 2}.conv{(index - 1) % 2}"


def _in_critic(name: str, blocks: int) -> str | None:
    if name in _HEAD:
        return _HEAD[name]
    if found := re.fullmatch(r"convs\.(\d{1,2})\.(.+)", name):
        index, rest = int(found[1]), found[2]
        if index == 0:
            ours = {"0.weight": "fromrgb.weight", "1.bias": "fromrgb.bias"}.get(rest)
            return None if ours is None else f"b{4 << blocks}.{ours}"
        return f"b{8 << (blocks - index)}.{_RESIDUAL[rest]}" if rest in _RESIDUAL else None
    return None


def _shaped(ours: str, value: Tensor) -> Tensor:
    if ours.endswith(("noise_strength", "noise_const")):
        return value.squeeze() if value.numel() > 1 else value.reshape(())
    if ours.startswith("synthesis.") and value.ndim == 5:  # (1, out, in, k, k)
        return value.squeeze(0)
    if ours.endswith("const"):  # (1, features, 4, 4)
        return value.squeeze(0)
    return value.flatten() if ours.endswith("bias") else value


def _is_filter(name: str, value: Tensor, *, gain: float) -> bool:
    if not name.endswith(".kernel"):
        return False
    check_filter(name, value, gain=gain)
    return True


def _mean_w(renamed: Table[str, Tensor]) -> Tensor:
    start = "average.mapping."
    layers = {name.removeprefix(start): value.float() for name, value in renamed.items() if name.startswith(start)}
    if "fc0.weight" not in layers:
        raise RuntimeError("the weights hold no mapping network (style.1.weight)")
    dim = layers["fc0.weight"].shape[-1]
    mapping = Mapping(dim, layers=len(layers) // 2)
    mapping.load_state_dict(layers | {"w_avg": torch.zeros(dim)})
    # Always the same latents, so that a file is one player on every machine.
    with torch.no_grad():
        w: Tensor = mapping(torch.randn(_LATENTS, dim, generator=torch.Generator().manual_seed(0)))
    return w.mean(0)
